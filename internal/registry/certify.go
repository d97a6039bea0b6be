package registry

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"timbre.example/evidence"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// rests is how many times as long as it made one it rests before the next: making
// certificates takes a quarter of one processor at most, and whoever registers
// meanwhile hardly feels it.
const rests = 3

// certificateTime is how long making one may take. The longest texts that are taken
// are set in half a second; one that takes longer than this has failed, and is
// tried again when others have had their turns.
const certificateTime = 10 * time.Second

// Issue is what a certificate says.
type Issue struct {
	evidence.Evidence
	// Language is one of [Languages].
	Language string
	// Issuer is the organization's name; Imprint is what it says of itself after
	// that, or "".
	Issuer, Imprint string
	// Issued is the date of issue. It is decided once.
	Issued time.Time
}

// Issue is what the certificate of a version says; version 0 is the latest. It
// fails as [Registry.Evidence] does. The first call decides the date of issue.
func (r *Registry) Issue(ctx context.Context, work string, version int64) (Issue, error) {
	e, w, v, err := r.evidence(ctx, work, version)
	if err != nil {
		return Issue{}, err
	}
	return r.issue(ctx, e, w, v)
}

func (r *Registry) issue(ctx context.Context, e evidence.Evidence, w query.Work, v query.Version) (Issue, error) {
	org, err := r.DB.Read().GetOrganization(ctx, w.OrganizationID)
	if err != nil {
		return Issue{}, err
	}
	if v.IssuedAt == 0 {
		// Two instances may decide at once: the first stands, and both read it.
		if err := r.DB.Tx(ctx, func(tx *store.Tx) error {
			if _, err := tx.SetIssued(ctx, query.SetIssuedParams{Now: store.Micros(tx.Now), WorkID: v.WorkID, Version: v.Version}); err != nil {
				return err
			}
			row, err := tx.GetVersion(ctx, query.GetVersionParams{WorkID: v.WorkID, Version: v.Version})
			v.IssuedAt = row.IssuedAt
			return err
		}); err != nil {
			return Issue{}, err
		}
		r.reached("certificate.dated")
	}
	return Issue{Evidence: e, Language: cmp.Or(v.Language, Languages[0]), Issuer: org.Name, Imprint: org.Imprint, Issued: store.Time(v.IssuedAt)}, nil
}

// certificateKey is where a certificate is kept. It follows from what it is of,
// so that making it again leaves no second file.
func certificateKey(work string, version int64) string {
	return fmt.Sprintf("certificates/%s/%d", work, version)
}

// certifyEvery makes certificates beside everything else: nobody who registers
// waits for one.
func (r *Registry) certifyEvery(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.certify(ctx); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "making certificates", "error", err)
		}
		timer.Reset(retryEvery)
		select {
		case <-ctx.Done():
			return
		case <-r.final:
		case <-timer.C:
		}
	}
}

// CertificatesWaiting is how many versions have none yet.
func (r *Registry) CertificatesWaiting(ctx context.Context) (int64, error) {
	return r.DB.Read().CountUncertified(ctx)
}

// CertificatesFailed is how often this process tried to make one and could not.
func (r *Registry) CertificatesFailed() int64 { return r.failed.Load() }

// certify makes the certificates that are due, one at a time, by turns of the
// organizations. One that cannot be made is tried again later, less and less often.
// A store or a database that is away ends the round.
func (r *Registry) certify(ctx context.Context) error {
	if r.Stamp == nil { // nobody asks for tokens any more
		if err := r.DB.Tx(ctx, func(tx *store.Tx) error { _, err := tx.DismissTimestamps(ctx); return err }); err != nil {
			return err
		}
	}
	for {
		row, err := r.nextUncertified(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		r.lastCertified = row.OrganizationID
		took, err := r.certifyTurn(ctx, row)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rests * took):
		}
	}
}

// nextUncertified is the version whose turn it is. Of one organization the newest
// and the oldest go in alternation: whoever registers now sees a certificate soon,
// and whoever did before a flood of others sees one too.
func (r *Registry) nextUncertified(ctx context.Context) (query.NextUncertifiedRow, error) {
	row, err := nextTurn(r.lastCertified, func(after string) (query.NextUncertifiedRow, error) {
		return r.DB.Read().NextUncertified(ctx, query.NextUncertifiedParams{After: after, Now: store.Micros(r.DB.Now())})
	})
	if err != nil || row.CertificateAt != 0 {
		return row, err
	}
	if r.oldest = !r.oldest; r.oldest {
		return row, nil
	}
	old, err := r.DB.Read().OldestUncertified(ctx, row.OrganizationID)
	if errors.Is(err, sql.ErrNoRows) { // another instance was quicker
		return row, nil
	}
	return query.NextUncertifiedRow(old), err
}

// certifyTurn makes the certificate of a version unless another instance does.
func (r *Registry) certifyTurn(ctx context.Context, row query.NextUncertifiedRow) (took time.Duration, err error) {
	var mine int64
	if err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		mine, err = tx.TryCertificate(ctx, query.TryCertificateParams{WorkID: row.WorkID, Version: row.Version, Seen: row.CertificateAt, AgainAt: store.Micros(tx.Now.Add(lease))})
		return err
	}); err != nil || mine == 0 {
		return 0, err
	}
	r.reached("certificate.begun")
	again, tries := row.CertificateAt, row.CertificateTries
	took, failed, err := r.certifyOne(ctx, row.WorkID, row.Version)
	if failed != nil {
		wait := putOff(tries, lastWait)
		again, tries = store.Micros(r.DB.Now().Add(wait)), tries+1
		r.failed.Add(1)
		r.Log.ErrorContext(ctx, "making a certificate", "work", row.WorkID, "version", row.Version, "tries", tries, "again_in", wait, "error", failed)
	}
	if err == nil && failed == nil || ctx.Err() != nil {
		return took, err
	}
	return took, errors.Join(err, r.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.RetryCertificate(ctx, query.RetryCertificateParams{WorkID: row.WorkID, Version: row.Version, AgainAt: again, Tries: tries})
	}))
}

// certifyOne makes one, and says how long that took, without what was waited for
// its row and its store. failed is the certificate's own; err is one that others
// would meet as well.
func (r *Registry) certifyOne(ctx context.Context, work string, version int64) (took time.Duration, failed, err error) {
	q := r.DB.Read()
	v, err := q.GetVersion(ctx, query.GetVersionParams{WorkID: work, Version: version})
	if err != nil || v.CertificateKey != "" { // another instance was quicker
		return 0, nil, err
	}
	w, err := q.GetWork(ctx, work)
	if err != nil || w.RedactedAt.Valid { // meanwhile
		return 0, nil, err
	}
	began := time.Now()
	proof, err := r.prove(ctx, w, v)
	took = time.Since(began)
	var said Issue
	if err == nil {
		said, err = r.issue(ctx, proof, w, v)
	}
	if store.Unavailable(err) || ctx.Err() != nil {
		return took, nil, errors.Join(err, ctx.Err())
	} else if err != nil {
		return took, err, nil
	}
	within, cancel := context.WithTimeout(ctx, certificateTime)
	began = time.Now()
	pdf, err := r.Certify(within, said)
	took += time.Since(began)
	cancel()
	if ctx.Err() != nil {
		return took, nil, errors.Join(err, ctx.Err())
	} else if err != nil { // it asks nobody, so the fault is its own
		return took, err, nil
	}
	// The file first: a row never names one that is not there. Two instances that
	// make the same one put it under the same key, whole.
	key := certificateKey(work, version)
	if err := r.Blobs.Put(ctx, key, pdf); err != nil {
		return took, nil, err
	}
	r.reached("certificate.stored")
	var kept int64
	if err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		kept, err = tx.SetCertificate(ctx, query.SetCertificateParams{CertificateKey: key, WorkID: work, Version: version})
		return err
	}); err != nil {
		return took, nil, err
	}
	if kept == 0 { // another instance was quicker, or the work was redacted meanwhile
		if w, err := q.GetWork(ctx, work); err != nil || w.RedactedAt.Valid {
			return took, nil, errors.Join(err, r.Blobs.Delete(ctx, key))
		}
	}
	r.reached("certificate.committed")
	return took, nil, nil
}
