package node

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/crypto/blake2b"
)

// Start runs a node until the test ends.
func Start(t interface {
	Helper()
	Cleanup(func())
}, o Options) *Node {
	t.Helper()
	n := New(o)
	t.Cleanup(n.Close)
	return n
}

// New runs a node until Close.
func New(o Options) *Node {
	n, err := Open(o)
	if err != nil {
		panic(err) // only a spec or an address can be wrong
	}
	return n
}

// Open is New for options that can be wrong: a spec whose runtime cannot run here, or an address
// that is not free.
func Open(o Options) (*Node, error) {
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
		machines: machines{}, opts: o, blocks: map[Hash]*block{}, pool: newPool(), included: map[Hash]*pooled{}, banned: map[Hash]uint32{},
		runtimes: []Runtime{o.Runtime}, set: newSet(0, o.Authorities), conns: map[*conn]bool{}, calls: map[string]int{},
	}
	n.sets = []AuthoritySet{n.set}
	g := n.makeGenesis()
	if o.Spec != nil {
		prog, err := n.machines.of(g.state)
		if err == nil {
			_, _, _, err = n.execute(prog, g, nil, false)
		}
		if err != nil {
			n.machines.close()
			return nil, fmt.Errorf("%w: %w", ErrSpec, err)
		}
	}
	n.blocks[g.hash] = g
	n.chain = []*block{g}
	n.genesis, n.final, n.newestAt = g.hash, g, g
	l, err := net.Listen("tcp", cmp.Or(o.Listen, "127.0.0.1:0"))
	if err != nil {
		n.machines.close()
		return nil, err
	}
	n.URL = "ws://" + l.Addr().String()
	// A page of another site in the developer's browser must not change the chain. For a WebSocket,
	// websocket.Accept checks the same.
	n.server = &http.Server{Handler: http.NewCrossOriginProtection().Handler(n), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = n.server.Serve(l) }()
	return n, nil
}

// Close ends all connections and the server.
func (n *Node) Close() {
	n.mu.Lock()
	n.down = true
	n.hangUp()
	n.mu.Unlock()
	_ = n.server.Close()
	n.mu.Lock() // no call runs
	n.machines.close()
	n.mu.Unlock()
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

// Room returns how many transactions like the last one of a block of the best chain fit into one block,
// by weight and length.
func (n *Node) Room(number uint32) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.chain[number]
	raw := b.body[len(b.body)-1]
	x, err := n.program(b.state).decode(raw)
	if err != nil {
		return 0
	}
	return int(min(maxWeight/(x.weight()+baseWeight), uint64((maxLength-len(b.body[0]))/len(raw))))
}

// Requests returns how often any method was called.
func (n *Node) Requests() (sum int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, calls := range n.calls {
		sum += calls
	}
	return sum
}

// Balance returns what an account has after the best block.
func (n *Node) Balance(a Account) Balance {
	n.mu.Lock()
	defer n.mu.Unlock()
	return (&state{n.best().state}).account(a)
}

// Fund lets the next block give an account new money.
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

// Inject makes the next calls fail. Of several faults for a method the oldest one counts.
func (n *Node) Inject(f Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, &f)
}

// Heal ends all faults.
func (n *Node) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = nil
}
