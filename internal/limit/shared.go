package limit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// shared is the budgets of all instances, as rows in Postgres. Each statement changes one
// row in a transaction of its own. So no statement waits while it holds a row, and there
// are no deadlocks.
//
// The times in the rows are those of the database's clock, as far as Follow has compared it
// with the instance's own. Otherwise an instance whose clock is ahead would use up everybody's
// budget with each call, and every other instance would refuse its callers.
type shared struct {
	db  *store.DB
	log *slog.Logger

	mu     sync.Mutex
	ahead  time.Duration // how far the database's clock is ahead of this instance's
	known  bool          // ahead was measured
	at     time.Time     // on this instance's clock, when it was measured
	since  time.Time     // the same on the clock that is never set
	until  time.Time     // when the database is tried again after a failure
	logged time.Time     // time of the last log line
	times  int64         // how often this instance began to count alone
}

// timeout is how long a call waits for the database. Tests wait longer: their machine may be busy.
var timeout = 500 * time.Millisecond

const (
	// alone is how long each instance counts alone after a timeout.
	alone = 5 * time.Second
	// measured is the time between two comparisons of the clocks, and checked that between two
	// looks whether the own clock was set meanwhile.
	measured, checked = 10 * time.Second, 250 * time.Millisecond
	// jump is a change of the own clock that is measured at once, and the largest error of
	// a measurement.
	jump = 100 * time.Millisecond
	// quiet is the shortest time between two log lines.
	quiet = time.Minute
)

// answers reports whether there is a shared database that probably answers.
func (s *shared) answers(now time.Time) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !now.Before(s.until) || s.until.Sub(now) > alone // or the clock was set back
}

// spend moves the time of a budget on by cost, unless the result is after latest. It
// returns the new time. A time after beyond counts as past.
func (s *shared) spend(ctx context.Context, key string, now time.Time, cost time.Duration, latest, beyond time.Time) (full time.Time, ok bool, err error) {
	// The call counts also if the caller cancels it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	skew, known := s.skew()
	if !known { // the first call of this instance: its clock may be wrong by any time
		if err := s.measure(ctx); err != nil {
			s.away(now, err)
			return full, false, err
		}
		skew, _ = s.skew()
	}
	now, latest, beyond = now.Add(skew), latest.Add(skew), beyond.Add(skew)
	var us int64
	err = s.db.One(ctx, func(tx *store.Tx) error {
		us, err = tx.SpendBudget(ctx, query.SpendBudgetParams{Key: key, Now: store.Micros(now), Cost: cost.Microseconds(), Latest: store.Micros(latest), Beyond: store.Micros(beyond)})
		return err
	})
	if ok = err == nil; errors.Is(err, sql.ErrNoRows) {
		us, err = s.db.Read().GetBudget(ctx, key)
		if errors.Is(err, sql.ErrNoRows) { // the row was deleted at this moment
			us, err = store.Micros(now), nil
		}
	}
	if err != nil {
		s.away(now.Add(-skew), err)
	}
	return store.Time(us).Add(-skew), ok, err
}

// skew returns how far the database's clock is ahead, and whether that is known.
func (s *shared) skew() (ahead time.Duration, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ahead, s.known
}

// measure compares the clocks. A late answer says little: only the first comparison may use one.
// An error beyond the timeout says that the own clock was set meanwhile, and is never used.
func (s *shared) measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	at, since := s.db.Now().Round(0), time.Now() // without and with the clock that is never set
	ahead, within, err := s.db.ClockSkew(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if within > jump && (s.known || within > timeout) {
		return fmt.Errorf("the database's clock was read too slowly: the error may be %s", within)
	}
	s.ahead, s.known, s.at, s.since = ahead, true, at, since
	return nil
}

// set reports whether this instance's clock was set since the last comparison.
func (s *shared) set() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known && (s.db.Now().Round(0).Sub(s.at)-time.Since(s.since)).Abs() > jump
}

// away records that the database does not answer, and logs it now and then.
func (s *shared) away(now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now.Before(s.until) {
		s.times++
	}
	s.until = now.Add(alone)
	if now.Sub(s.logged).Abs() < quiet {
		return
	}
	s.logged = now
	s.log.Warn("the limits' database does not answer: this instance counts alone", "error", err)
}

func (s *shared) sweep(ctx context.Context) error {
	for after := ""; ; {
		last, err := s.db.Read().NextBudgets(ctx, query.NextBudgetsParams{After: after, Lim: sweepBatch})
		if err == nil && last != "" {
			err = s.db.One(ctx, func(tx *store.Tx) error {
				return tx.SweepBudgets(ctx, query.SweepBudgetsParams{After: after, Last: last, Now: store.Micros(tx.Now)})
			})
		}
		if err != nil && ctx.Err() == nil {
			s.away(s.db.Now(), err)
		}
		if err != nil || last == "" {
			return err
		}
		after = last
	}
}

// sweepBatch is how many budgets one statement of sweep reads.
const sweepBatch = 1000
