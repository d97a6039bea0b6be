package substrate

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/storagekey"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// A database that was restored can lack bytes that were sent after its copy was made. The call
// of such a transaction is on the chain, and the database would sign it once more. So before
// bytes are sent for the first time, the works of our accounts that the database does not know
// are compared with them. A call that the chain has already is not sent.

// adoptNew takes the calls from due that the chain has already, and records where. It returns
// the others.
func (n *Network) adoptNew(ctx context.Context, rt *runtime, at query.SubstrateChain, due []query.SubstrateTransaction) (rest []query.SubstrateTransaction, err error) {
	var works []made
	read := false
	var updated []int64
	for _, row := range due {
		if row.SentAt == 0 && row.Updates != 0 && !slices.Contains(updated, row.Updates) {
			updated = append(updated, row.Updates)
		}
	}
	next, err := n.following(ctx, rt, [32]byte(at.Hash), updated...)
	if err != nil {
		return nil, err
	}
	for _, row := range due {
		if row.SentAt != 0 {
			rest = append(rest, row)
			continue
		}
		if row.Updates == 0 && !read {
			if works, err = n.unknown(ctx, rt, [32]byte(at.Hash)); err != nil {
				return nil, err
			}
			read = true
		}
		of := works
		if row.Updates != 0 {
			of = next[row.Updates]
		}
		adopted := false
		for i, m := range of {
			if m.commitment != [32]byte(row.Commitment) {
				continue
			}
			if adopted, err = n.adopt(ctx, rt, row, m); err != nil {
				return nil, err
			}
			if adopted && row.Updates == 0 {
				works = append(works[:i:i], works[i+1:]...)
			} else if adopted { // a later row can have the version after it
				more, err := n.following(ctx, rt, [32]byte(at.Hash), row.Updates)
				if err != nil {
					return nil, err
				}
				next[row.Updates] = more[row.Updates]
			}
			break
		}
		if !adopted {
			rest = append(rest, row)
		}
	}
	return rest, nil
}

// onChain reports whether the chain has one of the calls, and no row says so.
func (n *Network) onChain(ctx context.Context, rt *runtime, at query.SubstrateChain, rows []query.SubstrateTransaction) (bool, error) {
	var updated []int64
	has := map[[32]byte]bool{}
	for _, row := range rows {
		if row.Updates != 0 && !slices.Contains(updated, row.Updates) {
			updated = append(updated, row.Updates)
		}
	}
	works, err := n.unknown(ctx, rt, [32]byte(at.Hash))
	if err != nil {
		return false, err
	}
	for _, m := range works {
		has[m.commitment] = true
	}
	next, err := n.following(ctx, rt, [32]byte(at.Hash), updated...)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		if row.Updates == 0 && has[[32]byte(row.Commitment)] || row.Updates != 0 && slices.ContainsFunc(next[row.Updates], func(m made) bool { return m.commitment == [32]byte(row.Commitment) }) {
			return true, nil
		}
	}
	return false, nil
}

// unknown returns the works of our accounts that are in no row.
func (n *Network) unknown(ctx context.Context, rt *runtime, at [32]byte) (all []made, err error) {
	var keys [][]byte
	for _, public := range n.accounts {
		key, err := storagekey.Key(rt.metadata, pallet, "OwnerIndex", public[:])
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	lists, err := n.chain.values(ctx, at, keys)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, key := range keys {
		some, err := readIDs(lists[string(key)])
		if err != nil {
			return nil, err
		}
		ids = append(ids, some...)
	}
	var first, asked []place
	for _, id := range ids {
		if _, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: id}); err == nil {
			continue
		} else if !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		first = append(first, place{id, 0})
		if _, known := n.foreign[id]; !known { // what the chain has never changes
			asked = append(asked, place{id, 0})
		}
	}
	has, err := n.chain.versions(ctx, rt, at, asked)
	if err != nil {
		return nil, err
	}
	for _, m := range has {
		n.foreign[m.atsID] = m
	}
	for _, of := range first {
		if m, found := n.foreign[of.atsID]; found {
			all = append(all, m)
		}
	}
	return all, nil
}

// following returns for each work the version after the newest one in a row, if the chain has it.
func (n *Network) following(ctx context.Context, rt *runtime, at [32]byte, works ...int64) (map[int64][]made, error) {
	var places []place
	for _, id := range works {
		work, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: id})
		if err != nil {
			return nil, err
		}
		places = append(places, place{id, work.Version})
	}
	has, err := n.chain.versions(ctx, rt, at, places)
	if err != nil {
		return nil, err
	}
	next := map[int64][]made{}
	for _, m := range has {
		next[m.atsID] = []made{m}
	}
	return next, nil
}

// adopt records that the chain has the call of a row under other bytes. It reports false if the
// block has no such transaction of our accounts.
func (n *Network) adopt(ctx context.Context, rt *runtime, row query.SubstrateTransaction, m made) (bool, error) {
	hash, err := n.chain.hashAt(ctx, m.block)
	if err != nil {
		return false, err
	}
	b, err := n.chain.read(ctx, hash)
	if err != nil {
		return false, err
	}
	when, err := n.chain.time(ctx, rt.metadata, b)
	if err != nil {
		return false, err
	}
	then, err := n.chain.runtimeAt(ctx, b.parent)
	if discarded(err) {
		then, err = rt, nil
	}
	if err != nil {
		return false, err
	}
	for i, x := range b.extrinsics {
		public, signed := extrinsic.Signer(x)
		if !signed || !n.ours(public) {
			continue
		}
		item, calls, err := n.itemOf(ctx, then, x, row)
		if err != nil {
			return false, err
		}
		if calls == 0 {
			continue
		}
		var took paid
		if _, events, err := n.chain.events(ctx, b); err == nil {
			took = paidFor(events, int64(i))
			if item != alone {
				took = paid{share(took.fee, int(item), calls), share(took.tip, int(item), calls)}
			}
		} else if !discarded(err) {
			return false, err
		}
		var changed int64
		err = n.db.Tx(ctx, func(tx *store.Tx) (err error) {
			changed, err = tx.AdoptSubstrateTransaction(ctx, query.AdoptSubstrateTransactionParams{
				Network: n.name(), Hash: row.Hash, Before: row.SignedHash, Item: item, Account: public[:], Signed: x, SignedHash: hashOf(x), Now: store.Micros(tx.Now),
				AtsID: m.atsID, Version: m.version + 1, Block: b.number, Position: int64(i),
				Fee: decimal(took.fee), Tip: decimal(took.tip),
			})
			if err != nil || changed == 0 {
				return err
			}
			if err := tx.InsertSubstrateBlock(ctx, query.InsertSubstrateBlockParams{Network: n.name(), Number: b.number, Hash: b.hash[:], Header: b.header, CreatedAt: store.Micros(when)}); err != nil {
				return err
			}
			if err := tx.CountSubstrateFinal(ctx, n.name()); err != nil {
				return err
			}
			return n.addFees(ctx, tx, took)
		})
		if err != nil {
			return false, fmt.Errorf("adopt work %d: %w", m.atsID, err)
		}
		n.config.Logger.WarnContext(ctx, "the chain has a transaction that this database does not know: it is taken over, and not sent again", "network", n.config.Network, "ats_id", m.atsID, "block", b.number)
		return true, nil
	}
	return false, nil
}

// itemOf returns where an extrinsic has the call of a row, and how many calls it has. calls is 0 if it has not that
// call, or only for other rows.
func (n *Network) itemOf(ctx context.Context, rt *runtime, x []byte, row query.SubstrateTransaction) (item int64, calls int, err error) {
	taken, err := n.db.Read().ListSubstrateItems(ctx, query.ListSubstrateItemsParams{Network: n.name(), SignedHash: hashOf(x)})
	if err != nil {
		return 0, 0, err
	}
	if items := rt.items(x); items != nil {
		call, err := rt.call(row.Updates, [32]byte(row.Commitment), uint8(row.Protocol))
		if err != nil {
			return 0, 0, err
		}
		for i, each := range items {
			if bytes.Equal(each, call) && !slices.Contains(taken, int64(i)) {
				return int64(i), len(items), nil
			}
		}
		return 0, 0, nil
	}
	call := append(bytes.Clone(row.Commitment), byte(row.Protocol))
	if row.Updates != 0 {
		call = append(binary.LittleEndian.AppendUint64(nil, uint64(row.Updates)), call...)
	}
	if len(taken) > 0 || !bytes.HasSuffix(x, call) {
		return 0, 0, nil
	}
	return alone, 1, nil
}

func hashOf(x []byte) []byte {
	h := extrinsic.Hash(x)
	return h[:]
}
