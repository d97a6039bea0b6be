// Package issuing makes the proofs of final versions: their time stamps, their evidence and
// their certificates. Certificates are deliveries of the package outbox; for time stamps, rows
// of versions are the queue. Organizations take turns in both. It never lays out a
// certificate: its caller gives a function that does. It authorizes no caller.
package issuing

import (
	"context"
	"log/slog"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/certificate"
	"timbre.example/internal/events"
	"timbre.example/internal/network"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/work"
	"timbre.example/proof/evidence"
)

// Config configures a Service. Evidence and Issue need only DB, Networks and Reached.
type Config struct {
	DB       *store.DB
	Blobs    blob.Store
	Networks network.Set
	// Chains are where blocks of logs are anchored, by the name of the log: see package stamping.
	Chains map[network.Name]network.Network
	// Certify makes the PDF certificate. It may be called again for the same certificate.
	Certify func(context.Context, Issue) ([]byte, error)
	// Stamp requests a token on a commitment from a time-stamp authority; nil: without
	// time stamps.
	Stamp func(context.Context, [32]byte) ([]byte, error)
	// Raise raises the signature of a certificate as far as it can: see [lasting.Raiser]. nil:
	// certificates are not signed, or there is no authority for it.
	Raise func(context.Context, []byte) ([]byte, certificate.Level, error)
	// Reached is called at each point between two effects; see package crash.
	Reached func(point string)
	// Events records what happens; nil: nothing is recorded.
	Events *events.Recorder
	Log    *slog.Logger
}

// Issue is the content of a certificate.
type Issue struct {
	evidence.Evidence
	// Language is the language of the certificate, such as "en".
	Language string
	// Issuer is the organization's name for certificates. Imprint is the text that follows it,
	// or "".
	Issuer, Imprint string
	// Logo is the organization's picture as PNG, or nil.
	Logo []byte
	// Quorum says whether enough witnesses of the log have seen the version.
	Quorum network.Quorum
	// Issued is the date of issue. It never changes once set.
	Issued time.Time
}

// Service makes proofs. Evidence and Issue are safe for concurrent use; CertifyDue,
// RaiseDue and StampDue have one caller each. Several instances may work on one database.
type Service struct {
	Config
	final work.Signal // a version waits for its certificate
	// unstamped signals that a version waits for its token. authority is the next attempt.
	unstamped work.Signal
	authority retry
	// certificates, reconciled and unwitnessed belong to CertifyDue. reconciled is when
	// deliveries were last compared with versions.
	certificates *outbox.Queue
	signatures   *outbox.Queue // belongs to RaiseDue
	reconciled   time.Time
	unwitnessed  []unwitnessed
	// lastStamped is the organization that was served last: see package turns. It belongs
	// to StampDue.
	lastStamped string
}

// unwitnessed is a postponed certificate: its block has no quorum or no token yet.
type unwitnessed struct {
	outbox.Delivery
	network network.Name
	block   int64
	until   time.Time // the end of the timeout, when it is due by itself
}

// retry is the next attempt at an authority that did not answer.
type retry struct {
	at   time.Time
	wait time.Duration
}

// New makes a Service. Its Workers make time stamps and certificates.
func New(c Config) *Service {
	return &Service{
		Config: c, final: work.NewSignal(), unstamped: work.NewSignal(), certificates: &outbox.Queue{DB: c.DB, Kind: outbox.Certificate},
		signatures: &outbox.Queue{DB: c.DB, Kind: outbox.Signature},
	}
}

// Witnessed tells the worker that blocks got the cosignatures of enough witnesses, or their
// tokens.
func (s *Service) Witnessed() { s.final.Ring() }

// Wake tells the workers that versions became final.
func (s *Service) Wake() {
	if s.Config.Stamp != nil {
		s.unstamped.Ring()
	} else {
		s.final.Ring()
	}
}
