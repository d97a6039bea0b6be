// Package log is the built-in network: a transparency log in the database. It follows
// C2SP's tlog-tiles and tlog-checkpoint, so other verifiers work with it too.
//
// Package leaf has the two texts, the transaction and the leaf. A block is what one
// commit of the sequencer added to the log. Its checkpoint is a signed note of three
// lines: origin, number of entries, base64 root hash. The SHA-256 of that signed note is
// the block hash. Block 0 is the empty log. docs/log.md describes how to verify
// everything by hand.
//
// Creates get ats ids from 1 upwards. Updates get the next version of their
// work. An update of a work that does not exist when its turn comes is refused:
// it never enters the log, and Find gives it a receipt with a Failure and
// without a block.
//
// The package has entries, tiles and blocks. It never deletes or changes an entry of the
// log. It never signs two trees of which one does not continue the other, also if several
// processes sequence the same database. It does not know what a commitment commits to.
//
// The newest checkpoint is also stored outside of the database (package checkpoint), so
// that the log stops after a restored database went back. A block is staged, then its
// checkpoint is stored there, then the block is published: see Sequence.
package log

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"timbre.example/internal/crash"
	"timbre.example/internal/events"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/network/log/cosign"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

// ProtocolVersion is the one commitment protocol that the log accepts.
const ProtocolVersion = 1

// Config configures Open.
type Config struct {
	// Network is the name on the wire and in the database.
	Network network.Name
	// Origin is the log's name in its checkpoints: the URL prefix of the log, without
	// scheme and last slash, such as timbre.example/log/testnet. The first Open sets it
	// for ever; a later Open with another origin keeps the first one and logs a warning.
	Origin string
	// Key is the 32-byte seed of the log's first Ed25519 signing key.
	Key []byte
	// NextKey returns the seed of the signing key with this number, from 2 upwards: see
	// Rotate. It returns nil for a key that this process does not have. nil: it has none.
	NextKey func(number int) []byte
	// PublicKey replaces Key in a process without the first key. Such a process does not start
	// a log. It makes blocks only if NextKey has the key that signs now.
	PublicKey ed25519.PublicKey
	// BlockTime is the shortest time between two blocks, except after a full one; 0 means a
	// second.
	BlockTime time.Duration
	// Silence is how long all sequencers can be inactive before the log counts as not
	// answering; 0 means 30 seconds more than BlockTime.
	Silence time.Duration
	// MaxBlock is the largest number of entries in one block; 0 means 1,000.
	MaxBlock int
	// Checkpoints stores the newest checkpoint outside of the database. Every process
	// that makes blocks of one log needs the same store. nil is only for processes that
	// make no blocks: without it, nothing detects that the database went back.
	Checkpoints checkpoint.Store
	// WentBack is called if the database lacks entries of the stored checkpoint, or has
	// other ones, before the stop is recorded. If it fails, the stop is not recorded and
	// it is called again, also after a crash. nil: no call.
	WentBack func(context.Context) error
	// ClockTolerance is how far the newest block can be in the future, and how far the
	// clock can jump ahead, before no block is made; 0 means a minute.
	ClockTolerance time.Duration
	// Monotonic replaces the system's monotonic clock in tests; nil means the system's.
	Monotonic func() time.Duration
	// Remember is how long this process believes that the log is not stopped without reading
	// it again; 0: not at all. Guard reads it before each block.
	Remember time.Duration
	// Events records the blocks; optional.
	Events *events.Recorder
	// Logger logs the errors of Run; nil means slog.Default.
	Logger *slog.Logger
}

// Witnesses are those whom a log asks to cosign its checkpoints, and how many of them are
// enough.
type Witnesses struct {
	// Policy names the witnesses. If it names logs, one of them must be this log.
	Policy evidence.Policy
	// Timeout is how long a block may wait for a quorum before it is served without one.
	Timeout time.Duration
	// Client makes the requests. It decides which addresses may be reached.
	Client *http.Client
}

// Log is one log in a database. It implements network.Network and is safe for
// concurrent use.
type Log struct {
	db       *store.DB
	config   Config
	public   ed25519.PublicKey // of the first key
	keys     *keyring
	keptKeys atomic.Bool // the key page outside of the database was read

	wake   chan struct{} // an entry can be waiting
	packed bundles
	alive  atomic.Int64 // time of the last sequencing by this process, or of Open
	crash  func(point string)

	clock   clock
	running atomic.Pointer[believed] // what was read last; nil while stopped
	newest  atomic.Pointer[frontier] // of the last block that this process published
	guarded atomic.Bool              // the last Guard returned nil
	stopped atomic.Pointer[Stop]     // the last Guard's Stop

	cosigner *cosigner // nil without witnesses; set before Run

	mu   sync.Mutex
	head chan struct{} // closed and replaced when the log grows
	seen position
}

// cosigner asks the witnesses of one log. Registrations never wait for it.
type cosigner struct {
	l       *Log
	from    Witnesses
	asked   []*cosign.Witness
	holder  string
	keeping sync.Mutex // two cosignatures of one block are kept one after the other
	running sync.WaitGroup
	mu      sync.Mutex
	busy    map[string]bool
	quorum  []func()
}

// position is the state of a log: it changes with every commit of a sequencer.
type position struct{ size, refused int64 }

var _ interface {
	network.Explorable
	network.Runner
	network.Observed
	network.Signed
	network.Rekeyed
	network.Published
	network.Consistent
	network.Repairable
	network.Witnessed
	network.Receipted
} = (*Log)(nil)

// Open opens the log c.Network. The first Open creates it and signs its empty checkpoint.
func Open(ctx context.Context, db *store.DB, c Config) (*Log, error) {
	if !c.Network.Valid() {
		return nil, fmt.Errorf("log: unknown network %q", c.Network)
	}
	if len(c.Key) == 0 && len(c.PublicKey) != ed25519.PublicKeySize || len(c.Key) > 0 && len(c.Key) != ed25519.SeedSize {
		return nil, fmt.Errorf("log %s: the key must be a seed of %d bytes, not %d", c.Network, ed25519.SeedSize, len(c.Key))
	}
	if c.BlockTime <= 0 {
		c.BlockTime = time.Second
	}
	if c.Silence <= 0 {
		c.Silence = c.BlockTime + 30*time.Second
	}
	if c.MaxBlock <= 0 {
		c.MaxBlock = 1000
	}
	if c.ClockTolerance <= 0 {
		c.ClockTolerance = time.Minute
	}
	if c.Monotonic == nil {
		begun := time.Now()
		c.Monotonic = func() time.Duration { return time.Since(begun) }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	l := &Log{
		clock: clock{wall: func() time.Time { return db.Now() }, monotonic: c.Monotonic, tolerance: c.ClockTolerance, log: c.Logger},
		db:    db, config: c, public: c.PublicKey,
		wake: make(chan struct{}, 1), head: make(chan struct{}), crash: crash.Points(),
	}
	if len(c.Key) > 0 {
		l.public = ed25519.NewKeyFromSeed(c.Key).Public().(ed25519.PublicKey)
	}
	if err := l.identify(c.Origin); err != nil {
		return nil, err
	}
	var row query.GetLogRow
	err := db.Tx(ctx, func(tx *store.Tx) error {
		made, err := tx.InsertLog(ctx, query.InsertLogParams{Network: string(c.Network), Origin: c.Origin, Now: store.Micros(tx.Now)})
		if err != nil {
			return err
		}
		if made == 1 && len(c.Key) == 0 {
			return network.ErrNotBegun
		}
		if made == 1 {
			signed, err := l.sign(0, newTree(nil))
			if err != nil {
				return err
			}
			if err := l.insertBlock(ctx, tx, 0, 0, 0, tx.Now, signed); err != nil {
				return err
			}
		}
		row, err = tx.GetLog(ctx, string(c.Network))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("log %s: open: %w", c.Network, err)
	}
	if row.Origin != c.Origin {
		c.Logger.WarnContext(ctx, "the log keeps the origin that it began with",
			"network", c.Network, "origin", row.Origin, "configured_origin", c.Origin)
		if err := l.identify(row.Origin); err != nil {
			return nil, err
		}
	}
	if row.Keys != "" {
		err = l.keys.learn(row.Keys)
	}
	if err == nil {
		_, err = l.Tree(row.Checkpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("log %s: %w: %w", c.Network, &network.WrongKey{Signed: row.Origin}, err)
	}
	l.seen = position{row.Size, row.Refused}
	l.alive.Store(store.Micros(db.Now())) // when all processes start together, the sequencer can be later
	return l, nil
}

// identify sets the name under which the log signs.
func (l *Log) identify(origin string) (err error) {
	l.config.Origin = origin
	if l.keys, err = newKeyring(origin, l.public, l.config.Key, l.config.NextKey); err != nil {
		return fmt.Errorf("log %s: %w", l.config.Network, err)
	}
	return nil
}

// Name implements network.Network.
func (l *Log) Name() network.Name { return l.config.Network }

// Info implements network.Network.
func (l *Log) Info() network.Info { return network.Address{Name: l.config.Network, URL: URL}.Info() }

// Origin returns the log's name in its checkpoints, which is also the owner in receipts.
func (l *Log) Origin() string { return l.config.Origin }

// VerifierKey returns the newest public key that this process knows, in the form of signed
// notes: origin+hash+base64.
func (l *Log) VerifierKey() string { return l.keys.page().Key() }

// DryRun implements network.Network. It refuses another protocol version, a commitment of
// zeros, an empty nonce, and an update of an unknown work. A stopped log refuses
// everything. While no sequencer is active, the log counts as not answering: it would
// store a broadcast, but for an unknown time.
func (l *Log) DryRun(ctx context.Context, call network.Call) error {
	t, err := transaction(call)
	if err != nil {
		return err
	}
	silent := l.silent(l.alive.Load())
	now := l.db.Now()
	if kept := l.running.Load(); kept.now(now) && hasEnded(l.keys.page()) == "" && t.Updates < kept.nextAtsID && (silent == nil || l.silent(kept.sequencerAt) == nil) {
		return nil
	}
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err == nil {
		err = l.keys.learn(row.Keys)
	}
	if err == nil && row.Stopped == "" {
		l.running.Store(&believed{nextAtsID: row.NextAtsID, sequencerAt: row.SequencerAt, until: now.Add(l.config.Remember)})
	}
	switch {
	case err != nil:
		return fmt.Errorf("log %s: dry run: %w", l.config.Network, err)
	case hasEnded(l.keys.page()) != "":
		return fmt.Errorf("%w: %s", network.ErrRefused, hasEnded(l.keys.page()))
	case row.Stopped != "":
		return l.Stopped(ctx)
	case t.Updates >= row.NextAtsID:
		return fmt.Errorf("%w: %s", network.ErrRefused, unknownWork(t.Updates))
	case silent != nil:
		return l.silent(row.SequencerAt)
	}
	return nil
}

// believed is what was read of a log that is not stopped. Numbers of works only grow.
type believed struct {
	nextAtsID, sequencerAt int64
	until                  time.Time
}

func (b *believed) now(at time.Time) bool { return b != nil && at.Before(b.until) }

// Sequenced returns an error if no process has made blocks recently, or was able to.
func (l *Log) Sequenced(ctx context.Context) error {
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err != nil {
		return l.fail("sequencer", err)
	}
	return l.silent(row.SequencerAt)
}

// silent returns an error if the last sign of a sequencer is too old. A sign that is as
// far in the future came from a wrong clock, and does not count either.
func (l *Log) silent(last int64) error {
	if since := l.db.Now().Sub(store.Time(last)); since.Abs() > l.config.Silence {
		return fmt.Errorf("log %s: no sequencer was active for %s", l.config.Network, since.Round(time.Second))
	}
	return nil
}

// Stage implements network.Network.
func (l *Log) Stage(_ context.Context, call network.Call) (network.Staged, error) {
	t, err := transaction(call)
	if err != nil {
		return network.Staged{}, err
	}
	return network.Staged{Bytes: t.Bytes(), Hash: t.Hash()}, nil
}

func transaction(call network.Call) (leaf.Transaction, error) {
	if call.Nonce == "" {
		return leaf.Transaction{}, fmt.Errorf("%w: a transaction needs a nonce", network.ErrRefused)
	}
	t := leaf.Transaction{
		Updates: call.AtsID, Commitment: call.Commitment,
		ProtocolVersion: call.ProtocolVersion, Nonce: leaf.Nonce(call.Nonce),
	}
	return t, check(t)
}

// check refuses calls that can be refused without reading the log.
func check(t leaf.Transaction) error {
	switch {
	case t.ProtocolVersion != ProtocolVersion:
		return fmt.Errorf("%w: commitment protocol %d is unknown, must be %d", network.ErrRefused, t.ProtocolVersion, ProtocolVersion)
	case t.Commitment == [32]byte{}:
		return fmt.Errorf("%w: the commitment is all zeros", network.ErrRefused)
	case t.Updates < 0:
		return fmt.Errorf("%w: %s", network.ErrRefused, unknownWork(t.Updates))
	}
	return nil
}

func unknownWork(atsID int64) string { return fmt.Sprintf("work %d does not exist", atsID) }

// Broadcast implements network.Network. In one transaction it stores the entries for the
// sequencer. It leaves out bytes that are not a transaction, and then returns an error
// that wraps network.ErrRefused; the other transactions are accepted.
func (l *Log) Broadcast(ctx context.Context, staged []network.Staged) error {
	var refused []error
	good := make([]network.Staged, 0, len(staged))
	commitments := make([][32]byte, 0, len(staged))
	for _, s := range staged {
		t, err := leaf.ParseTransaction(s.Bytes)
		if err == nil {
			err = check(t)
		}
		if err == nil && sha256.Sum256(s.Bytes) != s.Hash {
			err = errors.New("the hash does not match the bytes")
		}
		if err != nil {
			refused = append(refused, fmt.Errorf("log %s: broadcast %x: %w: %w", l.config.Network, s.Hash, network.ErrRefused, err))
			continue
		}
		good, commitments = append(good, s), append(commitments, t.Commitment)
	}
	if len(good) > 0 {
		err := l.db.Tx(ctx, func(tx *store.Tx) error {
			for i, s := range good {
				err := tx.InsertLogEntry(ctx, query.InsertLogEntryParams{
					Network: string(l.config.Network), TxHash: s.Hash[:], Body: s.Bytes, Commitment: commitments[i][:],
					ReceivedAt: store.Micros(tx.Now), Position: int64(i),
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return errors.Join(append(refused, fmt.Errorf("log %s: broadcast: %w", l.config.Network, err))...)
		}
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return errors.Join(refused...)
}

// Head implements network.Network. While Run runs in this process, it notices blocks of
// other processes on the same database within a BlockTime.
func (l *Log) Head() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// notice wakes the readers up if the log has changed.
func (l *Log) notice(at position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Reads can return out of order, but both numbers only grow.
	if at.size+at.refused <= l.seen.size+l.seen.refused {
		return
	}
	l.seen = at
	close(l.head)
	l.head = make(chan struct{})
}
