package log

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Find implements network.Network. The receipt of a refused transaction has no block, and
// its At is the time of the refusal.
func (l *Log) Find(ctx context.Context, hashes [][32]byte) (map[[32]byte]network.Receipt, error) {
	found := make(map[[32]byte]network.Receipt, len(hashes))
	for some := range slices.Chunk(hashes, 500) {
		joined := make([]byte, 0, 32*len(some))
		for _, h := range some {
			joined = append(joined, h[:]...)
		}
		rows, err := l.db.Read().FindLogEntries(ctx, query.FindLogEntriesParams{
			Network: string(l.config.Network), Joined: joined, Count: int64(len(some)),
		})
		if err != nil {
			return nil, l.fail("find", err)
		}
		for _, row := range rows {
			if e := l.entry(query.GetLogEntryRow(row)); e.Final() {
				found[e.Hash] = e.Receipt
			}
		}
	}
	return found, nil
}

// Entry returns the transaction with this hash, waiting or not.
func (l *Log) Entry(ctx context.Context, hash [32]byte) (network.Entry, error) {
	row, err := l.db.Read().GetLogEntry(ctx, query.GetLogEntryParams{Network: string(l.config.Network), TxHash: hash[:]})
	if err != nil {
		return network.Entry{}, l.fail(fmt.Sprintf("transaction %x", hash), err)
	}
	return l.entry(row), nil
}

// WithCommitment returns at most n transactions with a commitment, in the order in which
// they were received. Two equal registrations have the same commitment.
func (l *Log) WithCommitment(ctx context.Context, commitment [32]byte, n int) ([]network.Entry, error) {
	rows, err := l.db.Read().ListLogEntriesOfCommitment(ctx, query.ListLogEntriesOfCommitmentParams{Network: string(l.config.Network), Commitment: commitment[:], Lim: int32(n)})
	if err != nil {
		return nil, l.fail(fmt.Sprintf("commitment %x", commitment), err)
	}
	es := make([]network.Entry, len(rows))
	for i, row := range rows {
		es[i] = l.entry(query.GetLogEntryRow(row))
	}
	return es, nil
}

// Earlier returns the first entry with a commitment, if it is before e in the log.
// Otherwise it returns network.ErrNotFound.
func (l *Log) Earlier(ctx context.Context, commitment [32]byte, e network.Entry) (network.Entry, error) {
	index := e.Index
	row, err := l.db.Read().FirstLogEntryOfCommitment(ctx, query.FirstLogEntryOfCommitmentParams{Network: string(l.config.Network), Commitment: commitment[:], Before: valid(index)})
	if err != nil {
		return network.Entry{}, l.fail(fmt.Sprintf("commitment %x before entry %d", commitment, index), err)
	}
	return l.entry(query.GetLogEntryRow(row)), nil
}

// BlockWithHash returns the number of the block with this hash.
func (l *Log) BlockWithHash(ctx context.Context, hash [32]byte) (int64, error) {
	n, err := l.db.Read().LogBlockByHash(ctx, query.LogBlockByHashParams{Network: string(l.config.Network), Hash: hash[:]})
	if err != nil {
		return 0, l.fail(fmt.Sprintf("block %x", hash), err)
	}
	return n, nil
}

// EntryByIndex returns the entry at index, from 0.
func (l *Log) EntryByIndex(ctx context.Context, index int64) (network.Entry, error) {
	es, err := l.Entries(ctx, index, index+1)
	if err == nil && len(es) == 0 {
		err = l.fail(fmt.Sprintf("entry %d", index), network.ErrNotFound)
	}
	if err != nil {
		return network.Entry{}, err
	}
	return es[0], nil
}

// Entries returns the entries with indexes in [lo, hi), up to the end of the log.
func (l *Log) Entries(ctx context.Context, lo, hi int64) ([]network.Entry, error) {
	rows, err := l.db.Read().ListLogEntries(ctx, query.ListLogEntriesParams{Network: string(l.config.Network), Lo: valid(lo), Hi: valid(hi)})
	if err != nil {
		return nil, l.fail("entries", err)
	}
	es := make([]network.Entry, len(rows))
	for i, row := range rows {
		es[i] = l.entry(query.GetLogEntryRow(row))
	}
	return es, nil
}

// Versions returns at most n versions of a work after the version after, oldest first.
// For an unknown work it returns none.
func (l *Log) Versions(ctx context.Context, atsID, after int64, n int) ([]network.Entry, error) {
	rows, err := l.db.Read().ListLogVersions(ctx, query.ListLogVersionsParams{Network: string(l.config.Network), AtsID: atsID, After: after, Lim: int32(n)})
	if err != nil {
		return nil, l.fail(fmt.Sprintf("versions of %d", atsID), err)
	}
	es := make([]network.Entry, len(rows))
	for i, row := range rows {
		es[i] = l.entry(query.GetLogEntryRow(row))
	}
	return es, nil
}

// LastVersion returns the newest version of a work, or network.ErrNotFound.
func (l *Log) LastVersion(ctx context.Context, atsID int64) (int64, error) {
	n, err := l.db.Read().LastLogVersion(ctx, query.LastLogVersionParams{Network: string(l.config.Network), AtsID: atsID})
	if err != nil {
		return 0, l.fail(fmt.Sprintf("work %d", atsID), err)
	}
	return n, nil
}

func (l *Log) entry(row query.GetLogEntryRow) network.Entry {
	e := network.Entry{Index: -1, ReceivedAt: store.Time(row.ReceivedAt), Bytes: row.Body, Lost: row.Lost}
	copy(e.Hash[:], row.TxHash)
	if row.Idx.Valid {
		e.Index, e.Leaf = row.Idx.Int64, row.Leaf
		e.AtsID, e.Version, e.BlockNumber = row.AtsID, row.Version, row.Block
		copy(e.BlockHash[:], row.BlockHash)
	}
	e.Failure = row.Failure
	if e.Final() {
		e.At, e.Owner = store.Time(row.DecidedAt), l.config.Origin
	}
	return e
}

// Block returns the block with this number.
func (l *Log) Block(ctx context.Context, number int64) (network.Block, error) {
	row, err := l.db.Read().GetLogBlock(ctx, query.GetLogBlockParams{Network: string(l.config.Network), Number: number})
	if err != nil {
		return network.Block{}, l.fail(fmt.Sprintf("block %d", number), err)
	}
	return block(row), nil
}

// Blocks returns at most n blocks, newest first, from block newest downwards. If newest
// is larger than the last block, it starts with the last.
func (l *Log) Blocks(ctx context.Context, newest int64, n int) ([]network.Block, error) {
	rows, err := l.db.Read().ListLogBlocks(ctx, query.ListLogBlocksParams{Network: string(l.config.Network), Newest: newest, Lim: int32(n)})
	if err != nil {
		return nil, l.fail("blocks", err)
	}
	bs := make([]network.Block, len(rows))
	for i, row := range rows {
		bs[i] = block(query.GetLogBlockRow(row))
	}
	return bs, nil
}

func block(row query.GetLogBlockRow) network.Block {
	b := network.Block{Number: row.Number, First: row.FirstIdx, Size: row.Size, Checkpoint: row.Checkpoint, At: store.Time(row.CreatedAt)}
	copy(b.Hash[:], row.Hash)
	return b
}

// LatestCheckpoint returns the newest signed note.
func (l *Log) LatestCheckpoint(ctx context.Context) (string, error) {
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err != nil {
		return "", l.fail("checkpoint", err)
	}
	return row.Checkpoint, nil
}

// InclusionProof proves that the entry at index is in the log of the first size entries.
// It returns sibling hashes from the leaf upwards, for tlog.CheckRecord.
func (l *Log) InclusionProof(ctx context.Context, index, size int64) (tlog.RecordProof, error) {
	what := fmt.Sprintf("entry %d in the first %d", index, size)
	if index < 0 || index >= size {
		return nil, l.fail(what, network.ErrNotFound)
	}
	p, err := tlog.ProveRecord(size, index, newTree(l.loader(ctx, l.db.Read())))
	if err != nil {
		return nil, l.fail(what, err)
	}
	return p, nil
}

// ConsistencyProof proves that the log of the first size entries continues the log of the
// first old, for tlog.CheckTree. old is at least 1.
func (l *Log) ConsistencyProof(ctx context.Context, old, size int64) (tlog.TreeProof, error) {
	what := fmt.Sprintf("from %d to %d entries", old, size)
	if old < 1 || old > size {
		return nil, l.fail(what, network.ErrNotFound)
	}
	p, err := tlog.ProveTree(size, old, newTree(l.loader(ctx, l.db.Read())))
	if err != nil {
		return nil, l.fail(what, err)
	}
	return p, nil
}

// fail adds the log's name and the operation to an error, and turns a missing row into
// network.ErrNotFound.
func (l *Log) fail(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = network.ErrNotFound
	}
	return fmt.Errorf("log %s: %s: %w", l.config.Network, what, err)
}

func valid(n int64) sql.NullInt64 { return sql.NullInt64{Int64: n, Valid: true} }

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
