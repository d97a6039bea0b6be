package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

// makeGenesis makes the first block.
func (n *Node) makeGenesis() *block {
	if n.opts.Spec != nil {
		return n.specGenesis(n.opts.Spec)
	}
	st := &state{}
	st.put(keyCode, n.opts.Runtime.code())
	var total uint64
	endowed := map[Account]uint64{n.opts.Author: n.opts.Runtime.Rules.ExistentialDeposit}
	for a, amount := range n.opts.Endowed {
		endowed[a] = amount
	}
	for a, amount := range endowed {
		st.setAccount(a, Balance{Free: amount, providers: 1})
		total += amount
	}
	st.put(keyIssuance, u128(total))
	st.put(keyAuthorities, n.set.Encode())
	st.put(SetIDKey, le64(0))
	st.put(RuntimeUpgradeKey, lastUpgrade(n.opts.Runtime))
	st.put(keySudo, n.opts.Author[:])
	st.put(keyNumber, le32(0))
	st.put(NowKey, le64(uint64(n.opts.Genesis.UnixMilli())))
	st.put([]byte(":extrinsic_index"), le32(0))
	b := &block{state: st.top, stateRoot: st.top.root(1), extrinsicsRoot: ordered(nil).root(0)}
	b.finish()
	return b
}

// build makes a block on parent. It returns the transactions that are in it, and those that
// turned out invalid. Late blocks skip a slot, so that forks differ.
func (n *Node) build(parent *block, txs []*pooled, late bool) (_ *block, in []*pooled, out []*pooled) {
	prog := n.program(parent.state)
	if prog.wasm != nil {
		b, in, out, err := n.execute(prog, parent, txs, late)
		if err != nil {
			panic(fmt.Sprintf("the chain cannot go on: %v", err)) // Open has made a first block
		}
		n.seal(b)
		return b, in, out
	}
	st := &state{parent.state}
	b := &block{number: parent.number + 1, parent: parent.hash}
	r := &run{at: at{prog, st, parent.number, parent.hash, n.genesis}, block: b.number, author: n.opts.Author, made: map[made]uint32{}}

	last := time.UnixMilli(int64(st.number(NowKey)))
	now := last.Add(blockTime)
	if late {
		now = now.Add(blockTime)
	}
	if n.opts.Clock != nil {
		if t := n.opts.Clock(); t.After(now) {
			now = t
		}
	}
	slot := uint64(now.Unix()) / uint64(blockTime/time.Second)
	st.put(keyNumber, le32(b.number))
	st.put(keyParent, parent.hash[:])
	st.put(blockHashKey(parent.number), parent.hash[:])
	if kept := binary.LittleEndian.Uint32(prog.meta.pallets["System"].constants["BlockHashCount"]); b.number > kept {
		st.remove(blockHashKey(b.number - kept - 1))
	}
	st.put(keySlot, le64(slot))
	b.logs = [][]byte{item(digestPreRuntime, "aura", le64(slot))}

	r.phase = []byte{2}
	if !bytes.Equal(st.get(RuntimeUpgradeKey), lastUpgrade(prog.Runtime)) {
		st.put(RuntimeUpgradeKey, lastUpgrade(prog.Runtime))
		if prog.Listed {
			st.migrate()
		}
	}
	if !late {
		for _, act := range n.next {
			if log := act(r, b); log != nil {
				b.logs = append(b.logs, log)
			}
		}
		n.next = nil
	}

	timestamp := prog.meta.pallets["Timestamp"]
	set := scale.AppendCompact([]byte{4, timestamp.index, timestamp.calls["set"]}, uint64(now.UnixMilli()))
	b.body = append(b.body, scale.AppendBytes(nil, set))
	st.put(NowKey, le64(uint64(now.UnixMilli())))
	r.phase = []byte{0, 0, 0, 0, 0}
	r.emit("System", "ExtrinsicSuccess", weights(inherentTime, inherentProof, 2))

	weight, length := uint64(0), len(b.body[0])
	for progress := true; progress; {
		progress = false
		for i, tx := range txs {
			if tx == nil || prog.Rules.ExtrinsicsPerBlock > 0 && len(in) >= prog.Rules.ExtrinsicsPerBlock {
				continue
			}
			v, err := r.validate(tx.x, tx.payload)
			switch {
			case err != nil:
				out = append(out, tx)
				txs[i] = nil
				continue
			case v.requires: // its turn can come
				continue
			case weight+tx.x.weight()+baseWeight > maxWeight || length+len(tx.x.raw) > maxLength:
				continue
			}
			r.apply(tx.x, uint32(len(b.body)))
			weight += tx.x.weight() + baseWeight
			length += len(tx.x.raw)
			b.body = append(b.body, tx.x.raw)
			in = append(in, tx)
			txs[i] = nil
			progress = true
		}
	}
	r.phase = []byte{1}
	for i := b; i != nil && b.number-i.number <= MaxDelay; i = n.blocks[i.parent] {
		if c := i.change; c != nil && c.from == b.number {
			st.put(keyAuthorities, c.next.Encode())
			r.emit("Grandpa", "NewAuthorities", c.next.Encode())
		}
	}
	events := scale.AppendCompact(nil, uint64(len(r.events)))
	for _, e := range r.events {
		events = append(events, e...)
	}
	st.put(keyEvents, events)
	digest := scale.AppendCompact(nil, uint64(len(b.logs)))
	for _, l := range b.logs {
		digest = append(digest, l...)
	}
	st.put(keyDigest, digest)

	b.state, b.made = st.top, r.made
	b.stateRoot = st.top.root(1)
	b.extrinsicsRoot = ordered(b.body).root(0)
	n.seal(b)
	return b, in, out
}

// seal finishes a block and adds it to those that the node has.
func (n *Node) seal(b *block) {
	b.finish()
	sealed := blake2b.Sum512(b.header) // a seal's form; no reader of this chain checks it
	b.logs = append(b.logs, item(digestSeal, "aura", sealed[:]))
	b.finish()
	n.blocks[b.hash] = b
	n.publish(allHeads, b)
}

// specGenesis makes the first block of a spec. The authorities that finalize are the node's own. The
// first work has the number 1: a registry cannot name a work 0, which another account has on a real
// network.
func (n *Node) specGenesis(spec *Spec) *block {
	st := &state{}
	for _, kv := range spec.top {
		st.put(kv[0], kv[1])
	}
	st.put(keyAuthorities, n.set.Encode())
	st.put(SetIDKey, le64(n.set.ID))
	if st.number(keyNext) == 0 {
		st.put(keyNext, le64(1))
	}
	for a, amount := range n.opts.Endowed {
		st.endow(a, amount)
	}
	b := &block{state: st.top, stateRoot: st.top.root(1), extrinsicsRoot: ordered(nil).root(0)}
	b.finish()
	return b
}

// setBest makes b, which is on the best chain or on a fork of it, the head of the best chain.
// It returns the blocks that are no longer on the best chain.
func (n *Node) setBest(b *block) (gone []*block) {
	var added []*block
	for ; int(b.number) >= len(n.chain) || n.chain[b.number] != b; b = n.blocks[b.parent] {
		added = append(added, b)
	}
	gone = slices.Clone(n.chain[b.number+1:])
	n.chain = n.chain[:b.number+1]
	slices.Reverse(added)
	n.chain = append(n.chain, added...)
	return gone
}

// step makes one block on the best chain.
func (n *Node) step() *block {
	b, in, out := n.build(n.best(), n.ordered(), false)
	n.include(b, in, out)
	return b
}

// include makes a new block the best one: out are transactions that were not valid in it.
func (n *Node) include(b *block, in, out []*pooled) {
	n.setBest(b)
	for _, tx := range out {
		n.drop(tx)
	}
	n.settleIncluded(b, in)
	n.publish(newHeads, b)
	n.refresh()
	if !n.stalled && b.number > n.opts.FinalityLag {
		n.finalize(b.number - n.opts.FinalityLag)
	}
	for hash, tx := range n.included {
		if b.number-tx.in.number >= finalityTimeout {
			tx.tell(map[string]any{"finalityTimeout": tx.in.hash.String()})
			delete(n.included, hash)
		}
	}
}

// finalityTimeout is how many blocks a node waits for finality before it tells watchers so.
const finalityTimeout = 512

// settleIncluded moves transactions from the pool to those that wait for finality.
func (n *Node) settleIncluded(b *block, in []*pooled) {
	for _, tx := range in {
		n.pool.remove(tx)
		tx.in = b
		n.included[tx.x.hash] = tx
		n.banned[tx.x.hash] = b.number + bannedFor
		tx.tell(map[string]any{"inBlock": b.hash.String()})
	}
}

// ErrFinal says that a fork would undo a final block.
var ErrFinal = errors.New("the fork is below a final block")

// Reorg replaces the newest depth blocks of the best chain by depth+1 blocks without
// transactions. If back is set, the transactions of the replaced blocks return to the pool;
// otherwise the network has forgotten them. It returns ErrFinal if one of those blocks is
// final.
func (n *Node) Reorg(depth int, back bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	base := len(n.chain) - 1 - depth
	if base < int(n.final.number) {
		return ErrFinal
	}
	b := n.chain[base]
	for range depth + 1 {
		b, _, _ = n.build(b, nil, true)
	}
	for _, old := range n.setBest(b) {
		for _, raw := range old.body[1:] {
			hash := Hash(blake2b.Sum256(raw))
			tx := n.included[hash]
			if tx == nil { // no client has watched it since a restart
				x, _, err := n.admit(n.blocks[old.parent], raw)
				if err != nil {
					continue
				}
				tx = &pooled{x: x, seq: n.seq, till: 1<<64 - 1, priority: lowest + x.tip/tipPerPriority}
				n.seq++
			}
			delete(n.included, hash)
			delete(n.banned, hash)
			tx.tell(map[string]any{"retracted": old.hash.String()})
			tx.in = nil
			if back && n.pool.of[tx.x.signer][tx.x.nonce] == nil {
				tx.ready = false
				n.pool.add(tx)
			}
		}
	}
	n.publish(newHeads, b)
	n.refresh()
	return nil
}
