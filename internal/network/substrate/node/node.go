// Package node is a chain for tests: one node with its own state, spoken to over JSON-RPC as
// a real one. It is a seam for tests, and no part of the program. It never opens a connection,
// and listens on the loopback alone.
//
// What is real: the metadata (that of a public network, with constants of the test's choice),
// signatures, nonces, eras, fees, deposits and events of the pallets that Timbre uses; the
// state as a Merkle trie, so that state roots and read proofs are true; headers; and finality
// by GRANDPA with keys of tests. What is not: the runtime is written here and is no WASM, the
// seal of a block has only its form, and other pallets have no storage.
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
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"
)

// Options are what a test chooses. The zero value is a chain as Melodie: four authorities,
// blocks by Step, each final at once.
type Options struct {
	// Runtime is the first runtime; the zero value means Melodie.
	Runtime Runtime
	// Endowed is what accounts have in the first block.
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
	server  *httptest.Server
	genesis Hash

	mu       sync.Mutex
	blocks   map[Hash]*block
	chain    []*block // the best chain by number
	final    *block
	runtimes []Runtime
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

// Start runs a node until the test ends.
func Start(t testing.TB, o Options) *Node {
	t.Helper()
	n := New(o)
	t.Cleanup(n.Close)
	return n
}

// New runs a node until Close.
func New(o Options) *Node {
	if o.Runtime == (Runtime{}) {
		o.Runtime = Melodie()
	}
	if o.Author == (Account{}) {
		o.Author = blake2b.Sum256([]byte("author"))
	}
	if o.Authorities == 0 {
		o.Authorities = 4
	}
	if o.PruneAfter == 0 {
		o.PruneAfter = 256
	}
	if o.Genesis.IsZero() {
		o.Genesis = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	n := &Node{
		opts: o, blocks: map[Hash]*block{}, pool: newPool(), included: map[Hash]*pooled{}, banned: map[Hash]uint32{},
		runtimes: []Runtime{o.Runtime}, set: newSet(0, o.Authorities), conns: map[*conn]bool{}, calls: map[string]int{},
	}
	n.sets = []AuthoritySet{n.set}
	g := n.makeGenesis()
	n.blocks[g.hash] = g
	n.chain = []*block{g}
	n.genesis, n.final, n.newestAt = g.hash, g, g
	n.server = httptest.NewServer(n)
	n.URL = "ws" + strings.TrimPrefix(n.server.URL, "http")
	return n
}

// Close ends all connections and the server.
func (n *Node) Close() {
	n.mu.Lock()
	n.down = true
	n.hangUp()
	n.mu.Unlock()
	n.server.Close()
}

// Step makes blocks on the best chain, each with what the pool has, and returns the hash of
// the last one.
func (n *Node) Step(blocks int) Hash {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range blocks {
		n.step()
	}
	return n.best().hash
}

// Finalize makes the best chain final up to the number, stalled or not.
func (n *Node) Finalize(number uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.finalize(min(number, n.best().number))
}

// StallFinality stops finality while on is set; blocks go on. Later, the next step catches up.
func (n *Node) StallFinality(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stalled = on
}

// Best returns the number of the newest block of the best chain.
func (n *Node) Best() uint32 { n.mu.Lock(); defer n.mu.Unlock(); return n.best().number }

// Final returns the number of the newest final block.
func (n *Node) Final() uint32 { n.mu.Lock(); defer n.mu.Unlock(); return n.final.number }

// Genesis returns the hash of the first block.
func (n *Node) Genesis() Hash { return n.genesis }

// Pool returns how many transactions wait for a block.
func (n *Node) Pool() int { n.mu.Lock(); defer n.mu.Unlock(); return len(n.pool.all) }

// Calls returns how often a method was called.
func (n *Node) Calls(method string) int { n.mu.Lock(); defer n.mu.Unlock(); return n.calls[method] }

// Balance returns what an account has after the best block.
func (n *Node) Balance(a Account) Balance {
	n.mu.Lock()
	defer n.mu.Unlock()
	return (&state{n.best().state}).account(a)
}

// Fund lets the next block give an account money that was nobody's.
func (n *Node) Fund(a Account, amount uint64) {
	n.act(func(r *run, _ *block) []byte {
		who := r.st.account(a)
		if who.providers == 0 {
			who.providers = 1
			r.emit("System", "NewAccount", a[:])
			r.emit("Balances", "Endowed", a[:], u128(amount))
		}
		who.Free += amount
		r.st.setAccount(a, who)
		r.st.put(keyIssuance, u128(r.st.number(keyIssuance)+amount))
		r.emit("Balances", "Minted", a[:], u128(amount))
		return nil
	})
}

// Upgrade lets the next block set another runtime; it runs from the block after on.
func (n *Node) Upgrade(to Runtime) {
	n.mu.Lock()
	n.runtimes = append(n.runtimes, to)
	n.mu.Unlock()
	n.act(func(r *run, _ *block) []byte {
		r.st.put(keyCode, to.code())
		r.emit("System", "CodeUpdated")
		return []byte{digestEnvironmentUpdated}
	})
}

// Rotate lets the next block announce a new set of authorities. It takes over after the block
// that comes delay blocks later is final; delay is at most MaxDelay, and 0 on real chains.
func (n *Node) Rotate(authorities int, delay uint32) { n.rotate(authorities, delay, false) }

// ForceRotate is Rotate without finality: the new set takes over as soon as that block is
// there, although the set before has not finalized it.
func (n *Node) ForceRotate(authorities int, delay uint32) { n.rotate(authorities, delay, true) }

func (n *Node) rotate(authorities int, delay uint32, forced bool) {
	n.act(func(r *run, b *block) []byte {
		set := newSet(r.st.number(SetIDKey)+1, authorities)
		r.st.put(SetIDKey, le64(set.ID))
		b.change = &change{next: set, from: b.number + min(delay, MaxDelay), forced: forced}
		data := []byte{1}
		if forced {
			data = append([]byte{2}, le32(n.final.number)...)
		}
		data = append(append(data, set.Encode()...), le32(min(delay, MaxDelay))...)
		return item(digestConsensus, "FRNK", data)
	})
}

func (n *Node) act(f func(*run, *block) []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = append(n.next, f)
}

// Restart ends all connections, and forgets the pool and what a node keeps in memory. The
// chain stays, and so does the address.
func (n *Node) Restart() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hangUp()
	n.pool, n.included, n.banned = newPool(), map[Hash]*pooled{}, map[Hash]uint32{}
}

// Down makes the node refuse connections while on is set, and ends those that it has.
func (n *Node) Down(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = on
	if on {
		n.hangUp()
	}
}

// HangUp ends all connections; the pool stays.
func (n *Node) HangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hangUp()
}

// Version is one version of a work.
type Version struct {
	Commitment [32]byte
	Protocol   uint8
	// Block is the block that has it.
	Block uint32
}

// Work is a work as the chain has it.
type Work struct {
	ID       uint64
	Owner    Account
	Versions []Version
}

// Works reads all works from the state of the best block, in the order of their ids.
func (n *Node) Works() []Work {
	n.mu.Lock()
	defer n.mu.Unlock()
	st := &state{n.best().state}
	var all []Work
	for id := range st.number(keyNext) {
		w, found := st.work(id)
		if !found {
			continue
		}
		each := Work{ID: id, Owner: w.owner}
		for v := range w.versions {
			b := st.get(VersionKey(id, v))
			each.Versions = append(each.Versions, Version{[32]byte(b[:32]), b[32], createdAt(b)})
		}
		all = append(all, each)
	}
	return all
}

// Audit checks what must hold of every state: that no money came or went, that holds are the
// deposits of works, and that the lists of owners agree with the works.
func (n *Node) Audit() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return (&state{n.best().state}).audit()
}

func (s *state) audit() error {
	var sum, held uint64
	deposits := map[Account]uint64{}
	owned := map[Account]int{}
	for id := range s.number(keyNext) {
		w, found := s.work(id)
		if !found {
			continue
		}
		deposits[w.owner] += w.deposit
		owned[w.owner]++
		for v := range w.versions {
			b := s.get(VersionKey(id, v))
			if len(b) != 53 && !w.listed || len(b) != 37 && w.listed {
				return fmt.Errorf("version %d of work %d has %d bytes", v, id, len(b))
			}
			deposits[w.owner] += versionDeposit(b)
		}
	}
	var wrong error
	prefix := key("System", "Account")
	s.top.walk(nil, func(path, _ []byte) bool {
		k := packed(path)
		if len(k) != len(prefix)+48 || string(k[:len(prefix)]) != string(prefix) {
			return true
		}
		a := Account(k[len(k)-32:])
		b := s.account(a)
		sum += b.Free + b.Held
		held += b.Held
		var holds uint64
		for _, h := range s.holds(a) {
			holds += h.amount
		}
		if holds != b.Held || deposits[a] != b.Held || len(s.owned(a)) != owned[a] {
			wrong = fmt.Errorf("account %x holds %d, its holds are %d, its deposits %d; it has %d works, its list %d", a, b.Held, holds, deposits[a], owned[a], len(s.owned(a)))
		}
		return true
	})
	if wrong != nil {
		return wrong
	}
	if total := s.number(keyIssuance); sum != total {
		return fmt.Errorf("the accounts have %d, of which %d is held; %d was issued", sum, held, total)
	}
	return nil
}
