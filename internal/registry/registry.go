// Package registry is the only orchestrator. It takes a work from the first request to its
// place on a network. Each step is one database transaction that can be retried.
//
//	open ──prepare──▶ prepared ──confirm──▶ confirmed        (jobs)
//	  └──────────┴─deadline─▶ expired
//	confirmed ─stage─▶ staged ─broadcast─▶ broadcast ─▶ final (transactions)
//	     └──────────────┴──────────────────────┴─────▶ failed
//
// It holds works, versions, jobs, transactions, and the worker that drives them. It never
// renders an answer. It never authenticates a caller: a session.Caller proves that this was
// done. It talks to a network only through the seam in package network.
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

// Config configures a registry. A server sets every field; Stamp is optional. A command sets
// only the fields that its call uses.
type Config struct {
	DB       *store.DB
	Blobs    blob.Store
	Networks map[network.Name]network.Network
	Prices   map[network.Name]credits.Prices
	// WorkURL returns the public page of a work, ExplorerURL that of a final transaction.
	WorkURL     func(n network.Name, atsID int64) string
	ExplorerURL func(n network.Name, txHash string) string
	// AccessSecret derives access codes. With it and the database every code can be
	// computed, so it stays on the server.
	AccessSecret []byte
	Times        Times
	// Certify makes the PDF certificate. It may be called again for the same certificate.
	Certify func(context.Context, Issue) ([]byte, error)
	// AwaitCertificate is how long a request for a certificate waits while the certificate
	// of a final version is being made; 0 means no wait.
	AwaitCertificate time.Duration
	// Stamp requests a token on a commitment from a time-stamp authority; nil: without
	// time-stamps.
	Stamp func(context.Context, [32]byte) ([]byte, error)
	// Prepares is how many files are read at once; one organization may use half of them.
	// Further prepares wait for prepareWait and are then refused with
	// common.service_unavailable.
	Prepares int
	// Space is checked before a job begins; nil: no check.
	Space *space.Guard
	Log   *slog.Logger
}

// Times are the deadlines of a registration.
type Times struct {
	// UploadSlot is how long an upload URL accepts PUTs. A job without a quote lives twelve
	// slots, so that a slow upload that began in time is not lost. Requesting another slot
	// restarts both.
	UploadSlot time.Duration
	// Job is how long a job lives at most after its init, whatever is renewed. Then nothing
	// more can be uploaded, prepared or confirmed, and its files are removed.
	Job time.Duration
	// Quote is how long a quote can be confirmed.
	Quote time.Duration
	// Result is how long a finished transaction shows the access code.
	Result time.Duration
}

// slotsPerJob is how many upload slots a job without a quote lives. With the default slot
// that is two hours: 500 MB take 70 minutes at 1 Mbit/s.
const slotsPerJob = 12

// DefaultTimes are the documented defaults.
func DefaultTimes() Times {
	return Times{UploadSlot: 10 * time.Minute, Job: 24 * time.Hour, Quote: 5 * time.Minute, Result: time.Hour}
}

// Registry is the state machine. It is safe for concurrent use, and several instances may
// work on one database.
type Registry struct {
	Config
	Progress *Progress
	slots    *share.Pool // for reading files
	shared   sharedPrepares
	wake     map[network.Name]chan struct{}
	final    chan struct{} // signals that a version waits for its certificate
	failed   atomic.Int64  // failed attempts to make a certificate
	// unstamped signals that a version waits for its token. authority holds the next
	// attempt.
	unstamped chan struct{}
	authority retry
	// lastCertified and lastStamped are the organizations that were served last. oldest
	// selects which of its versions is next: see fair.go. Each is used by one goroutine.
	lastCertified, lastStamped string
	oldest                     bool
	// strays is when the stored uploads were last checked. It is used by one goroutine.
	strays time.Time
	// reached is called at each point between two effects. It does nothing in a server; see
	// package crash.
	reached func(point string)
}

// New makes a registry. Run drives the transactions that it confirms.
func New(c Config) *Registry {
	r := &Registry{
		Config: c, Progress: newProgress(c.DB, c.Log), slots: share.New(c.Prepares), shared: sharedPrepares{jobs: map[string]*sharedPrepare{}},
		wake: map[network.Name]chan struct{}{}, final: make(chan struct{}, 1), unstamped: make(chan struct{}, 1), reached: crash.Points(),
	}
	for name := range c.Networks {
		r.wake[name] = make(chan struct{}, 1)
	}
	return r
}

// Stats are the public numbers of a network.
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

// Hex returns the wire form of a hash.
func Hex(hash []byte) string { return "0x" + hex.EncodeToString(hash) }
