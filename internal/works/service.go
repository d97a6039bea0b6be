// Package works reads what is registered: the works of an end-user, their versions and
// files, and the transactions of people who follow one. It also replaces access codes, since
// an access code is how most callers reach a work. It changes nothing else, and drives
// nothing.
//
// Which works a caller may see is decided by package access: methods take its proofs.
package works

import (
	"context"
	"log/slog"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/accesscode"
	"timbre.example/internal/blob"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
)

// Config configures a Service.
type Config struct {
	DB    *store.DB
	Blobs blob.Store
	Codes accesscode.Secret
	// Access checks the code that is replaced.
	Access *access.Service
	// WorkURL returns the public page of a work, ExplorerURL that of a final transaction.
	WorkURL     func(n network.Name, atsID int64) string
	ExplorerURL func(n network.Name, txHash string) string
	// Result is how long a finished transaction shows the access code.
	Result time.Duration
	// AwaitCertificate is how long a request for a certificate waits while the certificate
	// of a final version is being made; 0 means no wait.
	AwaitCertificate time.Duration
	// Reached is called at each point between two effects; see package crash.
	Reached func(point string)
	Log     *slog.Logger
}

// DefaultResult is the documented default of Config.Result.
const DefaultResult = time.Hour

// Service reads works. It is safe for concurrent use.
type Service struct {
	Config
	Progress *Progress
}

// Stats are the public numbers of a network.
type Stats struct {
	TotalWorks int64
}

// Stats returns how many works a network has, up to the newest one that is known here. A network
// numbers its works from 1, so nothing is counted.
func (s *Service) Stats(ctx context.Context, n network.Name) (_ Stats, err error) {
	defer operation.Wrap(&err, "count the works on %s", n)
	total, err := s.DB.Read().LastNumber(ctx, string(n))
	return Stats{TotalWorks: total}, err
}
