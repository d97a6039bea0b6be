package node

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

// block is a block with the state after it.
type block struct {
	number                    uint32
	hash, parent              Hash
	stateRoot, extrinsicsRoot Hash
	logs                      [][]byte
	header                    []byte // SCALE, with the seal
	body                      [][]byte
	state                     *vertex // nil when it is pruned
	change                    *change // of authorities, that this block announces
	justification             []byte  // kept where a node keeps it
	made                      map[made]uint32
}

// made is a version that a block registered; its value is the index of the extrinsic.
type made struct {
	id      uint64
	version uint32
}

// change is an announced change of authorities. It holds from the block with the number
// from on; a forced one without finality.
type change struct {
	next   AuthoritySet
	from   uint32
	forced bool
	done   bool
}

// finish sets header and hash of b.
func (b *block) finish() {
	h := append(bytes.Clone(b.parent[:]), scale.AppendCompact(nil, uint64(b.number))...)
	h = append(append(h, b.stateRoot[:]...), b.extrinsicsRoot[:]...)
	h = scale.AppendCompact(h, uint64(len(b.logs)))
	for _, l := range b.logs {
		h = append(h, l...)
	}
	b.header, b.hash = h, blake2b.Sum256(h)
}

// item is an item of a digest.
func item(kind byte, engine string, data []byte) []byte {
	return scale.AppendBytes(append([]byte{kind}, engine...), data)
}

// The kinds of digest items.
const (
	digestConsensus          = 4
	digestSeal               = 5
	digestPreRuntime         = 6
	digestEnvironmentUpdated = 8
)

// MaxDelay is the longest delay of a change of authorities, in blocks.
const MaxDelay = 64

// blockTime is between two blocks.
const blockTime = 6 * time.Second

// program returns the runtime that runs on top of a state.
func (n *Node) program(top *vertex) *program {
	code, _ := top.get(nibbles(keyCode))
	for _, r := range n.runtimes {
		if bytes.Equal(r.code(), code) {
			return compiled(r)
		}
	}
	panic("the state has no known runtime")
}

// makeGenesis makes the first block.
func (n *Node) makeGenesis() *block {
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

func lastUpgrade(r Runtime) []byte {
	return scale.AppendText(scale.AppendCompact(nil, uint64(r.Spec)), specName)
}

// build makes a block on parent. It returns the transactions that are in it, and those that
// turned out invalid. Late blocks skip a slot, so that forks differ.
func (n *Node) build(parent *block, txs []*pooled, late bool) (_ *block, in []*pooled, out []*pooled) {
	prog := n.program(parent.state)
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
			case weight+tx.x.call.weight()+baseWeight > maxWeight || length+len(tx.x.raw) > maxLength:
				continue
			}
			r.apply(tx.x, uint32(len(b.body)))
			weight += tx.x.call.weight() + baseWeight
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
	b.finish()
	sealed := blake2b.Sum512(b.header) // a seal's form; no reader of this chain checks it
	b.logs = append(b.logs, item(digestSeal, "aura", sealed[:]))
	b.finish()
	n.blocks[b.hash] = b
	n.publish(allHeads, b)
	return b, in, out
}

// Authority is a voter of GRANDPA.
type Authority struct {
	// Key is its ed25519 public key, and Weight its share of the vote.
	Key    [32]byte
	Weight uint64
}

// AuthoritySet is the voters who finalize blocks together.
type AuthoritySet struct {
	// ID counts the sets from 0.
	ID          uint64
	Authorities []Authority
}

// Encode returns the members in SCALE, as GrandpaApi_grandpa_authorities does.
func (s AuthoritySet) Encode() []byte {
	out := scale.AppendCompact(nil, uint64(len(s.Authorities)))
	for _, a := range s.Authorities {
		out = append(append(out, a.Key[:]...), le64(a.Weight)...)
	}
	return out
}

// signer returns the key of an authority: tests can know it.
func signer(set uint64, i int) ed25519.PrivateKey {
	seed := blake2b.Sum256(fmt.Appendf(nil, "timbre test authority %d of set %d", i, set))
	return ed25519.NewKeyFromSeed(seed[:])
}

func newSet(id uint64, size int) AuthoritySet {
	s := AuthoritySet{ID: id}
	for i := range size {
		s.Authorities = append(s.Authorities, Authority{[32]byte(signer(id, i).Public().(ed25519.PublicKey)), 1})
	}
	return s
}

// justify makes the justification of b by the present set, and keeps it as the newest.
func (n *Node) justify(b *block) []byte {
	n.round++
	size := len(n.set.Authorities)
	votes := min(max(size-n.opts.Absent, size-(size-1)/3), size)
	out := le64(n.round)
	out = append(append(out, b.hash[:]...), le32(b.number)...)
	out = scale.AppendCompact(out, uint64(votes))
	above := n.above(b)
	for i := range votes {
		vote := b
		if n.opts.SpreadVotes && above != nil && i == votes-1 {
			vote = above
		}
		message := append([]byte{1}, vote.hash[:]...)
		message = append(append(append(message, le32(vote.number)...), le64(n.round)...), le64(n.set.ID)...)
		key := signer(n.set.ID, i)
		out = append(append(out, vote.hash[:]...), le32(vote.number)...)
		out = append(append(out, ed25519.Sign(key, message)...), key.Public().(ed25519.PublicKey)...)
	}
	if n.opts.SpreadVotes && above != nil {
		return append(append(out, 4), above.header...)
	}
	return append(out, 0)
}

// above returns the best chain's block on b, or nil.
func (n *Node) above(b *block) *block {
	if int(b.number)+1 < len(n.chain) && n.chain[b.number] == b {
		return n.chain[b.number+1]
	}
	return nil
}

// justificationPeriod is how often a node keeps a justification without a reason.
const justificationPeriod = 512

// finalize makes blocks of the best chain up to number final.
func (n *Node) finalize(number uint32) {
	if number <= n.final.number {
		return
	}
	for i := n.final.number + 1; int(i) < len(n.chain); i++ { // a forced change does not wait for finality
		if c := n.chain[i].change; c != nil && c.forced && !c.done && int(c.from) < len(n.chain) {
			n.hand(c, n.final.number)
		}
	}
	for i := n.final.number + 1; i <= number; i++ {
		b := n.chain[i]
		var handed *change
		for j := i; j > 0 && i-j <= MaxDelay; j-- {
			if c := n.chain[j].change; c != nil && !c.forced && !c.done && c.from == i {
				handed = c
			}
		}
		if handed == nil && i != number {
			continue
		}
		j := n.justify(b)
		n.newest, n.newestAt = j, b
		if handed != nil || i%justificationPeriod == 0 {
			b.justification = j
		}
		if handed != nil {
			n.hand(handed, i)
		}
		n.setFinal(b)
	}
}

// hand passes the vote to the next set; the set before it finalized blocks up to last.
func (n *Node) hand(c *change, last uint32) {
	c.done = true
	n.last = append(n.last, last)
	n.set = c.next
	n.sets = append(n.sets, c.next)
}

// setFinal tells everybody that b is final.
func (n *Node) setFinal(b *block) {
	before := n.final
	n.final = b
	for i := before.number + 1; i <= b.number; i++ {
		for _, raw := range n.chain[i].body[1:] {
			hash := Hash(blake2b.Sum256(raw))
			if tx := n.included[hash]; tx != nil && tx.in == n.chain[i] {
				tx.tell(map[string]any{"finalized": tx.in.hash.String()})
				delete(n.included, hash)
			}
		}
	}
	for hash, other := range n.blocks { // forks below finality are gone
		if other.number <= b.number && n.chain[other.number] != other {
			delete(n.blocks, hash)
		}
	}
	n.publish(finalizedHeads, b)
	n.publish(justifications, hexed(n.newest))
	n.prune()
}

// prune forgets states that are too old.
func (n *Node) prune() {
	if n.final.number <= n.opts.PruneAfter {
		return
	}
	for i := n.final.number - n.opts.PruneAfter; n.chain[i].state != nil; i-- {
		n.chain[i].state = nil
		if i == 0 {
			break
		}
	}
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

func (n *Node) best() *block { return n.chain[len(n.chain)-1] }

// step makes one block on the best chain.
func (n *Node) step() *block {
	b, in, out := n.build(n.best(), n.ordered(), false)
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
	return b
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
			if tx == nil { // nobody has watched it since a restart
				x, err := n.program(old.state).decode(raw)
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

// ordered returns the transactions of the pool in the order in which a block takes them:
// the highest tip first, then the first one that came.
func (n *Node) ordered() []*pooled {
	var all []*pooled
	for _, tx := range n.pool.all {
		all = append(all, tx)
	}
	slices.SortFunc(all, func(a, b *pooled) int {
		return cmp.Or(cmp.Compare(b.x.tip, a.x.tip), cmp.Compare(a.seq, b.seq))
	})
	return all
}
