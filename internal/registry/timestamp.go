package registry

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// timestampTimeout is how long a version waits for a token. After that its certificate is
// made without one, and the version stays without.
const timestampTimeout = 10 * time.Minute

// The pauses after failed requests to the authority double from firstWait to
// lastTimestampWait.
const lastTimestampWait = time.Minute

// stampEvery requests the tokens of final versions in the background, and wakes certifyEvery
// when a certificate need not wait any longer.
func (r *Registry) stampEvery(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.stamp(ctx); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "time-stamping failed", "error", err)
		}
		timer.Reset(retryEvery)
		select {
		case <-ctx.Done():
			return
		case <-r.unstamped:
		case <-timer.C:
		}
	}
}

// retry is the next attempt at an authority that did not answer.
type retry struct {
	at   time.Time
	wait time.Duration
}

// stamp decides every version that is due: it gets a token, or none after its timeout. A
// decision never changes, so two instances may decide at once. If a token is lost before it
// is stored, it is requested again.
func (r *Registry) stamp(ctx context.Context) error {
	for {
		row, err := r.nextUnstamped(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return r.giveUp(ctx)
		} else if err != nil {
			return err
		}
		r.lastStamped = row.OrganizationID
		if err := r.stampTurn(ctx, row); err != nil {
			return err
		}
	}
}

// nextUnstamped returns the next version to time-stamp: the newest of its organization,
// since an earlier token proves more. While the authority is in backoff it returns
// sql.ErrNoRows: no request would succeed.
func (r *Registry) nextUnstamped(ctx context.Context) (query.NextUnstampedRow, error) {
	now := r.DB.Now()
	if now.Before(r.authority.at) {
		return query.NextUnstampedRow{}, sql.ErrNoRows
	}
	return nextTurn(r.lastStamped, func(after string) (query.NextUnstampedRow, error) {
		return r.DB.Read().NextUnstamped(ctx, query.NextUnstampedParams{After: after, Now: store.Micros(now)})
	})
}

// stampTurn requests the token of a version, unless another instance is doing so. After a
// failure the next request is for another organization: a version that never gets an answer
// never delays others.
func (r *Registry) stampTurn(ctx context.Context, row query.NextUnstampedRow) error {
	var mine int64
	if err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		mine, err = tx.TryTimestamp(ctx, query.TryTimestampParams{WorkID: row.WorkID, Version: row.Version, Seen: row.TimestampAt, AgainAt: store.Micros(tx.Now.Add(lease))})
		return err
	}); err != nil || mine == 0 {
		return err
	}
	r.reached("timestamp.begun")
	token, err := r.Stamp(ctx, [32]byte(row.Commitment))
	if err != nil {
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		now := r.DB.Now()
		r.authority.wait = min(max(2*r.authority.wait, firstWait), lastTimestampWait)
		r.authority.at = now.Add(r.authority.wait)
		r.Log.WarnContext(ctx, "no time-stamp", "work", row.WorkID, "version", row.Version, "again_in", r.authority.wait, "error", err)
		return r.DB.Tx(ctx, func(tx *store.Tx) error {
			return tx.RetryTimestamp(ctx, query.RetryTimestampParams{
				WorkID: row.WorkID, Version: row.Version, AgainAt: store.Micros(now.Add(putOff(row.TimestampTries, lastTimestampWait))), Tries: row.TimestampTries + 1,
			})
		})
	}
	r.authority = retry{}
	r.reached("timestamp.answered")
	if err := r.decideTimestamp(ctx, row.WorkID, row.Version, token); err != nil {
		return err
	}
	r.reached("timestamp.committed")
	notify(r.final)
	return nil
}

// giveUp decides that versions past their timeout have no token.
func (r *Registry) giveUp(ctx context.Context) error {
	for {
		rows, err := r.DB.Read().OverdueTimestamps(ctx, query.OverdueTimestampsParams{Until: store.Micros(r.DB.Now()), Lim: batch})
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := r.DB.Tx(ctx, func(tx *store.Tx) error {
			for _, row := range rows {
				if _, err := tx.DecideTimestamp(ctx, query.DecideTimestampParams(row)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		for _, row := range rows {
			r.Log.WarnContext(ctx, "a version stays without a time-stamp", "work", row.WorkID, "version", row.Version)
		}
		r.reached("timestamp.committed")
		notify(r.final)
	}
}

// decideTimestamp stores a version's token, or nil for none, unless it is decided already.
func (r *Registry) decideTimestamp(ctx context.Context, work string, version int64, token []byte) error {
	return r.DB.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.DecideTimestamp(ctx, query.DecideTimestampParams{WorkID: work, Version: version})
		if err != nil || n == 0 || token == nil {
			return err
		}
		return tx.InsertTimestamp(ctx, query.InsertTimestampParams{WorkID: work, Version: version, Token: token})
	})
}

// notify wakes the receiver of c, now or when it next waits.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
