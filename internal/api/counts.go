package api

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"timbre.example/internal/network"
	"timbre.example/internal/works"
)

// counts caches the counts of the networks for a second, since the database counts rows. One
// caller queries it, and the others share the answer.
type counts struct {
	asking singleflight.Group

	mu    sync.Mutex
	of    map[network.Name]standing
	asked int
}

type standing struct {
	works.Stats
	at time.Time
}

func newCounts() counts { return counts{of: map[network.Name]standing{}} }

const (
	countsLive = time.Second
	countsWait = 5 * time.Second
)

// read returns the counts of a network. ask queries the database.
func (c *counts) read(ctx context.Context, n network.Name, ask func(context.Context, network.Name) (works.Stats, error)) (works.Stats, error) {
	c.mu.Lock()
	known := c.of[n]
	c.mu.Unlock()
	if time.Since(known.at) < countsLive {
		return known.Stats, nil
	}
	s, err, _ := c.asking.Do(string(n), func() (any, error) {
		// Another caller may wait for the answer when the first has disconnected.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countsWait)
		defer cancel()
		s, err := ask(ctx, n)
		if err == nil {
			c.mu.Lock()
			c.of[n] = standing{s, time.Now()}
			c.asked++
			c.mu.Unlock()
		}
		return s, err
	})
	return s.(works.Stats), err
}
