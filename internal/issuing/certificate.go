package issuing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/files"
	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
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
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	for {
		d, err := s.certificates.Take(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		s.Reached("certificate.begun")
		took, err := s.certifyTurn(ctx, d)
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

// reconcileEvery is how often deliveries are compared with versions. The release before this
// one makes versions and certificates without deliveries, and may run beside this one.
const reconcileEvery = time.Minute

// reconcile enqueues what a version lacks: after the authority was removed from the
// configuration, and from time to time for the work of the release before.
func (s *Service) reconcile(ctx context.Context) error {
	if s.Stamp == nil { // no time-stamps are requested any more
		if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
			n, err := tx.DismissTimestamps(ctx)
			if err == nil && n > 0 {
				_, err = tx.EnqueueUnqueued(ctx, store.Micros(tx.Now))
			}
			return err
		}); err != nil {
			return err
		}
	}
	now := s.DB.Now()
	if now.Sub(s.reconciled).Abs() < reconcileEvery { // Abs: a clock that was ahead does not stop the check
		return nil
	}
	// Two reads first: nearly always there is nothing to write.
	lacks, err := s.DB.Read().HasUnqueued(ctx)
	if err != nil {
		return fmt.Errorf("versions without a delivery: %w", err)
	}
	unneeded, err := s.DB.Read().HasUnneeded(ctx)
	if err != nil {
		return fmt.Errorf("deliveries without need: %w", err)
	}
	if lacks || unneeded {
		var queued, dropped int64
		if err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
			if queued, err = tx.EnqueueUnqueued(ctx, store.Micros(tx.Now)); err == nil {
				dropped, err = tx.DropUnneeded(ctx)
			}
			return err
		}); err != nil {
			return fmt.Errorf("reconcile deliveries: %w", err)
		}
		s.Log.InfoContext(ctx, "certificates follow another release", "queued", queued, "already_done", dropped)
	}
	s.reconciled = now
	return nil
}

// certifyTurn makes the certificate of a leased delivery.
func (s *Service) certifyTurn(ctx context.Context, d outbox.Delivery) (took time.Duration, err error) {
	v, err := s.DB.Read().VersionOfTransaction(ctx, d.Subject)
	var failed error
	if err == nil {
		took, failed, err = s.certifyOne(ctx, d, v)
	}
	switch {
	case err == nil && failed == nil:
		return took, nil
	case ctx.Err() != nil: // the server stops: another one makes it at once
		return took, errors.Join(err, s.certificates.Return(context.WithoutCancel(ctx), d))
	case failed != nil:
		wait, err := s.certificates.Retry(ctx, d, failed)
		s.Events.CertificateFailed()
		s.Log.ErrorContext(ctx, "certificate failed", "work", v.WorkID, "version", v.Version, "tries", d.Attempts+1, "again_in", wait, "error", failed)
		return took, err
	}
	return took, errors.Join(fmt.Errorf("certificate of transaction %s: %w", d.Subject, err), s.certificates.Return(ctx, d))
}

// finish removes a delivery whose certificate is not needed.
func (s *Service) finish(ctx context.Context, d outbox.Delivery) error {
	return s.DB.Tx(ctx, func(tx *store.Tx) error { return outbox.Finish(ctx, tx, d) })
}

// certifyOne makes one certificate. took is the time spent on it, without the waits for
// database and store. failed is an error of this certificate alone; err is an error that
// other certificates would meet too.
func (s *Service) certifyOne(ctx context.Context, d outbox.Delivery, v query.Version) (took time.Duration, failed, err error) {
	q, work, version := s.DB.Read(), v.WorkID, v.Version
	if v.CertificateKey != "" { // another instance was first
		return 0, nil, s.finish(ctx, d)
	}
	w, err := q.GetWork(ctx, work)
	if err != nil {
		return 0, nil, err
	}
	if w.RedactedAt.Valid { // redacted meanwhile
		return 0, nil, s.finish(ctx, d)
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
		if kept, err = tx.SetCertificate(ctx, query.SetCertificateParams{CertificateKey: key, WorkID: work, Version: version}); err != nil {
			return err
		}
		return outbox.Finish(ctx, tx, d)
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
