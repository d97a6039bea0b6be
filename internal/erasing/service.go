// Package erasing removes what must not stay: the personal data of redacted works, expired
// jobs, and every file that no row needs. A row goes before its files, so that nothing is
// half removed and still shown. It never removes the file of a paid job.
package erasing

import (
	"log/slog"
	"sync/atomic"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/events"
	"timbre.example/internal/files"
	"timbre.example/internal/network"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
)

// Config configures a Service. Every field is required, except Space and Events.
type Config struct {
	DB       *store.DB
	Blobs    blob.Store
	Networks network.Set
	// UploadSlot is how long an upload URL accepts PUTs.
	UploadSlot time.Duration
	// Space hurries the sweeps while it is low; nil: no check.
	Space *space.Guard
	// Reached is called at each point between two effects; see package crash.
	Reached func(point string)
	// Events records what happens; nil: nothing is recorded.
	Events *events.Recorder
	Log    *slog.Logger
}

// Unfinished counts the uploads in parts that the last sweep found, and their bytes.
type Unfinished struct{ Uploads, Bytes int64 }

// Service removes rows and files. Redact is safe for concurrent use; Sweep has one caller in
// a process. Several instances may work on one database.
type Service struct {
	Config
	strays time.Time // when the stored uploads were last checked

	unfinished         atomic.Pointer[Unfinished]
	aborted, temporary atomic.Int64
}

// New makes a Service. Its Worker sweeps.
func New(c Config) *Service { return &Service{Config: c} }

// settled returns a time so far back that everything that began before it has ended, uploads
// included.
func (s *Service) settled() int64 {
	return store.Micros(s.DB.Now().Add(-files.Settling(s.UploadSlot)))
}

// settledAt returns the time at which everything that began by since has ended.
func (s *Service) settledAt(since int64) int64 { return files.SettledAt(since, s.UploadSlot) }
