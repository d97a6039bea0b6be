package limit

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// shared is the budgets of all instances: rows in Postgres. Each statement
// touches one row and is a transaction of its own, so none waits for another
// while it holds a row, and nothing can deadlock.
//
// The times are those of the instance that asks. Clocks that disagree let
// through, once, what a budget regains in the difference.
type shared struct {
	db  *store.DB
	log *slog.Logger

	mu    sync.Mutex
	until time.Time // when the database is asked again after it did not answer
	said  time.Time // when that was logged last
}

const (
	// patience is how long a call waits for its limit.
	patience = 500 * time.Millisecond
	// alone is how long each instance counts alone after that.
	alone = 5 * time.Second
	// quiet is how long nothing more is logged.
	quiet = time.Minute
)

// answers reports whether there is a database to share with, and it is thought
// to answer.
func (s *shared) answers(now time.Time) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !now.Before(s.until) || s.until.Sub(now) > alone // the clock was set back
}

// spend moves a budget's moment on by cost, unless it is after latest, and
// returns the moment as it is now. One after beyond counts as past.
func (s *shared) spend(ctx context.Context, key string, now time.Time, cost time.Duration, latest, beyond time.Time) (whole time.Time, ok bool, err error) {
	// A caller who hangs up has called all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var us int64
	err = s.db.One(ctx, func(tx *store.Tx) error {
		us, err = tx.SpendBudget(ctx, query.SpendBudgetParams{Key: key, Now: store.Micros(now), Cost: cost.Microseconds(), Latest: store.Micros(latest), Beyond: store.Micros(beyond)})
		return err
	})
	if ok = err == nil; errors.Is(err, sql.ErrNoRows) {
		us, err = s.db.Read().GetBudget(ctx, key)
		if errors.Is(err, sql.ErrNoRows) { // swept this very moment
			us, err = store.Micros(now), nil
		}
	}
	if err != nil {
		s.away(now, err)
	}
	return store.Time(us), ok, err
}

// away remembers that the database does not answer, and says so now and then.
func (s *shared) away(now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = now.Add(alone)
	if now.Sub(s.said).Abs() < quiet {
		return
	}
	s.said = now
	s.log.Warn("the limits' database does not answer: this instance counts alone", "error", err)
}

func (s *shared) sweep(ctx context.Context) {
	err := s.db.One(ctx, func(tx *store.Tx) error { return tx.SweepBudgets(ctx, store.Micros(tx.Now)) })
	if err != nil && ctx.Err() == nil {
		s.away(s.db.Now(), err)
	}
}
