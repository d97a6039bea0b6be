package limit

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"timbre.example/internal/operation"
)

// Bytes is a budget of bytes that are held at the same time in this process. One key can
// hold at most a share of it, so that other keys have room.
type Bytes struct {
	free  *semaphore.Weighted
	share int64

	mu   sync.Mutex
	held map[string]int64
}

// The errors of Bytes.
var (
	ErrShare = errors.New("the key's share is used up")
	ErrFull  = errors.New("no room became free before the timeout")
)

// NewBytes makes a budget of most bytes, of which one key can hold at most share.
func NewBytes(most, share int64) *Bytes {
	return &Bytes{free: semaphore.NewWeighted(most), share: share, held: map[string]int64{}}
}

// Hold takes n bytes until release is called. If they do not fit in the key's share, it
// returns ErrShare at once. If the budget has no room, it waits for at most wait and then
// returns ErrFull. Keys wait in the order in which they came.
func (b *Bytes) Hold(ctx context.Context, key string, n int64, wait time.Duration) (release func(), err error) {
	defer operation.Wrap(&err, "hold %d bytes for a body", n)
	b.mu.Lock()
	if b.held[key]+n > b.share {
		b.mu.Unlock()
		return nil, ErrShare
	}
	b.held[key] += n
	b.mu.Unlock()
	giveBack := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.held[key] -= n; b.held[key] == 0 {
			delete(b.held, key)
		}
	}
	// Free room is taken at once. A short wait can end before a busy machine runs this again.
	if b.free.TryAcquire(n) {
		return func() { b.free.Release(n); giveBack() }, nil
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := b.free.Acquire(waiting, n); err != nil {
		giveBack()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, ErrFull
	}
	return func() { b.free.Release(n); giveBack() }, nil
}

// Held returns the number of bytes that a key holds.
func (b *Bytes) Held(key string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held[key]
}
