package substrate

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/network/substrate/substratetest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// Calls that wait for one account share a transaction. Each has its own result, its part of the fee, and its own proof.
func TestBatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		n := open(t, db, c, inBatches(20))
		steps(t, n)
		staged := stage(t, n, calls(31)...)
		if again := stage(t, n, calls(31)...); again[7].Hash != staged[7].Hash || string(again[7].Bytes) != string(staged[7].Bytes) {
			t.Error("the same call is staged twice")
		}
		if steps(t, n); c.Pool() != 0 {
			t.Error("something was sent before Broadcast")
		}
		broadcast(t, n, staged...)
		steps(t, n)
		if c.Pool() != 2 { // two accounts, with 15 and 16 works
			t.Fatalf("the pool has %d transactions", c.Pool())
		}
		steps(t, n)
		if again := stage(t, n, call(3)); again[0].Hash != staged[3].Hash {
			t.Error("the hash of a call changed")
		}
		c.Step(1)
		steps(t, n)
		batches := map[[32]byte]int{}
		for i, r := range find(t, n, staged...) {
			batches[r.Final()]++
			if !r.Shared || r.Own() != staged[i].Hash || r.Version != 1 || r.Failure != "" {
				t.Errorf("%+v", r)
			}
			p, err := n.ProveVersion(t.Context(), r.Final(), r.AtsID, r.Version)
			if err != nil {
				t.Fatal(err)
			}
			own, err := n.Prove(t.Context(), r.Hash)
			if err != nil || !reflect.DeepEqual(own, p) {
				t.Errorf("by its own hash: %v", err)
			}
			s := p.Substrate
			state, err := s.State(r.AtsID, r.Version)
			if err != nil || state.Commitment != call(i).Commitment || blake2b.Sum256(s.Extrinsic) != r.Final() {
				t.Errorf("%+v, %v", state, err)
			}
			if err := errors.Join(s.CheckExtrinsic(), s.CheckFinality()); err != nil {
				t.Error(err)
			}
		}
		if len(batches) != 2 {
			t.Errorf("%v", batches)
		}
		for of, works := range batches {
			if all, err := n.Calls(t.Context(), of, 100); err != nil || len(all) != works || !all[0].Shared {
				t.Errorf("%d calls of a batch of %d: %v", len(all), works, err)
			}
		}
		if _, err := n.ProveVersion(t.Context(), [32]byte{1}, 1, 1); !errors.Is(err, network.ErrNotFinal) {
			t.Error(err)
		}
		feesAgree(t, c, n, staged...)
		anchored(t, c, 31)
	})
}

// feesAgree checks that the recorded fees of the calls of each transaction are the chain's own fee.
func feesAgree(t *testing.T, c *node.Node, n *Network, staged ...network.Staged) {
	t.Helper()
	took, shares := substratetest.Fees(t, c.URL, 0, int64(c.Final())), map[[32]byte]*big.Int{}
	for _, row := range kept(t, n, staged...) {
		of := [32]byte(row.SignedHash)
		if shares[of] == nil {
			shares[of] = new(big.Int)
		}
		shares[of].Add(shares[of], amount(row.Fee))
	}
	for of, got := range shares {
		if want := took[of]; want == nil || got.Cmp(want) != 0 {
			t.Errorf("transaction %x: fee %s, the chain's %v", of, got, want)
		}
	}
}

// A call that the chain refuses fails alone, with the chain's own name.
func TestOneOfABatchFails(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := node.Options{Runtime: node.Melodie()}
		o.Runtime.Rules.MaxVersionsPerAts = 2
		c := start(t, o)
		n := open(t, db, c, inBatches(10), func(c *Config) { c.Signer = keys(t, 1) })
		steps(t, n)
		first := stage(t, n, call(0))
		broadcast(t, n, first...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		if r := find(t, n, first...)[0]; r.Shared || r.AtsID != 1 {
			t.Errorf("a call alone is in a batch: %+v", r)
		}
		update := func(i int) network.Call { u := call(i); u.AtsID = 1; return u }
		staged := stage(t, n, call(1), update(2), update(3), update(4), call(5))
		broadcast(t, n, staged...)
		steps(t, n)
		if c.Pool() != 1 {
			t.Fatalf("the pool has %d transactions", c.Pool())
		}
		c.Step(1)
		steps(t, n)
		failures, versions := 0, map[string]bool{}
		for _, r := range find(t, n, staged...) {
			versions[fmt.Sprint(r.AtsID, ".", r.Version)] = true
			if r.Failure != "" {
				failures++
				if r.Failure != "the chain refused it: Ats.MaxVersionsReached" || r.BlockNumber == 0 {
					t.Errorf("%+v", r)
				}
			}
		}
		if failures != 2 || !versions["1.2"] || !versions["2.1"] || !versions["3.1"] {
			t.Errorf("%d failures, %v", failures, versions)
		}
		feesAgree(t, c, n, staged...)
		if at, err := n.Status(t.Context()); err != nil || at.Entries != 4 || at.Refused != 2 {
			t.Errorf("%+v, %v", at, err)
		}
		if err := c.Audit(); err != nil {
			t.Error(err)
		}
	})
}

// An account that others filled refuses some calls of a batch: another account signs those.
func TestBatchOfAFullAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := node.Options{Runtime: node.Melodie()}
		o.Runtime.Rules.MaxAtsPerAccount = 4
		c := start(t, o)
		n := open(t, db, c, inBatches(10))
		steps(t, n)
		staged := stage(t, n, calls(4)...)
		broadcast(t, n, staged...)
		steps(t, n) // two for each account
		first, err := sr25519.Numbered(seed, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 { // with nonces after that of the batch
			substratetest.Submit(t, c, first, uint64(i)+1)
		}
		c.Step(1)
		for range 3 {
			later(db, time.Minute)
			steps(t, n)
			c.Step(1)
		}
		steps(t, n)
		find(t, n, staged...)
		if err := c.Audit(); err != nil {
			t.Error(err)
		}
	})
}

// A batch whose era ended is signed again by a worker with another number, also without batches. No call is lost or twice.
func TestBatchAgain(t *testing.T) {
	for name, of := range map[string]int{"larger": 9, "smaller": 2, "alone": 0} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := start(t, node.Options{})
				n := open(t, db, c, inBatches(4), func(c *Config) { c.Signer = keys(t, 1) })
				steps(t, n)
				staged := stage(t, n, calls(7)...)
				broadcast(t, n, staged...)
				c.Inject(node.Fault{Method: "author_submitExtrinsic", Code: 1016, Message: "Immediately Dropped"})
				steps(t, n) // batches of 4 and 3, which the node does not take
				other := open(t, db, c, inBatches(of), func(c *Config) { c.Signer = keys(t, 1) })
				steps(t, other)
				ends := rows(t, other)[0].Ends
				for int64(c.Final())+2 < ends {
					c.Step(1)
				}
				later(db, time.Minute)
				steps(t, other)
				for _, r := range rows(t, other) {
					if r.Signatures != 1 || r.Item == alone {
						t.Fatalf("signed again in the last block of its era: %+v", r)
					}
				}
				c.Step(1)
				steps(t, other)
				sizes := map[[32]byte]int{}
				for _, r := range rows(t, other) {
					sizes[[32]byte(r.SignedHash)]++
					if r.Signatures != 2 {
						t.Fatalf("not signed again after its era: %+v", r)
					}
				}
				if want := map[int]int{9: 1, 2: 4, 0: 7}[of]; len(sizes) != want {
					t.Errorf("%d transactions, want %d", len(sizes), want)
				}
				c.Heal()
				later(db, time.Minute)
				steps(t, other)
				c.Step(1)
				steps(t, other)
				find(t, other, staged...)
				feesAgree(t, c, other, staged...)
				anchored(t, c, 7)
			})
		})
	}
}

// Bytes of one call that are signed stay when batches begin.
func TestBatchesBegin(t *testing.T) {
	db := storetest.SQLite(t)
	c := start(t, node.Options{})
	n := open(t, db, c, func(c *Config) { c.Signer = keys(t, 1) })
	steps(t, n)
	staged := stage(t, n, call(0), call(1))
	broadcast(t, n, staged[0])
	steps(t, n)
	more := open(t, db, c, inBatches(5), func(c *Config) { c.Signer = keys(t, 1) })
	steps(t, more)
	staged = append(staged, stage(t, more, call(2), call(3))...)
	broadcast(t, more, staged[1:]...)
	steps(t, more)
	if c.Pool() != 3 {
		t.Errorf("the pool has %d transactions", c.Pool())
	}
	c.Step(1)
	steps(t, more)
	receipts := find(t, more, staged...)
	for i, r := range receipts {
		if r.Shared != (i >= 2) || (r.Final() == r.Hash) != (i < 2) {
			t.Errorf("call %d: %+v", i, r)
		}
	}
	anchored(t, c, 4)
}

// A batch that its account cannot pay as a whole is not sent, and no fee is lost.
func TestBatchWithoutFunds(t *testing.T) {
	db := storetest.SQLite(t)
	account := substratetest.Account(t, seed, 0)
	c := start(t, node.Options{Endowed: map[node.Account]uint64{account: 30 * node.Coin}})
	n := open(t, db, c, inBatches(5), func(c *Config) { c.Signer = keys(t, 1) })
	steps(t, n)
	staged := stage(t, n, calls(3)...)
	broadcast(t, n, staged...)
	steps(t, n)
	if c.Step(1); c.Balance(account).Nonce != 0 {
		t.Error("it was sent")
	}
	later(db, time.Minute)
	steps(t, n)
	if err := n.Stopped(t.Context()); !errors.Is(err, network.ErrStopped) || !strings.Contains(err.Error(), "funds") {
		t.Errorf("%v", err)
	}
	c.Fund(account, 50*node.Coin)
	c.Step(1)
	steps(t, n)
	c.Step(1)
	steps(t, n)
	find(t, n, staged...)
	anchored(t, c, 3)
}

// The parts of a fee are its sum.
func TestShare(t *testing.T) {
	if share(nil, 0, 3) != nil {
		t.Error("an unknown fee has parts")
	}
	for _, whole := range []int64{0, 1, 2, 10, 79273220835} {
		for n := 1; n <= 7; n++ {
			sum := new(big.Int)
			for i := range n {
				sum.Add(sum, share(big.NewInt(whole), i, n))
			}
			if sum.Int64() != whole {
				t.Errorf("%d in %d parts: %s", whole, n, sum)
			}
		}
	}
}

// The table of docs/chain.md is made on the test node, with the weights of Melodie.
func TestBatchTable(t *testing.T) {
	table := "| works of a transaction | works in a block, by weight | fee of a work, in 10⁻¹² | bytes of a work |\n|---|---|---|---|\n"
	for _, of := range []int{1, 2, 10, 50, MaxBatch} {
		db := storetest.SQLite(t)
		c := start(t, node.Options{})
		n := open(t, db, c, inBatches(of), func(c *Config) { c.Signer = keys(t, 1) })
		steps(t, n)
		staged := stage(t, n, calls(of)...)
		broadcast(t, n, staged...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		fee, size := new(big.Int), 0
		for _, row := range kept(t, n, staged...) {
			if row.Version != 1 {
				t.Fatalf("%+v", row)
			}
			fee.Add(fee, amount(row.Fee))
			size = len(row.Signed)
		}
		table += fmt.Sprintf("| %d | %d | %d | %d |\n", of, c.Room(c.Final())*of, fee.Int64()/int64(of), size/of)
	}
	page, err := os.ReadFile("../../../docs/chain.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), table) {
		t.Errorf("docs/chain.md has another table, want\n%s", table)
	}
}

// A real runtime takes a batch, and its events give each call its result.
func TestBatchOnAnotherProgram(t *testing.T) {
	url := os.Getenv("TIMBRE_TEST_SUBSTRATE")
	if url == "" {
		t.Skip("TIMBRE_TEST_SUBSTRATE names no node of another program: see docs/chain.md")
	}
	own := blake2b.Sum256(fmt.Append(nil, time.Now())) // a chain that others used has none of its works
	substratetest.Prepare(t, url, own, 1)
	by, err := sr25519.NewKeys(own, 1)
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.SQLite(t)
	n := open(t, db, nil, inBatches(10), func(c *Config) { c.URL, c.Signer = "substrate:"+url, by })
	steps(t, n)
	batch := func(calls ...network.Call) []network.Receipt {
		t.Helper()
		staged := stage(t, n, calls...)
		broadcast(t, n, staged...)
		for late := time.After(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if steps(t, n); len(rows(t, n)) == 0 {
				break
			}
			select {
			case <-late:
				t.Fatal("the batch is on no final block")
			default:
			}
		}
		later(db, time.Minute) // a program without read proofs gives none
		receipts := find(t, n, staged...)
		took, sum := substratetest.Fees(t, url, receipts[0].BlockNumber, receipts[0].BlockNumber), new(big.Int)
		for _, row := range kept(t, n, staged...) {
			sum.Add(sum, amount(row.Fee))
		}
		if want := took[receipts[0].Final()]; want == nil || want.Cmp(sum) != 0 {
			t.Errorf("fees %s, the chain's %v", sum, want)
		}
		t.Logf("%d calls in block %d: %d for each", len(calls), receipts[0].BlockNumber, sum.Int64()/int64(len(calls)))
		return receipts
	}
	made := batch(calls(10)...)
	works := substratetest.Works(t, url)
	for i, r := range made {
		if !r.Shared || r.Failure != "" || r.Version != 1 || works[r.AtsID].Versions[0].Commitment != call(i).Commitment {
			t.Errorf("%+v", r)
		}
	}
	update := call(20)
	update.AtsID = made[0].AtsID
	for _, r := range batch(update, call(22)) {
		if !r.Shared || r.Failure != "" {
			t.Errorf("%+v", r)
		}
	}
}
