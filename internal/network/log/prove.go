package log

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// Prove implements network.Network: the entry in the checkpoint of its block.
func (l *Log) Prove(ctx context.Context, hash [32]byte) (network.Proof, error) {
	e, err := l.Entry(ctx, hash)
	if errors.Is(err, network.ErrNotFound) || err == nil && e.Index < 0 {
		return network.Proof{}, l.fail(fmt.Sprintf("transaction %x", hash), network.ErrNotFinal)
	} else if err != nil {
		return network.Proof{}, err
	}
	b, p, err := l.proveIn(ctx, e)
	if err != nil {
		return network.Proof{}, err
	}
	seen, err := l.seenOf(ctx, b)
	if err != nil {
		return network.Proof{}, err
	}
	key, err := l.keyOf(ctx, b)
	if err != nil {
		return network.Proof{}, err
	}
	return l.proof(e, b, key, p, seen), nil
}

func (l *Log) proof(e network.Entry, b network.Block, key string, p tlog.RecordProof, by seen) network.Proof {
	return network.Proof{Log: &evidence.Log{
		Origin: l.Origin(), Key: key, Leaf: string(e.Leaf), Index: e.Index, Proof: p, Checkpoint: b.Checkpoint, Cosignatures: by.lines,
	}, Later: by.later, Quorum: by.quorum}
}

// ProveAll implements network.Batched. It reads each block and each tile once. A tile that is read
// later than the entries has all of their blocks.
func (l *Log) ProveAll(ctx context.Context, hashes [][32]byte) (map[[32]byte]network.Proof, error) {
	joined := make([]byte, 0, 32*len(hashes))
	for _, h := range hashes {
		joined = append(joined, h[:]...)
	}
	rows, err := l.db.Read().FindLogEntries(ctx, query.FindLogEntriesParams{Network: string(l.config.Network), Joined: joined, Count: int64(len(hashes))})
	if err != nil {
		return nil, l.fail("prove", err)
	}
	var final []network.Entry
	var numbers []int64
	for _, row := range rows {
		if e := l.entry(query.GetLogEntryRow(row)); e.Index >= 0 {
			final, numbers = append(final, e), append(numbers, e.BlockNumber)
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	blocks, tiles := map[int64]network.Block{}, newTree(l.loader(ctx, l.db.Read()))
	if err := l.db.Each(ctx, len(numbers), func(q *query.Queries, i int) error {
		row, err := q.GetLogBlock(ctx, query.GetLogBlockParams{Network: string(l.config.Network), Number: numbers[i]})
		blocks[numbers[i]] = block(row)
		return err
	}); err != nil {
		return nil, l.fail("prove: blocks", err)
	}
	witnessed, keys := map[int64]seen{}, map[int64]string{}
	for number, b := range blocks {
		var err error
		if keys[number], err = l.keyOf(ctx, b); err != nil {
			return nil, err
		}
		if witnessed[number], err = l.seenOf(ctx, b); err != nil {
			return nil, err
		}
	}
	all := map[[32]byte]network.Proof{}
	for _, e := range final {
		b := blocks[e.BlockNumber]
		p, err := tlog.ProveRecord(b.Size, e.Index, tiles)
		if err != nil {
			return nil, l.fail(fmt.Sprintf("prove entry %d in the first %d", e.Index, b.Size), err)
		}
		all[e.Hash] = l.proof(e, b, keys[e.BlockNumber], p, witnessed[e.BlockNumber])
	}
	return all, nil
}

// proveIn returns the block of an entry in the log, and its proof in that block.
func (l *Log) proveIn(ctx context.Context, e network.Entry) (network.Block, tlog.RecordProof, error) {
	b, err := l.Block(ctx, e.BlockNumber)
	if err != nil {
		return network.Block{}, nil, err
	}
	p, err := l.InclusionProof(ctx, e.Index, b.Size)
	return b, p, err
}
