package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// Redaction lists what is erased of a work: all that identifies the work or its people, and
// all from which that could be guessed. The network's data stays: commitment, versions,
// transactions, blocks.
type Redaction struct {
	WorkID   string       `json:"work_id"`
	Network  network.Name `json:"network"`
	AtsID    int64        `json:"ats_id"`
	Versions int          `json:"versions"`
	// Jobs counts the attempts to register the work or a version of it. Attempts in progress
	// end.
	Jobs int `json:"jobs"`
	// Objects are the files: recordings, uploads, certificates. Some may already be gone.
	Objects []string `json:"objects"`
	// Title and Creators are shown to the operator before the work is erased.
	Title    string   `json:"title,omitempty"`
	Creators []string `json:"creators,omitempty"`
	// At is the time of the erasure; zero when the work is not erased.
	At time.Time `json:"redacted_at,omitzero"`
}

// Redacted returns work.not_found for a redacted work. Only the log and operators see that
// the work was redacted; clients do not.
func Redacted(w query.Work) error {
	if !w.RedactedAt.Valid {
		return nil
	}
	return fault.WorkNotFound().Because(fmt.Errorf("it was redacted on %s: its stored data is erased", store.Time(w.RedactedAt.Int64).Format(time.DateOnly)))
}

// Redactable returns what Redact would erase, and erases nothing.
func (r *Registry) Redactable(ctx context.Context, n network.Name, atsID int64) (Redaction, error) {
	w, err := byAtsID(ctx, r.DB.Read(), n, atsID)
	if err != nil {
		return Redaction{}, err
	}
	return inventory(ctx, r.DB.Read(), w)
}

// Redact erases the personal data of a work permanently. Calling it again finishes an
// interrupted call. A work with a version on its way to the network is
// version.already_in_progress: that version would restore the data.
//
// The rows go first, in one transaction that also stores the list of files. So a crash never
// leaves a half-erased work that is still shown. The files go after that, here or by the
// sweep of any server.
func (r *Registry) Redact(ctx context.Context, n network.Name, atsID int64) (Redaction, error) {
	var out Redaction
	if err := r.holdsFiles(ctx, n, atsID); err != nil {
		return out, err
	}
	err := r.DB.Tx(ctx, func(tx *store.Tx) error {
		w, err := byAtsID(ctx, tx.Queries, n, atsID)
		if err != nil {
			return err
		}
		// Updates that begin, and other redactions, wait for this row.
		held, err := tx.LockWork(ctx, w.ID)
		if err != nil {
			return err
		}
		if w, err = tx.GetWork(ctx, w.ID); err != nil {
			return err
		}
		if err := tx.HurryErasures(ctx, w.OrganizationID); err != nil {
			return err
		}
		if out, err = inventory(ctx, tx.Queries, w); err != nil || held == 0 {
			return err
		}
		if err := tx.RedactJobs(ctx, query.RedactJobsParams{Now: store.Micros(tx.Now), WorkID: w.ID}); err != nil {
			return err
		}
		// After the jobs, so that a confirm is either seen here or finds its job expired.
		if _, err := tx.TransactionInFlight(ctx, w.ID); err == nil {
			return fault.VersionAlreadyInProgress("in_flight")
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		for _, key := range out.Objects {
			if err := tx.InsertErasure(ctx, query.InsertErasureParams{ObjectKey: key, OrganizationID: w.OrganizationID, Now: store.Micros(tx.Now)}); err != nil {
				return err
			}
		}
		if _, err := tx.RedactWork(ctx, query.RedactWorkParams{Now: sql.NullInt64{Int64: store.Micros(tx.Now), Valid: true}, ID: w.ID}); err != nil {
			return err
		}
		if err := tx.RedactVersions(ctx, query.RedactVersionsParams{Nothing: []byte{}, WorkID: w.ID}); err != nil {
			return err
		}
		for _, drop := range []func(context.Context, string) error{tx.DropTitleClaims, tx.DropMediaClaims, tx.DropReplacedCodes} {
			if err := drop(ctx, w.ID); err != nil {
				return err
			}
		}
		out.At, out.Title, out.Creators = tx.Now, "", nil
		return nil
	})
	if err != nil {
		return Redaction{}, err
	}
	r.reached("redact.committed")
	return out, errors.Join(r.DB.Scrub(ctx), r.erase(ctx))
}

// holdsFiles fails unless the store has one of this work's files or one of the 20 newest
// files. Otherwise it is probably not the server's store, and the server's files would not
// be erased. Files of one work may be lost; the work is then erased all the same. Without
// any files nothing can be checked.
func (r *Registry) holdsFiles(ctx context.Context, n network.Name, atsID int64) error {
	w, err := byAtsID(ctx, r.DB.Read(), n, atsID)
	if err != nil {
		return err
	}
	versions, err := r.DB.Read().Versions(ctx, w.ID)
	if err != nil {
		return err
	}
	newest, err := r.DB.Read().NewestFiles(ctx, 20)
	if err != nil {
		return err
	}
	var keys []string
	for _, v := range versions {
		keys = append(keys, v.AssetKey, v.CertificateKey)
	}
	for _, v := range newest {
		keys = append(keys, v.AssetKey, v.CertificateKey)
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "" })
	for _, key := range keys {
		f, _, err := r.Blobs.Open(ctx, key)
		if err == nil {
			return f.Close()
		} else if !errors.Is(err, blob.ErrNotFound) {
			return fmt.Errorf("nothing was erased: %w", err)
		}
	}
	if len(keys) > 0 {
		return fmt.Errorf("nothing was erased: wrong blob store? It lacks %s", keys[0])
	}
	return nil
}

func byAtsID(ctx context.Context, q *query.Queries, n network.Name, atsID int64) (query.Work, error) {
	w, err := q.WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: string(n), AtsID: atsID})
	if errors.Is(err, sql.ErrNoRows) {
		err = fault.WorkNotFound()
	}
	return w, err
}

// inventory lists what is stored of a work.
func inventory(ctx context.Context, q *query.Queries, w query.Work) (Redaction, error) {
	out := Redaction{WorkID: w.ID, Network: network.Name(w.Network), AtsID: w.AtsID, Title: w.Title, Objects: []string{}}
	if w.RedactedAt.Valid {
		out.At = store.Time(w.RedactedAt.Int64)
	}
	versions, err := q.Versions(ctx, w.ID)
	if err != nil {
		return out, err
	}
	jobs, err := q.JobsOfWork(ctx, w.ID)
	if err != nil {
		return out, err
	}
	out.Versions, out.Jobs = len(versions), len(jobs)
	seen := map[string]bool{"": true}
	add := func(list *[]string, text string) {
		if !seen[text] {
			seen[text] = true
			*list = append(*list, text)
		}
	}
	for _, j := range jobs {
		add(&out.Objects, j.UploadKey)
		add(&out.Objects, j.AssetKey)
	}
	for _, v := range versions {
		add(&out.Objects, v.AssetKey)
		if v.Creators == "" {
			continue
		}
		// Also a certificate that is made but not yet recorded.
		add(&out.Objects, certificateKey(w.ID, v.Version))
		var creators []commitment.Creator
		if err := json.Unmarshal([]byte(v.Creators), &creators); err != nil {
			return out, err
		}
		for _, c := range creators {
			add(&out.Creators, c.FullName+" <"+c.Email+">")
		}
	}
	return out, nil
}

// erasuresInTurn is how many files of one organization are removed in its turn.
const erasuresInTurn = 16

// erase removes the files of redacted works, and orphans, in turns of their organizations.
// Files of works are removed twice: at once, and again when no earlier upload or certificate
// can still be in progress. Orphans are removed at that later time.
func (r *Registry) erase(ctx context.Context) error {
	served := "" // the organization that was served last
	var all []error
	for {
		now, before := store.Micros(r.DB.Now()), r.settled()
		org, err := nextTurn(served, func(after string) (string, error) {
			return r.DB.Read().NextErasing(ctx, query.NextErasingParams{After: after, Now: now, Before: before})
		})
		if errors.Is(err, sql.ErrNoRows) {
			return errors.Join(all...)
		}
		var rows []query.DueErasuresRow
		if err == nil {
			served = org
			rows, err = r.DB.Read().DueErasures(ctx, query.DueErasuresParams{OrganizationID: org, Now: now, Before: before, Lim: erasuresInTurn})
		}
		if err != nil {
			return errors.Join(append(all, err)...)
		}
		erased, stuck, failed := removeEach(ctx, r, rows, func(row query.DueErasuresRow) []string { return []string{row.ObjectKey} })
		r.reached("redact.erased")
		err = r.DB.Tx(ctx, func(tx *store.Tx) error {
			for _, row := range erased {
				if err := tx.MarkErased(ctx, query.MarkErasedParams{ObjectKey: row.ObjectKey, DueAt: r.settledAt(row.Since)}); err != nil {
					return err
				}
				if err := tx.ForgetErasure(ctx, query.ForgetErasureParams{ObjectKey: row.ObjectKey, Before: before}); err != nil {
					return err
				}
			}
			for _, row := range stuck {
				again := store.Micros(tx.Now.Add(putOff(row.Tries, lastWait)))
				if err := tx.PostponeErasure(ctx, query.PostponeErasureParams{DueAt: again, ObjectKey: row.ObjectKey}); err != nil {
					return err
				}
			}
			return nil
		})
		if all = append(all, failed); err != nil { // perhaps the disk has no space for a row: remove files without one
			return errors.Join(append(all, err, r.eraseUnwritten(ctx))...)
		}
		if len(stuck) == maxStuck { // the store is unavailable
			return errors.Join(all...)
		}
	}
}

// eraseUnwritten removes the files of all due erasures and writes no row: on a full disk,
// removing files makes the space that rows need. A later round finds the files gone and
// writes the rows.
func (r *Registry) eraseUnwritten(ctx context.Context) error {
	now, before := store.Micros(r.DB.Now()), r.settled()
	for last := ""; ctx.Err() == nil; {
		keys, err := r.DB.Read().DueErasureKeys(ctx, query.DueErasureKeysParams{After: last, Now: now, Before: before, Lim: batch})
		if err != nil || len(keys) == 0 {
			return err
		}
		last = keys[len(keys)-1]
		if _, stuck, failed := removeEach(ctx, r, keys, func(key string) []string { return []string{key} }); len(stuck) == maxStuck {
			return failed
		}
	}
	return ctx.Err()
}
