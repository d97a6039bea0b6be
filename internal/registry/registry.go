// Package registry is the only orchestrator: it takes a work from its first
// word to its place on a network, one step at a time, each step one database
// transaction that can be tried again.
//
//	open ──prepare──▶ prepared ──confirm──▶ confirmed        (jobs)
//	  └──────────┴─deadline─▶ expired
//	confirmed ─stage─▶ staged ─broadcast─▶ broadcast ─▶ final (transactions)
//	     └──────────────┴──────────────────────┴─────▶ failed
//
// It holds works, versions, jobs, transactions, and the worker that drives
// them. It never renders an answer, never checks who is calling (a
// session.Caller is proof that somebody did), and never talks to a network
// except through its seam.
package registry

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/crash"
	"timbre.example/internal/credits"
	"timbre.example/internal/network"
	"timbre.example/internal/share"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
)

// Config is what a registry is made of. A server gives every field but Stamp, which
// it may; a command gives those that its one call uses.
type Config struct {
	DB       *store.DB
	Blobs    blob.Store
	Networks map[network.Name]network.Network
	Prices   map[network.Name]credits.Prices
	// WorkURL is the public page of a work, ExplorerURL that of a final
	// transaction.
	WorkURL     func(n network.Name, atsID int64) string
	ExplorerURL func(n network.Name, txHash string) string
	// AccessSecret derives access codes; whoever has it and the database can
	// compute every code, so it stays on the server.
	AccessSecret []byte
	Times        Times
	// Certify makes the PDF certificate. It may be asked again for one that it has
	// made.
	Certify func(context.Context, Issue) ([]byte, error)
	// AwaitCertificate is how long the request for a certificate waits for one of a final
	// version that is being made; 0 is not at all.
	AwaitCertificate time.Duration
	// Stamp asks a time-stamp authority for a token on a commitment; nil: there is
	// none.
	Stamp func(context.Context, [32]byte) ([]byte, error)
	// Prepares is how many files are read at once, half of them for one organization.
	// A further prepare waits a little for its turn and is then refused with
	// common.service_unavailable.
	Prepares int
	// Space is asked before a job begins; nil: there is room.
	Space *space.Guard
	Log   *slog.Logger
}

// Times are the deadlines of a registration.
type Times struct {
	// UploadSlot is how long an upload URL takes PUTs. A job without a quote
	// lives twelve slots, so that a slow upload begun in time is not lost; asking
	// for another slot starts both again.
	UploadSlot time.Duration
	// Job is how long a job lives at most, from its init on, whatever is renewed:
	// at the end of it nothing more is uploaded, prepared or confirmed, and its
	// files go.
	Job time.Duration
	// Quote is how long a quote can be confirmed.
	Quote time.Duration
	// Result is how long the access code can be read from a finished
	// transaction.
	Result time.Duration
}

// slotsPerJob is how many upload slots a job without a quote lives.
// By the usual slot that is two hours: 500 MB take 70 minutes at 1 Mbit/s.
const slotsPerJob = 12

// DefaultTimes are the documented defaults.
func DefaultTimes() Times {
	return Times{UploadSlot: 10 * time.Minute, Job: 24 * time.Hour, Quote: 5 * time.Minute, Result: time.Hour}
}

// Registry is the state machine. It is safe for concurrent use, and several
// may work on one database.
type Registry struct {
	Config
	Progress *Progress
	slots    *share.Pool // for reading files
	turns    turns
	wake     map[network.Name]chan struct{}
	final    chan struct{} // a version waits for its certificate
	failed   atomic.Int64  // certificates
	// unstamped: a version waits for its token. authority says when to ask again.
	unstamped chan struct{}
	authority retry
	// lastCertified and lastStamped name the organization that was served last, and oldest
	// says which of its versions: see fair.go. Each serves one goroutine.
	lastCertified, lastStamped string
	oldest                     bool
	// strays is when the uploads in the store were looked through. It serves one
	// goroutine.
	strays time.Time
	// reached is told each point of the way between two effects. It does
	// nothing in a server; see package crash.
	reached func(point string)
}

// New makes a registry. Run drives what it confirms.
func New(c Config) *Registry {
	r := &Registry{
		Config: c, Progress: newProgress(c.DB, c.Log), slots: share.New(c.Prepares), turns: turns{jobs: map[string]*turn{}},
		wake: map[network.Name]chan struct{}{}, final: make(chan struct{}, 1), unstamped: make(chan struct{}, 1), reached: crash.Points(),
	}
	for name := range c.Networks {
		r.wake[name] = make(chan struct{}, 1)
	}
	return r
}

// Stats are the public facts of a network.
type Stats struct {
	TotalWorks int64
}

// Stats counts the final works of a network.
func (r *Registry) Stats(ctx context.Context, n network.Name) (Stats, error) {
	total, err := r.DB.Read().CountWorks(ctx, string(n))
	return Stats{TotalWorks: total}, err
}

func (r *Registry) network(n network.Name) (network.Network, error) {
	if net, ok := r.Networks[n]; ok {
		return net, nil
	}
	return nil, fmt.Errorf("registry: network %q is not configured", n)
}

// Hex is the wire form of a hash.
func Hex(hash []byte) string { return "0x" + hex.EncodeToString(hash) }
