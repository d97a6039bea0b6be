// Package lasting raises the signature of a certificate through the levels of PAdES: a
// time-stamp of the signature (B-T), the validation data of both chains (B-LT), and a
// time-stamp over the whole file (B-LTA). The form of the file is package certificate's.
//
// It asks the operator's time-stamp authority, and the addresses that certificates name for
// their issuers and for what was revoked. It stores nothing, and decides nothing about trust:
// that is for the reader of the PDF.
package lasting

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/operation"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// DefaultRoom is the place for a time-stamp whose length is not known yet, in bytes.
const DefaultRoom = 8 << 10

// lengthsVary is how much longer the next token of an authority may be, in bytes: its numbers
// have no fixed length.
const lengthsVary = 64

// Config configures a Raiser.
type Config struct {
	// Stamp requests a token on a hash from the time-stamp authority. It returns only tokens
	// that hold.
	Stamp func(context.Context, [32]byte) ([]byte, error)
	// Client requests what certificates name. Its policy decides which addresses it reaches.
	Client *http.Client
	// Now is the clock.
	Now func() time.Time
}

// Raiser raises certificates. It is safe for concurrent use. It remembers for some minutes
// what authorities published, and for a minute that the time-stamp authority failed.
type Raiser struct {
	Config
	published *publications

	mu    sync.Mutex
	pause time.Time // until when callers in a hurry do not ask the time-stamp authority
	cause error     // why
}

// New makes a Raiser.
func New(c Config) *Raiser {
	return &Raiser{Config: c, published: &publications{client: c.Client, now: c.Now, kept: map[string]kept{}}}
}

// Room returns the place to keep for a token: that of the last token of the same authority,
// or DefaultRoom without one.
func Room(last []byte) int {
	if len(last) == 0 {
		return DefaultRoom
	}
	return len(last) + lengthsVary
}

// Raise returns the signed certificate at the highest level that it reaches now. With an error
// it is still valid, at the level that it reached: the error says why it is not higher, and
// wraps [ErrHighest] when another attempt cannot change it. A certificate at the highest level,
// and one without a signature, are returned as they are.
func (r *Raiser) Raise(ctx context.Context, file []byte) (_ []byte, level certificate.Level, err error) {
	defer operation.Wrap(&err, "raise the signature of a certificate")
	s, err := certificate.OpenSigned(file)
	if errors.Is(err, certificate.ErrNotSigned) {
		return file, certificate.Unsigned, nil
	} else if err != nil {
		return file, certificate.Unsigned, fmt.Errorf("%w; %w", err, ErrHighest)
	}
	for _, step := range []struct {
		from certificate.Level
		do   func(context.Context, certificate.Signed) (certificate.Signed, error)
	}{{certificate.LevelB, r.stampSignature}, {certificate.LevelT, r.validate}, {certificate.LevelLT, r.stampDocument}} {
		if s.Level() != step.from {
			continue
		}
		next, err := step.do(ctx, s)
		if err != nil {
			return s.Bytes(), s.Level(), fmt.Errorf("above level %s: %w", step.from, err)
		}
		s = next
	}
	return s.Bytes(), s.Level(), nil
}

func (r *Raiser) stampSignature(ctx context.Context, s certificate.Signed) (certificate.Signed, error) {
	token, err := r.stamp(ctx, s.Imprint())
	if err != nil {
		return s, err
	}
	next, err := s.WithToken(token)
	if errors.Is(err, certificate.ErrNoRoom) { // the authority's tokens became longer
		err = fmt.Errorf("%w; %w", err, ErrHighest)
	}
	return next, err
}

func (r *Raiser) stampDocument(ctx context.Context, s certificate.Signed) (certificate.Signed, error) {
	room := Room(s.Token())
	for again := false; ; again = true {
		place, err := s.ReserveStamp(room)
		if err != nil {
			return s, err
		}
		token, err := r.stamp(ctx, place.Imprint())
		if err != nil {
			return s, err
		}
		next, err := place.WithToken(token)
		if !errors.Is(err, certificate.ErrNoRoom) || again {
			return next, err
		}
		room = Room(token)
	}
}

// stamp requests a token, and remembers a failure.
func (r *Raiser) stamp(ctx context.Context, sum [32]byte) ([]byte, error) {
	r.mu.Lock()
	pause, cause := r.pause, r.cause
	r.mu.Unlock()
	if r.Now().Before(pause) && hurried(ctx) {
		return nil, cause
	}
	token, err := r.Stamp(ctx, sum)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pause = (time.Time{}); err != nil && !errors.Is(err, context.Canceled) {
		r.pause, r.cause = r.Now().Add(failurePause), err
	}
	return token, err
}

// maxData is the size of all validation data in a file, in bytes: a certificate stays small.
const maxData = 24 << 10

// validate adds what verifies the signer's chain and that of its time-stamp.
func (r *Raiser) validate(ctx context.Context, s certificate.Signed) (certificate.Signed, error) {
	own, err := s.Certificates()
	if err != nil || len(own) == 0 {
		return s, fmt.Errorf("the certificates of the signature: %w", errors.Join(err, ErrHighest))
	}
	stamp, err := evidence.RFC3161{Token: s.Token()}.Open(commitment.Hash(s.Imprint()))
	if err != nil {
		return s, fmt.Errorf("the time-stamp of the signature: %w; %w", err, ErrHighest)
	}
	g := gathering{from: r.published}
	for _, chain := range [][]*x509.Certificate{own, stamp.Certificates()} {
		if err := g.chain(ctx, chain); err != nil {
			return s, err
		}
	}
	// A certificate of the signature or of its token is not there twice.
	g.data.Certificates = g.without(own, stamp.Certificates())
	if n := g.data.Size(); n > maxData {
		return s, fmt.Errorf("the validation data have %d bytes, more than %d; %w", n, maxData, ErrHighest)
	}
	return s.WithValidation(g.data)
}
