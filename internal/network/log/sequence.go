package log

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence/leaf"
)

// reminder is the time after which a failure that lasts is logged again.
const reminder = time.Minute

// Run makes blocks until ctx ends: as soon as an entry waits, but at least BlockTime
// after the block before. A full block is followed at once. Any number of processes can run it on one database. The first
// error in a row is logged, and Run tries again.
//
// Run also asks the witnesses to cosign each block, without waiting for them.
func (l *Log) Run(ctx context.Context) {
	if l.cosigner != nil {
		var asking sync.WaitGroup
		asking.Go(func() { l.cosigner.run(ctx) })
		defer asking.Wait()
	}
	tick := time.NewTicker(l.config.BlockTime)
	defer tick.Stop()
	// Signal that a sequencer is active before the first block.
	if err := l.note(ctx); err != nil && ctx.Err() == nil {
		l.config.Logger.ErrorContext(ctx, "heartbeat failed", "network", l.config.Network, "error", err)
	}
	if err := l.completeReceipts(ctx); err != nil && ctx.Err() == nil {
		l.config.Logger.ErrorContext(ctx, "no signature for receipts", "network", l.config.Network, "error", err)
	}
	failures, logged := 0, time.Time{} // in a row, and the time of the last line about them
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-tick.C:
		}
		for {
			made, full, err := l.sequence(ctx)
			switch {
			case errors.Is(err, network.ErrStopped): // a stop was logged when it began
			case err == nil && failures > 0:
				l.config.Logger.InfoContext(ctx, "blocks can be made again", "network", l.config.Network, "failures", failures)
				failures = 0
			case err != nil && ctx.Err() == nil:
				if failures++; failures == 1 || time.Since(logged) >= reminder {
					logged = time.Now()
					l.config.Logger.ErrorContext(ctx, "no block was made", "network", l.config.Network, "failures", failures, "error", err)
				}
			}
			if !made {
				break
			}
			if full { // more entries probably wait
				continue
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

// Sequence makes one block of the waiting entries, and reports whether it made a block or
// refused entries. If another process makes that block first, it returns false and no
// error. Run calls it; tests and the command line can call it too.
//
// A block shows other processes that a sequencer is active. Without waiting entries, the
// first sequencer writes such a sign when the last one is a third of Silence old.
func (l *Log) Sequence(ctx context.Context) (_ bool, err error) {
	made, _, err := l.sequence(ctx)
	return made, err
}

// sequence is Sequence. full says that it decided as many entries as a block may have.
func (l *Log) sequence(ctx context.Context) (made, full bool, err error) {
	defer func() {
		if err == nil {
			l.alive.Store(store.Micros(l.db.Now()))
		}
	}()
	at, err := l.db.Read().PollLog(ctx, string(l.config.Network))
	if err != nil {
		return false, false, fmt.Errorf("log %s: sequence: %w", l.config.Network, err)
	}
	l.notice(position{at.Size, at.Refused})
	if at.Waiting == 0 && l.guarded.Load() && l.clock.look() == nil {
		if l.db.Now().Sub(store.Time(at.SequencerAt)).Abs() < l.config.Silence/3 {
			return false, false, nil
		}
		return false, false, l.note(ctx)
	}
	row, waiting, err := l.guard(ctx)
	if errors.Is(err, errOvertaken) {
		return false, false, nil
	} else if err != nil {
		return false, false, err
	}
	if at.Waiting == 0 {
		return false, false, l.note(ctx)
	}
	begun := time.Now()
	reached, err := l.block(ctx, row, waiting)
	if errors.Is(err, errOvertaken) || errors.Is(err, errTile) && l.moved(ctx, row) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("log %s: sequence: %w", l.config.Network, err)
	}
	decided := reached.size - at.Size + reached.refused - at.Refused
	made = reached != position{at.Size, at.Refused}
	if reached.size > at.Size {
		l.config.Events.Block(ctx, string(l.config.Network), reached.size, reached.size-at.Size, time.Since(begun))
	}
	l.notice(reached)
	return made, decided >= int64(l.config.MaxBlock), nil
}

// block makes one block of the waiting entries, in three steps:
//
//  1. In one statement the block is staged: which entries, and the signed
//     checkpoint. Nothing of it can be read yet.
//  2. The checkpoint replaces that of the block before it, outside of the database.
//  3. In one transaction the block is published.
//
// After a crash, the next block is the staged one, and the missing steps follow.
// Repeating a step changes nothing. A block that another process staged is published by
// the first process that can.
//
// row and waiting were read before. Each step claims the log by compare-and-set: a slower
// sequencer finds that the log has moved, and has nothing to undo.
func (l *Log) block(ctx context.Context, row query.GetLogRow, waiting []query.ListWaitingLogEntriesRow) (reached position, err error) {
	staged := row.PendingCheckpoint
	var p *plan // nil: the block was staged before
	switch {
	case staged != "":
	case len(waiting) == 0:
		return position{row.Size, row.Refused}, nil
	default:
		if p, err = l.stage(ctx, row, waiting); err != nil {
			return position{}, err
		}
		if p.signed == "" { // all entries are refused
			return p.next, l.db.Tx(ctx, func(tx *store.Tx) error { return l.write(ctx, tx, p) })
		}
		staged = p.signed
	}
	l.crash("log.staged")
	if err := l.swap(ctx, row.Checkpoint, staged); err != nil {
		return position{}, err
	}
	l.crash("log.kept")
	err = l.db.Tx(ctx, func(tx *store.Tx) (err error) {
		if p == nil {
			if p, err = l.again(ctx, tx, staged); err != nil {
				return err
			}
		}
		err = l.write(ctx, tx, p)
		l.crash("log.sequenced")
		return err
	})
	l.crash("log.committed")
	if err != nil {
		return position{}, err
	}
	l.newest.Store(&frontier{p.signed, p.tree.last()})
	return p.next, nil
}

// swap stores the checkpoint of a staged block. If it is stored already, that is not an
// error.
func (l *Log) swap(ctx context.Context, before, staged string) error {
	name, _, ok := l.place()
	if !ok {
		return nil
	}
	err := l.config.Checkpoints.Swap(ctx, name, before, staged)
	if !errors.Is(err, checkpoint.ErrSwapped) {
		return err
	}
	if kept, _, err := l.Kept(ctx); err != nil || kept == staged {
		return err
	}
	// Another process is further, or the database went back: the next Guard detects it.
	l.guarded.Store(false)
	return errOvertaken
}

// moved reports whether the log has grown since a row of it was read.
func (l *Log) moved(ctx context.Context, since query.GetLogRow) bool {
	now, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	return err == nil && now.Checkpoint != since.Checkpoint
}

// note records that a sequencer is active.
func (l *Log) note(ctx context.Context) error {
	return l.db.One(ctx, func(tx *store.Tx) error {
		return tx.NoteSequencer(ctx, query.NoteSequencerParams{Now: store.Micros(tx.Now), Network: string(l.config.Network)})
	})
}

// plan is a block before it is written.
type plan struct {
	number   int64 // of the block; the newest block's if no entry was accepted
	at       int64 // the block's time
	old      position
	next     position
	nextID   int64
	hashes   []byte // of the transactions, concatenated
	accepted []query.SequenceLogEntryParams
	refused  []query.RefuseLogEntryParams
	tree     *tree
	signed   string // "" if no entry was accepted
}

// plan decides about entries. The same entries on the same log at the same time give
// exactly the same block.
func (l *Log) plan(ctx context.Context, q *query.Queries, row query.GetLogRow, waiting []query.ListWaitingLogEntriesRow, at int64) (*plan, error) {
	name := string(l.config.Network)
	p := &plan{number: row.Blocks + 1, at: at, old: position{row.Size, row.Refused}, next: position{row.Size, row.Refused}, nextID: row.NextAtsID, tree: newTree(l.loader(ctx, q))}
	if kept := l.newest.Load(); kept != nil && kept.checkpoint == row.Checkpoint {
		p.tree.tiles = maps.Clone(kept.tiles)
	}
	versions := map[int64]int64{} // newest version of each work in this block
	ended := hasEnded(l.keys.page())
	for _, w := range waiting {
		p.hashes = append(p.hashes, w.TxHash...)
		t, err := leaf.ParseTransaction(w.Body)
		if err != nil {
			return nil, err // Broadcast never stores such bytes
		}
		entry := leaf.Leaf{Transaction: t, Block: p.number, At: store.Time(at)}
		switch {
		case ended != "":
			p.refused = append(p.refused, query.RefuseLogEntryParams{Network: name, TxHash: w.TxHash, Failure: ended, DecidedAt: at})
			p.next.refused++
			continue
		case t.Updates == 0:
			entry.AtsID, entry.Version = p.nextID, 1
			p.nextID++
		case t.Updates >= p.nextID:
			p.refused = append(p.refused, query.RefuseLogEntryParams{
				Network: name, TxHash: w.TxHash, Failure: unknownWork(t.Updates), DecidedAt: at,
			})
			p.next.refused++
			continue
		default:
			last, ok := versions[t.Updates]
			if !ok {
				last, err = q.LastLogVersion(ctx, query.LastLogVersionParams{Network: name, AtsID: t.Updates})
				if err != nil {
					return nil, err
				}
			}
			entry.AtsID, entry.Version = t.Updates, last+1
		}
		versions[entry.AtsID] = entry.Version
		text := entry.Bytes()
		if err := p.tree.add(p.next.size, tlog.RecordHash(text)); err != nil {
			return nil, err
		}
		p.accepted = append(p.accepted, query.SequenceLogEntryParams{
			Network: name, TxHash: w.TxHash, Idx: sql.NullInt64{Int64: p.next.size, Valid: true}, Leaf: text,
			AtsID: entry.AtsID, Version: entry.Version, Block: p.number, DecidedAt: at,
		})
		p.next.size++
	}
	if len(p.accepted) == 0 {
		p.number = row.Blocks
		return p, nil
	}
	var err error
	p.signed, err = l.sign(p.next.size, p.tree)
	return p, err
}

// stage decides about the waiting entries and records the block. It records none if all
// entries are refused.
func (l *Log) stage(ctx context.Context, row query.GetLogRow, waiting []query.ListWaitingLogEntriesRow) (*plan, error) {
	// Block times never decrease. Guard has checked that the difference is small.
	p, err := l.plan(ctx, l.db.Read(), row, waiting, max(store.Micros(l.db.Now()), row.BlockAt))
	if err != nil || p.signed == "" {
		return p, err
	}
	return p, l.db.One(ctx, func(tx *store.Tx) error {
		claimed, err := tx.StageLogBlock(ctx, query.StageLogBlockParams{
			Network: string(l.config.Network), OldSize: p.old.size, OldRefused: p.old.refused, Pending: p.hashes, Checkpoint: p.signed, PendingAt: p.at, Keys: row.Keys,
		})
		if err == nil && claimed != 1 {
			err = errOvertaken
		}
		return err
	})
}

// again plans a block that was staged before, by this process or another one.
func (l *Log) again(ctx context.Context, tx *store.Tx, staged string) (*plan, error) {
	name := string(l.config.Network)
	row, err := tx.GetLog(ctx, name)
	if err != nil {
		return nil, err
	}
	if row.PendingCheckpoint != staged {
		return nil, errOvertaken
	}
	found, err := tx.FindLogEntries(ctx, query.FindLogEntriesParams{Network: name, Joined: row.Pending, Count: int64(len(row.Pending) / sha256.Size)})
	if err != nil {
		return nil, err
	}
	bodies := make(map[[sha256.Size]byte][]byte, len(found))
	for _, f := range found {
		bodies[[sha256.Size]byte(f.TxHash)] = f.Body
	}
	var waiting []query.ListWaitingLogEntriesRow
	for hash := range slices.Chunk(row.Pending, sha256.Size) {
		waiting = append(waiting, query.ListWaitingLogEntriesRow{TxHash: hash, Body: bodies[[sha256.Size]byte(hash)]})
	}
	p, err := l.plan(ctx, tx.Queries, row, waiting, row.PendingAt)
	if err == nil && p.signed != staged {
		err = errors.New("the staged block differs from its entries: the database was changed by hand")
	}
	return p, err
}

// write claims the plan's position by compare-and-set, and then writes.
func (l *Log) write(ctx context.Context, tx *store.Tx, p *plan) error {
	steps := []func(*store.Tx) error{func(tx *store.Tx) error {
		claimed, err := tx.AdvanceLog(ctx, query.AdvanceLogParams{
			Network: string(l.config.Network), OldSize: p.old.size, OldRefused: p.old.refused, Staged: p.signed,
			Size: p.next.size, Refused: p.next.refused, Blocks: p.number, NextAtsID: p.nextID, Now: store.Micros(tx.Now),
		})
		if err == nil && claimed != 1 {
			err = errOvertaken
		}
		return err
	}}
	for _, r := range p.refused {
		steps = append(steps, func(tx *store.Tx) error { return changed(tx.RefuseLogEntry(ctx, r)) })
	}
	for _, a := range p.accepted {
		steps = append(steps, func(tx *store.Tx) error { return changed(tx.SequenceLogEntry(ctx, a)) })
	}
	if err := tx.Together(steps...); err != nil || len(p.accepted) == 0 {
		return err
	}
	if err := l.putTiles(ctx, tx, p.tree); err != nil {
		return err
	}
	return l.insertBlock(ctx, tx, p.number, p.old.size, p.next.size, store.Time(p.at), p.signed)
}

// putTiles stores the new tiles of a tree.
func (l *Log) putTiles(ctx context.Context, tx *store.Tx, t *tree) error {
	for _, id := range t.changed() {
		err := tx.PutLogTile(ctx, query.PutLogTileParams{Network: string(l.config.Network), Level: int64(id.level), N: id.n, Data: t.tiles[id]})
		if err != nil {
			return err
		}
	}
	return nil
}

// changed returns an error if an entry was not updated: after the claim, only this
// sequencer may decide about entries.
func changed(n int64, err error) error {
	if err != nil || n == 1 {
		return err
	}
	return fmt.Errorf("another process decided about a waiting entry (%d rows)", n)
}

// sign signs the tree of the first size entries with the key that counts at this size. The
// same tree gives the same bytes, because Ed25519 signatures are deterministic.
func (l *Log) sign(size int64, hashes *tree) (string, error) {
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return "", err
	}
	p := l.keys.page()
	key := p.KeyFor(size)
	if key == "" {
		return "", errors.New(hasEnded(p))
	}
	by, err := l.keys.signer(p, key)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", l.config.Origin, size, root)
	signed, err := note.Sign(&note.Note{Text: text}, by)
	return string(signed), err
}

// insertBlock stores the block with the entries from first to size, and its signature for
// receipts.
func (l *Log) insertBlock(ctx context.Context, tx *store.Tx, number, first, size int64, at time.Time, signed string) error {
	hash := sha256.Sum256([]byte(signed))
	block := func(tx *store.Tx) error {
		return tx.InsertLogBlock(ctx, query.InsertLogBlockParams{
			Network: string(l.config.Network), Number: number, Hash: hash[:], FirstIdx: first, Size: size,
			Checkpoint: signed, CreatedAt: store.Micros(at),
		})
	}
	if size == 0 { // there is nothing to prove
		return block(tx)
	}
	return tx.Together(block, func(tx *store.Tx) error { return l.insertReceipt(ctx, tx, number, signed) })
}
