package node

import (
	"bytes"
	"errors"
	"fmt"

	"timbre.example/internal/network/substrate/scale"
)

// Evidence is the material that proves one version of a work without a node. All bytes are
// as a node sends them.
type Evidence struct {
	// Genesis is the hash of the first block.
	Genesis Hash
	// ID and Version are the work and its version, from 0.
	ID      uint64
	Version uint32
	// Number is the block that has the version, and Header its header as SCALE.
	Number uint32
	Header []byte
	// Extrinsic is the transaction, and Index its place in the block. ExtrinsicProof are the
	// nodes of the trie under the header's extrinsics root that lead to it; no node of a chain
	// sends them, so a client makes them from the block's body.
	Extrinsic      []byte
	Index          uint32
	ExtrinsicProof [][]byte
	// Proof is the read proof in the state of that block, over the keys VersionKey, WorkKey,
	// NowKey, SetIDKey and RuntimeUpgradeKey.
	Proof [][]byte
	// Headers are those of the blocks Number+1 up to the block of the justification.
	Headers [][]byte
	// Justification is that of the last of Headers, or of Header without them.
	Justification []byte
	// Set is the set that signed it.
	Set AuthoritySet
	// HandOffs lead from the first set to Set, the oldest first.
	HandOffs []HandOff
}

// HandOff is a change of authorities.
type HandOff struct {
	// From is the set before, and To the one after.
	From, To AuthoritySet
	// Forced says that the change did not wait for finality. Nothing of From signed it.
	Forced bool
	// Headers are those from the block that announces the change to the one after which it
	// holds; one, if there is no delay.
	Headers [][]byte
	// Justification is that of the last of Headers, by From; nil if the change was forced.
	Justification []byte
}

// ErrNoEvidence says that the version is not in a final block, that its state is gone, or
// that no justification was kept for it.
var ErrNoEvidence = errors.New("no evidence")

// Evidence returns the material for a version of a work, as a client could collect it now.
// Its errors wrap ErrNoEvidence.
func (n *Node) Evidence(id uint64, version uint32) (*Evidence, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := (&state{n.final.state}).get(VersionKey(id, version))
	if len(v) == 0 {
		return nil, fmt.Errorf("%w: version %d of work %d is in no final block", ErrNoEvidence, version, id)
	}
	number := createdAt(v)
	b := n.chain[number]
	if b.state == nil {
		return nil, fmt.Errorf("%w: the state of block %d is gone", ErrNoEvidence, number)
	}
	e := &Evidence{
		Genesis: n.genesis, ID: id, Version: version, Number: number, Header: b.header,
		Proof: b.state.prove(1, VersionKey(id, version), WorkKey(id), NowKey, SetIDKey, RuntimeUpgradeKey),
	}
	e.Index = b.made[made{id, version}]
	e.Extrinsic = b.body[e.Index]
	e.ExtrinsicProof = ordered(b.body).prove(0, scale.AppendCompact(nil, uint64(e.Index)))
	signed, target := len(n.sets)-1, n.newestAt
	e.Justification = n.newest
	for i, last := range n.last {
		if number <= last {
			signed, target, e.Justification = i, n.chain[last], n.chain[last].justification
			break
		}
	}
	if e.Justification == nil {
		return nil, fmt.Errorf("%w: no justification of block %d", ErrNoEvidence, target.number)
	}
	e.Set = n.sets[signed]
	for i := number + 1; i <= target.number; i++ {
		e.Headers = append(e.Headers, n.chain[i].header)
	}
	for i := range signed {
		h := HandOff{From: n.sets[i], To: n.sets[i+1]}
		for _, b := range n.chain {
			if c := b.change; c != nil && c.done && c.next.ID == h.To.ID {
				h.Forced = c.forced
				for k := b.number; k <= c.from; k++ {
					h.Headers = append(h.Headers, n.chain[k].header)
				}
				if !c.forced {
					h.Justification = n.chain[c.from].justification
				}
			}
		}
		e.HandOffs = append(e.HandOffs, h)
	}
	return e, nil
}

// Keys returns the storage keys that the proof is about, in the order of the comment on Proof.
func (e *Evidence) Keys() [][]byte {
	var out [][]byte
	for _, k := range [][]byte{VersionKey(e.ID, e.Version), WorkKey(e.ID), NowKey, SetIDKey, RuntimeUpgradeKey} {
		out = append(out, bytes.Clone(k))
	}
	return out
}
