package works

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// Progress wakes the followers of a transaction. A wake-up only says "read the row again":
// wake-ups may coalesce or be spurious.
type Progress struct {
	db   *store.DB
	read func(ctx context.Context, q *query.Queries, id string) (View, error)
	view func(query.TransactionForViewRow) (View, error)
	log  *slog.Logger

	// missed is set when a read failed since all followers were last woken.
	missed atomic.Bool

	mu        sync.Mutex
	followers map[string]*following // by transaction id
}

// following is the set of followers of one transaction. Between two changes they share one
// read of it: thousands may wake at once. A change that this process made is not read, and other
// changes of the same moment are read together.
type following struct {
	id      string
	wakes   map[*func()]struct{}
	changes atomic.Int64

	reading sync.Mutex // held while one follower reads for all

	mu   sync.Mutex
	view View
	at   int64 // the value of changes before view was read; -1 before the first read
}

func newProgress(db *store.DB, read func(context.Context, *query.Queries, string) (View, error), view func(query.TransactionForViewRow) (View, error), log *slog.Logger) *Progress {
	return &Progress{db: db, read: read, view: view, log: log, followers: map[string]*following{}}
}

// Follow calls wake after each change of the transaction's row, until stop is called. wake
// returns at once, and calls nothing of Progress.
func (p *Progress) Follow(id string, wake func()) (stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.followers[id]
	if f == nil {
		f = &following{id: id, wakes: map[*func()]struct{}{}, at: -1}
		p.followers[id] = f
	}
	f.wakes[&wake] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(f.wakes, &wake)
		if len(f.wakes) == 0 && p.followers[id] == f {
			delete(p.followers, id)
		}
	}
}

// Followers counts the open followers.
func (p *Progress) Followers() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.followers {
		n += len(f.wakes)
	}
	return n
}

// Changed wakes the followers of a transaction that this process has changed. row is what a
// read would return now, so that no follower reads it.
func (p *Progress) Changed(row query.TransactionForViewRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.followers[row.Transaction.ID]
	if f == nil {
		return
	}
	changes := f.changes.Add(1)
	if v, err := p.view(row); err == nil && !f.newer(v.UpdatedAt) {
		f.saw(v, changes)
	}
	f.ring()
}

// Wake wakes the followers of transactions whose rows have changed, after one round trip for
// all of them.
func (p *Progress) Wake(ids ...string) {
	p.mu.Lock()
	var all []*following
	for _, id := range ids {
		if f := p.followers[id]; f != nil {
			f.changes.Add(1) // before the read
			all = append(all, f)
		}
	}
	p.mu.Unlock()
	if len(all) > 0 {
		go p.tell(all)
	}
}

// tell reads transactions for their followers and wakes them. A follower whose transaction
// could not be read tries by itself.
func (p *Progress) tell(all []*following) {
	_ = p.db.Each(context.Background(), len(all), func(q *query.Queries, i int) error { // each round trip has a timeout
		f := all[i]
		changes := f.changes.Load()
		if v, err := p.read(context.Background(), q, f.id); err == nil {
			f.saw(v, changes)
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range all {
		f.ring()
	}
}

func (p *Progress) wakeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.followers {
		f.changes.Add(1)
		f.ring()
	}
}

// ring is called with the mutex of Progress held.
func (f *following) ring() {
	for w := range f.wakes {
		(*w)()
	}
}

// saw keeps a view that was read after so many changes.
func (f *following) saw(v View, changes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at < changes {
		f.view, f.at = v, changes
	}
}

// newer reports whether the followers have a view of a later change.
func (f *following) newer(than time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view.UpdatedAt.After(than)
}

// last returns the view after so many changes, if it was read already.
func (f *following) last(changes int64) (View, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view, f.at >= changes
}

// has reports whether the followers have seen the state that a row got at this time.
func (f *following) has(updatedAt int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at >= 0 && store.Micros(f.view.UpdatedAt) == updatedAt
}

// has reports whether no follower of a transaction needs to read it: this process made the
// change, and its followers have it.
func (p *Progress) has(id string, updatedAt int64) bool {
	p.mu.Lock()
	f := p.followers[id]
	p.mu.Unlock()
	return f == nil || f.has(updatedAt)
}

// watchEvery is the longest delay before a follower learns of a change by another instance.
const watchEvery = 500 * time.Millisecond

// Worker returns the worker that wakes followers of transactions that another process has
// changed. It reads nothing while there are no followers.
func (p *Progress) Worker() *work.Worker {
	since := p.db.Now()
	seen := map[string]int64{} // result of the last query
	return &work.Worker{Name: "progress", Every: watchEvery, Log: p.log, Step: func(ctx context.Context) error {
		if p.Followers() == 0 {
			since = p.db.Now()
			return nil
		}
		// Commits become visible a little after the time they carry, so each query overlaps
		// the one before.
		rows, err := p.db.Read().ChangedTransactions(ctx, query.ChangedTransactionsParams{Since: store.Micros(since.Add(-5 * time.Second)), Lim: 10_000})
		if err != nil {
			p.missed.Store(true)
			return fmt.Errorf("read changed transactions: %w", err)
		}
		if p.missed.Swap(false) { // the database is back
			p.wakeAll()
		}
		since = p.db.Now()
		before := seen
		seen = make(map[string]int64, len(rows))
		var changed []string
		for _, row := range rows {
			if seen[row.ID] = row.UpdatedAt; before[row.ID] != row.UpdatedAt && !p.has(row.ID, row.UpdatedAt) {
				changed = append(changed, row.ID)
			}
		}
		p.Wake(changed...)
		return nil
	}}
}
