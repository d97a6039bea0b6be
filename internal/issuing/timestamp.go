package issuing

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
)

// TimestampTimeout is how long a version waits for a token. After that its certificate is
// made without one, and the version stays without.
const TimestampTimeout = 10 * time.Minute

// LastTimestampPause is the longest pause after a failed request to the authority. The pauses
// double from turns.FirstPause up to it.
const LastTimestampPause = time.Minute

// StampDue decides every version that is due: it gets a token, or none after its timeout. A
// decision never changes, so two instances may decide at once. If a token is lost before it
// is stored, it is requested again.
func (s *Service) StampDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "request time stamps")
	for {
		row, err := s.nextUnstamped(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return s.giveUp(ctx)
		} else if err != nil {
			return err
		}
		s.lastStamped = row.OrganizationID
		if err := s.stampTurn(ctx, row); err != nil {
			return err
		}
	}
}

// nextUnstamped returns the next version to time-stamp: the newest of its organization,
// since an earlier token proves more. While the authority is in backoff it returns
// sql.ErrNoRows: no request would succeed.
func (s *Service) nextUnstamped(ctx context.Context) (query.NextUnstampedRow, error) {
	now := s.DB.Now()
	if now.Before(s.authority.at) {
		return query.NextUnstampedRow{}, sql.ErrNoRows
	}
	return turns.Next(s.lastStamped, func(after string) (query.NextUnstampedRow, error) {
		return s.DB.Read().NextUnstamped(ctx, query.NextUnstampedParams{After: after, Now: store.Micros(now)})
	})
}

// stampTurn requests the token of a version, unless another instance is doing so. After a
// failure the next request is for another organization: a version that never gets an answer
// never delays others.
func (s *Service) stampTurn(ctx context.Context, row query.NextUnstampedRow) error {
	var mine int64
	if err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		mine, err = tx.TryTimestamp(ctx, query.TryTimestampParams{WorkID: row.WorkID, Version: row.Version, Seen: row.TimestampAt, AgainAt: store.Micros(tx.Now.Add(turns.Lease))})
		return err
	}); err != nil || mine == 0 {
		return err
	}
	s.Reached("timestamp.begun")
	begun := time.Now()
	token, err := s.Stamp(ctx, [32]byte(row.Commitment))
	if err != nil {
		if ctx.Err() != nil {
			return errors.Join(err, s.returnTimestamp(ctx, row))
		}
		now := s.DB.Now()
		s.authority.wait = min(max(2*s.authority.wait, turns.FirstPause), LastTimestampPause)
		s.authority.at = now.Add(s.authority.wait)
		s.Events.TimestampFailed()
		s.Log.WarnContext(ctx, "no time-stamp", "work", row.WorkID, "version", row.Version, "again_in", s.authority.wait, "error", err)
		return s.DB.Tx(ctx, func(tx *store.Tx) error {
			return tx.RetryTimestamp(ctx, query.RetryTimestampParams{
				WorkID: row.WorkID, Version: row.Version, AgainAt: store.Micros(now.Add(turns.Pause(row.TimestampTries, LastTimestampPause))), Tries: row.TimestampTries + 1,
			})
		})
	}
	s.authority = retry{}
	s.Reached("timestamp.answered")
	kept, err := s.keepToken(ctx, row.WorkID, row.Version, token)
	if ctx.Err() != nil && err != nil {
		return errors.Join(err, s.returnTimestamp(ctx, row))
	} else if err != nil {
		return err
	}
	if kept {
		s.Events.Timestamped(ctx, row.WorkID, row.Version, time.Since(begun))
	}
	s.Reached("timestamp.committed")
	s.final.Ring()
	return nil
}

// returnTimestamp gives back a version when the server stops: another one asks at once. A decided
// version stays decided.
func (s *Service) returnTimestamp(ctx context.Context, row query.NextUnstampedRow) error {
	ctx = context.WithoutCancel(ctx)
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.RetryTimestamp(ctx, query.RetryTimestampParams{WorkID: row.WorkID, Version: row.Version, AgainAt: row.TimestampAt, Tries: row.TimestampTries})
	})
}

// overdueAtOnce is how many versions past their timeout share one commit.
const overdueAtOnce = 256

// giveUp decides that versions past their timeout have no token.
func (s *Service) giveUp(ctx context.Context) error {
	for {
		rows, err := s.DB.Read().OverdueTimestamps(ctx, query.OverdueTimestampsParams{Until: store.Micros(s.DB.Now()), Lim: overdueAtOnce})
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
			for _, row := range rows {
				if _, err := decide(ctx, tx, row.WorkID, row.Version); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		for _, row := range rows {
			s.Events.TimestampAbandoned()
			s.Log.WarnContext(ctx, "a version stays without a time-stamp", "work", row.WorkID, "version", row.Version)
		}
		s.Reached("timestamp.committed")
		s.final.Ring()
	}
}

// keepToken stores a version's token, unless the version is decided already.
func (s *Service) keepToken(ctx context.Context, work string, version int64, token []byte) (kept bool, err error) {
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		if kept, err = decide(ctx, tx, work, version); err != nil || !kept {
			return err
		}
		return tx.InsertTimestamp(ctx, query.InsertTimestampParams{WorkID: work, Version: version, Token: token})
	})
	return kept && err == nil, err
}

// decide ends the wait of a version for its token, and enqueues its certificate. It
// changes nothing if the version is decided already.
func decide(ctx context.Context, tx *store.Tx, work string, version int64) (changed bool, err error) {
	n, err := tx.DecideTimestamp(ctx, query.DecideTimestampParams{WorkID: work, Version: version})
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.EnqueueCertificate(ctx, query.EnqueueCertificateParams{Now: store.Micros(tx.Now), WorkID: work, Version: version})
	return true, err
}
