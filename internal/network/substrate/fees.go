package substrate

import (
	"context"
	"database/sql"
	"errors"
	"math/big"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// paid is what a block took for one extrinsic, beside its deposit. The tip is a part of the fee.
// Both are nil if nothing says it.
type paid struct{ fee, tip *big.Int }

// paidFor reads what a block took for the extrinsic at a position: the chain's own event. The
// fee that the runtime estimates before can be another one. An event in another form says
// nothing: a fee that cannot be read stops no registration.
func paidFor(events []metadata.Event, position int64) paid {
	for _, e := range events {
		if int64(e.Extrinsic) == position && e.Pallet == "TransactionPayment" && e.Name == "TransactionFeePaid" {
			return paid{amountOf(e, "actual_fee"), amountOf(e, "tip")}
		}
	}
	return paid{}
}

// amountOf reads an amount of an event; nil: it has another form.
func amountOf(e metadata.Event, name string) *big.Int {
	b, err := e.Value(name)
	if err != nil || len(b) != 16 {
		return nil
	}
	return scale.NewReader(b).Uint(len(b))
}

// decimal is an amount as the database has it; "" is not known.
func decimal(v *big.Int) string {
	if v == nil {
		return ""
	}
	return v.String()
}

// addFees adds what a block took to the sum of the network. The caller has changed the row of
// the chain in tx: so two processes that record different blocks add one after the other.
func (n *Network) addFees(ctx context.Context, tx *store.Tx, all ...paid) error {
	var sum, last *big.Int
	for _, p := range all {
		if p.fee == nil {
			continue
		}
		if sum == nil {
			sum = new(big.Int)
		}
		sum.Add(sum, p.fee)
		last = p.fee
	}
	if sum == nil {
		return nil
	}
	row, err := tx.GetSubstrateChain(ctx, n.name())
	if err != nil {
		return err
	}
	return tx.SetSubstrateFees(ctx, query.SetSubstrateFeesParams{Network: n.name(), Fees: sum.Add(sum, amount(row.Fees)).String(), LastFee: last.String()})
}

// Fees implements network.Funded.
func (n *Network) Fees(ctx context.Context) (network.Fees, error) {
	row, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if errors.Is(err, sql.ErrNoRows) {
		return network.Fees{}, nil
	} else if err != nil {
		return network.Fees{}, n.fail("fees", err)
	}
	return network.Fees{Total: inTokens(row, row.Fees), Last: inTokens(row, row.LastFee)}, nil
}

// readFee asks what a new work and another version cost now, and keeps it for quotes.
func (n *Network) readFee(ctx context.Context, rt *runtime, at query.SubstrateChain) error {
	if n.token == nil {
		said, err := n.chain.token(ctx)
		if err != nil {
			return err
		}
		n.token = &said
	}
	var fees [2]*big.Int
	for updates := range fees {
		x, err := n.sample(ctx, rt, at, int64(updates))
		if err != nil {
			return err
		}
		if fees[updates], err = n.chain.fee(ctx, x); err != nil {
			return err
		}
	}
	n.fee.Store(fees[0])
	now := query.SetSubstratePriceParams{Network: n.name(), WorkFee: fees[0].String(), VersionFee: fees[1].String(), Decimals: n.token.decimals, Symbol: n.token.symbol}
	if at.WorkFee == now.WorkFee && at.VersionFee == now.VersionFee && at.Decimals == now.Decimals && at.Symbol == now.Symbol {
		return nil
	}
	return n.db.Tx(ctx, func(tx *store.Tx) error { return tx.SetSubstratePrice(ctx, now) })
}

// Fee implements network.Priced. It asks the database: only workers ask the chain.
func (n *Network) Fee(ctx context.Context, update bool) (network.Fee, error) {
	row, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return network.Fee{}, n.fail("fee", err)
	}
	text := row.WorkFee
	if update {
		text = row.VersionFee
	}
	if text == "" || row.Decimals < 0 {
		return network.Fee{}, nil
	}
	return network.Fee{Amount: amount(text), Decimals: int(row.Decimals)}, nil
}
