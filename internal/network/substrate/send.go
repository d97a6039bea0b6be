package substrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"

	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// The codes of nodes about a transaction that they have already.
const (
	alreadyImported   = 1013
	temporarilyBanned = 1012 // it was in a block, or was refused, a moment ago
)

// maxAhead is how many transactions of one account are sent before the first of them is final.
const maxAhead = 512

// send sends the wanted transactions that are on no final block: those that were never sent,
// and after Resend all others again. Within an account they are sent in the order of their
// nonces. A transaction that its account cannot pay is not sent, and neither is any after it.
// send returns why new transactions cannot be anchored, or "".
func (n *Network) send(ctx context.Context, rt *runtime) (stopped string, err error) {
	at, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if err != nil {
		return "", err
	}
	begun, err := n.chain.begun(ctx, rt, [32]byte(at.Hash))
	if err != nil {
		return "", err
	}
	if !begun {
		return "the chain has no work yet, and its first one would have the number 0, which a registry cannot name: create one by hand", nil
	}
	if err := n.readFee(ctx, rt, at); err != nil {
		return "", err
	}
	accounts, err := n.db.Read().ListSubstrateAccounts(ctx, n.name())
	if err != nil {
		return "", err
	}
	rows, err := n.db.Read().ListOpenSubstrateTransactions(ctx, n.name())
	if err != nil {
		return "", err
	}
	open := map[[32]byte][]query.SubstrateTransaction{}
	for _, r := range rows {
		if r.Nonce >= 0 {
			open[[32]byte(r.Account)] = append(open[[32]byte(r.Account)], r)
		}
	}
	room, paid := false, false
	var sending sync.WaitGroup
	errs := make([]error, len(accounts))
	for i, a := range accounts {
		if !n.ours([32]byte(a.Account)) {
			continue
		}
		lost, err := n.gap(ctx, a.Address, open[[32]byte(a.Account)])
		if err != nil {
			return "", err
		}
		due, low := n.affordable(rt, a, open[[32]byte(a.Account)], lost)
		if err := n.setLow(ctx, a, low); err != nil {
			return "", err
		}
		room, paid = room || hasRoom(a), paid || hasRoom(a) && !low
		if due, err = n.unsent(ctx, rt, at, due, open[[32]byte(a.Account)]); err != nil {
			return "", err
		}
		sending.Go(func() { errs[i] = n.sendEach(ctx, due) })
	}
	sending.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	switch {
	case !room:
		return errFull.Error(), nil
	case !paid:
		return "no account with room for another work has enough funds", nil
	}
	return "", nil
}

// unsent returns what of due the chain does not have yet. A call that it has is taken over. A batch with such a
// call is not sent: its other calls are signed again when its era has ended.
func (n *Network) unsent(ctx context.Context, rt *runtime, at query.SubstrateChain, due, open []query.SubstrateTransaction) (rest []query.SubstrateTransaction, err error) {
	var single []query.SubstrateTransaction
	for _, row := range due {
		if row.Item == alone {
			single = append(single, row)
			continue
		}
		known := false
		if row.SentAt == 0 {
			var calls []query.SubstrateTransaction
			for _, other := range open {
				if other.Nonce == row.Nonce {
					calls = append(calls, other)
				}
			}
			if known, err = n.onChain(ctx, rt, at, calls); err != nil {
				return nil, err
			}
		}
		if !known {
			rest = append(rest, row)
		}
	}
	if single, err = n.adoptNew(ctx, rt, at, single); err != nil {
		return nil, err
	}
	rest = append(rest, single...)
	slices.SortFunc(rest, func(a, b query.SubstrateTransaction) int { return cmp.Compare(a.Nonce, b.Nonce) })
	return rest, nil
}

// affordable returns what is due to be sent, in order. Of a batch, it is the last row. The node has
// lost what it took from the nonce lost on. low says that the account could not pay for another work
// after all of its open transactions.
func (n *Network) affordable(rt *runtime, a query.ListSubstrateAccountsRow, open []query.SubstrateTransaction, lost int64) (due []query.SubstrateTransaction, low bool) {
	fee := n.fee.Load()
	left := new(big.Int).Sub(amount(a.Free), rt.existential)
	short := false
	for i, row := range open {
		left.Sub(left, cost(rt, fee, row.Updates))
		if i+1 < len(open) && open[i+1].Nonce == row.Nonce {
			continue // the transaction has more calls
		}
		if short = short || left.Sign() < 0; short || row.Nonce >= a.Nonce+maxAhead {
			continue
		}
		if row.Nonce >= lost && n.taken(row) || row.Wanted && (row.SentAt == 0 || n.db.Now().Sub(store.Time(row.SentAt)).Abs() >= n.config.Resend) {
			due = append(due, row)
		}
	}
	return due, left.Cmp(cost(rt, fee, 0)) < 0
}

func (n *Network) setLow(ctx context.Context, a query.ListSubstrateAccountsRow, low bool) error {
	if a.Low == low {
		return nil
	}
	var changed int64
	err := n.db.Tx(ctx, func(tx *store.Tx) (err error) {
		changed, err = tx.SetSubstrateAccountLow(ctx, query.SetSubstrateAccountLowParams{Network: n.name(), Account: a.Account, Low: low})
		return err
	})
	if err == nil && changed > 0 && low {
		n.config.Logger.WarnContext(ctx, "an account cannot pay for another work: send funds to it", "network", n.config.Network, "account", a.Address, "free", a.Free)
	}
	return err
}

// sendEach sends transactions of one account, and records the answers.
func (n *Network) sendEach(ctx context.Context, rows []query.SubstrateTransaction) error {
	answers := make([]string, 0, len(rows))
	var failed error
	for _, row := range rows {
		answer, err := n.submit(ctx, row.Signed)
		if err != nil {
			failed = err // the node is gone; what was sent counts
			break
		}
		answers = append(answers, answer)
	}
	n.crash("substrate.sent")
	if len(answers) == 0 {
		return failed
	}
	err := n.db.Tx(ctx, func(tx *store.Tx) error {
		return tx.Each(len(answers), func(tx *store.Tx, i int) error {
			return tx.SentSubstrateTransaction(ctx, query.SentSubstrateTransactionParams{
				Network: n.name(), SignedHash: rows[i].SignedHash, Now: store.Micros(tx.Now), Answer: answers[i],
			})
		})
	})
	return errors.Join(failed, err)
}

// submit gives a transaction to the node. answer is why the node does not take it, or "". Only
// final blocks tell what became of it.
func (n *Network) submit(ctx context.Context, signed []byte) (answer string, err error) {
	var hash string
	err = n.chain.client.Call(ctx, &hash, "author_submitExtrinsic", rpc.Hex(signed))
	var refused *rpc.Error
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &refused):
		return "", fmt.Errorf("send: %w", err)
	case refused.Code == alreadyImported || refused.Code == temporarilyBanned:
		return "", nil
	}
	n.config.Logger.WarnContext(ctx, "the node did not take a transaction", "network", n.config.Network, "answer", refused.Error())
	return refused.Error(), nil
}
