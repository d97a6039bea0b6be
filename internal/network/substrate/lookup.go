package substrate

import (
	"context"
	"encoding/binary"
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
			found, same, err := n.sameVersion(ctx, rt, head.hash, id, version, b.number, r.of.Commitment)
			if err != nil {
				return err
			}
			if same && !taken[[2]int64{id, version}] {
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

// sameVersion reports whether the chain has a version, counted from 0, and whether a block
// made it with a commitment.
func (n *Network) sameVersion(ctx context.Context, rt *runtime, at [32]byte, id, version, number int64, commitment []byte) (found, same bool, err error) {
	b, err := n.chain.stored(ctx, rt.metadata, at, pallet, "AtsVersions", binary.LittleEndian.AppendUint64(nil, uint64(id)), binary.LittleEndian.AppendUint32(nil, uint32(version)))
	if err != nil || b == nil {
		return false, false, err
	}
	p, err := rt.metadata.Pallet(pallet)
	if err != nil {
		return false, false, err
	}
	s, err := p.Storage("AtsVersions")
	if err != nil {
		return false, false, err
	}
	has, err := rt.metadata.Member(s.Value, b, "commitment")
	if err != nil {
		return false, false, err
	}
	made, err := rt.metadata.Member(s.Value, b, "created_at")
	if err != nil {
		return false, false, err
	}
	return true, string(has) == string(commitment) && scale.NewReader(made).Uint(len(made)).Int64() == number, nil
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
