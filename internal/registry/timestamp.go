package registry

import (
	"context"
	"errors"
	"math"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// timestampPatience is how long a version waits for a token. Then its certificate
// is made without one, and it stays without.
const timestampPatience = 10 * time.Minute

// The waits of an authority that does not answer double from firstWait to this.
const lastTimestampWait = time.Minute

// stampEvery asks for the tokens of final versions beside everything else. The
// certificates that wait for them are woken.
func (r *Registry) stampEvery(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.stamp(ctx); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "time-stamping", "error", err)
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

// stamp decides of every version that is due: it gets a token, or, while the
// authority does not answer and its patience is over, none. What is decided is
// never changed, so two instances may decide at once, and a token that was
// answered and lost is asked for again. The newest go first: a token is worth more
// the sooner it is given.
func (r *Registry) stamp(ctx context.Context) error {
	for {
		now := r.DB.Now()
		asks, until := !now.Before(r.authority.at), int64(math.MaxInt64)
		if !asks {
			until = store.Micros(now)
		}
		rows, err := r.DB.Read().Unstamped(ctx, query.UnstampedParams{Until: until, Lim: batch})
		if err != nil || len(rows) == 0 {
			return err
		}
	page:
		for _, row := range rows {
			var token []byte
			if asks {
				if token, err = r.Stamp(ctx, [32]byte(row.Commitment)); err != nil {
					if ctx.Err() != nil {
						return errors.Join(err, ctx.Err())
					}
					r.authority.wait = min(max(2*r.authority.wait, firstWait), lastTimestampWait)
					r.authority.at = r.DB.Now().Add(r.authority.wait)
					r.Log.WarnContext(ctx, "no time-stamp", "again_in", r.authority.wait, "error", err)
					break // now those go on whose patience is over
				}
				r.authority = retry{}
				r.reached("timestamp.answered")
			} else {
				r.Log.WarnContext(ctx, "a version stays without a time-stamp", "work", row.WorkID, "version", row.Version)
			}
			if err := r.decideTimestamp(ctx, row.WorkID, row.Version, token); err != nil {
				return err
			}
			r.reached("timestamp.committed")
			notify(r.final)
			select {
			case <-r.unstamped: // newer ones
				break page
			default:
			}
		}
	}
}

// decideTimestamp gives a version its token, or nil for none, if nobody has.
func (r *Registry) decideTimestamp(ctx context.Context, work string, version int64, token []byte) error {
	return r.DB.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.DecideTimestamp(ctx, query.DecideTimestampParams{WorkID: work, Version: version})
		if err != nil || n == 0 || token == nil {
			return err
		}
		return tx.InsertTimestamp(ctx, query.InsertTimestampParams{WorkID: work, Version: version, Token: token})
	})
}

// notify wakes who waits, or will.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
