package substrate

import (
	"context"
	"errors"
	"fmt"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// signAgain replaces the void bytes of open transactions, and signs the calls that wait without
// bytes. All void bytes lose their nonces first: what the registry does not want yet is signed when
// it is wanted.
func (n *Network) signAgain(ctx context.Context, rt *runtime) error {
	rows, err := n.db.Read().ListOpenSubstrateTransactions(ctx, n.name())
	if err != nil {
		return err
	}
	at, nonces, err := n.read(ctx)
	if err != nil {
		return err
	}
	var due, parked []query.SubstrateTransaction
	for _, row := range rows {
		if !void(row, at.Number, nonces[[32]byte(row.Account)]) {
			continue
		}
		if row.Nonce >= 0 {
			parked = append(parked, row)
		}
		if row.Wanted {
			due = append(due, row)
		}
	}
	if len(parked)+len(due) == 0 {
		return nil
	}
	if err := n.db.Tx(ctx, func(tx *store.Tx) error {
		return tx.Each(len(parked), func(tx *store.Tx, i int) error {
			_, err := tx.ParkSubstrateTransaction(ctx, query.ParkSubstrateTransactionParams{Network: n.name(), Hash: parked[i].Hash, Before: parked[i].SignedHash})
			return err
		})
	}); err != nil {
		return err
	}
	n.crash("substrate.parked")
	if n.batching() { // what is in a batch is not compared again before it is sent
		if due, err = n.adoptNew(ctx, rt, at, due); err != nil {
			return err
		}
	}
	groups, all := n.groups(ctx, rt, due)
	for _, g := range groups {
		if err := n.signGroup(ctx, rt, g); err != nil {
			all = append(all, fmt.Errorf("sign transaction %x again: %w", g.rows[0].Hash, err))
		}
	}
	n.crash("substrate.resigned")
	return errors.Join(all...)
}
