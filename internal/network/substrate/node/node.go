// Package node is a chain for tests and for development: one node with its own state, spoken to
// over JSON-RPC as a real one. No part of a registry uses it. It never opens a connection, and
// listens on the loopback, or where timbre devnet names another address.
//
// Most of it is as on a real chain. The metadata is that of a public network, with constants of
// the test's choice. Signatures, nonces, eras, fees, deposits and events are those of the
// pallets that Timbre uses. The state is a Merkle trie, so state roots and read proofs are
// true. Blocks become final by GRANDPA, with keys of tests. Three parts are simpler: the runtime
// is Go and not WASM, the seal of a block has only its form, and other pallets have no storage.
// With Options.Spec the runtime is the real WASM of a network, with all its pallets.
//
// Start gives a node to a test. Step makes a block, or Options.Auto makes one for each
// transaction; no part of the node waits for time to pass. The methods that are named after a
// fault (Reorg, Restart, StallFinality, Inject, …) make what a client must survive.
//
// Evidence returns the real material that proves a work without a node, as bytes: the header,
// the read proof, the headers up to the justification, the justification, and the hand-offs of
// authorities. Tests of verifiers take their golden files from it.
package node

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// program returns the runtime that runs on top of a state.
func (n *Node) program(top *vertex) *program {
	if n.opts.Spec != nil {
		p, err := n.machines.of(top)
		if err != nil {
			panic(err) // New has run the first code, and the runtime checks the next one
		}
		return p
	}
	code, _ := top.get(nibbles(keyCode))
	for _, r := range n.runtimes {
		if bytes.Equal(r.code(), code) {
			return compiled(r)
		}
	}
	panic("the state has no known runtime")
}

// above returns the best chain's block on b, or nil.
func (n *Node) above(b *block) *block {
	if int(b.number)+1 < len(n.chain) && n.chain[b.number] == b {
		return n.chain[b.number+1]
	}
	return nil
}

func (n *Node) best() *block { return n.chain[len(n.chain)-1] }

// bare is a status without a value, as the dialect has it.
func (n *Node) bare(status string) any {
	if n.opts.Chopsticks {
		return map[string]any{status: nil}
	}
	return status
}

// Options are what a test chooses. The zero value is a chain as Melodie: four authorities,
// blocks by Step, each final at once.
type Options struct {
	// Runtime is the first runtime; the zero value means Melodie.
	Runtime Runtime
	// Spec makes a chain of another network's spec, whose runtime is WASM; nil means a runtime in
	// Go, which Runtime names. Only its authorities are the node's own. A change of authorities
	// by the runtime is not followed: the keys of the next ones are not known. The node then has the
	// call dev_setStorage, too.
	Spec *Spec
	// Endowed is what accounts have in the first block; with a spec, besides what it gives them.
	Endowed map[Account]uint64
	// Author receives all fees. The zero value means an account that has no other use.
	Author Account
	// Authorities is how many finalize; 0 means 4.
	Authorities int
	// Absent is how many of them never vote. More than may be absent are not.
	Absent int
	// SpreadVotes makes the last voter vote for the block after the target, if there is one.
	// The justification then has that block's header.
	SpreadVotes bool
	// FinalityLag is how many blocks of the best chain are not final yet after a step.
	FinalityLag uint32
	// Auto makes a block as soon as the pool has a transaction that is ready.
	Auto bool
	// Chopsticks changes the form of answers to that of the tool chopsticks: statuses as
	// objects, long numbers, fees as SCALE, and errors as JSON in their message.
	Chopsticks bool
	// NotifyFirst sends the first notification of a subscription before its id.
	NotifyFirst bool
	// PruneAfter is how many final blocks keep their state; 0 means 256.
	PruneAfter uint32
	// PoolLimit is the most transactions in the pool; 0 means no limit.
	PoolLimit int
	// Listen is the address of the server, as HOST:PORT; "" means a free port of the loopback.
	Listen string
	// Genesis is the time of the first block. The zero value means a fixed time.
	Genesis time.Time
	// Clock gives the time of a block, if it is later than 6 s after the block before; nil
	// means that all blocks are 6 s apart.
	Clock func() time.Time
}

// Node is a chain and the server of its one node.
type Node struct {
	// URL is its address, which begins with ws://.
	URL string

	opts    Options
	server  *http.Server
	genesis Hash

	mu       sync.Mutex
	blocks   map[Hash]*block
	chain    []*block // the best chain by number
	final    *block
	runtimes []Runtime
	machines machines
	pool     pool
	included map[Hash]*pooled // in blocks that are not final
	banned   map[Hash]uint32  // bytes that were in a block, until a block's number
	seq      int
	next     []func(*run, *block) []byte // what the next block does besides transactions

	set      AuthoritySet
	sets     []AuthoritySet
	last     []uint32 // the last block of each earlier set
	round    uint64
	newest   []byte // justification
	newestAt *block
	stalled  bool

	down   bool
	conns  map[*conn]bool
	faults []*Fault
	calls  map[string]int
}

// hangUp ends all connections at once.
func (n *Node) hangUp() {
	for c := range n.conns {
		n.forget(c)
		c.cancel()
	}
}

// forget removes a connection and its subscriptions.
func (n *Node) forget(c *conn) {
	delete(n.conns, c)
	for _, all := range []map[Hash]*pooled{n.pool.all, n.included} {
		for _, tx := range all {
			var left []*subscription
			for _, w := range tx.watchers {
				if w.c != c {
					left = append(left, w)
				}
			}
			tx.watchers = left
		}
	}
}

func (n *Node) before() *block { return n.chain[len(n.chain)-2] }

func (n *Node) numberJSON(v uint32) string {
	if n.opts.Chopsticks {
		return fmt.Sprintf("0x%08x", v)
	}
	return fmt.Sprintf("0x%x", v)
}
