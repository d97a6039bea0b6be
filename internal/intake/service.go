// Package intake takes a registration or an update from its first request to the confirmed
// quote: jobs, their uploads, their quotes and the quota. Each step is one database
// transaction that can be retried.
//
//	open ──prepare──▶ prepared ──confirm──▶ confirmed
//	  └──────────┴─deadline─▶ expired
//
// It never sends anything to a network: a confirmed job has a transaction, which package
// anchoring drives. It never removes the files of an expired job: package erasing does. It
// does not decide who may register or update: methods take the proofs of package access.
package intake

import (
	"context"
	"log/slog"
	"time"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/events"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/share"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
)

// Config configures a Service. Every field is required, except Space and Events.
type Config struct {
	DB       *store.DB
	Blobs    blob.Store
	Networks network.Set
	Prices   map[network.Name]credits.Prices
	Codes    accesscode.Secret
	Times    Times
	// Prepares is how many files are read at once; one organization may use half of them.
	// Further prepares wait 10 seconds and are then refused with common.service_unavailable.
	Prepares int
	// PartBytes is the size of the parts of a large upload, except for the last one and for
	// very large files; 8 MiB by default. A bucket needs at least blob.MinPart.
	PartBytes int64
	// Space is checked before a job begins; nil: no check.
	Space *space.Guard
	// Confirmed is called when a transaction of a network was confirmed.
	Confirmed func(network.Name)
	// Reached is called at each point between two effects; see package crash.
	Reached func(point string)
	// Events records what happens; nil: nothing is recorded.
	Events *events.Recorder
	Log    *slog.Logger
}

// Times are the deadlines of a job.
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
}

// SlotsPerJob is how many upload slots a job without a quote lives. With the default slot
// that is two hours: 500 MB take 70 minutes at 1 Mbit/s.
const SlotsPerJob = 12

// DefaultTimes are the documented defaults.
func DefaultTimes() Times {
	return Times{UploadSlot: 10 * time.Minute, Job: 24 * time.Hour, Quote: 5 * time.Minute}
}

// Service does the steps of jobs. It is safe for concurrent use, and several instances may
// work on one database.
type Service struct {
	Config
	slots  *share.Pool // for reading files
	shared sharedPrepares
	early  earlyReads
}

// New makes a Service.
func New(c Config) *Service {
	return &Service{Config: c, slots: share.New(c.Prepares), shared: sharedPrepares{joined: func() { c.Reached("prepare.joined") }, jobs: map[string]*sharedPrepare{}},
		early: earlyReads{blobs: c.Blobs, most: earlyPerPrepare * c.Prepares, all: map[string]*earlyRead{}}}
}

// Close ends the reading of uploads in parts that are not complete, before the store is
// closed. Prepare reads such an upload instead.
func (s *Service) Close() error {
	s.early.close()
	return nil
}

// StagedBytes returns how many bytes the store holds for unpaid jobs.
func (s *Service) StagedBytes(ctx context.Context) (_ int64, err error) {
	defer operation.Wrap(&err, "sum up the staged bytes")
	sum, err := s.DB.Read().StagedBytes(ctx, "")
	return sum.Staged, err
}
