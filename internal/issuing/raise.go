package issuing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/certificate"
	"timbre.example/internal/lasting"
	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// RaiseTime is how long raising the signature of one certificate may take while its reader may
// wait for it. A signature that stays lower is raised later.
const RaiseTime = 3 * time.Second

// RaiseLaterTime is how long it may take later.
const RaiseLaterTime = 30 * time.Second

// raise returns a new certificate at the level that it reaches at once. later reports whether
// another attempt may reach a higher one. It never fails: the certificate is valid at each level.
func (s *Service) raise(ctx context.Context, v query.Version, file []byte) (_ []byte, later bool) {
	if s.Raise == nil {
		return file, false
	}
	within, cancel := context.WithTimeout(ctx, RaiseTime)
	defer cancel()
	raised, level, err := s.Raise(within, file)
	if err == nil {
		return raised, false
	}
	later = !errors.Is(err, lasting.ErrHighest)
	s.Log.WarnContext(ctx, "a certificate keeps a lower level", "work", v.WorkID, "version", v.Version, "level", level, "later", later, "error", err)
	return raised, later
}

// signature is the delivery of the levels that a certificate lacks.
func signature(of outbox.Delivery) outbox.Delivery {
	return outbox.Delivery{Kind: outbox.Signature, Subject: of.Subject, Work: of.Work, Organization: of.Organization}
}

// RaiseDue raises the signatures of stored certificates that could not be raised at once, one at
// a time, in turns of the organizations. The stored file is replaced by the same file with
// more. A file that stays lower is tried again, with growing pauses.
func (s *Service) RaiseDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "raise the signatures of certificates")
	for {
		d, err := s.signatures.Take(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.raiseStored(ctx, d); err != nil {
			return errors.Join(err, s.signatures.Return(context.WithoutCancel(ctx), d))
		}
	}
}

// raiseStored raises one stored certificate. An error is one that others would meet, too.
func (s *Service) raiseStored(ctx context.Context, d outbox.Delivery) error {
	rows, err := s.DB.Read().IssuedTogether(ctx, query.IssuedTogetherParams{Joined: d.Subject, Count: 1})
	if err != nil {
		return err
	}
	if len(rows) != 1 || rows[0].Version.CertificateKey == "" || rows[0].Work.RedactedAt.Valid {
		return s.finishRaise(ctx, d) // redacted meanwhile, or without a certificate
	}
	v := rows[0].Version
	file, err := s.stored(ctx, v.CertificateKey)
	if errors.Is(err, blob.ErrNotFound) {
		_, err = s.signatures.Retry(ctx, d, err)
		return err
	} else if err != nil {
		return err
	}
	s.Reached("signature.begun")
	within, cancel := context.WithTimeout(ctx, RaiseLaterTime)
	raised, level, failed := s.Raise(within, file)
	cancel()
	if ctx.Err() != nil {
		return errors.Join(failed, ctx.Err())
	}
	if len(raised) > len(file) || level == certificate.LevelT { // B-T is in the place that was kept
		if err := s.Blobs.Put(ctx, v.CertificateKey, raised); err != nil {
			return err
		}
		s.Reached("signature.stored")
		// A redaction may have removed the file meanwhile. Its own later pass removes it too, but
		// no caller should read it until then.
		if w, err := s.DB.Read().GetWork(ctx, v.WorkID); err != nil {
			return err
		} else if w.RedactedAt.Valid {
			if err := s.Blobs.Delete(ctx, v.CertificateKey); err != nil {
				return err
			}
			return s.finishRaise(ctx, d)
		}
	}
	if failed != nil && !errors.Is(failed, lasting.ErrHighest) {
		wait, err := s.signatures.Retry(ctx, d, fmt.Errorf("level %s: %w", level, failed))
		s.Log.WarnContext(ctx, "a certificate keeps a lower level", "work", v.WorkID, "version", v.Version, "level", level, "later", true, "again_in", wait, "error", failed)
		return err
	}
	s.Log.InfoContext(ctx, "certificate raised", "work", v.WorkID, "version", v.Version, "level", level, "error", failed)
	return s.finishRaise(ctx, d)
}

func (s *Service) finishRaise(ctx context.Context, d outbox.Delivery) error {
	return s.DB.Tx(ctx, func(tx *store.Tx) error { return outbox.Finish(ctx, tx, d) })
}

// maxCertificate is the largest stored certificate that is read, in bytes.
const maxCertificate = 8 << 20

// stored reads a certificate.
func (s *Service) stored(ctx context.Context, key string) ([]byte, error) {
	r, info, err := s.Blobs.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if info.Size > maxCertificate {
		return nil, fmt.Errorf("the certificate %s has %d bytes", key, info.Size)
	}
	return io.ReadAll(io.LimitReader(r, maxCertificate))
}
