// Package log is the built-in network: a transparency log in the database, as
// C2SP's tlog-tiles and tlog-checkpoint describe it, so that anybody's verifier
// works on it.
//
// Package leaf has the two texts, the transaction and the leaf. A block is what
// one commit of the sequencer added to the log; its checkpoint is a signed note
// of three lines (origin, number of entries, base64 root hash), and the SHA-256
// of that signed note is the block hash. Block 0 is the empty log. docs/log.md
// says how to verify all of it by hand.
//
// Creates get ats ids from 1 upwards. Updates get the next version of their
// work. An update of a work that does not exist when its turn comes is refused:
// it never enters the log, and Find gives it a receipt with a Failure and
// without a block.
//
// The package holds entries, tiles and blocks. It never deletes or changes what
// is in the log, never signs two trees of which one does not continue the
// other (not even when several processes sequence the same database), and never
// learns what a commitment commits to.
//
// The newest checkpoint is also kept outside of the database (package checkpoint),
// so that a database which went back does not sign on. A block is staged, then its
// checkpoint is kept, then it is published: see Sequence.
package log

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"timbre.example/internal/crash"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/network/log/leaf"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// ProtocolVersion is the one commitment protocol that the log accepts.
const ProtocolVersion = 1

// ErrKeyMismatch is wrapped by Open when the log was signed by another key:
// signing on would make a log that no verifier accepts.
var ErrKeyMismatch = errors.New("the key is not the one that signed this log")

// ErrNotBegun is wrapped by Open when there is no such log, and this process does not
// have the key to begin it with.
var ErrNotBegun = errors.New("the log has not begun, and this process cannot sign")

// Config is what Open needs to know.
type Config struct {
	// Network is the name on the wire, and the log's name in the database.
	Network network.Name
	// Origin names the log in its checkpoints: the URL prefix under which it is
	// served, without scheme and last slash, such as timbre.example/log/testnet.
	// The first Open fixes it for ever; a later one with another origin keeps
	// the first and logs a warning.
	Origin string
	// Key is the 32-byte seed of the Ed25519 signing key.
	Key []byte
	// PublicKey stands in the place of Key where this process reads the log and
	// never signs: it neither begins a log nor makes blocks.
	PublicKey ed25519.PublicKey
	// BlockTime is the least time between two blocks; 0 means a second.
	BlockTime time.Duration
	// Silence is how long no sequencer may have given a sign of life before the
	// log counts as one that does not answer; 0 means 30 seconds more than
	// BlockTime.
	Silence time.Duration
	// MaxBlock is the largest number of entries in one block; 0 means 1,000.
	MaxBlock int
	// Checkpoints keeps the newest checkpoint outside of the database. Every process
	// that makes blocks of one log needs the same. nil keeps none, which is for
	// processes that make no blocks: nothing else notices a database that went back.
	Checkpoints checkpoint.Store
	// WentBack is called when the database has lost entries of the kept checkpoint, or
	// has other ones, before that is written down. While it fails nothing is written
	// down, and it is called again: also after a crash. nil: nobody wants to know.
	WentBack func(context.Context) error
	// ClockTolerance is by how much the newest block may lie in the future, and the
	// clock may jump ahead, before no block is made; 0 means a minute.
	ClockTolerance time.Duration
	// Monotonic is a clock that nobody sets, for tests; nil means the system's.
	Monotonic func() time.Duration
	// Logger is told what Run could not do; nil means slog.Default.
	Logger *slog.Logger
}

// Log is one log in a database. It implements network.Network and is safe for
// concurrent use.
type Log struct {
	db       *store.DB
	config   Config
	key      ed25519.PrivateKey // nil in a process that never signs
	public   ed25519.PublicKey
	vkey     string
	verifier note.Verifier

	wake   chan struct{} // an entry may be waiting
	packed bundles
	alive  atomic.Int64 // when this process opened the log or last sequenced
	crash  func(point string)

	clock   clock
	guarded atomic.Bool          // the last Guard found nothing
	stopped atomic.Pointer[Stop] // what it found

	mu   sync.Mutex
	head chan struct{} // closed and replaced when the log has grown
	seen position
}

// position is how far a log has come: it changes with every commit of a
// sequencer.
type position struct{ size, refused int64 }

var _ network.Network = (*Log)(nil)

// Open opens the log named by c.Network, making it (and signing its empty
// checkpoint) at first use.
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
		l.key = ed25519.NewKeyFromSeed(c.Key)
		l.public = l.key.Public().(ed25519.PublicKey)
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
		if made == 1 && l.key == nil {
			return ErrNotBegun
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
	if _, err := note.Open([]byte(row.Checkpoint), note.VerifierList(l.verifier)); err != nil {
		return nil, fmt.Errorf("log %s: %w: %w", c.Network, ErrKeyMismatch, err)
	}
	l.seen = position{row.Size, row.Refused}
	l.alive.Store(store.Micros(db.Now())) // where everything starts at once, the sequencer may be later
	return l, nil
}

// identify fixes the name under which the log signs.
func (l *Log) identify(origin string) (err error) {
	l.config.Origin = origin
	if l.vkey, err = note.NewEd25519VerifierKey(origin, l.public); err == nil {
		l.verifier, err = note.NewVerifier(l.vkey)
	}
	if err != nil {
		return fmt.Errorf("log %s: origin %q (it must be without spaces and plus signs): %w", l.config.Network, origin, err)
	}
	return nil
}

// Name implements network.Network.
func (l *Log) Name() network.Name { return l.config.Network }

// Origin is the log's name in its checkpoints, and the owner in receipts.
func (l *Log) Origin() string { return l.config.Origin }

// VerifierKey is the public key in the form of signed notes:
// origin+hash+base64.
func (l *Log) VerifierKey() string { return l.vkey }

// DryRun implements network.Network. It refuses another protocol version, a
// commitment of zeros, an empty nonce, and an update of an unknown work. A log that
// is stopped takes nothing. While no sequencer is at work the log does not answer: what is broadcast would be
// kept, but nobody could say for how long.
func (l *Log) DryRun(ctx context.Context, call network.Call) error {
	t, err := transaction(call)
	if err != nil {
		return err
	}
	silent := l.silent(l.alive.Load())
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	switch {
	case err != nil:
		return fmt.Errorf("log %s: dry run: %w", l.config.Network, err)
	case row.Stopped != "":
		return l.Stopped(ctx)
	case t.Updates >= row.NextAtsID:
		return fmt.Errorf("%w: %s", network.ErrRefused, unknownWork(t.Updates))
	case silent != nil:
		return l.silent(row.SequencerAt)
	}
	return nil
}

// Sequenced says whether some process has made blocks lately, or could have.
func (l *Log) Sequenced(ctx context.Context) error {
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err != nil {
		return l.fail("sequencer", err)
	}
	return l.silent(row.SequencerAt)
}

// silent says that the last sign of life of a sequencer is too long ago. One that lies
// as far ahead was given by a clock that was wrong, and counts as little.
func (l *Log) silent(last int64) error {
	if since := l.db.Now().Sub(store.Time(last)); since.Abs() > l.config.Silence {
		return fmt.Errorf("log %s: no sequencer has given a sign of life for %s", l.config.Network, since.Round(time.Second))
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

// check refuses what can be refused without looking at the log.
func check(t leaf.Transaction) error {
	switch {
	case t.ProtocolVersion != ProtocolVersion:
		return fmt.Errorf("%w: commitment protocol %d is not known, only %d is", network.ErrRefused, t.ProtocolVersion, ProtocolVersion)
	case t.Commitment == [32]byte{}:
		return fmt.Errorf("%w: the commitment is all zeros", network.ErrRefused)
	case t.Updates < 0:
		return fmt.Errorf("%w: %s", network.ErrRefused, unknownWork(t.Updates))
	}
	return nil
}

func unknownWork(atsID int64) string { return fmt.Sprintf("there is no work %d", atsID) }

// Broadcast implements network.Network: in one transaction it stores what the
// sequencer will take up. Bytes that are no transaction are left out, and the
// error then wraps network.ErrRefused; the others have gone through.
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
			err = errors.New("the hash is not that of the bytes")
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

// Head implements network.Network. A block made by another process on the same
// database is noticed within a BlockTime while Run runs here.
func (l *Log) Head() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// notice wakes the readers up when the log stands elsewhere than last seen.
func (l *Log) notice(at position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Reads may overtake each other; both numbers only ever grow.
	if at.size+at.refused <= l.seen.size+l.seen.refused {
		return
	}
	l.seen = at
	close(l.head)
	l.head = make(chan struct{})
}
