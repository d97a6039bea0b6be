package issuing

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/files"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
)

// pauseFactor is the pause after a certificate, as a multiple of the time that making it
// took. So certificates use at most a quarter of one processor, and registrations meanwhile
// hardly slow down.
const pauseFactor = 3

// CertificateTime is how long making one certificate may take. The longest accepted texts
// take half a second. After the timeout the certificate counts as failed, and is
// retried when others have had their turns.
const CertificateTime = 10 * time.Second

// CertifyDue makes the certificates that are due, one at a time, in turns of the organizations.
// A certificate that fails is retried later, with growing pauses. The round ends when the
// store or the database is unavailable.
func (s *Service) CertifyDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "make certificates")
	if s.Stamp == nil { // no time-stamps are requested any more
		if err := s.DB.Tx(ctx, func(tx *store.Tx) error { _, err := tx.DismissTimestamps(ctx); return err }); err != nil {
			return err
		}
	}
	for {
		row, err := s.nextUncertified(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		s.lastCertified = row.OrganizationID
		took, err := s.certifyTurn(ctx, row)
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
func (s *Service) nextUncertified(ctx context.Context) (query.NextUncertifiedRow, error) {
	row, err := turns.Next(s.lastCertified, func(after string) (query.NextUncertifiedRow, error) {
		return s.DB.Read().NextUncertified(ctx, query.NextUncertifiedParams{After: after, Now: store.Micros(s.DB.Now())})
	})
	if err != nil || row.CertificateAt != 0 {
		return row, err
	}
	if s.oldest = !s.oldest; s.oldest {
		return row, nil
	}
	old, err := s.DB.Read().OldestUncertified(ctx, row.OrganizationID)
	if errors.Is(err, sql.ErrNoRows) { // another instance was first
		return row, nil
	}
	return query.NextUncertifiedRow(old), err
}

// certifyTurn makes the certificate of a version, unless another instance is making it.
func (s *Service) certifyTurn(ctx context.Context, row query.NextUncertifiedRow) (took time.Duration, err error) {
	var mine int64
	if err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		mine, err = tx.TryCertificate(ctx, query.TryCertificateParams{WorkID: row.WorkID, Version: row.Version, Seen: row.CertificateAt, AgainAt: store.Micros(tx.Now.Add(turns.Lease))})
		return err
	}); err != nil || mine == 0 {
		return 0, err
	}
	s.Reached("certificate.begun")
	again, tries := row.CertificateAt, row.CertificateTries
	took, failed, err := s.certifyOne(ctx, row.WorkID, row.Version)
	if failed != nil {
		wait := turns.Pause(tries, turns.LastPause)
		again, tries = store.Micros(s.DB.Now().Add(wait)), tries+1
		s.Events.CertificateFailed()
		s.Log.ErrorContext(ctx, "making a certificate", "work", row.WorkID, "version", row.Version, "tries", tries, "again_in", wait, "error", failed)
	}
	if err == nil && failed == nil || ctx.Err() != nil {
		return took, err
	}
	return took, errors.Join(err, s.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.RetryCertificate(ctx, query.RetryCertificateParams{WorkID: row.WorkID, Version: row.Version, AgainAt: again, Tries: tries})
	}))
}

// certifyOne makes one certificate. took is the time spent on it, without the waits for
// database and store. failed is an error of this certificate alone; err is an error that
// other certificates would meet too.
func (s *Service) certifyOne(ctx context.Context, work string, version int64) (took time.Duration, failed, err error) {
	q := s.DB.Read()
	v, err := q.GetVersion(ctx, query.GetVersionParams{WorkID: work, Version: version})
	if err != nil || v.CertificateKey != "" { // another instance was first
		return 0, nil, err
	}
	w, err := q.GetWork(ctx, work)
	if err != nil || w.RedactedAt.Valid { // redacted meanwhile
		return 0, nil, err
	}
	began := time.Now()
	proof, err := s.prove(ctx, w, v)
	took = time.Since(began)
	var said Issue
	if err == nil {
		said, err = s.issue(ctx, proof, w, v)
	}
	if store.Unavailable(err) || ctx.Err() != nil {
		return took, nil, errors.Join(err, ctx.Err())
	} else if err != nil {
		return took, err, nil
	}
	within, cancel := context.WithTimeout(ctx, CertificateTime)
	began = time.Now()
	pdf, err := s.Certify(within, said)
	took += time.Since(began)
	cancel()
	if ctx.Err() != nil {
		return took, nil, errors.Join(err, ctx.Err())
	} else if err != nil { // Certify calls no other service, so the error is its own
		return took, err, nil
	}
	// Store the file first, so that a row never names a missing file. Two instances that
	// make the same certificate write it under the same key, each as a whole.
	key := files.Certificate(work, version)
	if err := s.Blobs.Put(ctx, key, pdf); err != nil {
		return took, nil, err
	}
	s.Reached("certificate.stored")
	var kept int64
	if err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		kept, err = tx.SetCertificate(ctx, query.SetCertificateParams{CertificateKey: key, WorkID: work, Version: version})
		return err
	}); err != nil {
		return took, nil, err
	}
	if kept == 0 { // another instance was first, or the work was redacted meanwhile
		if w, err := q.GetWork(ctx, work); err != nil || w.RedactedAt.Valid {
			return took, nil, errors.Join(err, s.Blobs.Delete(ctx, key))
		}
	}
	if kept > 0 {
		s.Events.Certified(ctx, work, version, took)
	}
	s.Reached("certificate.committed")
	return took, nil, nil
}
