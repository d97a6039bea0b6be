package log

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network/log/leaf"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// errOvertaken rolls a block back that another sequencer was faster with.
var errOvertaken = errors.New("another sequencer was faster")

// Run sequences until ctx ends: a block as soon as an entry waits, but never
// sooner than BlockTime after the one before. Any number of processes may run
// it on one database. What fails is logged and tried again.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(l.config.BlockTime)
	defer tick.Stop()
	// Who waits for a sequencer need not wait for its first block.
	if err := l.note(ctx); err != nil && ctx.Err() == nil {
		l.config.Logger.ErrorContext(ctx, "no sign of life", "network", l.config.Network, "error", err)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-tick.C:
		}
		for {
			made, err := l.Sequence(ctx)
			if err != nil && ctx.Err() == nil {
				l.config.Logger.ErrorContext(ctx, "no block was made", "network", l.config.Network, "error", err)
			}
			if !made {
				break
			}
			tick.Reset(l.config.BlockTime)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// Sequence makes one block of the entries that wait, if any do, and reports
// whether it did (or refused some). When another process makes that block
// first it reports false and no error. Run calls it; tests and the command line
// may.
//
// A block is a sign of life for the processes that make none. Where there is
// nothing to make a block of, one is noted when the last is a third of Silence
// old, by whoever is first.
func (l *Log) Sequence(ctx context.Context) (_ bool, err error) {
	defer func() {
		if err == nil {
			l.alive.Store(store.Micros(l.db.Now()))
		}
	}()
	at, err := l.db.Read().PollLog(ctx, string(l.config.Network))
	if err != nil {
		return false, fmt.Errorf("log %s: sequence: %w", l.config.Network, err)
	}
	l.notice(position{at.Size, at.Refused})
	if at.Waiting == 0 {
		if l.db.Now().Sub(store.Time(at.SequencerAt)) < l.config.Silence/3 {
			return false, nil
		}
		return false, l.note(ctx)
	}
	var reached position
	err = l.db.Tx(ctx, func(tx *store.Tx) (err error) {
		reached, err = l.sequence(ctx, tx)
		l.crash("log.sequenced")
		return err
	})
	l.crash("log.committed")
	if errors.Is(err, errOvertaken) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("log %s: sequence: %w", l.config.Network, err)
	}
	made := reached != position{at.Size, at.Refused}
	l.notice(reached)
	return made, nil
}

// note writes a sign of life down.
func (l *Log) note(ctx context.Context) error {
	return l.db.One(ctx, func(tx *store.Tx) error {
		return tx.NoteSequencer(ctx, query.NoteSequencerParams{Now: store.Micros(tx.Now), Network: string(l.config.Network)})
	})
}

// sequence does the work of Sequence within tx. It reads, then claims the new
// position by compare-and-set, then writes: a slower sequencer waits at the
// claim, finds the log moved and has nothing to undo.
func (l *Log) sequence(ctx context.Context, tx *store.Tx) (position, error) {
	network := string(l.config.Network)
	row, err := tx.GetLog(ctx, network)
	if err != nil {
		return position{}, err
	}
	old := position{row.Size, row.Refused}
	waiting, err := tx.ListWaitingLogEntries(ctx, query.ListWaitingLogEntriesParams{Network: network, Lim: int32(l.config.MaxBlock)})
	if err != nil {
		return position{}, err
	}
	if len(waiting) == 0 {
		return old, nil
	}

	// Block times never run backwards, whatever the clock does.
	number, now := row.Blocks+1, max(store.Micros(tx.Now), row.BlockAt)

	next, nextID := old, row.NextAtsID
	versions := map[int64]int64{} // latest of each work that this block touches
	var accepted []query.SequenceLogEntryParams
	var refused []query.RefuseLogEntryParams
	for _, w := range waiting {
		t, err := leaf.ParseTransaction(w.Body)
		if err != nil {
			return position{}, err // Broadcast stores no such thing
		}
		entry := leaf.Leaf{Transaction: t, Block: number, At: store.Time(now)}
		switch {
		case t.Updates == 0:
			entry.AtsID, entry.Version = nextID, 1
			nextID++
		case t.Updates >= nextID:
			refused = append(refused, query.RefuseLogEntryParams{
				Network: network, TxHash: w.TxHash, Failure: unknownWork(t.Updates), DecidedAt: now,
			})
			next.refused++
			continue
		default:
			last, ok := versions[t.Updates]
			if !ok {
				last, err = tx.LastLogVersion(ctx, query.LastLogVersionParams{Network: network, AtsID: t.Updates})
				if err != nil {
					return position{}, err
				}
			}
			entry.AtsID, entry.Version = t.Updates, last+1
		}
		versions[entry.AtsID] = entry.Version
		accepted = append(accepted, query.SequenceLogEntryParams{
			Network: network, TxHash: w.TxHash, Idx: sql.NullInt64{Int64: next.size, Valid: true}, Leaf: entry.Bytes(),
			AtsID: entry.AtsID, Version: entry.Version, Block: number, DecidedAt: now,
		})
		next.size++
	}
	blocks := row.Blocks
	if len(accepted) > 0 {
		blocks = number
	}
	claimed, err := tx.AdvanceLog(ctx, query.AdvanceLogParams{
		Network: network, OldSize: old.size, OldRefused: old.refused,
		Size: next.size, Refused: next.refused, Blocks: blocks, NextAtsID: nextID, Now: store.Micros(tx.Now),
	})
	if err != nil {
		return position{}, err
	}
	if claimed != 1 {
		return position{}, errOvertaken
	}

	for _, r := range refused {
		if n, err := tx.RefuseLogEntry(ctx, r); err != nil || n != 1 {
			return position{}, changed(n, err)
		}
	}
	if len(accepted) == 0 {
		return next, nil
	}
	hashes := newTree(l.loader(ctx, tx.Queries))
	for _, a := range accepted {
		if n, err := tx.SequenceLogEntry(ctx, a); err != nil || n != 1 {
			return position{}, changed(n, err)
		}
		if err := hashes.add(a.Idx.Int64, tlog.RecordHash(a.Leaf)); err != nil {
			return position{}, err
		}
	}
	for _, id := range hashes.changed() {
		err := tx.PutLogTile(ctx, query.PutLogTileParams{Network: network, Level: int64(id.level), N: id.n, Data: hashes.tiles[id]})
		if err != nil {
			return position{}, err
		}
	}
	return next, l.writeBlock(ctx, tx, number, old.size, next.size, store.Time(now), hashes)
}

// changed explains an entry that was not updated: under the claim only this
// sequencer may decide about entries.
func changed(n int64, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("a waiting entry was decided by somebody else (%d rows)", n)
}

// writeBlock signs the tree of the first size entries and stores the block.
func (l *Log) writeBlock(ctx context.Context, tx *store.Tx, number, first, size int64, at time.Time, hashes *tree) error {
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", l.config.Origin, size, root)
	signed, err := note.Sign(&note.Note{Text: text}, signer{l})
	if err != nil {
		return err
	}
	hash := sha256.Sum256(signed)
	return tx.InsertLogBlock(ctx, query.InsertLogBlockParams{
		Network: string(l.config.Network), Number: number, Hash: hash[:], FirstIdx: first, Size: size,
		Checkpoint: string(signed), CreatedAt: store.Micros(at),
	})
}

// loader reads tiles through q.
func (l *Log) loader(ctx context.Context, q *query.Queries) func(level int, n int64) ([]byte, error) {
	return func(level int, n int64) ([]byte, error) {
		data, err := q.GetLogTile(ctx, query.GetLogTileParams{Network: string(l.config.Network), Level: int64(level), N: n})
		if err != nil {
			return nil, fmt.Errorf("tile %d/%d: %w", level, n, err)
		}
		return data, nil
	}
}

// signer is the log as a note.Signer.
type signer struct{ l *Log }

func (s signer) Name() string    { return s.l.verifier.Name() }
func (s signer) KeyHash() uint32 { return s.l.verifier.KeyHash() }
func (s signer) Sign(text []byte) ([]byte, error) {
	if s.l.key == nil {
		return nil, ErrNotBegun
	}
	return ed25519.Sign(s.l.key, text), nil
}
