package node

import (
	"crypto/ed25519"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

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
