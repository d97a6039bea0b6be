package log

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Limits of the clock. A correction by an NTP daemon is usually smaller than jump.
const (
	// jump is the smallest difference between the two clocks that is logged.
	jump = 5 * time.Second
	// steady is how long no block is made after a jump ahead by more than the tolerance:
	// long enough for a time service to correct it.
	steady = time.Minute
)

// clock compares the wall clock, which gives blocks their times, with the monotonic
// clock, which no program can set. It is safe for concurrent use.
type clock struct {
	wall      func() time.Time
	monotonic func() time.Duration
	tolerance time.Duration
	log       *slog.Logger

	mu       sync.Mutex
	seen     bool
	lastWall time.Time
	lastMono time.Duration
	ahead    time.Duration // how far it jumped ahead and was not corrected
	steadyAt time.Duration // monotonic: from then on, a jump ahead counts as the true time
	jumps    int64
}

// look detects jumps since the last call. It returns a Stop while a jump ahead can still
// be an error.
func (c *clock) look() *Stop {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, mono := c.wall().Round(0), c.monotonic()
	if c.seen {
		by := wall.Sub(c.lastWall) - (mono - c.lastMono)
		if by > jump || by < -jump {
			c.jumps++
			c.log.WarnContext(context.Background(), "the clock of this machine jumped: check that a time server (NTP) synchronizes it", "by", by.Round(time.Millisecond), "now", wall.UTC())
			c.ahead = max(0, c.ahead+by)
			if c.ahead > c.tolerance {
				c.steadyAt = mono + steady
			}
		}
	}
	c.seen, c.lastWall, c.lastMono = true, wall, mono
	if c.ahead <= c.tolerance {
		return nil
	}
	if mono >= c.steadyAt {
		c.ahead = 0
		return nil
	}
	return &Stop{Reason: ClockJumped, Until: wall.Add(c.steadyAt - mono)}
}

// ClockJumps returns how often this process saw the clock jump by more than 5 seconds.
func (l *Log) ClockJumps() int64 {
	l.clock.mu.Lock()
	defer l.clock.mu.Unlock()
	return l.clock.jumps
}

// behind returns a Stop while the newest block is further in the future than the
// tolerance: until then, every block would get that time.
func (l *Log) behind(row query.GetLogRow) error {
	at := store.Time(row.BlockAt)
	if at.Sub(l.db.Now()) <= l.config.ClockTolerance {
		return nil
	}
	return &Stop{Reason: ClockBehind, Network: l.config.Network, Origin: l.config.Origin, Size: row.Size, Until: at}
}
