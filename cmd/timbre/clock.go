package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/work"
)

// mostSkew is how far the clocks of a process and of its database may differ. Instances compare
// times that others wrote, such as heartbeats and leases.
const mostSkew = 5 * time.Second

// clockSkew compares the clock of this machine with that of the database, which all instances
// share.
type clockSkew struct {
	db    *store.DB
	found atomic.Int64 // a time.Duration
}

func (c *clockSkew) last() time.Duration { return time.Duration(c.found.Load()) }

// worker returns the worker that compares the clocks each minute.
func (c *clockSkew) worker(log *slog.Logger) *work.Worker {
	return &work.Worker{Name: "clock", Every: time.Minute, Log: log, Step: c.compare}
}

func (c *clockSkew) compare(ctx context.Context) error {
	skew, within, err := c.db.ClockSkew(ctx)
	if err != nil {
		return err
	}
	c.found.Store(int64(skew))
	if skew.Abs() > mostSkew+within {
		return fmt.Errorf("the database's clock is %s ahead of this machine's: synchronize both with a time server (NTP)", skew.Round(time.Second))
	}
	return nil
}
