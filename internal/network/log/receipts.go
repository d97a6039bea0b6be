package log

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log/receipt"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// insertReceipt signs the root of a block for COSE Receipts, and stores the signature. The
// process has the key, because it makes the block.
func (l *Log) insertReceipt(ctx context.Context, tx *store.Tx, number int64, signed string) error {
	tree, err := l.Tree(signed)
	if err != nil {
		return err
	}
	p := l.keys.page()
	key := p.KeyFor(tree.N)
	private, err := l.keys.private(p, key)
	if err != nil {
		return err
	}
	signature, err := receipt.Sign(private, l.config.Origin, key, tree.Hash)
	if err != nil {
		return err
	}
	return tx.InsertLogReceipt(ctx, query.InsertLogReceiptParams{Network: string(l.config.Network), Block: number, Signature: signature})
}

// completeReceipts signs the newest block if an older release made it. Then every entry has a
// receipt, in the tree of that block.
func (l *Log) completeReceipts(ctx context.Context) error {
	newest, err := l.Blocks(ctx, 1<<63-1, 1)
	if err != nil || len(newest) == 0 || newest[0].Size == 0 {
		return err
	}
	p, err := l.KeyPage(ctx)
	if err != nil {
		return err
	}
	if _, err := l.keys.private(p, p.KeyFor(newest[0].Size)); errors.Is(err, errNoSeed) {
		return nil // another process has this key
	} else if err != nil {
		return err
	}
	return l.db.One(ctx, func(tx *store.Tx) error { return l.insertReceipt(ctx, tx, newest[0].Number, newest[0].Checkpoint) })
}

// Receipt implements network.Receipted. The receipt is of the entry's own block. If that
// block has no signature, or only one entry, it is of the first later block that has both.
func (l *Log) Receipt(ctx context.Context, hash [32]byte) ([]byte, error) {
	e, err := l.Entry(ctx, hash)
	if err != nil {
		return nil, err
	}
	if e.Index < 0 {
		return nil, l.fail("receipt", network.ErrNotFound)
	}
	row, err := l.db.Read().FirstLogReceipt(ctx, query.FirstLogReceiptParams{Network: string(l.config.Network), Block: e.BlockNumber})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, l.fail("receipt", network.ErrNotFound)
	} else if err != nil {
		return nil, l.fail("receipt", err)
	}
	path, err := l.InclusionProof(ctx, e.Index, row.Size)
	if err != nil {
		return nil, err
	}
	p, err := l.KeyPage(ctx)
	if err != nil {
		return nil, err
	}
	return receipt.Write(l.config.Origin, p.KeyFor(row.Size), row.Signature, row.Size, e.Index, path)
}
