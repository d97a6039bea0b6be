package substrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/store/query"
)

// Nodes keep the state of a block, and with it the events, only for some time: 256 blocks, if
// nothing else was configured. A worker that returns later finds its transactions in the
// blocks, which stay, but not what became of them. The works of its accounts then tell it: the
// chain keeps each commitment with the number of its block.

// errLost is the failure of a transaction whose reason the chain no longer has.
const errLost = "the chain refused it, and no node has the reason any more"

// lookUp finds the results of transactions in the newest final state: a version with the
// commitment that the block of the transaction made. Each belongs to one transaction.
func (n *Network) lookUp(ctx context.Context, b block, all []result) error {
	head, err := n.chain.finalized(ctx)
	if err != nil {
		return err
	}
	rt, err := n.chain.runtimeAt(ctx, rpc.Hex(head.hash[:]))
	if err != nil {
		return err
	}
	look := lookup{rt: rt, head: head, b: b, owned: map[[32]byte][]int64{}, has: map[place]made{}, taken: map[place]bool{}}
	if err := n.prepare(ctx, &look, all); err != nil {
		return fmt.Errorf("look up block %d: %w", b.number, err)
	}
	for i := range all {
		if err := n.lookUpOne(ctx, look, &all[i]); err != nil {
			return fmt.Errorf("look up extrinsic %d of block %d: %w", all[i].position, b.number, err)
		}
	}
	return nil
}

// lookup is what the newest final state says of the works that transactions can have made.
type lookup struct {
	rt      *runtime
	head, b block
	owned   map[[32]byte][]int64 // works of accounts
	has     map[place]made
	taken   map[place]bool // by a transaction
}

// prepare reads the works of the accounts, and the first version of each work that no row has, in few requests.
func (n *Network) prepare(ctx context.Context, look *lookup, all []result) error {
	var first []place
	for _, r := range all {
		by := [32]byte(r.of.Account)
		if _, read := look.owned[by]; r.of.Updates != 0 || read {
			continue
		}
		list, err := n.chain.stored(ctx, look.rt.metadata, look.head.hash, pallet, "OwnerIndex", by[:])
		if err != nil {
			return err
		}
		ids, err := readIDs(list)
		if err != nil {
			return err
		}
		look.owned[by] = nil
		for _, id := range ids {
			if _, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: id}); errors.Is(err, sql.ErrNoRows) {
				look.owned[by] = append(look.owned[by], id)
				first = append(first, place{id, 0})
			} else if err != nil {
				return err
			}
		}
	}
	has, err := n.chain.versions(ctx, look.rt, look.head.hash, first)
	if has != nil {
		look.has = has
	}
	return err
}

func (n *Network) lookUpOne(ctx context.Context, look lookup, r *result) error {
	is := func(m made) bool {
		return m.block == look.b.number && m.commitment == [32]byte(r.of.Commitment) && !look.taken[m.place]
	}
	found := func(m made) {
		look.taken[m.place] = true
		r.failure, r.atsID, r.version = "", m.atsID, m.version+1
	}
	r.failure = errLost
	if r.of.Updates == 0 {
		for _, id := range look.owned[[32]byte(r.of.Account)] {
			if m, ok := look.has[place{id, 0}]; ok && is(m) {
				found(m)
				return nil
			}
		}
		return nil
	}
	work, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: r.of.Updates})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for version := work.Version; version < look.rt.versions; {
		var later []place
		for ; version < look.rt.versions && len(later) < maxKeys; version++ {
			later = append(later, place{r.of.Updates, version})
		}
		has, err := n.chain.versions(ctx, look.rt, look.head.hash, later)
		if err != nil {
			return err
		}
		for _, at := range later {
			m, ok := has[at]
			if !ok {
				return nil
			}
			if is(m) {
				found(m)
				return nil
			}
		}
	}
	return nil
}

// readIDs reads a list of works.
func readIDs(b []byte) (ids []int64, err error) {
	if b == nil {
		return nil, nil
	}
	r := scale.NewReader(b)
	for range r.Count(8) {
		ids = append(ids, int64(r.U64()))
	}
	return ids, r.End()
}
