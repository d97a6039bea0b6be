package erasing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/blob"
	"timbre.example/internal/claims"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/search"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
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

// Redactable returns what Redact would erase, and erases nothing.
func (s *Service) Redactable(ctx context.Context, n network.Name, atsID int64) (_ Redaction, err error) {
	defer operation.Wrap(&err, "list the data of work %d on %s", atsID, n)
	w, err := byAtsID(ctx, s.DB.Read(), n, atsID)
	if err != nil {
		return Redaction{}, err
	}
	return inventory(ctx, s.DB.Read(), w)
}

// Redact erases the personal data of a work permanently. Calling it again finishes an
// interrupted call. A work with a version on its way to the network is
// version.already_in_progress: that version would restore the data.
//
// The rows go first, in one transaction that also stores the list of files. So a crash never
// leaves a half-erased work that is still shown. The files go after that, here or by the
// sweep of any server.
func (s *Service) Redact(ctx context.Context, by audit.Actor, n network.Name, atsID int64) (_ Redaction, err error) {
	defer operation.Wrap(&err, "redact work %d on %s", atsID, n)
	var out Redaction
	if err := s.holdsFiles(ctx, n, atsID); err != nil {
		return out, err
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
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
		scope := claims.Scope(w.Network, w.Test)
		if err := tx.DropTitleClaim(ctx, query.DropTitleClaimParams{OrganizationID: w.OrganizationID, Network: scope, ExternalUserRef: w.ExternalUserRef, TitleKey: w.TitleKey, WorkID: w.ID}); err != nil {
			return err
		}
		if err := tx.DropMediaClaims(ctx, query.DropMediaClaimsParams{OrganizationID: w.OrganizationID, Network: scope, WorkID: w.ID}); err != nil {
			return err
		}
		if _, err := tx.RedactWork(ctx, query.RedactWorkParams{Now: sql.NullInt64{Int64: store.Micros(tx.Now), Valid: true}, ID: w.ID}); err != nil {
			return err
		}
		if err := tx.RedactVersions(ctx, query.RedactVersionsParams{Nothing: []byte{}, WorkID: w.ID}); err != nil {
			return err
		}
		for _, drop := range []func(context.Context, string) error{tx.DropReplacedCodes, tx.DropDeliveries, tx.LockWebhooksOfWork, tx.DropQueuedWebhooks, tx.DropWebhookAttempts, tx.DropWebhookDeliveries} {
			if err := drop(ctx, w.ID); err != nil {
				return err
			}
		}
		if err := search.Remove(ctx, tx, w.ID); err != nil {
			return err
		}
		if err := audit.Record(ctx, tx, audit.Entry{Organization: w.OrganizationID, Actor: by, Action: "work.redacted", Subject: w.ID}); err != nil {
			return err
		}
		out.At, out.Title, out.Creators = tx.Now, "", nil
		return nil
	})
	if err != nil {
		return Redaction{}, err
	}
	s.Reached("redact.committed")
	return out, errors.Join(s.DB.Scrub(ctx), s.Erase(ctx))
}

// holdsFiles fails unless the store has one of this work's files or one of the 20 newest
// files. Otherwise it is probably not the server's store, and the server's files would not
// be erased. Files of one work may be lost; the work is then erased all the same. Without
// any files nothing can be checked.
func (s *Service) holdsFiles(ctx context.Context, n network.Name, atsID int64) error {
	w, err := byAtsID(ctx, s.DB.Read(), n, atsID)
	if err != nil {
		return err
	}
	versions, err := s.DB.Read().Versions(ctx, w.ID)
	if err != nil {
		return err
	}
	newest, err := s.DB.Read().NewestFiles(ctx, 20)
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
		f, _, err := s.Blobs.Open(ctx, key)
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
		add(&out.Objects, files.Certificate(w.ID, v.Version))
		if v.CertificateKey == files.OldCertificate(w.ID, v.Version) {
			add(&out.Objects, v.CertificateKey)
		}
		creators, err := record.VersionCreators(v)
		if err != nil {
			return out, fmt.Errorf("list what is erased: %w", err)
		}
		for _, c := range creators {
			add(&out.Creators, c.FullName+" <"+c.Email+">")
		}
	}
	return out, nil
}
