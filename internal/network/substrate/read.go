package substrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// The explorer reads what the database has of the chain: the registry's own transactions, and
// the final blocks that have one. Nothing here asks a node.

var _ network.Chained = (*Network)(nil)

// absent is the error of a read that found nothing.
func absent(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return network.ErrNotFound
	}
	return err
}

// entry is a row for its readers. The rows of all queries for entries are the same.
func entry(row query.GetSubstrateEntryRow) network.Entry {
	e := network.Entry{
		Index: -1, Bytes: row.Signed,
		Call: network.Call{Commitment: [32]byte(row.Commitment), ProtocolVersion: uint8(row.Protocol), AtsID: row.Updates},
		Receipt: network.Receipt{
			Hash: [32]byte(row.Hash), TxHash: [32]byte(row.SignedHash), Failure: row.Failure, Owner: row.Address, Shared: row.Item != alone,
		},
	}
	if row.DecidedAt == 0 || row.BlockHash == nil { // it waits
		return e
	}
	e.BlockNumber, e.BlockHash, e.At = row.Block, [32]byte(row.BlockHash), store.Time(row.BlockAt.Int64)
	if row.Version > 0 {
		e.Index, e.AtsID, e.Version = row.Position, row.AtsID, row.Version
	}
	return e
}

func entries[row query.ListSubstrateVersionsRow | query.ListSubstrateEntriesOfTransactionRow | query.ListSubstrateEntriesOfCommitmentRow | query.ListSubstrateEntriesInBlockRow](rows []row) []network.Entry {
	es := make([]network.Entry, len(rows))
	for i, one := range rows {
		es[i] = entry(query.GetSubstrateEntryRow(one))
	}
	return es
}

// Entry implements network.Browsable. It finds a transaction by the registry's hash, and by the
// one that the chain knows. A transaction that the registry never wanted sent does not exist.
func (n *Network) Entry(ctx context.Context, hash [32]byte) (network.Entry, error) {
	row, err := n.db.Read().GetSubstrateEntry(ctx, query.GetSubstrateEntryParams{Network: n.name(), Hash: hash[:]})
	if err != nil {
		return network.Entry{}, n.fail(fmt.Sprintf("transaction %x", hash), absent(err))
	}
	return entry(row), nil
}

// Calls implements network.Sharing.
func (n *Network) Calls(ctx context.Context, hash [32]byte, most int) ([]network.Entry, error) {
	rows, err := n.db.Read().ListSubstrateEntriesOfTransaction(ctx, query.ListSubstrateEntriesOfTransactionParams{Network: n.name(), Hash: hash[:], Lim: int32(most)})
	if err != nil {
		return nil, n.fail(fmt.Sprintf("calls of transaction %x", hash), err)
	}
	return entries(rows), nil
}

// WithCommitment implements network.Browsable. Open transactions are first.
func (n *Network) WithCommitment(ctx context.Context, commitment [32]byte, most int) ([]network.Entry, error) {
	rows, err := n.db.Read().ListSubstrateEntriesOfCommitment(ctx, query.ListSubstrateEntriesOfCommitmentParams{Network: n.name(), Commitment: commitment[:], Lim: int32(most)})
	if err != nil {
		return nil, n.fail(fmt.Sprintf("commitment %x", commitment), err)
	}
	return entries(rows), nil
}

// Earlier implements network.Browsable. It knows no registrations of others on the chain.
func (n *Network) Earlier(ctx context.Context, commitment [32]byte, e network.Entry) (network.Entry, error) {
	row, err := n.db.Read().FirstSubstrateEntryOfCommitment(ctx, query.FirstSubstrateEntryOfCommitmentParams{Network: n.name(), Commitment: commitment[:], Block: e.BlockNumber, Position: e.Index})
	if err != nil {
		return network.Entry{}, n.fail(fmt.Sprintf("commitment %x before block %d", commitment, e.BlockNumber), absent(err))
	}
	return entry(query.GetSubstrateEntryRow(row)), nil
}

// Versions implements network.Browsable. After a database was restored, versions can be missing.
func (n *Network) Versions(ctx context.Context, atsID, after int64, most int) ([]network.Entry, error) {
	rows, err := n.db.Read().ListSubstrateVersions(ctx, query.ListSubstrateVersionsParams{Network: n.name(), AtsID: atsID, After: after, Lim: int32(most)})
	if err != nil {
		return nil, n.fail(fmt.Sprintf("versions of %d", atsID), err)
	}
	return entries(rows), nil
}

// LastVersion implements network.Browsable.
func (n *Network) LastVersion(ctx context.Context, atsID int64) (int64, error) {
	row, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: atsID})
	if err != nil {
		return 0, n.fail(fmt.Sprintf("work %d", atsID), absent(err))
	}
	return row.Version, nil
}

// Inside implements network.Chained.
func (n *Network) Inside(ctx context.Context, block, skip int64, most int) ([]network.Entry, error) {
	rows, err := n.db.Read().ListSubstrateEntriesInBlock(ctx, query.ListSubstrateEntriesInBlockParams{Network: n.name(), Block: block, Skip: int32(skip), Lim: int32(most)})
	if err != nil {
		return nil, n.fail(fmt.Sprintf("transactions of block %d", block), err)
	}
	return entries(rows), nil
}

// Block implements network.Browsable.
func (n *Network) Block(ctx context.Context, number int64) (network.Block, error) {
	all, err := n.Blocks(ctx, number, 1)
	if err == nil && (len(all) == 0 || all[0].Number != number) {
		err = n.fail(fmt.Sprintf("block %d", number), network.ErrNotFound)
	}
	if err != nil {
		return network.Block{}, err
	}
	return all[0], nil
}

// Blocks implements network.Browsable.
func (n *Network) Blocks(ctx context.Context, newest int64, most int) ([]network.Block, error) {
	rows, err := n.db.Read().ListSubstrateBlocks(ctx, query.ListSubstrateBlocksParams{Network: n.name(), Newest: newest, Lim: int32(most)})
	if err != nil {
		return nil, n.fail("blocks", err)
	}
	all := make([]network.Block, len(rows))
	for i, row := range rows {
		all[i] = network.Block{Number: row.Number, Hash: [32]byte(row.Hash), Size: row.Entries, At: store.Time(row.CreatedAt)}
	}
	return all, nil
}

// BlockWithHash implements network.Browsable.
func (n *Network) BlockWithHash(ctx context.Context, hash [32]byte) (int64, error) {
	number, err := n.db.Read().SubstrateBlockByHash(ctx, query.SubstrateBlockByHashParams{Network: n.name(), Hash: hash[:]})
	if err != nil {
		return 0, n.fail(fmt.Sprintf("block %x", hash), absent(err))
	}
	return number, nil
}

// Chain implements network.Chained.
func (n *Network) Chain(ctx context.Context) ([32]byte, error) {
	row, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if errors.Is(err, sql.ErrNoRows) {
		return [32]byte{}, nil
	} else if err != nil {
		return [32]byte{}, n.fail("chain", err)
	}
	return [32]byte(row.Genesis), nil
}
