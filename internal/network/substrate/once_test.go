package substrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/network/substrate/substratetest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence"
)

// calls returns the first n calls.
func calls(n int) (all []network.Call) {
	for i := range n {
		all = append(all, call(i))
	}
	return all
}

// Several accounts have many transactions in one block.
func TestManyInFlight(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		n := open(t, db, c)
		steps(t, n)
		staged := stage(t, n, calls(40)...)
		broadcast(t, n, staged...)
		steps(t, n)
		if c.Pool() != 40 {
			t.Fatalf("the pool has %d transactions", c.Pool())
		}
		c.Step(1)
		steps(t, n)
		owners := map[string]int{}
		for _, r := range find(t, n, staged...) {
			owners[r.Owner]++
		}
		if len(owners) != 2 {
			t.Errorf("%v", owners)
		}
		anchored(t, c, 40)
	})
}

// bothWays runs a test with a transaction for each call, and with batches.
func bothWays(t *testing.T, test func(t *testing.T, batch int)) {
	t.Run("alone", func(t *testing.T) { test(t, 0) })
	t.Run("batches", func(t *testing.T) { test(t, 4) })
}

func inBatches(of int) func(*Config) { return func(c *Config) { c.Batch = of } }

// Each call is anchored once, whatever happens between broadcast and finality.
func TestFaults(t *testing.T) { bothWays(t, testFaults) }

func testFaults(t *testing.T, batch int) {
	for name, disturb := range map[string]func(t *testing.T, c *node.Node, n *Network){
		"the node restarts and forgets its pool": func(t *testing.T, c *node.Node, n *Network) {
			steps(t, n)
			c.Restart()
			_ = n.step(t.Context(), false) // fails, unless the client has noticed the end of the connection before
			steps(t, n)
			if c.Pool() != 0 {
				t.Error("everything is sent again at once")
			}
		},
		"the connection ends after a submission": func(t *testing.T, c *node.Node, n *Network) {
			c.Inject(node.Fault{Method: "author_submitExtrinsic", Times: 1, Drop: node.DropAfter})
			if err := n.step(t.Context(), false); err == nil {
				t.Error("a step over a lost connection succeeds")
			}
			steps(t, n)
		},
		"the connection ends before a submission": func(t *testing.T, c *node.Node, n *Network) {
			c.Inject(node.Fault{Method: "author_submitExtrinsic", Times: 1, Drop: node.DropBefore})
			if err := n.step(t.Context(), false); err == nil {
				t.Error("a step over a lost connection succeeds")
			}
			steps(t, n)
		},
		"the node has no room for some": func(t *testing.T, c *node.Node, n *Network) {
			c.Inject(node.Fault{Method: "author_submitExtrinsic", Times: 2, Code: 1016, Message: "Immediately Dropped"})
			steps(t, n)
			c.Step(1) // those behind the gap wait
		},
		"a fork without them": func(t *testing.T, c *node.Node, n *Network) {
			steps(t, n)
			c.StallFinality(true)
			c.Step(1)
			steps(t, n)
			if found, err := n.Find(t.Context(), [][32]byte{[32]byte(rows(t, n)[0].Hash)}); err != nil || len(found) != 0 {
				t.Errorf("found before it is final: %+v, %v", found, err)
			}
			if err := c.Reorg(1, false); err != nil {
				t.Error(err)
			}
			c.StallFinality(false)
		},
		"a fork that has them again": func(t *testing.T, c *node.Node, n *Network) {
			steps(t, n)
			c.StallFinality(true)
			c.Step(1)
			steps(t, n)
			if err := c.Reorg(1, true); err != nil {
				t.Error(err)
			}
			later(n.db, time.Minute)
			steps(t, n)
			c.StallFinality(false)
		},
		"finality is late": func(t *testing.T, c *node.Node, n *Network) {
			steps(t, n)
			c.StallFinality(true)
			for range 80 { // longer than the era
				c.Step(1)
			}
			later(n.db, time.Minute)
			steps(t, n)
			for _, r := range rows(t, n) {
				if r.Signatures != 1 {
					t.Error("signed again while it is on a block that is not final")
				}
			}
			c.StallFinality(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := start(t, node.Options{NotifyFirst: true})
				n := open(t, db, c, inBatches(batch))
				steps(t, n)
				staged := stage(t, n, calls(6)...)
				broadcast(t, n, staged...)
				disturb(t, c, n)
				for range 3 {
					later(db, time.Minute)
					steps(t, n)
					c.Step(1)
				}
				steps(t, n)
				find(t, n, staged...)
				anchored(t, c, 6)
			})
		})
	}
}

// A transaction whose era ended is signed again, once it is final that no block has it.
func TestEraEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		n := open(t, db, c)
		steps(t, n)
		staged := stage(t, n, calls(3)...)
		broadcast(t, n, staged...)
		c.Inject(node.Fault{Method: "author_submitExtrinsic", Code: 1016, Message: "Immediately Dropped"})
		born := rows(t, n)[0].Ends - 64
		for int64(c.Final()) < born+62 {
			c.Step(1)
		}
		later(db, time.Minute)
		steps(t, n)
		for _, r := range rows(t, n) {
			if r.Signatures != 1 {
				t.Fatal("signed again in the last block of its era")
			}
		}
		c.Step(1)
		steps(t, n)
		for _, r := range rows(t, n) {
			if r.Signatures != 2 || [32]byte(r.Hash) == [32]byte(r.SignedHash) {
				t.Fatalf("not signed again after its era: %+v", r)
			}
		}
		if again, err := n.Stage(t.Context(), call(0)); err != nil || again.Hash != staged[0].Hash {
			t.Errorf("%x, %v", again.Hash, err)
		}
		broadcast(t, n, staged...)
		c.Heal()
		later(db, time.Minute)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		for _, r := range find(t, n, staged...) {
			p, err := n.Prove(t.Context(), r.Final())
			if err != nil || r.Final() == r.Hash || blake2b.Sum256(p.Substrate.Extrinsic) != r.Final() {
				t.Errorf("%+v, %v", r, err)
			}
			if old, err := n.Prove(t.Context(), r.Hash); err != nil || string(old.Substrate.Extrinsic) != string(p.Substrate.Extrinsic) {
				t.Errorf("by the first hash: %v", err)
			}
		}
		anchored(t, c, 3)
	})
}

// A transaction that is signed and never wanted holds up no other one, and is sent when it is wanted
// after its era.
func TestWantedLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		n := open(t, db, c, func(c *Config) { c.Signer = keys(t, 1) })
		steps(t, n)
		staged := stage(t, n, calls(3)...)
		broadcast(t, n, staged[1:]...)
		steps(t, n)
		c.Step(70)
		steps(t, n) // the first loses its nonce, and the others get it
		steps(t, n)
		c.Step(1)
		steps(t, n)
		find(t, n, staged[1:]...)
		broadcast(t, n, staged[0])
		steps(t, n)
		c.Step(1)
		steps(t, n)
		find(t, n, staged...)
		anchored(t, c, 3)
	})
}

// killed is the panic of a process that a test kills.
type killed struct{}

// The process is killed between any two effects. The next one finishes the work.
func TestKilled(t *testing.T) { bothWays(t, testKilled) }

func testKilled(t *testing.T, batch int) {
	for _, point := range []string{"staged", "wanted", "sent", "found", "decided", "parked", "resigned"} {
		t.Run(point, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := start(t, node.Options{})
				dies := func(f func(n *Network)) {
					n := open(t, db, c, inBatches(batch))
					steps(t, n)
					var once sync.Mutex // send runs in several goroutines
					dead := false
					n.crash = func(at string) {
						once.Lock()
						defer once.Unlock()
						if at == "substrate."+point || dead {
							dead = true
							if point == "sent" { // of a goroutine: nothing is recorded after it
								n.chain.client.Close()
								return
							}
							panic(killed{})
						}
					}
					func() {
						defer func() {
							if v := recover(); v != nil && v != (killed{}) {
								panic(v)
							}
						}()
						f(n)
					}()
					n.chain.client.Close()
				}
				dies(func(n *Network) { _, _ = n.Stage(context.Background(), call(0)) })
				dies(func(n *Network) {
					s := stage(t, n, calls(3)...)
					_ = n.Broadcast(context.Background(), s)
					_ = n.step(context.Background(), true)
				})
				if point == "resigned" || point == "parked" {
					c.Restart()
					c.Step(70)
				} else {
					c.Step(1)
				}
				dies(func(n *Network) { _ = n.step(context.Background(), true) })
				n := open(t, db, c, inBatches(batch))
				s := stage(t, n2(t, n), calls(3)...)
				broadcast(t, n, s...)
				for range 3 {
					later(db, time.Minute)
					steps(t, n)
					c.Step(1)
				}
				steps(t, n)
				find(t, n, s...)
				anchored(t, c, 3)
			})
		})
	}
}

// n2 makes the first step of a network.
func n2(t *testing.T, n *Network) *Network {
	t.Helper()
	steps(t, n)
	return n
}

// Two processes work on one database, while the node loses its pool and forks.
func TestTwoWorkers(t *testing.T) { bothWays(t, testTwoWorkers) }

func testTwoWorkers(t *testing.T, batch int) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const total = 30
		c := start(t, node.Options{FinalityLag: 2})
		one, two := open(t, db, c, inBatches(batch)), open(t, db, c, inBatches(batch))
		steps(t, one)
		steps(t, two)
		var staged []network.Staged
		var stop, working sync.WaitGroup
		done := make(chan struct{})
		for _, n := range []*Network{one, two} {
			working.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						_ = n.step(context.Background(), false) // may fail: the node restarts
					}
				}
			})
		}
		stop.Go(func() {
			for i := range total {
				s := stage(t, []*Network{one, two}[i%2], call(i))
				broadcast(t, []*Network{two, one}[i%2], s...)
				staged = append(staged, s...)
				if i%10 == 9 {
					c.Restart()
				}
				if c.Step(1); i%7 == 3 {
					_ = c.Reorg(1, i%2 == 0)
				}
			}
		})
		stop.Wait()
		close(done)
		working.Wait()
		_ = one.step(t.Context(), true) // the connection was lost
		_ = two.step(t.Context(), true)
		for range 200 { // more than an era
			if len(rows(t, one)) == 0 {
				break
			}
			later(db, time.Minute)
			steps(t, one)
			c.Step(1)
			steps(t, two)
		}
		find(t, one, staged...)
		anchored(t, c, total)
	})
}

// A refusal of the chain is final: it has the chain's own name, and its place on the chain.
func TestDispatchFailure(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := node.Options{Runtime: node.Melodie()}
		o.Runtime.Rules.MaxVersionsPerAts = 1
		c := start(t, o)
		n := open(t, db, c)
		steps(t, n)
		staged := stage(t, n, call(0))
		broadcast(t, n, staged...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		find(t, n, staged...)
		update := call(1)
		update.AtsID = 1
		if err := n.DryRun(t.Context(), update); !errors.Is(err, network.ErrRefused) {
			t.Errorf("%v", err)
		}
		staged = stage(t, n, update)
		broadcast(t, n, staged...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		r := find(t, n, staged...)[0]
		if r.Failure != "the chain refused it: Ats.MaxVersionsReached" || r.BlockNumber != int64(c.Final()) || r.BlockHash == [32]byte{} || r.Version != 0 {
			t.Errorf("%+v", r)
		}
		if _, err := n.Prove(t.Context(), staged[0].Hash); !errors.Is(err, network.ErrNotFinal) {
			t.Error(err)
		}
		if at, err := n.Status(t.Context()); err != nil || at.Entries != 1 || at.Refused != 1 {
			t.Errorf("%+v, %v", at, err)
		}
	})
}

// A full account signs no new work; when all are full, nothing can be registered. An account
// that something else filled costs a fee, and another account signs.
func TestFullAccounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := node.Options{Runtime: node.Melodie()}
		o.Runtime.Rules.MaxAtsPerAccount = 2
		c := start(t, o)
		n := open(t, db, c)
		steps(t, n)
		staged := stage(t, n, call(0), call(1), call(2))
		broadcast(t, n, staged...)
		// The account with one of the three gets two more from elsewhere, with later nonces.
		first, err := sr25519.Numbered(seed, 1)
		if err != nil {
			t.Fatal(err)
		}
		substratetest.Submit(t, c, first, 0)
		substratetest.Submit(t, c, first, 1)
		c.Step(1)
		for range 2 {
			later(db, time.Minute)
			steps(t, n)
			c.Step(1)
		}
		steps(t, n)
		stopped := n.Stopped(t.Context())
		if !errors.Is(stopped, network.ErrStopped) || !strings.Contains(stopped.Error(), "more accounts") {
			t.Errorf("%v", stopped)
		}
		if err := n.DryRun(t.Context(), call(9)); !errors.Is(err, network.ErrStopped) {
			t.Errorf("%v", err)
		}
		if _, err := n.Stage(t.Context(), call(9)); err == nil || errors.Is(err, network.ErrRefused) {
			t.Errorf("%v", err)
		}
		more := open(t, db, c, func(c *Config) { c.Signer = keys(t, 3) })
		c.Fund(substratetest.Account(t, seed, 2), 100*node.Coin)
		c.Step(1)
		for range 3 {
			later(db, time.Minute)
			steps(t, more)
			c.Step(1)
		}
		steps(t, more)
		find(t, more, staged...)
		if err := more.Stopped(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Audit(); err != nil {
			t.Error(err)
		}
	})
}

// Without enough for deposit, fee and what must stay, nothing is sent, and no fee is lost.
func TestFunds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		account := substratetest.Account(t, seed, 0)
		c := start(t, node.Options{Endowed: map[node.Account]uint64{account: 12 * node.Coin}})
		n := open(t, db, c, func(c *Config) { c.Signer = keys(t, 1) })
		steps(t, n)
		if err := n.DryRun(t.Context(), call(0)); err != nil {
			t.Fatal(err)
		}
		staged := stage(t, n, calls(2)...)
		broadcast(t, n, staged...)
		for range 3 {
			steps(t, n)
			c.Step(1)
			later(db, time.Minute)
		}
		steps(t, n)
		find(t, n, staged[0])
		if err := n.DryRun(t.Context(), call(3)); !errors.Is(err, network.ErrStopped) || !strings.Contains(err.Error(), "funds") {
			t.Errorf("%v", err)
		}
		if b := c.Balance(account); b.Nonce != 1 {
			t.Errorf("a transaction without its deposit was sent: %+v", b)
		}
		c.Fund(account, 50*node.Coin)
		c.Step(1)
		for range 2 {
			steps(t, n)
			c.Step(1)
			later(db, time.Minute)
		}
		steps(t, n)
		find(t, n, staged...)
		if err := n.DryRun(t.Context(), call(3)); err != nil {
			t.Error(err)
		}
		anchored(t, c, 2)
	})
}

// The runtime changes while transactions are in flight: to one with other numbers for
// everything, and to the later one of the public network.
func TestUpgrade(t *testing.T) { bothWays(t, testUpgrade) }

func testUpgrade(t *testing.T, batch int) {
	for name, to := range map[string]node.Runtime{"other numbers": node.Melodie().Next(), "version 201": node.Melodie201()} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := start(t, node.Options{})
				n := open(t, db, c, inBatches(batch))
				steps(t, n)
				staged := stage(t, n, calls(4)...)
				broadcast(t, n, staged[:2]...)
				steps(t, n)
				c.Upgrade(to)
				c.Step(1) // has the first two, and ends with the new runtime
				broadcast(t, n, staged[2:]...)
				later(db, time.Minute)
				steps(t, n)
				find(t, n, staged[:2]...)
				update := call(5)
				update.AtsID = 1
				late := stage(t, n, call(4), update)
				broadcast(t, n, late...)
				for range 70 {
					c.Step(1)
				}
				for range 3 {
					later(db, time.Minute)
					steps(t, n)
					c.Step(1)
				}
				steps(t, n)
				receipts := find(t, n, append(staged, late...)...)
				if r := receipts[5]; r.AtsID != 1 || r.Version != 2 {
					t.Errorf("%+v", r)
				}
				anchored(t, c, 6)
				if got := n.current.Load().SpecVersion; got != to.Spec {
					t.Errorf("version %d", got)
				}
			})
		})
	}
}

// A worker that returns after the nodes have discarded the states still finds what went through.
func TestDiscardedStates(t *testing.T) { bothWays(t, testDiscardedStates) }

func testDiscardedStates(t *testing.T, batch int) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := node.Options{PruneAfter: 8, Runtime: node.Melodie()}
		o.Runtime.Rules.MaxVersionsPerAts = 2
		c := start(t, o)
		n := open(t, db, c, inBatches(batch))
		steps(t, n)
		staged := stage(t, n, calls(4)...)
		broadcast(t, n, staged[0])
		steps(t, n)
		c.Step(1)
		steps(t, n)
		find(t, n, staged[0])
		again := call(3) // the same commitment once more, by the same account or the other
		again.Nonce = "again"
		update, full := call(4), call(5)
		update.AtsID, full.AtsID = 1, 1
		staged = append(staged, stage(t, n, again, update, full)...)
		broadcast(t, n, staged[1:]...)
		steps(t, n)
		c.Step(20)
		gone := open(t, db, c, inBatches(batch))
		steps(t, gone)
		later(db, time.Minute) // their proofs cannot be collected any more
		receipts := find(t, gone, staged...)
		ids := map[int64]bool{}
		for _, r := range receipts[:5] {
			ids[r.AtsID] = true
			if r.Failure != "" || r.Version != 1 {
				t.Errorf("%+v", r)
			}
		}
		if len(ids) != 5 {
			t.Errorf("%v", ids)
		}
		if r := receipts[5]; r.AtsID != 1 || r.Version != 2 || r.Failure != "" {
			t.Errorf("%+v", r)
		}
		if r := receipts[6]; r.Failure != errLost || r.BlockNumber == 0 {
			t.Errorf("%+v", r)
		}
		for i, row := range kept(t, gone, staged...) { // no event says what the chain took
			if known := i == 0; (row.Fee != "") != known || (row.Tip != "") != known {
				t.Errorf("transaction %d: fee %q, tip %q", i, row.Fee, row.Tip)
			}
		}
		if err := c.Audit(); err != nil {
			t.Error(err)
		}
	})
}

// A node of another chain, and one that shows other final blocks, are refused.
func TestOtherChain(t *testing.T) {
	db := storetest.SQLite(t)
	c := start(t, node.Options{})
	n := open(t, db, c)
	steps(t, n)
	staged := stage(t, n, call(0))
	broadcast(t, n, staged...)
	other := start(t, node.Options{Genesis: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)})
	wrong := open(t, db, other)
	if err := wrong.step(t.Context(), true); !errors.Is(err, errOtherChain) {
		t.Errorf("%v", err)
	}
	if err := n.Stopped(t.Context()); !errors.Is(err, network.ErrStopped) {
		t.Errorf("%v", err)
	}
	if other.Pool() != 0 {
		t.Error("something was sent to another chain")
	}
	steps(t, n)
	if err := n.Stopped(t.Context()); err != nil {
		t.Error(err)
	}
}

// Run connects, notices the blocks of the chain, and ends.
func TestRun(t *testing.T) {
	db := storetest.SQLite(t)
	c := start(t, node.Options{Auto: true})
	n := open(t, db, c, func(conf *Config) { conf.URL = "substrate:ws://127.0.0.1:1," + c.URL; conf.Poll = time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { n.Run(ctx); close(ended) }()
	for n.current.Load() == nil || n.Sequenced(t.Context()) != nil {
		time.Sleep(time.Millisecond)
	}
	var staged []network.Staged
	for i := range 5 {
		s := stage(t, n, call(i))
		staged = append(staged, s...)
		head := n.Head()
		broadcast(t, n, s...)
		<-head
	}
	find(t, n, staged...)
	anchored(t, c, 5)
	cancel()
	<-ended
	fmt.Fprint(discard{}, n)
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// A database that went back lacks bytes that were sent later. Their calls are not sent again.
func TestRestored(t *testing.T) { bothWays(t, testRestored) }

func testRestored(t *testing.T, batch int) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		// This is the database that is lost. Both have the same accounts.
		lost := open(t, storetest.SQLite(t), c, inBatches(batch))
		steps(t, lost)
		n := open(t, db, c, inBatches(batch))
		steps(t, n)
		first := stage(t, n, call(0))
		broadcast(t, n, first...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		gone := stage(t, lost, call(1), call(2))
		broadcast(t, lost, gone...)
		for range 3 { // its nonces were used
			later(lost.db, time.Minute)
			steps(t, lost)
			c.Step(1)
		}
		steps(t, lost)
		was := find(t, lost, gone...)[0].Final()

		staged := stage(t, n, calls(4)...)
		broadcast(t, n, staged...)
		for range 3 {
			later(db, time.Minute)
			steps(t, n)
			c.Step(1)
		}
		steps(t, n)
		for i, r := range find(t, n, staged...) {
			if batch == 0 && (i == 1 || i == 2) != (r.Final() != r.Hash) || r.Version != 1 {
				t.Errorf("call %d: %+v", i, r)
			}
			if i == 1 && r.Final() != was {
				t.Errorf("%x, want %x", r.Final(), was)
			}
		}
		took, sum, shares := substratetest.Fees(t, c.URL, 0, int64(c.Final())), new(big.Int), map[[32]byte]*big.Int{}
		for _, row := range kept(t, n, staged...) {
			of := [32]byte(row.SignedHash)
			if shares[of] == nil {
				shares[of] = new(big.Int)
			}
			shares[of].Add(shares[of], amount(row.Fee))
			sum.Add(sum, amount(row.Fee))
		}
		for of, got := range shares {
			if want := took[of]; want == nil || got.Cmp(want) != 0 {
				t.Errorf("transaction %x: fee %s, the chain's %v", of, got, want)
			}
		}
		if row := chainRow(t, n); row.Fees != sum.String() {
			t.Errorf("fees %s, want %s", row.Fees, sum)
		}
		anchored(t, c, 4)
	})
}

// A node that has no justification is asked again. Late, the proof is stored without it. A block
// whose state is gone does not keep others from their proofs.
func TestCollectedLate(t *testing.T) {
	db := storetest.SQLite(t)
	c := start(t, node.Options{})
	n := open(t, db, c)
	steps(t, n)
	one := func(i int) network.Staged {
		s := stage(t, n, call(i))
		broadcast(t, n, s...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		return s[0]
	}
	proof := func(s network.Staged) *evidence.Substrate {
		p, err := n.Prove(t.Context(), s.Hash)
		if err != nil {
			t.Fatal(err)
		}
		return p.Substrate
	}
	c.Inject(node.Fault{Method: "grandpa_proveFinality", Code: -32000, Message: "no"})
	first := one(0)
	if found, err := n.Find(t.Context(), [][32]byte{first.Hash}); err != nil || len(found) != 0 || proof(first).StateProof != nil {
		t.Errorf("found before its proof: %v", err)
	}
	c.Heal()
	steps(t, n)
	if find(t, n, first); proof(first).Finality == nil {
		t.Error("the node was not asked again")
	}
	c.Inject(node.Fault{Method: "grandpa_proveFinality", Code: -32000, Message: "no"})
	second := one(1)
	c.Step(130)
	steps(t, n)
	if p := proof(second); p.Finality != nil || len(p.StateProof) == 0 {
		t.Errorf("%+v", p)
	}
	c.Heal()
	c.Inject(node.Fault{Method: "state_getReadProof", Times: 1, Code: 4003, Message: "State already discarded"})
	third := one(2)
	fourth := one(3)
	if proof(third).Finality == nil || proof(fourth).Finality == nil {
		t.Error("a proof is missing")
	}
}

// The proof begins at the chain's first set of authorities. It leads to the set that made the block
// final, also when the block hands over to the next one.
func TestRotation(t *testing.T) {
	db := storetest.SQLite(t)
	c := start(t, node.Options{})
	n := open(t, db, c)
	steps(t, n)
	sets := map[int64]bool{}
	for i := range 6 {
		s := stage(t, n, call(i))
		broadcast(t, n, s...)
		steps(t, n)
		if i%2 == 0 {
			c.Rotate(4+i, 0)
		}
		c.Step(1)
		steps(t, n)
		r := find(t, n, s...)[0]
		p, err := n.Prove(t.Context(), r.Final())
		if err != nil {
			t.Fatal(err)
		}
		made, err := c.Evidence(uint64(r.AtsID), 0)
		if err != nil {
			t.Fatal(err)
		}
		f := p.Substrate.Finality
		if f == nil || f.SetID != 0 || len(f.HandOffs) != int(made.Set.ID) || string(f.Justification) != string(made.Justification) || len(f.Headers) != len(made.Headers) {
			t.Fatalf("work %d: %+v, want set %d", r.AtsID, f, made.Set.ID)
		}
		for i, h := range f.HandOffs {
			if string(h.Header) != string(made.HandOffs[i].Headers[0]) || string(h.Justification) != string(made.HandOffs[i].Justification) {
				t.Errorf("hand-off %d differs", i)
			}
		}
		if i == 0 && string(f.Authorities) != string(made.Set.Encode()) {
			t.Errorf("the first set is %x", f.Authorities)
		}
		for i, h := range f.Headers {
			if string(h) != string(made.Headers[i]) {
				t.Errorf("header %d differs", i)
			}
		}
		sets[int64(len(f.HandOffs))] = true
	}
	if len(sets) < 3 {
		t.Errorf("%d sets", len(sets))
	}
	anchored(t, c, 6)
}

// locked is a signer that answers only sometimes.
type locked struct {
	sr25519.Keys
	err error
}

func (l *locked) Sign(ctx context.Context, account [32]byte, message []byte) ([sr25519.SignatureSize]byte, error) {
	if l.err != nil {
		return [sr25519.SignatureSize]byte{}, l.err
	}
	return l.Keys.Sign(ctx, account, message)
}

// A signer that does not answer takes no nonce. Signed transactions are sent meanwhile. Void ones are signed
// again when the signer is back.
func TestSignerIsSilent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		by := &locked{Keys: keys(t, 1)}
		n := open(t, db, c, func(c *Config) { c.Signer = by })
		steps(t, n)
		first := stage(t, n, call(0))
		broadcast(t, n, first...)
		by.err = errors.New("locked")
		if _, err := n.Stage(t.Context(), call(1)); !errors.Is(err, by.err) {
			t.Fatal(err)
		}
		if again := stage(t, n, call(0)); again[0].Hash != first[0].Hash {
			t.Error("what is signed was signed again")
		}
		c.Step(70) // the first was not sent, and its era ends
		if err := n.step(t.Context(), true); !errors.Is(err, by.err) {
			t.Errorf("a step without signatures: %v", err)
		}
		by.err = nil
		steps(t, n)
		second := stage(t, n, call(1))
		broadcast(t, n, second...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		find(t, n, append(first, second...)...)
		anchored(t, c, 2)
	})
}

// Several hundred works enter one block: the weight of the runtime allows it, and the nonces of
// each account follow one another without waiting.
func TestHundredsInOneBlock(t *testing.T) {
	const works = 400
	db := storetest.SQLite(t)
	c := start(t, node.Options{})
	n := open(t, db, c)
	steps(t, n)
	signing := time.Now()
	staged := stage(t, n, calls(works)...)
	sending := time.Now()
	broadcast(t, n, staged...)
	steps(t, n)
	sent := time.Now()
	if c.Pool() != works {
		t.Fatalf("the pool has %d transactions", c.Pool())
	}
	c.Step(1)
	made, before, blocks := time.Now(), c.Requests(), c.Calls("chain_getBlock")
	steps(t, n)
	asked := c.Requests() - before
	// 7 proofs of 64 works, and what is asked once for a block or a step.
	if proofs := c.Calls("state_getReadProof"); proofs != (works+maxProofs-1)/maxProofs {
		t.Errorf("%d requests for proofs", proofs)
	}
	if blocks := c.Calls("chain_getBlock") - blocks; blocks != 1 {
		t.Errorf("the block was asked for %d times", blocks)
	}
	if asked > 40 {
		t.Errorf("%d requests for a block with %d works", asked, works)
	}
	t.Logf("%d requests for a block with %d works", asked, works)
	t.Logf("%d works in one block: signed in %s, sent in %s, read with their proofs in %s", works, sending.Sub(signing).Round(time.Millisecond), sent.Sub(sending).Round(time.Millisecond), time.Since(made).Round(time.Millisecond))
	for i, row := range kept(t, n, staged...) {
		if row.DecidedAt == 0 || row.Version != 1 || row.Block != int64(c.Final()) || row.Signatures != 1 {
			t.Fatalf("%+v", row)
		}
		if i%25 == 0 {
			proofAlone(t, c, n, staged[i], row.AtsID)
		}
	}
	anchored(t, c, works)
}

// proofAlone checks that a work's evidence has what a node proves for this work alone, and no more.
func proofAlone(t *testing.T, c *node.Node, n *Network, s network.Staged, id int64) {
	t.Helper()
	p, err := n.Prove(t.Context(), s.Hash)
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.Evidence(uint64(id), 0)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(made.Proof, bytes.Compare)
	made.Proof = slices.CompactFunc(made.Proof, bytes.Equal)
	if !slices.EqualFunc(p.Substrate.StateProof, made.Proof, func(a evidence.Bytes, b []byte) bool { return bytes.Equal(a, b) }) {
		t.Errorf("the proof of work %d has %d nodes, and that of this work alone %d", id, len(p.Substrate.StateProof), len(made.Proof))
	}
}

// The requests of a step do not grow with the works in it. Only submissions do, and versions whose
// results no state has any more.
func TestFewRequests(t *testing.T) {
	const works, others = 60, 40 // others do not depend on the number of works
	db := storetest.SQLite(t)
	c := start(t, node.Options{PruneAfter: 8})
	n := open(t, db, c)
	steps(t, n)
	asked := func(what string, most int, of *Network) {
		t.Helper()
		before := c.Requests()
		steps(t, of)
		if got := c.Requests() - before; got > most {
			t.Errorf("%s: %d requests for %d works", what, got, works)
		}
	}
	staged := stage(t, n, calls(works)...)
	broadcast(t, n, staged...)
	asked("send", works+others, n)
	c.Step(1)
	asked("read", others, n)
	var updates []network.Call
	for i, r := range find(t, n, staged...) {
		u := call(works + i)
		u.AtsID = r.AtsID
		updates = append(updates, u)
	}
	later := stage(t, n, updates...)
	broadcast(t, n, later...)
	asked("send versions", works+others, n)
	last := stage(t, n, call(2*works))
	broadcast(t, n, last...)
	asked("send", 1+others, n)
	c.Step(20) // no node has the events any more
	gone := open(t, db, c)
	asked("look up", works+others, gone)
	for _, row := range kept(t, gone, append(later, last...)...) {
		if row.Version == 0 || row.Failure != "" {
			t.Fatalf("%+v", row)
		}
	}
	anchored(t, c, 2*works+1)
}

// In an answer for several works, what is wrong for one does not keep the others from their proofs.
func TestOneWrong(t *testing.T) {
	db := storetest.SQLite(t)
	c := start(t, node.Options{})
	n := open(t, db, c)
	steps(t, n)
	staged := stage(t, n, calls(3)...)
	broadcast(t, n, staged...)
	steps(t, n)
	c.Inject(node.Fault{Method: "state_getReadProof", Code: 4003, Message: "State already discarded"})
	c.Step(1)
	steps(t, n)
	c.Heal()
	rows, err := db.Read().ListUnprovedSubstrateTransactions(t.Context(), query.ListUnprovedSubstrateTransactionsParams{Network: n.name(), Since: 1, Lim: 9})
	if err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
	f, err := n.finalBlock(t.Context(), int64(c.Final()), int64(c.Final()))
	if err != nil {
		t.Fatal(err)
	}
	rows[1].Version = 7 // as if the node had not this one
	if kept, err := n.collectOf(t.Context(), f, rows); err != nil || kept != 2 {
		t.Fatal(kept, err)
	}
	counted, err := n.Proving(t.Context())
	if err != nil || counted.Waiting != 1 {
		t.Errorf("%+v, %v", counted, err)
	}
	steps(t, n)
	for _, s := range staged {
		p, err := n.Prove(t.Context(), s.Hash)
		if err != nil || len(p.Substrate.StateProof) == 0 || p.Substrate.Finality == nil {
			t.Errorf("%v", err)
		}
	}
}
