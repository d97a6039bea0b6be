package main

import (
	"strings"
	"testing"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// A clock that differs from the database's is an error of the worker that compares them.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := &clockSkew{db: db}
		off := time.Duration(0)
		now := db.Now
		db.Now = func() time.Time { return now().Add(off) }
		if err := c.compare(t.Context()); err != nil || c.last().Abs() > time.Second {
			t.Errorf("%s, %v", c.last(), err)
		}
		for _, off = range []time.Duration{time.Hour, -time.Hour} {
			err := c.compare(t.Context())
			if !strings.Contains(t.Name(), "ostgres") { // SQLite has no clock of its own
				if err != nil || c.last() != 0 {
					t.Errorf("%s, %v", c.last(), err)
				}
				continue
			}
			if err == nil || (c.last()+off).Abs() > time.Second {
				t.Errorf("off by %s: %s, %v", off, c.last(), err)
			}
		}
	})
}
