// Package registry builds the rooms of a registry and connects them. The rooms are the intake of
// jobs, the anchoring of their transactions and the reading of works. The others are the issuing
// of proofs, the delivery of webhooks, and the erasing of what must not stay. It decides
// nothing itself.
//
// The tests of this package drive whole registrations, on both databases and with failures at
// each step. So they test the rooms together; each ends with the invariants.
package registry

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/accesscode"
	"timbre.example/internal/anchoring"
	"timbre.example/internal/blob"
	"timbre.example/internal/certificate"
	"timbre.example/internal/crash"
	"timbre.example/internal/credits"
	"timbre.example/internal/erasing"
	"timbre.example/internal/events"
	"timbre.example/internal/intake"
	"timbre.example/internal/issuing"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/search"
	"timbre.example/internal/space"
	"timbre.example/internal/stamping"
	"timbre.example/internal/store"
	"timbre.example/internal/tally"
	"timbre.example/internal/webhook"
	"timbre.example/internal/work"
	"timbre.example/internal/works"
)

// Config configures a registry. A server sets every field; Stamp, Space and Events are optional. A
// command sets only the fields that its call uses.
type Config struct {
	DB       *store.DB
	Blobs    blob.Store
	Networks network.Set
	Prices   map[network.Name]credits.Prices
	// WorkURL returns the public page of a work, ExplorerURL that of a final transaction.
	WorkURL     func(n network.Name, atsID int64) string
	ExplorerURL func(n network.Name, txHash string) string
	// AccessSecret derives access codes. With it and the database every code can be
	// computed, so it stays on the server.
	AccessSecret []byte
	Times        Times
	// Certify makes the PDF certificate. It may be called again for the same certificate.
	Certify func(context.Context, issuing.Issue) ([]byte, error)
	// AwaitCertificate is how long a request for a certificate waits while the certificate
	// of a final version is being made; 0 means no wait.
	AwaitCertificate time.Duration
	// Stamp requests a token on a commitment from a time-stamp authority; nil: without
	// time-stamps.
	Stamp func(context.Context, [32]byte) ([]byte, error)
	// Raise raises the signatures of certificates: see [issuing.Config].
	Raise func(context.Context, []byte) ([]byte, certificate.Level, error)
	// Prepares is how many files are read at once; one organization may use half of them.
	Prepares int
	// PartBytes is the size of the parts of a large upload: see [intake.Config].
	PartBytes int64
	// Stamping configures the dates of blocks and the renewals of tokens. The registry sets DB,
	// Stamp, Stamped, Reached, Events and Log.
	Stamping stamping.Config
	// Space is checked before a job begins; nil: no check.
	Space *space.Guard
	// Webhooks configures the delivery of webhooks. The registry sets DB, Codes, Reached,
	// Events and Log.
	Webhooks webhook.Config
	// Events records what happens; nil: nothing is recorded.
	Events *events.Recorder
	Log    *slog.Logger
}

// Times are the deadlines of a registration.
type Times struct {
	intake.Times
	// Result is how long a finished transaction shows the access code.
	Result time.Duration
}

// DefaultTimes are the documented defaults.
func DefaultTimes() Times {
	return Times{Times: intake.DefaultTimes(), Result: works.DefaultResult}
}

// Registry is the rooms of one server. It is safe for concurrent use, and several instances
// may work on one database.
type Registry struct {
	Access    *access.Service
	Intake    *intake.Service
	Anchoring *anchoring.Service
	Works     *works.Service
	Issuing   *issuing.Service
	Erasing   *erasing.Service
	Webhooks  *webhook.Service
	Stamping  *stamping.Service
	networks  network.Set
	db        *store.DB
	slot      time.Duration
	workers   []*work.Worker
	// reached is called at each point between two effects. It does nothing in a server; see
	// package crash.
	reached func(point string)
}

// New builds the rooms. Workers drives what they confirm.
func New(c Config) *Registry {
	r := &Registry{networks: c.Networks, db: c.DB, slot: c.Times.UploadSlot, reached: crash.Points()}
	reached := func(point string) { r.reached(point) }
	codes := accesscode.Secret(c.AccessSecret)
	var stampWithin time.Duration
	if c.Stamp != nil {
		stampWithin = issuing.TimestampTimeout
	}
	r.Access = &access.Service{DB: c.DB, Result: c.Times.Result}
	r.Works = works.New(works.Config{
		DB: c.DB, Blobs: c.Blobs, Codes: codes, Access: r.Access, WorkURL: c.WorkURL, ExplorerURL: c.ExplorerURL, Result: c.Times.Result, AwaitCertificate: c.AwaitCertificate, Reached: reached, Log: c.Log,
	})
	r.Issuing = issuing.New(issuing.Config{DB: c.DB, Blobs: c.Blobs, Networks: c.Networks, Chains: c.Stamping.Chains, Certify: c.Certify, Stamp: c.Stamp, Raise: c.Raise, Reached: reached, Events: c.Events, Log: c.Log})
	for _, n := range c.Networks.All() {
		if w, ok := n.(network.Witnessed); ok {
			w.OnQuorum(r.Issuing.Witnessed)
		}
	}
	stamps := c.Stamping
	stamps.DB, stamps.Stamp, stamps.Stamped, stamps.Reached, stamps.Events, stamps.Log = c.DB, c.Stamp, r.Issuing.Witnessed, reached, c.Events, c.Log
	r.Stamping = stamping.New(stamps)
	hooks := c.Webhooks
	hooks.DB, hooks.Codes, hooks.Reached, hooks.Events, hooks.Log = c.DB, codes, reached, c.Events, c.Log
	r.Webhooks = webhook.New(hooks)
	r.Anchoring = anchoring.New(anchoring.Config{
		DB: c.DB, Networks: c.Networks, Codes: codes, StampWithin: stampWithin, Changed: r.Works.Progress.Changed, ExplorerURL: c.ExplorerURL, Finished: func() { r.Issuing.Wake(); r.Webhooks.Wake() }, Reached: reached, Events: c.Events, Log: c.Log,
	})
	r.Intake = intake.New(intake.Config{
		DB: c.DB, Blobs: c.Blobs, Networks: c.Networks, Prices: c.Prices, Codes: codes, Times: c.Times.Times, Prepares: c.Prepares, PartBytes: c.PartBytes, Space: c.Space,
		Confirmed: func(n network.Name) { r.Anchoring.Signal(n).Ring() }, Reached: reached, Events: c.Events, Log: c.Log,
	})
	r.Erasing = erasing.New(erasing.Config{DB: c.DB, Blobs: c.Blobs, Networks: c.Networks, UploadSlot: c.Times.UploadSlot, Space: c.Space, Reached: reached, Events: c.Events, Log: c.Log})
	r.workers = slices.Concat(r.Anchoring.Workers(), r.Issuing.Workers(), r.Stamping.Workers(), []*work.Worker{r.Erasing.Worker(), search.Worker(c.DB, c.Log), tally.Worker(c.DB, c.Log)}, r.Webhooks.Workers())
	return r
}

// Stopped returns why a network accepts nothing until its operator acts; nil when no network
// is stopped.
func (r *Registry) Stopped(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "ask the networks")
	return r.networks.Stopped(ctx)
}

// Workers returns everything that works in the background: the anchoring of every network,
// time stamps, certificates, dates of blocks, the sweep and webhooks. Every call returns the same workers.
func (r *Registry) Workers() []*work.Worker { return r.workers }

// Run runs the workers until ctx ends. Several instances may run on one database.
func (r *Registry) Run(ctx context.Context) {
	work.Run(ctx, r.workers...)
	r.Webhooks.Wait()
}
