package substrate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence"
)

// golden returns the evidence of another registration, of which tests keep the work.
func golden(t testing.TB) evidence.Evidence {
	t.Helper()
	text, err := os.ReadFile("../../../proof/evidence/testdata/v2/chain.json")
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	e.Network.Name = string(network.Mainnet)
	return e
}

// proven registers the work of the golden evidence once more, and returns its evidence. The block
// with it also has what before does.
func proven(t *testing.T, n *Network, c *node.Node, nonce string, before func()) evidence.Evidence {
	t.Helper()
	e := golden(t)
	steps(t, n)
	staged := stage(t, n, network.Call{Commitment: e.Commitment, ProtocolVersion: e.ProtocolVersion, Nonce: nonce})
	broadcast(t, n, staged...)
	steps(t, n)
	before()
	c.Step(1)
	for range waitBlocks + 2 {
		steps(t, n)
		c.Step(1)
	}
	later(n.db, time.Minute)
	r := find(t, n, staged...)[0]
	p, err := n.Prove(t.Context(), r.Hash)
	if err != nil {
		t.Fatal(err)
	}
	again, err := n.Prove(t.Context(), r.Hash)
	if err != nil || fmt.Sprint(again.Substrate) == "" || len(again.Substrate.Finality.HandOffs) != len(p.Substrate.Finality.HandOffs) {
		t.Fatalf("another proof: %v", err)
	}
	e.Substrate, e.AtsID, e.Version, e.TxHash = p.Substrate, r.AtsID, r.Version, r.Final()
	e.Block = evidence.Block{Number: r.BlockNumber, Hash: r.BlockHash, Time: r.At}
	text, err := evidence.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if e, err = evidence.Decode(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return e
}

// pin returns what a reader has who trusts the sets of a chain with these numbers.
func pin(t *testing.T, n *Network, sets ...int64) []evidence.ChainCheckpoint {
	t.Helper()
	at, err := n.db.Read().GetSubstrateChain(t.Context(), n.name())
	if err != nil {
		t.Fatal(err)
	}
	var all []evidence.ChainCheckpoint
	for _, id := range sets {
		rows, err := n.db.Read().ListSubstrateSets(t.Context(), query.ListSubstrateSetsParams{Network: n.name(), Newest: id, Lim: 1})
		if err != nil || len(rows) != 1 || rows[0].SetID != id {
			t.Fatalf("set %d is not known: %v", id, err)
		}
		text := fmt.Sprintf("network mainnet\ngenesis %x\nset %d\n", at.Genesis, id)
		for b := rows[0].Authorities[1:]; len(b) > 0; b = b[40:] { // fewer than 64 members
			text += fmt.Sprintf("authority %x 1\n", b[:32])
		}
		pins, err := evidence.ParseChainCheckpoints([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pins...)
	}
	return all
}

func judge(t *testing.T, e evidence.Evidence, pins []evidence.ChainCheckpoint) evidence.Verdict {
	t.Helper()
	r, err := evidence.Verify(e, evidence.Options{ChainCheckpoints: pins})
	if err != nil {
		t.Fatal(err)
	}
	v := evidence.Judge(e, r)
	if v != evidence.Registered && v != evidence.Untrusted {
		t.Errorf("%+v", r)
	}
	return v
}

// The authorities change while works are registered, by processes that end between. A reader
// who pinned the first set can check each work, without a node.
func TestHandOffs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		var all []evidence.Evidence
		for i := range 3 {
			n := open(t, db, c)
			all = append(all, proven(t, n, c, fmt.Sprint("in the block that hands over ", i), func() { c.Rotate(4+i, 0) }))
			n.chain.client.Close()
		}
		n := open(t, db, c)
		all = append(all, proven(t, n, c, "later", func() {}))
		c.Close() // from here on, no node
		text, err := Checkpoint(t.Context(), db, network.Mainnet)
		if err != nil {
			t.Fatal(err)
		}
		printed, err := evidence.ParseChainCheckpoints([]byte(text))
		if err != nil || len(printed) != 2 || printed[0].SetID != 0 || printed[1].SetID != 3 {
			t.Errorf("%v\n%s", err, text)
		}
		for i, e := range all {
			f := e.Substrate.Finality
			if f.SetID != 0 || len(f.HandOffs) != i {
				t.Errorf("work %d: from set %d, %d hand-offs", i, f.SetID, len(f.HandOffs))
			}
			for name, pins := range map[string][]evidence.ChainCheckpoint{"the first set": pin(t, n, 0), "its own set": pin(t, n, int64(i)), "what is printed": printed} {
				if got := judge(t, e, pins); got != evidence.Registered {
					t.Errorf("work %d, %s: %s", i, name, got)
				}
			}
		}
		// Another chain's first set is not this one's.
		other := pin(t, n, 0)
		other[0].Authorities[0].Key[5] ^= 1
		if got := judge(t, all[3], other); got == evidence.Registered {
			t.Error(got)
		}
		rows, err := db.Read().ListSubstrateSets(t.Context(), query.ListSubstrateSetsParams{Network: n.name(), Newest: 9, Lim: 9})
		if err != nil || len(rows) != 4 {
			t.Errorf("%d sets, %v", len(rows), err)
		}
	})
}

// After a change by force, and after a hand-off that no node gives, evidence begins at the newer
// set.
func TestHandOffIsMissing(t *testing.T) {
	for name, change := range map[string]func(c *node.Node){
		"by force": func(c *node.Node) { c.ForceRotate(5, 0) },
		"no node has it": func(c *node.Node) {
			c.Rotate(5, 0)
			c.Step(1)
			c.Inject(node.Fault{Method: "grandpa_proveFinality", Times: waitBlocks + 1, Code: 1, Message: "Block not covered by authority set changes"})
		},
		"a delay": func(c *node.Node) { c.Rotate(5, 2); c.Step(2) },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := start(t, node.Options{})
				n := open(t, db, c)
				first := proven(t, n, c, "first", func() {})
				change(c)
				c.Step(1)
				for range waitBlocks + 2 {
					steps(t, n)
					c.Step(1)
				}
				second := proven(t, n, c, "second", func() {})
				c.Rotate(3, 0)
				c.Step(1)
				third := proven(t, n, c, "third", func() {})
				text, err := Checkpoint(t.Context(), db, network.Mainnet)
				if err != nil {
					t.Fatal(err)
				}
				printed, err := evidence.ParseChainCheckpoints([]byte(text))
				if err != nil || len(printed) != 3 {
					t.Errorf("%v\n%s", err, text)
				}
				for i, e := range []evidence.Evidence{first, second, third} {
					if got := judge(t, e, printed); got != evidence.Registered {
						t.Errorf("work %d: %s", i, got)
					}
					if got := judge(t, e, pin(t, n, 0)); (got == evidence.Registered) != (i == 0) {
						t.Errorf("work %d, by the first set: %s", i, got)
					}
				}
				if f := third.Substrate.Finality; f.SetID != 1 || len(f.HandOffs) != 1 {
					t.Errorf("from set %d, %d hand-offs", f.SetID, len(f.HandOffs))
				}
			})
		})
	}
}

// A node that gives a hand-off late gives no gap.
func TestHandOffIsLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		n := open(t, db, c)
		steps(t, n)
		c.Rotate(5, 0)
		c.Step(1)
		c.Inject(node.Fault{Method: "grandpa_proveFinality", Times: 2, Code: 1, Message: "not yet"})
		steps(t, n)
		steps(t, n)
		if e := proven(t, n, c, "later", func() {}); e.Substrate.Finality.SetID != 0 || len(e.Substrate.Finality.HandOffs) != 1 {
			t.Errorf("from set %d", e.Substrate.Finality.SetID)
		}
	})
}

// A network that begins on an old chain reads the sets from the first one, as long as nodes have
// them. Two processes do so at once. Otherwise it begins at the newest set.
func TestOldChain(t *testing.T) {
	for name, test := range map[string]struct {
		o     node.Options
		sets  int
		first int64
	}{
		"from set 0":                  {node.Options{}, 40, 0},
		"the first state is gone":     {node.Options{PruneAfter: 8}, 20, 20},
		"too many sets for one proof": {node.Options{}, maxHandOffs + 1, maxHandOffs + 1},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := start(t, test.o)
				for range test.sets {
					c.Rotate(4, 0)
					c.Step(2)
				}
				one, two := open(t, db, c), open(t, db, c)
				var both sync.WaitGroup
				for _, n := range []*Network{one, two} {
					both.Go(func() {
						for range 3 {
							if err := n.step(context.Background(), true); err != nil && !strings.Contains(err.Error(), "another process") {
								t.Error(err)
							}
						}
					})
				}
				both.Wait()
				for range 3 {
					c.Rotate(4, 0)
					c.Step(1)
				}
				e := proven(t, one, c, "later", func() {})
				f := e.Substrate.Finality
				if f.SetID != test.first || len(f.HandOffs) != test.sets+3-int(test.first) {
					t.Errorf("from set %d, %d hand-offs", f.SetID, len(f.HandOffs))
				}
				if got := judge(t, e, pin(t, two, test.first)); got != evidence.Registered {
					t.Error(got)
				}
			})
		})
	}
}

// A document has as many hand-offs as verifiers accept: by their number, their votes and bytes.
func TestHandOffsAreBounded(t *testing.T) {
	t.Parallel()
	for members, most := range map[int]int{4: maxHandOffs, 40: 24} {
		db := storetest.SQLite(t)
		c := start(t, node.Options{Authorities: members})
		n := open(t, db, c)
		steps(t, n)
		for range most + 10 {
			c.Rotate(members, 0)
			c.Step(1)
		}
		for range 6 {
			steps(t, n)
		}
		e := proven(t, n, c, "later", func() {})
		if got := len(e.Substrate.Finality.HandOffs); got != most || e.Substrate.Finality.SetID != 10 {
			t.Errorf("%d members: from set %d, %d hand-offs", members, e.Substrate.Finality.SetID, got)
		}
		text, err := Checkpoint(t.Context(), db, network.Mainnet)
		if err != nil {
			t.Fatal(err)
		}
		printed, err := evidence.ParseChainCheckpoints([]byte(text))
		if err != nil || printed[0].SetID != 0 || printed[len(printed)-1].SetID != int64(most+10) {
			t.Errorf("%v\n%s", err, text)
		}
		if got := judge(t, e, printed[:len(printed)-1]); got != evidence.Registered {
			t.Error(got)
		}
	}
}

// The block of a hand-off far away is found by old states.
func TestFarHandOff(t *testing.T) {
	t.Parallel()
	c := start(t, node.Options{PruneAfter: 1000})
	n := open(t, storetest.SQLite(t), c)
	for _, last := range []int64{2, 3, 40, 99, 100} {
		for int64(c.Best()) < last-1 {
			c.Step(1)
		}
		set, err := n.chain.setAfter(t.Context(), c.Step(0).String())
		if err != nil {
			t.Fatal(err)
		}
		before := int64(c.Best())
		c.Rotate(4, 0)
		c.Step(10)
		if got, err := n.chain.lastOf(t.Context(), query.SubstrateSet{SetID: set, Seen: before}, int64(c.Best())); err != nil || got != before+1 {
			t.Errorf("%d, %v, want %d", got, err, before+1)
		}
	}
}

// A version whose proof no node gives is counted: it waits at first, and is missed later.
func TestProofsAreCounted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		n := open(t, db, c)
		count := func() network.ProofCount {
			t.Helper()
			p, err := n.Proving(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := count(); p != (network.ProofCount{}) {
			t.Errorf("before the worker began: %+v", p)
		}
		steps(t, n)
		c.Inject(node.Fault{Method: "state_getReadProof", Code: 4003, Message: "no"})
		broadcast(t, n, stage(t, n, call(0), call(1))...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		late := count()
		if late.Waiting != 2 || late.Missed != 0 || late.Oldest.IsZero() {
			t.Errorf("%+v", late)
		}
		c.Step(provable)
		steps(t, n)
		if p := count(); p != late {
			t.Errorf("in the last block that can be proven: %+v", p)
		}
		c.Step(1)
		steps(t, n)
		if p := count(); p.Waiting != 0 || p.Missed != 2 || !p.Oldest.IsZero() {
			t.Errorf("after the window: %+v", p)
		}
		c.Heal()
		broadcast(t, n, stage(t, n, call(2))...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		if p := count(); p.Waiting != 0 || p.Missed != 2 {
			t.Errorf("a later version: %+v", p)
		}
	})
}
