// Package anchoring takes the confirmed transactions of every network to their end. Each
// step is one database transaction that can be retried, and the exact bytes are stored
// before they are sent.
//
//	confirmed ─stage─▶ staged ─broadcast─▶ broadcast ─▶ final
//	     └──────────────┴──────────────────────┴─────▶ failed
//
// A final transaction makes a work or a version; a failed one gives back all that the
// confirm reserved and held. It talks to a network only through the seam in package network.
// It reads no file, and does not know who follows a transaction.
package anchoring

import (
	"errors"
	"log/slog"
	"time"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/events"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// Config configures a Service. Every field is required, except StampWithin and Events.
type Config struct {
	DB       *store.DB
	Networks network.Set
	Codes    accesscode.Secret
	// StampWithin is how long a new version waits for a time stamp; 0: no time stamps.
	StampWithin time.Duration
	// Changed is called with what followers see of a transaction now: after its broadcast and
	// at its end, but not after the stage, which the broadcast follows at once.
	Changed func(query.TransactionForViewRow)
	// ExplorerURL returns the public page of a final transaction.
	ExplorerURL func(n network.Name, txHash string) string
	// Finished is called when transactions have ended.
	Finished func()
	// Reached is called at each point between two effects; see package crash.
	Reached func(point string)
	// Events records what happens; nil: nothing is recorded.
	Events *events.Recorder
	Log    *slog.Logger
}

// Service drives transactions. It is safe for concurrent use, and several instances may
// work on one database.
type Service struct {
	Config
	wake map[network.Name]work.Signal
}

// New makes a Service. Its Workers drive the transactions.
func New(c Config) *Service {
	s := &Service{Config: c, wake: map[network.Name]work.Signal{}}
	for name := range c.Networks {
		s.wake[name] = work.NewSignal()
	}
	return s
}

// Signal returns the signal that wakes the worker of a network.
func (s *Service) Signal(n network.Name) work.Signal { return s.wake[n] }

// errRehearsed is the failure of a transaction for which a test session requested a failure.
var errRehearsed = errors.New("this is a rehearsal: the test session requested a failing transaction")
