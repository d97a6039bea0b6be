package intake

import (
	"context"
	"errors"

	"timbre.example/internal/access"
	"timbre.example/internal/claims"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// Prepare reads the uploaded file once, computes the commitment, asks the network whether it
// would accept it, and returns a quote. Preparing again renews the quote, and reads a file
// that was uploaded since.
func (s *Service) Prepare(ctx context.Context, m access.Maker, jobID string) (_ Prepared, err error) {
	defer operation.Wrap(&err, "prepare job %s", jobID)
	job, err := openJob(ctx, s.DB.Read(), m, jobID, s.DB.Now())
	if err != nil {
		return Prepared{}, err
	}
	return s.shared.prepare(ctx, jobID, func(stale bool) (Prepared, error) {
		for {
			if stale {
				if job, err = openJob(ctx, s.DB.Read(), m, jobID, s.DB.Now()); err != nil {
					return Prepared{}, err
				}
			}
			p, again, err := s.prepareOnce(ctx, job)
			if err != nil || !again {
				return p, err
			}
			stale = true
		}
	})
}

// prepareOnce works on the job as it was read. again is true when another call changed the
// job in the meantime.
func (s *Service) prepareOnce(ctx context.Context, job query.Job) (p Prepared, again bool, err error) {
	src, err := s.source(ctx, job)
	if err != nil {
		return p, false, err
	}
	sum, err := s.acceptable(ctx, job, src.hash)
	if err != nil {
		s.drop(ctx, job, src)
		s.keepReading(ctx, job, src)
		return p, false, err
	}
	p, changed, err := s.storeQuote(ctx, job, src, sum)
	var refused *fault.Error
	switch {
	case err == nil && changed:
		s.Reached("prepare.committed")
		// The upload stays until the sweep: a PUT may have replaced it during the read of
		// the copy, and the next prepare must find the new file.
		if src.copied && job.AssetKey != "" {
			s.discard(ctx, job.ID, job.AssetKey)
		}
		return p, false, nil
	case err == nil:
		s.drop(ctx, job, src)
		return p, true, nil
	case errors.As(err, &refused): // nothing was committed
		s.drop(ctx, job, src)
	default: // perhaps the commit succeeded, and the row names the copy
	}
	s.keepReading(ctx, job, src)
	return p, false, err
}

// drop removes a copy that no row will name.
func (s *Service) drop(ctx context.Context, job query.Job, src source) {
	if src.copied {
		s.discard(ctx, job.ID, src.asset)
	}
}

// keepReading stores what was read of a new upload when the rest failed. The rest may be
// retried; reading the file was the costly part.
func (s *Service) keepReading(ctx context.Context, job query.Job, src source) {
	if src.copied {
		s.note(ctx, job.ID, src.reading)
	}
}

// storeQuote stores the quote, and what it is for. changed is false when another call changed
// the job in the meantime.
func (s *Service) storeQuote(ctx context.Context, job query.Job, src source, sum commitment.Commitment) (p Prepared, changed bool, err error) {
	price, err := s.price(ctx, job, src.stored())
	if err != nil {
		return p, false, err
	}
	set := query.PrepareJobParams{
		ID: job.ID, Seen: job.UpdatedAt, AssetKey: src.asset, MediaHash: src.hash, Media: record.Encode(src.media), Reading: src.reading,
		Commitment: sum.Hash[:], MerkleRoot: sum.Root[:], TotalCredits: price.Total, Quote: record.Encode(price),
	}
	err = s.DB.Repeat(ctx, func(tx *store.Tx) error {
		if changed = false; tx.Again && src.copied { // the row names the copy if an earlier run was committed
			now, err := tx.GetJob(ctx, job.ID)
			if changed = err == nil && now.AssetKey == src.asset; err != nil || changed {
				return err
			}
		}
		// A sweep may have removed the file of an earlier prepare without writing a row: see
		// package erasing. It cannot know a copy that was just made.
		if !src.copied && src.asset != "" && job.Deadline <= store.Micros(tx.Now) {
			return fault.TransactionExpired("job")
		}
		p = Prepared{JobID: job.ID, WorkID: job.WorkID, Commitment: set.Commitment, MediaHash: src.hash, Price: price, Media: src.media, Expires: s.until(tx.Now, s.Times.Quote, job.CreatedAt)}
		set.QuoteUntil, set.Now = store.Micros(p.Expires), store.Micros(tx.Now)
		set.Deadline = max(job.Deadline, set.QuoteUntil) // an expired price needs no second upload
		return tx.Together(
			func(tx *store.Tx) error { // so that a duplicate is found before payment; confirm decides
				_, err := claims.Recording(ctx, tx.Queries, job, src.hash)
				return err
			},
			func(tx *store.Tx) error {
				n, err := tx.PrepareJob(ctx, set)
				if changed = n > 0; err == nil && !changed {
					err = errChanged
				}
				return err
			},
			func(tx *store.Tx) error {
				if !src.copied {
					return nil
				}
				return s.adopt(ctx, tx, job, src.asset)
			},
		)
	})
	if errors.Is(err, errChanged) {
		err = nil
	}
	return p, changed && err == nil, err
}

// errChanged rolls a quote back, because another call changed the job in the meantime.
var errChanged = errors.New("the job was changed meanwhile")

// adopt makes the copy the file of the job, and leaves the file of an earlier prepare to the
// sweep.
func (s *Service) adopt(ctx context.Context, tx *store.Tx, job query.Job, copied string) error {
	if job.AssetKey != "" {
		if err := s.orphan(ctx, tx, job.OrganizationID, job.AssetKey); err != nil {
			return err
		}
	}
	adopted, err := tx.AdoptOrphan(ctx, copied)
	if err == nil && adopted == 0 { // the prepare took so long that the copy was swept
		err = fault.CommonServiceUnavailable(store.RetryAfter).Because(errors.New("the copy was swept before the commit"))
	}
	return err
}

// price returns the price of a job that stores so many more bytes. Jobs of test keys cost
// nothing: credits are only for live registrations. The network fee can follow that of a chain.
func (s *Service) price(ctx context.Context, job query.Job, stored int64) (credits.Quote, error) {
	if job.Test {
		return credits.Quote{}, nil
	}
	prices := s.Prices[network.Name(job.Network)]
	update := job.Kind != record.KindRegister
	if n, ok := s.Networks[network.Name(job.Network)].(network.Priced); ok && prices.Token > 0 {
		fee, err := n.Fee(ctx, update)
		if err != nil {
			return credits.Quote{}, err
		}
		if fee.Amount != nil {
			prices = prices.Following(fee.Amount, fee.Decimals)
		}
	}
	if update {
		return prices.Update(stored), nil
	}
	return prices.Register(stored), nil
}
