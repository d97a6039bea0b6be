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
	db  *store.DB
	log *slog.Logger

	// missed is set when a read failed since all followers were last woken.
	missed atomic.Bool

	mu        sync.Mutex
	followers map[string]*following // by transaction id
}

// following is the set of followers of one transaction. Between two changes they share one
// read of it: thousands may wake at once.
type following struct {
	wakes   map[*func()]struct{}
	changes atomic.Int64

	mu   sync.Mutex // held while one follower reads for all
	view View
	at   int64 // the value of changes before view was read; -1 before the first read
}

func newProgress(db *store.DB, log *slog.Logger) *Progress {
	return &Progress{db: db, log: log, followers: map[string]*following{}}
}

// Follow calls wake after each change of the transaction's row, until stop is called. wake
// returns at once, and calls nothing of Progress.
func (p *Progress) Follow(id string, wake func()) (stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.followers[id]
	if f == nil {
		f = &following{wakes: map[*func()]struct{}{}, at: -1}
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

// Wake wakes the followers of a transaction whose row has changed.
func (p *Progress) Wake(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.followers[id]; f != nil {
		f.wake()
	}
}

func (p *Progress) wakeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.followers {
		f.wake()
	}
}

// wake is called with the mutex of Progress held.
func (f *following) wake() {
	f.changes.Add(1) // before the followers read
	for w := range f.wakes {
		(*w)()
	}
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
		for _, row := range rows {
			if seen[row.ID] = row.UpdatedAt; before[row.ID] != row.UpdatedAt {
				p.Wake(row.ID)
			}
		}
		return nil
	}}
}
