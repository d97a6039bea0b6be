package registry

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// pauseFactor is the pause after a certificate, as a multiple of the time that making it
// took. So certificates use at most a quarter of one processor, and registrations meanwhile
// hardly slow down.
const pauseFactor = 3

// certificateTime is how long making one certificate may take. The longest accepted texts
// take half a second. After the timeout the certificate counts as failed, and is
// retried when others have had their turns.
const certificateTime = 10 * time.Second

// Issue is the content of a certificate.
type Issue struct {
	evidence.Evidence
	// Language is one of [Languages].
	Language string
	// Issuer is the organization's name. Imprint is the text that follows it, or "".
	Issuer, Imprint string
	// Issued is the date of issue. It never changes once set.
	Issued time.Time
}

// Issue returns the content of a version's certificate; version 0 is the latest. It fails as
// [Registry.Evidence] does. The first call sets the date of issue.
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
		// Two instances may try to set it at once: the first wins, and both read its date.
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

// certificateKey is where a certificate is stored. It depends only on work and version, so
// making a certificate again leaves no second file.
func certificateKey(work string, version int64) string {
	return fmt.Sprintf("certificates/%s/%d", work, version)
}

// certifyEvery makes certificates in the background: no registration waits for one.
func (r *Registry) certifyEvery(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.certify(ctx); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "making certificates failed", "error", err)
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

// CertificatesWaiting counts the versions that have no certificate yet.
func (r *Registry) CertificatesWaiting(ctx context.Context) (int64, error) {
	return r.DB.Read().CountUncertified(ctx)
}

// CertificatesFailed counts this process' failed attempts to make a certificate.
func (r *Registry) CertificatesFailed() int64 { return r.failed.Load() }

// certify makes the certificates that are due, one at a time, in turns of the organizations.
// A certificate that fails is retried later, with growing pauses. The round ends when the
// store or the database is unavailable.
func (r *Registry) certify(ctx context.Context) error {
	if r.Stamp == nil { // no time-stamps are requested any more
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
		case <-time.After(pauseFactor * took):
		}
	}
}

// nextUncertified returns the next version to certify. Within one organization the newest
// and the oldest alternate. So a new registration gets its certificate soon, and so does one
// that waits behind many newer ones.
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
	if errors.Is(err, sql.ErrNoRows) { // another instance was first
		return row, nil
	}
	return query.NextUncertifiedRow(old), err
}

// certifyTurn makes the certificate of a version, unless another instance is making it.
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

// certifyOne makes one certificate. took is the time spent on it, without the waits for
// database and store. failed is an error of this certificate alone; err is an error that
// other certificates would meet too.
func (r *Registry) certifyOne(ctx context.Context, work string, version int64) (took time.Duration, failed, err error) {
	q := r.DB.Read()
	v, err := q.GetVersion(ctx, query.GetVersionParams{WorkID: work, Version: version})
	if err != nil || v.CertificateKey != "" { // another instance was first
		return 0, nil, err
	}
	w, err := q.GetWork(ctx, work)
	if err != nil || w.RedactedAt.Valid { // redacted meanwhile
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
	} else if err != nil { // Certify calls no other service, so the error is its own
		return took, err, nil
	}
	// Store the file first, so that a row never names a missing file. Two instances that
	// make the same certificate write it under the same key, each as a whole.
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
	if kept == 0 { // another instance was first, or the work was redacted meanwhile
		if w, err := q.GetWork(ctx, work); err != nil || w.RedactedAt.Valid {
			return took, nil, errors.Join(err, r.Blobs.Delete(ctx, key))
		}
	}
	r.reached("certificate.committed")
	return took, nil, nil
}
