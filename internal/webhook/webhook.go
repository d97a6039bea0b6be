// Package webhook tells the backends of organizations what happens. It holds their endpoints,
// and enqueues one delivery for each event and endpoint in the transaction of the event. It
// sends a delivery until it is acknowledged, or the schedule ends.
//
// A delivery arrives at least once, whatever is killed: its row is written with the end of the
// transaction, and an attempt is recorded after it was sent. So a receiver may get the same
// id again. Each attempt has its own signature, by every secret that is valid at that time.
//
// Endpoints are lanes of the outbox. An endpoint that does not answer uses few slots of a pool
// for slow endpoints, so it delays no other endpoint (ADR 82).
//
// The package never sends to a private address that its operator did not allow, and never
// follows a redirect. It never stores a secret or an access code in readable form. It does
// not know its caller: a function has an organization as argument. It answers for another
// organization's endpoint as for an unknown one.
package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/events"
	"timbre.example/internal/outbound"
	"timbre.example/internal/outbox"
	"timbre.example/internal/share"
	"timbre.example/internal/store"
	"timbre.example/internal/work"
)

// Config configures a Service.
type Config struct {
	DB *store.DB
	// Key encrypts the stored secrets: 32 bytes.
	Key []byte
	// Allow are the networks that the operator allows beside the public ones.
	Allow []netip.Prefix
	// The fields below are needed by the workers alone.

	// Codes derives access codes.
	Codes accesscode.Secret
	// UserAgent is the header User-Agent of each request.
	UserAgent string
	// Warn is called in the transaction that records a warning, such as to enqueue a
	// message to the organization's people. May be nil.
	Warn func(ctx context.Context, tx *store.Tx, w Warning) error
	// Reached is called at each point between two effects; see package crash.
	Reached func(point string)
	// Events records what happens; nil: nothing is recorded.
	Events *events.Recorder
	Log    *slog.Logger
}

// Warning says that an endpoint fails, or was disabled because of it.
type Warning struct {
	Organization, Endpoint, URL string
	// Since is the first failure of the series.
	Since time.Time
	// Disabled is the reason, or "" for a warning before.
	Disabled Reason
}

// Service holds endpoints, and delivers. It is safe for concurrent use, and several instances
// may work on one database.
type Service struct {
	Config
	policy policy
	client *http.Client
	queue  *outbox.Lanes
	wake   work.Signal
	// renewed is when the leases were renewed. It belongs to the worker that delivers.
	renewed time.Time
	lanes   lanes
	// quick and slow are the slots of attempts that run: see lane.go.
	quick, slow *share.Pool
	running     sync.WaitGroup
	unrecorded  unrecorded
}

// New makes a Service. Its Workers deliver.
func New(c Config) *Service {
	if c.Reached == nil {
		c.Reached = func(string) {}
	}
	s := &Service{Config: c, policy: policy{outbound.NewPolicy(c.Allow)}, wake: work.NewSignal(), quick: share.New(quickSlots), slow: share.New(slowSlots), lanes: lanes{active: map[string]*lane{}}, unrecorded: newUnrecorded()}
	s.queue = &outbox.Lanes{DB: c.DB, Kind: outbox.Webhook, Owner: uuid.NewString(), Lease: lease}
	s.client = s.policy.client()
	return s
}

// Wake tells the worker that deliveries were enqueued.
func (s *Service) Wake() { s.wake.Ring() }

// report logs a failure, unless the context has ended or the database is unavailable: the
// worker reports that.
func (s *Service) report(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && !store.Unavailable(err) {
		s.Log.ErrorContext(ctx, "webhooks", "step", what, "error", err)
	}
}
