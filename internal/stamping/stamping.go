// Package stamping gets dates of others for what the registry signs. Each block of a log gets a
// token of a time-stamp authority and an OpenTimestamps proof. Each token gets a renewal before
// its certificates end. Now and then the newest block of a log is registered on a chain, for all
// blocks before it. Rows are the queue. The package also reads the dates for evidence, and
// serves them. No block and no registration waits for it. It does not know works, and trusts no
// authority.
package stamping

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"timbre.example/internal/events"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// The kinds of rows.
const (
	kindToken  = "token"
	kindProof  = "ots"
	kindAnchor = "anchor" // these rows have a table of their own
)

// The bounds of the work.
const (
	// TokenTimeout is how long a block waits for its token, and for the promises of calendars. Later
	// blocks date it then: their trees continue its own.
	TokenTimeout = 24 * time.Hour
	// CalendarTimeout is how long calendars are asked to keep a promise.
	CalendarTimeout = 60 * 24 * time.Hour
	// LastPause is the longest pause after a failure. firstPoll and lastPoll bound the pauses
	// between two questions to a calendar, which needs hours.
	LastPause           = time.Minute
	firstPoll, lastPoll = time.Hour, 12 * time.Hour
	// renewalPause is the longest pause after a renewal failed.
	renewalPause = 6 * time.Hour
	// atOnce is how many rows a step reads together, and enrolls in one commit.
	atOnce = 64
	// DefaultRenewBefore is how long before the end of its certificates a token is renewed.
	DefaultRenewBefore = 90 * 24 * time.Hour
	// RenewalsPerRun is how many renewals a run requests at most. A run begins each minute.
	RenewalsPerRun = 60
	// maxRenewals is how many renewals of one token evidence has.
	maxRenewals = 8
)

// Config configures a Service.
type Config struct {
	DB *store.DB
	// Stamp requests a token on 32 bytes from a time-stamp authority; nil: none is requested,
	// and none is renewed.
	Stamp func(context.Context, [32]byte) ([]byte, error)
	// Tokens: the blocks of these logs get tokens. Timeout is how long a certificate waits for
	// one, at most.
	Tokens  []network.Name
	Timeout time.Duration
	// Proofs: the blocks of these logs get OpenTimestamps proofs from the calendars.
	Proofs    []network.Name
	Calendars *Calendars
	// RenewBefore is how long before the end of its certificates a token is renewed.
	RenewBefore time.Duration
	// Chains are where blocks of logs are anchored, by the name of the log. AnchorEvery is the
	// pause between two anchors of a log; 0 means DefaultAnchorEvery.
	Chains      map[network.Name]network.Network
	AnchorEvery time.Duration
	// Stamped is called after a block got its token, or stays without; nil: no call.
	Stamped func()
	// Reached is called at each point between two effects; see package crash.
	Reached func(point string)
	// Events records what happens; nil: nothing is recorded.
	Events *events.Recorder
	Log    *slog.Logger
}

// Service gets dates. Each of its steps has one caller. Several instances may work on one
// database.
type Service struct {
	Config
	// authority is when it is asked again after a failure. It belongs to StampDue.
	authority retry
	renewer   retry // as authority, of RenewDue
	// tokensEnded and proofsEnded are when attempts without a result were ended last. They belong
	// to StampDue and CalendarsDue.
	tokensEnded, proofsEnded time.Time
	// sent are the transactions that AnchorDue has sent, by the name of the log. It belongs to
	// AnchorDue.
	sent map[network.Name][32]byte
}

// retry is the next attempt at a party that did not answer.
type retry struct {
	at   time.Time
	wait time.Duration
}

// failed plans the next attempt.
func (r *retry) failed(now time.Time) {
	r.wait = min(max(2*r.wait, turns.FirstPause), LastPause)
	r.at = now.Add(r.wait)
}

// New makes a Service. Begin decides which blocks it works on.
func New(c Config) *Service { return &Service{Config: c, sent: map[network.Name][32]byte{}} }

// Begin decides for all processes which logs get dates from now on, and which get none any
// more. Blocks from before the first Begin of a log get none. It is called before the workers
// run, when the logs have begun.
func (s *Service) Begin(ctx context.Context, all []network.Name) (err error) {
	defer operation.Wrap(&err, "begin to stamp blocks")
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		for _, n := range all {
			for kind, on := range map[string]bool{kindToken: s.Stamp != nil && has(s.Tokens, n), kindProof: s.Calendars != nil && has(s.Proofs, n)} {
				var err error
				if on {
					_, err = tx.BeginStamping(ctx, query.BeginStampingParams{Network: string(n), Kind: kind, Timeout: s.Timeout.Microseconds()})
				} else {
					err = tx.EndStamping(ctx, query.EndStampingParams{Network: string(n), Kind: kind})
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func has(all []network.Name, n network.Name) bool {
	for _, one := range all {
		if one == n {
			return true
		}
	}
	return false
}

// enroll adds a row for each new block, and ends the attempts that expired.
func (s *Service) enroll(ctx context.Context, kind string) error {
	for {
		behind, err := s.DB.Read().StampingBehind(ctx, kind)
		if err != nil || len(behind) == 0 {
			return err
		}
		for _, n := range behind {
			if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
				if _, err := tx.AddBlockStamps(ctx, query.AddBlockStampsParams{
					Network: n, Kind: kind, Now: store.Micros(tx.Now), Until: store.Micros(tx.Now.Add(TokenTimeout)), Lim: atOnce,
				}); err != nil {
					return err
				}
				return tx.AdvanceStamping(ctx, query.AdvanceStampingParams{Network: n, Kind: kind})
			}); err != nil {
				return err
			}
		}
	}
}

// abandonEvery is the pause between two looks for attempts that expired.
const abandonEvery = time.Minute

// abandon ends the attempts that expired.
func (s *Service) abandon(ctx context.Context, kind string, last *time.Time) error {
	if s.DB.Now().Sub(*last).Abs() < abandonEvery {
		return nil
	}
	*last = s.DB.Now()
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.AbandonBlockStamps(ctx, query.AbandonBlockStampsParams{Kind: kind, Now: store.Micros(tx.Now)})
		if n > 0 {
			s.Log.WarnContext(ctx, "blocks stay without a date", "kind", kind, "blocks", n)
		}
		return err
	})
}

// claim takes a row, unless another process has it. Its claim ends with the lease.
func (s *Service) claim(ctx context.Context, row query.DueBlockStampsRow) (mine bool, err error) {
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.TryBlockStamp(ctx, query.TryBlockStampParams{Network: row.Network, Block: row.Block, Kind: row.Kind, Seen: row.DueAt, AgainAt: store.Micros(tx.Now.Add(lease))})
		mine = n > 0
		return err
	})
	return mine, err
}

// lease is longer than all calendars together may take for one block.
const lease = 30 * time.Second

// release plans the next attempt of a row. After the end of the process it is due at once.
func (s *Service) release(ctx context.Context, row query.DueBlockStampsRow, wait time.Duration) error {
	tries := row.Tries + 1
	if ctx.Err() != nil {
		wait, tries = 0, row.Tries
	}
	return s.DB.Tx(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		return tx.RetryBlockStamp(ctx, query.RetryBlockStampParams{Network: row.Network, Block: row.Block, Kind: row.Kind, AgainAt: store.Micros(tx.Now.Add(wait)), Tries: tries})
	})
}

// token requests a token of a digest, and returns when its certificates end.
func (s *Service) token(ctx context.Context, digest [32]byte) (token []byte, ends time.Time, err error) {
	if token, err = s.Stamp(ctx, digest); err != nil {
		return nil, ends, err
	}
	stamp, err := evidence.RFC3161{Token: token}.Open(commitment.Hash(digest))
	if err != nil {
		return nil, ends, fmt.Errorf("the token: %w", err)
	}
	return token, stamp.Ends(), nil
}

// watch remembers when the certificates of a kept token end.
func watch(ctx context.Context, tx *store.Tx, token []byte, ends time.Time) error {
	sum := sha256.Sum256(token)
	return tx.WatchToken(ctx, query.WatchTokenParams{TokenHash: sum[:], EndsAt: store.Micros(ends), Empty: []byte{}})
}
