package substrate

import (
	"context"
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
	taken := map[[2]int64]bool{}
	for i := range all {
		if err := n.lookUpOne(ctx, rt, head, b, &all[i], taken); err != nil {
			return fmt.Errorf("look up extrinsic %d of block %d: %w", all[i].position, b.number, err)
		}
	}
	return nil
}

func (n *Network) lookUpOne(ctx context.Context, rt *runtime, head, b block, r *result, taken map[[2]int64]bool) error {
	ids := []int64{r.of.Updates}
	if r.of.Updates == 0 {
		list, err := n.chain.stored(ctx, rt.metadata, head.hash, pallet, "OwnerIndex", r.of.Account)
		if err != nil {
			return err
		}
		if ids, err = readIDs(list); err != nil {
			return err
		}
	}
	for _, id := range ids {
		known := int64(0) // versions that are other transactions'
		work, err := n.db.Read().SubstrateWork(ctx, query.SubstrateWorkParams{Network: n.name(), AtsID: id})
		if err == nil {
			known = work.Version
		}
		if r.of.Updates == 0 && known > 0 {
			continue
		}
		for version := known; version < rt.versions; version++ {
			m, found, err := n.chain.version(ctx, rt, head.hash, id, version)
			if err != nil {
				return err
			}
			if found && m.block == b.number && m.commitment == [32]byte(r.of.Commitment) && !taken[[2]int64{id, version}] {
				taken[[2]int64{id, version}] = true
				r.atsID, r.version = id, version+1
				return nil
			}
			if !found || r.of.Updates == 0 {
				break
			}
		}
	}
	r.failure = errLost
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
