package stamping

import (
	"context"
	"errors"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// RenewDue requests a token of each kept token whose certificates end soon, those first that
// end first, and at most RenewalsPerRun. The authority may have another certificate by then; as
// long as it does not have one, its answer says nothing new, and the next attempt follows later.
func (s *Service) RenewDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "renew tokens")
	if err := s.watchTimestamps(ctx); err != nil {
		return err
	}
	now := s.DB.Now()
	if now.Before(s.renewer.at) {
		return nil
	}
	rows, err := s.DB.Read().DueRenewals(ctx, query.DueRenewalsParams{Now: store.Micros(now), Soon: store.Micros(now.Add(s.RenewBefore)), Lim: RenewalsPerRun})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.renew(ctx, row); err != nil {
			return err
		}
		if s.renewer.wait > 0 {
			return nil
		}
	}
	return nil
}

// errNoGain: the renewal would end no later than what it renews.
var errNoGain = errors.New("the authority still has the certificates that end: ask its operator for the next ones")

// renew requests the renewal of one token.
func (s *Service) renew(ctx context.Context, row query.DueRenewalsRow) error {
	var mine int64
	if err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		mine, err = tx.TryRenewal(ctx, query.TryRenewalParams{TokenHash: row.TokenHash, Seen: row.AgainAt, AgainAt: store.Micros(tx.Now.Add(lease))})
		return err
	}); err != nil || mine == 0 {
		return err
	}
	s.Reached("renewal.begun")
	token, ends, err := s.token(ctx, [32]byte(row.TokenHash))
	if err == nil && !ends.After(store.Time(row.EndsAt)) {
		err = errNoGain
	}
	again := func(wait time.Duration, tries int64) error {
		return s.DB.Tx(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			return tx.RetryRenewal(ctx, query.RetryRenewalParams{TokenHash: row.TokenHash, AgainAt: store.Micros(tx.Now.Add(wait)), Tries: tries})
		})
	}
	switch {
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), again(0, row.Tries))
	case errors.Is(err, errNoGain):
		s.Log.WarnContext(ctx, "a token is not renewed yet", "ends", store.Time(row.EndsAt), "error", err)
		return again(renewalPause, row.Tries+1)
	case err != nil:
		s.renewer.failed(s.DB.Now())
		s.Events.TimestampFailed()
		s.Log.WarnContext(ctx, "a token is not renewed yet", "ends", store.Time(row.EndsAt), "again_in", s.renewer.wait, "error", err)
		return again(turns.Pause(row.Tries, renewalPause), row.Tries+1)
	}
	s.renewer = retry{}
	s.Reached("renewal.answered")
	if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		kept, err := tx.KeepRenewal(ctx, query.KeepRenewalParams{TokenHash: row.TokenHash, Renewal: token})
		if err != nil || kept == 0 { // another process was faster
			return err
		}
		return watch(ctx, tx, token, ends)
	}); err != nil {
		return errors.Join(err, again(0, row.Tries))
	}
	s.Reached("renewal.committed")
	return nil
}

// watchTimestamps remembers when the certificates of tokens of commitments end. The release
// before, which may run beside this one, does not.
func (s *Service) watchTimestamps(ctx context.Context) error {
	for ctx.Err() == nil {
		rows, err := s.DB.Read().UnwatchedTimestamps(ctx, atOnce)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
			for _, row := range rows {
				if stamp, err := opened(row.Token); err == nil { // otherwise there is nothing to renew
					if err := watch(ctx, tx, row.Token, stamp.Ends()); err != nil {
						return err
					}
				}
				if err := tx.WatchTimestamp(ctx, query.WatchTimestampParams{WorkID: row.WorkID, Version: row.Version}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// opened reads a kept token of any digest.
func opened(token []byte) (evidence.Stamp, error) {
	digest, err := evidence.TokenDigest(token)
	if err != nil {
		return evidence.Stamp{}, err
	}
	return evidence.RFC3161{Token: token}.Open(commitment.Hash(digest))
}
