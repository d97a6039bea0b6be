// Package limit counts calls against budgets: so many in a time, and so many
// of them at once, by key (a session, an address, …).
//
// The count is a GCRA: all that is kept of a budget is the moment at which it
// will be whole again, and a call that is let through moves that moment on by
// one call's time. Where instances share a Postgres they share that moment, as
// one row, and together never let more through than one of them would. On
// SQLite one process serves, and counts in memory alone.
//
// A call does not always ask the database. A large budget is spent from in
// small advances, so that a busy organization is not one row that every call
// waits for; and what was refused is refused from memory until it is due. When
// the database does not answer, each instance counts alone for a while: a limit
// is no reason to turn anybody away, and the call itself will tell.
//
// The package never knows what a key means or how a refusal reads.
package limit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"timbre.example/internal/store"
)

// Rates are the budgets of a server.
type Rates struct {
	Mint         Rate // sessions minted, by key pair
	Session      Rate // calls, by session
	Address      Rate // calls, by network address
	Organization Rate // mints and calls, by organization
	Titles       Rate // refusals for a title that is taken, by end-user or session
}

// Limits are the budgets of a server. A nil one allows everything.
type Limits struct {
	Mint, Session, Address, Organization *Budget
	// Titles is counted by each instance alone.
	Titles *Budget

	shared *shared
}

// New makes the budgets. They are shared by every instance on db when that is a
// Postgres.
func New(db *store.DB, r Rates, log *slog.Logger) *Limits {
	l := &Limits{}
	if db.Dialect() == "postgres" {
		l.shared = &shared{db: db, log: log}
	}
	budget := func(name string, r Rate) *Budget {
		if r.Off() {
			return nil
		}
		return newBudget(name, r, l.shared, func() time.Time { return db.Now() })
	}
	l.Mint, l.Session = budget("mint", r.Mint), budget("session", r.Session)
	l.Address, l.Organization = budget("address", r.Address), budget("organization", r.Organization)
	if !r.Titles.Off() {
		l.Titles = newBudget("duplicate_titles", r.Titles, nil, func() time.Time { return db.Now() })
	}
	return l
}

// Run forgets rows that say nothing any more, until ctx ends.
func (l *Limits) Run(ctx context.Context) {
	if l.shared == nil {
		return
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.shared.sweep(ctx)
		}
	}
}

// State is what is left of a budget after a call.
type State struct {
	Allowed bool
	// Left is how many calls would be let through at once.
	Left int
	// Whole is how long until the whole burst would be.
	Whole time.Duration
	// Wait is how long until one will be, after a refusal.
	Wait time.Duration
}

// Budget is one limit, with an account for each key.
type Budget struct {
	name   string
	rate   Rate
	every  time.Duration // one call's time
	burst  time.Duration // that of the whole burst
	chunk  int           // the largest advance
	shared *shared       // nil: this process counts alone
	now    func() time.Time

	// Accounts that nobody used for a generation, which is longer than any
	// takes to be whole again, are forgotten.
	mu             sync.Mutex
	recent, before map[string]*account
	turned         time.Time
}

// MaxKeys is how many keys a budget remembers in this process. When more than
// that call within one generation, those that called longest ago are forgotten
// first; a forgotten one that is counted in memory alone starts afresh.
const MaxKeys = 1 << 16

// account is one key's budget as this process knows it.
type account struct {
	mu sync.Mutex
	// whole is when the budget will be whole again, as last seen. Others may
	// have moved it on since, and never back.
	whole time.Time
	// advance is how many calls were taken from the shared budget ahead of
	// time: the last ones before whole.
	advance int
}

func newBudget(name string, r Rate, s *shared, now func() time.Time) *Budget {
	b := &Budget{name: name, rate: r, every: r.every(), shared: s, now: now, recent: map[string]*account{}, turned: now()}
	b.burst = b.every * time.Duration(r.Burst)
	// At most 1.6 % of the burst, so that what other instances hold unused is
	// hardly missed.
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
	if a.whole.After(b.beyond(now)) {
		a.whole, a.advance = time.Time{}, 0
	}
	// An advance that was not spent before its time is lost: by then the shared
	// budget has grown by as much, and spending both would be too many.
	a.advance = min(a.advance, int(max(0, a.whole.Sub(now))/b.every))
	s := State{}
	switch {
	case a.advance > 0:
		a.advance--
		s.Allowed = true
	case b.left(a.whole, now) > 0:
		s.Allowed = b.spend(ctx, key, a, now)
	}
	s.Left, s.Whole = a.advance+b.left(a.whole, now), max(0, a.whole.Sub(now))
	if !s.Allowed {
		s.Wait = a.whole.Add(b.every - b.burst).Sub(now)
	}
	return s
}

// disagreement is how far the clocks of instances may lie apart.
const disagreement = time.Minute

// beyond is the latest moment at which a budget can be whole again. A later one was
// written while the clock was ahead, and says nothing since the clock was corrected.
// Without this bound, all callers would be refused until that time.
func (b *Budget) beyond(now time.Time) time.Time { return now.Add(b.burst + disagreement) }

// Return gives back a call that Take let through. It is for a budget that each
// instance counts alone.
func (b *Budget) Return(key string) {
	if b == nil {
		return
	}
	a := b.account(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.whole = a.whole.Add(-b.every)
}

// left is how many calls fit in at once, when the budget is whole at that time.
func (b *Budget) left(whole, now time.Time) int {
	return int((b.burst - max(0, whole.Sub(now))) / b.every)
}

// spend takes one call, and an advance where the budget is a large one, from
// the shared budget or else from this process's own.
func (b *Budget) spend(ctx context.Context, key string, a *account, now time.Time) bool {
	want := min(b.chunk, b.left(a.whole, now))
	for b.shared.answers(now) {
		cost := b.every * time.Duration(want)
		whole, ok, err := b.shared.spend(ctx, b.name+" "+key, now, cost, now.Add(b.burst-cost), b.beyond(now))
		if err != nil {
			break
		}
		a.whole = whole
		if ok {
			a.advance = want - 1
			return true
		}
		// Others have spent what we thought was left. Perhaps less will do.
		if want = min(want-1, b.left(whole, now)); want < 1 {
			return false
		}
	}
	if a.whole.Before(now) {
		a.whole = now
	}
	a.whole = a.whole.Add(b.every)
	return true
}

// account finds or makes the account of a key.
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
