// Package limit limits the rate of calls by key (a session, an address, …): a number of
// calls in a time, and a burst.
//
// The algorithm is GCRA. The only state of a budget is the time at which it will be full
// again; an allowed call moves that time on by the cost of one call. Instances on one
// Postgres share that time as one row, so together they never allow more calls than one
// instance would. On SQLite one process serves, and counts in memory only.
//
// Not every call needs the database. A process takes several calls at once from a large
// budget, so that a busy organization is not one row that every call waits for. A refused
// key is refused from memory until it may call again. If the database does not answer,
// each instance counts alone for a while, so that no caller is refused because of it; the
// call itself will report the error.
//
// The package knows neither the meaning of a key nor the text of a refusal.
package limit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/work"
)

// Rates are the rate limits of a server.
type Rates struct {
	Mint         Rate // sessions minted, by key pair
	Session      Rate // calls, by session
	Key          Rate // calls, by API key
	Address      Rate // calls, by network address
	Organization Rate // mints and calls, by organization
	Titles       Rate // registration.duplicate_title errors, by end-user or session
}

// Limits are the budgets of a server. A nil Limits allows everything.
type Limits struct {
	Mint, Session, Key, Address, Organization *Budget
	// Each instance counts Titles alone.
	Titles *Budget

	shared *shared
	now    func() time.Time
}

// Budget makes one more budget, shared like the others. Its name is unique among the budgets of
// a server. The rate off is the nil Budget, which allows everything.
func (l *Limits) Budget(name string, r Rate) *Budget {
	if l == nil || r.Off() {
		return nil
	}
	return newBudget(name, r, l.shared, l.now)
}

// New makes the budgets. If db is a Postgres, all instances on it share them.
func New(db *store.DB, r Rates, log *slog.Logger) *Limits {
	l := &Limits{now: func() time.Time { return db.Now() }}
	if db.Dialect() == "postgres" {
		l.shared = &shared{db: db, log: log}
	}
	l.Mint, l.Session = l.Budget("mint", r.Mint), l.Budget("session", r.Session)
	l.Address, l.Organization = l.Budget("address", r.Address), l.Budget("organization", r.Organization)
	l.Key = l.Budget("api_key", r.Key)
	if !r.Titles.Off() {
		l.Titles = newBudget("duplicate_titles", r.Titles, nil, func() time.Time { return db.Now() })
	}
	return l
}

// Worker returns the worker that deletes rows of budgets that are full again. A sweep logs its
// own failure, together with those of other calls. Without shared budgets it returns nil.
func (l *Limits) Worker() *work.Worker {
	if l.shared == nil {
		return nil
	}
	return &work.Worker{Name: "limits", Step: l.shared.sweep, Every: time.Minute}
}

// Follow returns the worker that compares the clock with that of the database, so that instances
// whose clocks differ share their budgets. Without shared budgets it returns nil.
func (l *Limits) Follow() *work.Worker {
	if l.shared == nil {
		return nil
	}
	return &work.Worker{Name: "clock of limits", Step: l.shared.measure, Every: measured, Retry: checked, MaxRetry: measured, Early: l.shared.set}
}

// Alone reports whether this process counts alone now, because the shared database does not
// answer, and how often it began to. Without a shared database it returns false and 0: then
// there is nothing to share.
func (l *Limits) Alone() (alone bool, times int64) {
	if l.shared == nil {
		return false, 0
	}
	answers := l.shared.answers(l.shared.db.Now())
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	return !answers, l.shared.times
}

// State is the state of a budget after a call.
type State struct {
	Allowed bool
	// Left is how many more calls are allowed now.
	Left int
	// Whole is the time until the whole burst is available again.
	Whole time.Duration
	// Wait is the time until the next call is allowed, after a refusal.
	Wait time.Duration
}

// Budget is one rate limit, with an account for each key.
type Budget struct {
	name   string
	rate   Rate
	every  time.Duration // the cost of one call
	burst  time.Duration // the cost of the whole burst
	chunk  int           // the largest number of calls that are taken ahead
	shared *shared       // nil: this process counts alone
	now    func() time.Time

	// Accounts that are not used for a generation are deleted. A generation is longer
	// than any budget takes to be full again.
	mu             sync.Mutex
	recent, before map[string]*account
	turned         time.Time
}

// MaxKeys is the largest number of keys of one budget in this process's memory. With more
// keys in one generation, the least recently used are deleted first. A deleted key that
// is counted only in memory starts again with a full budget.
const MaxKeys = 1 << 16

// account is the state of one key's budget in this process.
type account struct {
	mu sync.Mutex
	// full is the time at which the budget will be full again, as last read. Other
	// instances can have moved it on since, but never back.
	full time.Time
	// advance is the number of calls that were taken ahead from the shared budget and are
	// not used yet.
	advance int
}

func newBudget(name string, r Rate, s *shared, now func() time.Time) *Budget {
	b := &Budget{name: name, rate: r, every: r.every(), shared: s, now: now, recent: map[string]*account{}, turned: now()}
	b.burst = b.every * time.Duration(r.Burst)
	// At most 1.6 % of the burst, so that the unused calls of other instances hardly
	// matter.
	b.chunk = max(1, r.Burst/64)
	return b
}

// Take spends one call of the key's budget, or refuses it.
func (b *Budget) Take(ctx context.Context, key string) State {
	if b == nil {
		return State{Allowed: true}
	}
	a := b.account(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	now := b.now()
	if a.full.After(b.beyond(now)) {
		a.full, a.advance = time.Time{}, 0
	}
	// Unused calls of an advance expire: the shared budget has grown by as much
	// meanwhile, and using both would be too many.
	a.advance = min(a.advance, int(max(0, a.full.Sub(now))/b.every))
	s := State{}
	switch {
	case a.advance > 0:
		a.advance--
		s.Allowed = true
	case b.left(a.full, now) > 0:
		s.Allowed = b.spend(ctx, key, a, now)
	}
	s.Left, s.Whole = a.advance+b.left(a.full, now), max(0, a.full.Sub(now))
	if !s.Allowed {
		s.Wait = a.full.Add(b.every - b.burst).Sub(now)
	}
	return s
}

// disagreement is the largest difference between the times of instances: nothing in one process,
// and little when each instance follows the database's clock. The error of another instance is not
// known here, so it may be the largest that measure accepts.
func (b *Budget) disagreement() time.Duration {
	if b.shared == nil {
		return 0
	}
	if _, known := b.shared.skew(); !known { // this instance counts alone
		return 0
	}
	return 2 * timeout
}

// beyond is the latest time at which a budget can be full again. A later time was written
// while a clock was ahead, and does not count after the clock was corrected. Without this
// bound, all callers would be refused until that time.
func (b *Budget) beyond(now time.Time) time.Time { return now.Add(b.burst + b.disagreement()) }

// Return undoes one allowed Take. Use it only for a budget that each instance counts
// alone.
func (b *Budget) Return(key string) {
	if b == nil {
		return
	}
	a := b.account(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.full = a.full.Add(-b.every)
}

// left returns how many calls are allowed at once, if the budget is full at that time.
func (b *Budget) left(full, now time.Time) int {
	return int((b.burst - max(0, full.Sub(now))) / b.every)
}

// spend takes one call (and for a large budget an advance) from the shared budget, or
// without a database from this process's own.
func (b *Budget) spend(ctx context.Context, key string, a *account, now time.Time) bool {
	want := min(b.chunk, b.left(a.full, now))
	for b.shared.answers(now) {
		cost := b.every * time.Duration(want)
		full, ok, err := b.shared.spend(ctx, b.name+" "+key, now, cost, now.Add(b.burst-cost), b.beyond(now))
		if err != nil {
			break
		}
		a.full = full
		if ok {
			a.advance = want - 1
			return true
		}
		// Another instance has used the calls that we expected. Fewer calls may still
		// fit.
		if want = min(want-1, b.left(full, now)); want < 1 {
			return false
		}
	}
	if a.full.Before(now) {
		a.full = now
	}
	a.full = a.full.Add(b.every)
	return true
}

// account returns the account of a key, and makes it if it is missing.
func (b *Budget) account(key string) *account {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); now.Sub(b.turned) > b.burst || len(b.recent) >= MaxKeys/2 {
		b.before, b.recent, b.turned = b.recent, map[string]*account{}, now
	}
	a, ok := b.recent[key]
	if !ok {
		if a, ok = b.before[key]; !ok {
			a = &account{}
		}
		b.recent[key] = a
	}
	return a
}
