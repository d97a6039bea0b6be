package substrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// A batch is one transaction with the calls of several works that wait for the same account:
// Utility.force_batch. Each call has its own result there, and one that fails changes nothing for
// the others. The rows of a batch have the same signed bytes, and each its place among the calls.
// They get the bytes in one transaction of the database, so they are all in the same batch or none is.
// See ADR 116.
//
// With batches, Stage signs nothing: a call waits without bytes until it is wanted. Then the next
// step signs it, together with others.

// MaxBatch is the most works of one batch: 200 take a seventeenth of the weight of a block of Melodie.
const MaxBatch = 200

const (
	utility = "Utility"
	batched = "force_batch"
)

// most returns how many calls a batch of a runtime may have; 1: the runtime has no batches in a known form.
func (r *runtime) most(want int) int {
	_, arguments, err := r.metadata.Call(utility, batched)
	if err != nil || len(arguments) != 1 || arguments[0].Name != "calls" {
		return 1
	}
	p, err := r.metadata.Pallet(utility)
	if err != nil {
		return 1
	}
	if c, err := p.Constant("batched_calls_limit"); err == nil {
		if limit := c.Number(); limit.IsInt64() && limit.Int64() < int64(want) {
			want = int(limit.Int64())
		}
	}
	return max(1, min(want, MaxBatch))
}

// batch returns the bytes of the call that has several calls.
func (r *runtime) batch(calls [][]byte) ([]byte, error) {
	b, _, err := r.metadata.Call(utility, batched)
	if err != nil {
		return nil, err
	}
	b = scale.AppendCompact(b, uint64(len(calls)))
	return append(b, bytes.Join(calls, nil)...), nil
}

// items returns the calls of a signed extrinsic that is a batch of this registry's kind; nil: it is another one.
func (r *runtime) items(x []byte) (calls [][]byte) {
	call, err := r.signing([32]byte{}).Call(x)
	if err != nil {
		return nil
	}
	prefix, _, err := r.metadata.Call(utility, batched)
	if err != nil || !bytes.HasPrefix(call, prefix) {
		return nil
	}
	create, err := r.call(0, [32]byte{}, 0)
	if err != nil {
		return nil
	}
	update, err := r.call(1, [32]byte{}, 0)
	if err != nil {
		return nil
	}
	in := scale.NewReader(call[len(prefix):])
	for range in.Count(len(create)) {
		start := in.Take(2)
		size := len(create)
		switch {
		case bytes.HasPrefix(update, start):
			size = len(update)
		case !bytes.HasPrefix(create, start):
			return nil
		}
		calls = append(calls, append(bytes.Clone(start), in.Take(size-2)...))
	}
	if in.End() != nil {
		return nil
	}
	return calls
}

// group is what one transaction is signed for: calls of one account.
type group struct {
	account [32]byte
	rows    []query.SubstrateTransaction
}

// groups divides calls by the accounts that sign them. Without batches, each is alone.
func (n *Network) groups(ctx context.Context, rt *runtime, due []query.SubstrateTransaction) (all []group, errs []error) {
	most := 1
	if n.batching() {
		most = rt.most(n.config.Batch)
	}
	last := map[[32]byte]int{} // the group of an account that has room
	err := n.db.Tx(ctx, func(tx *store.Tx) error {
		all, errs = nil, nil
		clear(last)
		for _, row := range due {
			by, err := n.signer(ctx, tx, row.Updates, &row)
			if errors.Is(err, errFull) { // send tells the operator
				continue
			} else if store.Unavailable(err) || ctx.Err() != nil {
				return err
			} else if err != nil {
				errs = append(errs, fmt.Errorf("sign transaction %x again: %w", row.Hash, err))
				continue
			}
			i, ok := last[by]
			if !ok || len(all[i].rows) == most {
				i = len(all)
				last[by] = i
				all = append(all, group{account: by})
			}
			all[i].rows = append(all[i].rows, row)
		}
		return nil
	})
	return all, append(errs, err)
}

// errSigned is the error of a call that another process has signed, or decided.
var errSigned = errors.New("another process has signed the transaction")

// signGroup signs one transaction for the calls of a group, and stores it in all of their rows.
func (n *Network) signGroup(ctx context.Context, rt *runtime, g group) error {
	err := n.db.Tx(ctx, func(tx *store.Tx) error {
		var calls [][]byte
		for _, row := range g.rows {
			call, err := rt.call(row.Updates, [32]byte(row.Commitment), uint8(row.Protocol))
			if err != nil {
				return err
			}
			calls = append(calls, call)
		}
		call := calls[0]
		if len(calls) > 1 {
			var err error
			if call, err = rt.batch(calls); err != nil {
				return err
			}
		}
		s, err := n.signCall(ctx, tx, rt, g.account, call)
		if err != nil {
			return err
		}
		return tx.Each(len(g.rows), func(tx *store.Tx, i int) error {
			row, item, signatures := g.rows[i], int64(alone), int64(1)
			if len(calls) > 1 {
				item = int64(i)
			}
			if row.Ends == 0 { // it had no signature
				signatures = 0
			}
			changed, err := tx.SignSubstrateTransactionAgain(ctx, query.SignSubstrateTransactionAgainParams{
				Network: n.name(), Hash: row.Hash, Before: row.SignedHash, Account: s.account[:], Nonce: s.nonce, Ends: s.ends, Signed: s.bytes, SignedHash: s.hash[:],
				Item: item, Signatures: signatures,
			})
			if err == nil && changed == 0 { // the bytes have its call, so nothing of this may stay
				err = errSigned
			}
			return err
		})
	})
	if errors.Is(err, errSigned) {
		return nil
	}
	return err
}

// readBatch takes the results of the calls of a batch from the events of its extrinsic. The rows
// are in their order. The fee of the batch is divided over them: the sum is the chain's own.
func readBatch(rt *runtime, events []metadata.Event, all []result) error {
	whole := paidFor(events, all[0].position)
	for i := range all {
		all[i].paid = paid{share(whole.fee, i, len(all)), share(whole.tip, i, len(all))}
	}
	var of [][]metadata.Event // of each call
	var now []metadata.Event
	succeeded := false
	for _, e := range events {
		if int64(e.Extrinsic) != all[0].position {
			continue
		}
		switch e.Pallet + "." + e.Name {
		case utility + ".ItemCompleted", utility + ".ItemFailed":
			of, now = append(of, append(now, e)), nil
		case "System.ExtrinsicSuccess":
			succeeded = true
		case "System.ExtrinsicFailed": // none of the calls was made
			for i := range all {
				if err := all[i].failed(rt, e, "dispatch_error"); err != nil {
					return err
				}
			}
			return nil
		default:
			now = append(now, e)
		}
	}
	if !succeeded || len(of) != len(all) {
		return fmt.Errorf("its events are those of %d calls, not of %d", len(of), len(all))
	}
	for i := range all {
		last := of[i][len(of[i])-1]
		var err error
		if last.Name == "ItemFailed" {
			err = all[i].failed(rt, last, "error")
		} else {
			err = all[i].made(of[i])
		}
		if err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
	}
	return nil
}

// share is the i-th of n parts of an amount. The first ones are larger by one, so that their sum is the amount.
func share(amount *big.Int, i, n int) *big.Int {
	if amount == nil {
		return nil
	}
	part, rest := new(big.Int).DivMod(amount, big.NewInt(int64(n)), new(big.Int))
	if rest.Cmp(big.NewInt(int64(i))) > 0 {
		part.Add(part, big.NewInt(1))
	}
	return part
}
