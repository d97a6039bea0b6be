package registry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Progress wakes those who follow a transaction. Rows are the truth: a wake-up
// says only "look again", several may melt into one, and one too many does no
// harm.
type Progress struct {
	db  *store.DB
	log *slog.Logger

	mu        sync.Mutex
	followers map[string]map[chan struct{}]struct{} // by transaction id
}

func newProgress(db *store.DB, log *slog.Logger) *Progress {
	return &Progress{db: db, log: log, followers: map[string]map[chan struct{}]struct{}{}}
}

// Follow returns a channel that receives after the transaction's row has
// changed, until stop is called.
func (p *Progress) Follow(id string) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.followers[id] == nil {
		p.followers[id] = map[chan struct{}]struct{}{}
	}
	p.followers[id][c] = struct{}{}
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.followers[id], c)
		if len(p.followers[id]) == 0 {
			delete(p.followers, id)
		}
	}
}

// Followers counts who is listening.
func (p *Progress) Followers() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.followers {
		n += len(f)
	}
	return n
}

func (p *Progress) wake(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.followers[id] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// watchEvery is how late a follower may learn of what another instance did.
const watchEvery = 500 * time.Millisecond

// Watch wakes followers of transactions that another process has changed, until
// ctx ends. It reads nothing while nobody follows.
func (p *Progress) Watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	since := p.db.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if p.Followers() == 0 {
			since = p.db.Now()
			continue
		}
		// Commits become visible a little after the time they carry, so each
		// look reaches back over the one before.
		rows, err := p.db.Read().ChangedTransactions(ctx, query.ChangedTransactionsParams{Since: store.Micros(since.Add(-5 * time.Second)), Lim: 10_000})
		if err != nil {
			if ctx.Err() == nil {
				p.log.WarnContext(ctx, "watching progress", "error", err)
			}
			continue
		}
		since = p.db.Now()
		for _, row := range rows {
			p.wake(row.ID)
		}
	}
}
