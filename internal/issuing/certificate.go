package issuing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"timbre.example/internal/files"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/stamping"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
	"timbre.example/proof/evidence"
)

// pauseFactor is the pause after some certificates, as a multiple of the processor time that making
// them took. So certificates use at most a quarter of one processor, and registrations meanwhile
// hardly slow down. A machine that is busy otherwise does not make the pause longer. While more
// certificates wait than are made together, the pause is behindFactor: otherwise a registry that
// is busy all day would fall behind without end.
const pauseFactor, behindFactor = 3, 1

// certificatesTogether is how many certificates share their reads and one commit. It is small
// because they also share a lease, and because registrations notice a longer burst.
const certificatesTogether = 8

// CertificateTime is how long making one certificate may take. The longest accepted texts
// take half a second. After the timeout the certificate counts as failed, and is
// retried when others have had their turns.
const CertificateTime = 10 * time.Second

// CertifyDue makes the certificates that are due, some at a time, in turns of the organizations.
// A certificate that fails is retried later, with growing pauses. The round ends when the
// store or the database is unavailable.
func (s *Service) CertifyDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "make certificates")
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	if err := s.witnessed(ctx); err != nil {
		return err
	}
	for {
		some, err := s.certificates.TakeSome(ctx, certificatesTogether)
		if err != nil || len(some) == 0 {
			return err
		}
		if some, err = s.unhurried(ctx, some); err != nil {
			return err
		}
		if len(some) == 0 {
			continue
		}
		took, err := s.certifySome(ctx, some)
		if err != nil {
			return err
		}
		pause := pauseFactor * took
		if len(some) == certificatesTogether {
			pause = behindFactor * took
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
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
	if err := s.hurry(ctx); err != nil {
		return err
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

// made is a certificate that is stored, without its row.
type made struct {
	outbox.Delivery
	version query.Version
	took    time.Duration
	later   bool // its signature can be raised later
}

// certifySome makes the certificates of leased deliveries, and commits them together. took is the
// processor time spent on them. A failure of one certificate is recorded with its delivery; an
// error is one that other certificates would meet too. Then, and when the server stops, the
// deliveries without a result keep their places.
func (s *Service) certifySome(ctx context.Context, some []outbox.Delivery) (took time.Duration, err error) {
	began, left := time.Now(), some
	took, err = onProcessor(func() error {
		var stored, needless []made
		batch, err := s.readSome(ctx, some)
		for err == nil && len(left) > 0 && time.Since(began) < turns.Lease/2 {
			d := left[0]
			s.Reached("certificate.begun")
			pdf, failed, broken := s.certifyOne(ctx, d, batch)
			switch {
			case broken != nil:
				err = fmt.Errorf("certificate of transaction %s: %w", d.Subject, broken)
				continue
			case failed != nil:
				err = s.retry(ctx, d, batch[d.Subject].version, failed)
			case pdf.took == 0:
				needless = append(needless, pdf)
			default:
				stored = append(stored, pdf)
			}
			left = left[1:]
		}
		if broken := s.commit(ctx, stored, needless); broken != nil {
			left, err = some, errors.Join(err, broken) // those that were retried or are gone stay as they are
		}
		return err
	})
	return took, errors.Join(err, s.certificates.Return(context.WithoutCancel(ctx), left...))
}

// retry records that a certificate failed.
func (s *Service) retry(ctx context.Context, d outbox.Delivery, v query.Version, failed error) error {
	wait, err := s.certificates.Retry(ctx, d, failed)
	s.Events.CertificateFailed()
	s.Log.ErrorContext(ctx, "certificate failed", "work", v.WorkID, "version", v.Version, "tries", d.Attempts+1, "again_in", wait, "error", failed)
	return err
}

// source is all that a certificate is made of.
type source struct {
	work    query.Work
	version query.Version
	dates   []evidence.Attestation
	proof   network.Proof
	proved  bool
	issuer  issuer
}

// readSome reads the sources of several certificates together, by the ids of their transactions,
// and sets their dates of issue. A source without a proof is proved alone.
func (s *Service) readSome(ctx context.Context, some []outbox.Delivery) (map[string]source, error) {
	joined, organizations := "", []string{}
	for _, d := range some {
		joined += d.Subject
		if !slices.Contains(organizations, d.Organization) {
			organizations = append(organizations, d.Organization)
		}
	}
	var rows []query.IssuedTogetherRow
	found := make([]query.Organization, len(organizations))
	err := s.DB.One(ctx, func(tx *store.Tx) error {
		return tx.Together(
			func(tx *store.Tx) error {
				_, err := tx.SetAllIssued(ctx, query.SetAllIssuedParams{Joined: joined, Count: int64(len(some)), Now: store.Micros(tx.Now)})
				return err
			},
			func(tx *store.Tx) (err error) {
				rows, err = tx.IssuedTogether(ctx, query.IssuedTogetherParams{Joined: joined, Count: int64(len(some))})
				return err
			},
			func(tx *store.Tx) error {
				return tx.Each(len(organizations), func(tx *store.Tx, i int) (err error) {
					found[i], err = tx.GetOrganization(ctx, organizations[i])
					return err
				})
			},
		)
	})
	if err != nil {
		return nil, err
	}
	s.Reached("certificate.dated")
	all, issuers, hashes := map[string]source{}, map[string]issuer{}, map[string][][32]byte{}
	for _, organization := range found {
		if issuers[organization.ID], err = s.issuer(ctx, organization); err != nil {
			return nil, err
		}
	}
	of := make([]stamping.Of, len(rows))
	for i, row := range rows {
		of[i] = stamping.Of{Network: network.Name(row.Work.Network), Block: row.Version.BlockNumber, Token: row.Token}
	}
	dates, err := stamping.Dates(ctx, s.DB, of)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		all[row.Version.TransactionID] = source{work: row.Work, version: row.Version, dates: dates[i], issuer: issuers[row.Work.OrganizationID]}
		hashes[row.Work.Network] = append(hashes[row.Work.Network], [32]byte(row.Version.TxHash))
	}
	for name, of := range hashes {
		n, err := s.Networks.Get(network.Name(name))
		together, ok := n.(network.Batched)
		if err != nil || !ok {
			continue
		}
		proofs, err := together.ProveAll(ctx, of)
		if store.Unavailable(err) || ctx.Err() != nil {
			return nil, errors.Join(err, ctx.Err())
		} // otherwise one of them is wrong: each is proved alone
		for id, one := range all {
			if one.work.Network == name {
				one.proof, one.proved = proofs[[32]byte(one.version.TxHash)]
				all[id] = one
			}
		}
	}
	return all, nil
}

// certifyOne makes and stores one certificate. Its took is the time spent on it, and 0 if it is not
// needed. failed is an error of this certificate alone; err is an error that other certificates
// would meet too.
func (s *Service) certifyOne(ctx context.Context, d outbox.Delivery, batch map[string]source) (_ made, failed, err error) {
	of, ok := batch[d.Subject]
	out := made{Delivery: d, version: of.version}
	switch {
	case !ok:
		return out, nil, sql.ErrNoRows
	case of.version.CertificateKey != "", of.work.RedactedAt.Valid: // another instance was first, or redacted meanwhile
		return out, nil, nil
	}
	began := time.Now()
	var proof evidence.Evidence
	quorum := of.proof.Quorum
	if of.proved {
		proof, err = assemble(of.work, of.version, of.proof, of.dates)
	} else {
		proof, quorum, err = s.prove(ctx, of.work, of.version)
	}
	if store.Unavailable(err) || ctx.Err() != nil {
		return out, nil, errors.Join(err, ctx.Err())
	} else if err != nil {
		return out, err, nil
	}
	within, cancel := context.WithTimeout(ctx, CertificateTime)
	pdf, err := s.Certify(within, of.issuer.issue(proof, quorum, of.version))
	cancel()
	if ctx.Err() != nil {
		return out, nil, errors.Join(err, ctx.Err())
	} else if err != nil { // Certify calls no other service, so the error is its own
		return out, err, nil
	}
	out.took = max(time.Since(began), 1)
	pdf, out.later = s.raise(ctx, of.version, pdf)
	if ctx.Err() != nil {
		return out, nil, ctx.Err()
	}
	s.Reached("certificate.raised")
	// Store the file first, so that a row never names a missing file. Two instances that
	// make the same certificate write it under the same key, each as a whole.
	if err := s.Blobs.Put(ctx, files.Certificate(of.work.ID, of.version.Version), pdf); err != nil {
		return out, nil, err
	}
	s.Reached("certificate.stored")
	return out, nil, nil
}

// commit records certificates that are stored, and ends their deliveries and those that are not
// needed.
func (s *Service) commit(ctx context.Context, stored, needless []made) error {
	if len(stored)+len(needless) == 0 {
		return nil
	}
	joined, subjects := "", []string{}
	var low []outbox.Delivery // whose signatures are raised later
	for _, m := range stored {
		if joined += m.Subject; m.later {
			low = append(low, m.Delivery)
		}
	}
	for _, m := range slices.Concat(stored, needless) {
		subjects = append(subjects, m.Subject)
	}
	var kept []string
	if err := s.DB.One(ctx, func(tx *store.Tx) error {
		return tx.Together(
			func(tx *store.Tx) (err error) {
				if kept = nil; joined != "" {
					kept, err = tx.SetCertificates(ctx, query.SetCertificatesParams{Folder: files.Certificates, Joined: joined, Count: int64(len(stored))})
				}
				return err
			},
			func(tx *store.Tx) error { return outbox.FinishAll(ctx, tx, outbox.Certificate, subjects) },
			func(tx *store.Tx) error {
				return tx.Each(len(low), func(tx *store.Tx, i int) error { return outbox.Enqueue(ctx, tx, signature(low[i])) })
			},
		)
	}); err != nil {
		return err
	}
	// From here on, an error gives back nothing: the deliveries are gone.
	for _, m := range stored {
		if slices.Contains(kept, m.Subject) {
			s.Events.Certified(ctx, m.version.WorkID, m.version.Version, m.took)
		} else if w, err := s.DB.Read().GetWork(ctx, m.version.WorkID); err != nil {
			return err // the erasure removes the file again later
		} else if w.RedactedAt.Valid {
			// Redacted meanwhile. Otherwise another instance was first, with the same file.
			if err := s.Blobs.Delete(ctx, files.Certificate(m.version.WorkID, m.version.Version)); err != nil {
				return err
			}
		}
		s.Reached("certificate.committed")
	}
	return nil
}
