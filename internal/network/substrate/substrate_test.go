package substrate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
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
)

var seed = [32]byte{1, 2, 3}

// start runs a chain with funds for the first two accounts of the seed.
func start(t testing.TB, o node.Options) *node.Node {
	t.Helper()
	return substratetest.Start(t, seed, 2, o)
}

// open opens the network with two accounts. Tests make its steps themselves.
func open(t testing.TB, db *store.DB, c *node.Node, change ...func(*Config)) *Network {
	t.Helper()
	conf := Config{Network: network.Mainnet, Signer: keys(t, 2), Logger: slog.New(slog.DiscardHandler)}
	if c != nil {
		conf.URL = "substrate:" + c.URL
	}
	for _, f := range change {
		f(&conf)
	}
	n, err := Open(db, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.chain.client.Close() })
	return n
}

// keys are the first accounts of the seed.
func keys(t testing.TB, n int) sr25519.Keys {
	t.Helper()
	k, err := sr25519.NewKeys(seed, n)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// steps makes a step that must succeed, with all accounts.
func steps(t testing.TB, n *Network) {
	t.Helper()
	if err := n.step(t.Context(), true); err != nil {
		t.Fatal(err)
	}
}

// call returns the i-th of many different new works.
func call(i int) network.Call {
	c := network.Call{ProtocolVersion: 1, Nonce: fmt.Sprint("nonce ", i)}
	binary.BigEndian.PutUint64(c.Commitment[:], uint64(i+1))
	return c
}

func stage(t testing.TB, n *Network, calls ...network.Call) (all []network.Staged) {
	t.Helper()
	for _, c := range calls {
		s, err := n.Stage(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func broadcast(t testing.TB, n *Network, staged ...network.Staged) {
	t.Helper()
	if err := n.Broadcast(t.Context(), staged); err != nil {
		t.Fatal(err)
	}
}

// find returns the receipts of transactions that must be final.
func find(t testing.TB, n *Network, staged ...network.Staged) (all []network.Receipt) {
	t.Helper()
	var hashes [][32]byte
	for _, s := range staged {
		hashes = append(hashes, s.Hash)
	}
	found, err := n.Find(t.Context(), hashes)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range staged {
		r, ok := found[s.Hash]
		if !ok {
			for _, r := range rows(t, n) {
				t.Logf("open: %x of %x with nonce %d until block %d, signed %d times, wanted %t, sent %t, %s", r.SignedHash[:4], r.Account[:4], r.Nonce, r.Ends, r.Signatures, r.Wanted, r.SentAt != 0, r.Answer)
			}
			t.Fatalf("transaction %x is not final", s.Hash)
		}
		all = append(all, r)
	}
	return all
}

// rows returns the open transactions.
func rows(t testing.TB, n *Network) []query.SubstrateTransaction {
	t.Helper()
	all, err := n.db.Read().ListOpenSubstrateTransactions(t.Context(), n.name())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// anchored checks that the chain has each of the first calls exactly once, and nothing else
// of the registry.
func anchored(t testing.TB, c *node.Node, calls int) {
	t.Helper()
	count := map[[32]byte]int{}
	for _, w := range c.Works()[1:] {
		for _, v := range w.Versions {
			count[v.Commitment]++
		}
	}
	for i := range calls {
		if n := count[call(i).Commitment]; n != 1 {
			t.Errorf("call %d is on the chain %d times", i, n)
		}
	}
	if len(count) != calls {
		t.Errorf("the chain has %d commitments, want %d", len(count), calls)
	}
	if err := c.Audit(); err != nil {
		t.Error(err)
	}
}

// later moves the clock of a database.
func later(db *store.DB, by time.Duration) {
	now := db.Now
	db.Now = func() time.Time { return now().Add(by) }
}

func TestAnchor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		n := open(t, db, c)
		if err := n.DryRun(t.Context(), call(0)); err == nil {
			t.Error("a dry run before the first connection succeeds")
		}
		if _, err := n.Stage(t.Context(), call(0)); err == nil {
			t.Error("a call is signed before the first connection")
		}
		steps(t, n)
		if err := n.DryRun(t.Context(), call(0)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(n.Stopped(t.Context()), n.Sequenced(t.Context())); err != nil {
			t.Error(err)
		}
		s := stage(t, n, call(0), call(0))
		if s[0].Hash != s[1].Hash || string(s[0].Bytes) != string(s[1].Bytes) || blake2b.Sum256(s[0].Bytes) != s[0].Hash {
			t.Fatal("the same call is signed twice")
		}
		other := call(0)
		other.Commitment[5] = 1
		if _, err := n.Stage(t.Context(), other); err == nil {
			t.Error("another call with the same nonce is signed")
		}
		if c.Step(1); c.Pool() != 0 || len(c.Works()) != 1 {
			t.Error("something was sent before Broadcast")
		}
		head := n.Head()
		broadcast(t, n, s[0])
		steps(t, n)
		if found, err := n.Find(t.Context(), [][32]byte{s[0].Hash}); err != nil || len(found) != 0 {
			t.Errorf("%+v, %v", found, err)
		}
		if _, err := n.Prove(t.Context(), s[0].Hash); !errors.Is(err, network.ErrNotFinal) {
			t.Error(err)
		}
		c.Step(1)
		steps(t, n)
		select {
		case <-head:
		default:
			t.Error("Head was not closed")
		}
		r := find(t, n, s[0])[0]
		if r.AtsID != 1 || r.Version != 1 || r.BlockNumber != int64(c.Final()) || r.Failure != "" || r.Final() != s[0].Hash || r.Owner == "" || r.At.IsZero() {
			t.Errorf("%+v", r)
		}
		p, err := n.Prove(t.Context(), s[0].Hash)
		if err != nil || p.Substrate == nil {
			t.Fatal(err)
		}
		if blake2b.Sum256(p.Substrate.Header) != r.BlockHash || p.Substrate.Genesis != [32]byte(c.Genesis()) || blake2b.Sum256(p.Substrate.Extrinsic) != s[0].Hash {
			t.Errorf("%+v", p.Substrate)
		}
		made, err := c.Evidence(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if f := p.Substrate.Finality; len(p.Substrate.StateProof) < 3 || len(p.Substrate.ExtrinsicProof) == 0 || f == nil || f.SetID != int64(made.Set.ID) || string(f.Justification) != string(made.Justification) || len(f.Headers) != len(made.Headers) {
			t.Errorf("%+v", p.Substrate)
		}

		// Another version of the work.
		update := call(1)
		update.AtsID = 1
		if err := n.DryRun(t.Context(), update); err != nil {
			t.Error(err)
		}
		u := stage(t, n, update)
		broadcast(t, n, u...)
		broadcast(t, n, u...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		if r := find(t, n, u...)[0]; r.AtsID != 1 || r.Version != 2 {
			t.Errorf("%+v", r)
		}
		for _, refused := range []network.Call{{}, {Nonce: "x", ProtocolVersion: 2, Commitment: [32]byte{1}}, {Nonce: "x", ProtocolVersion: 1}, {Nonce: "x", ProtocolVersion: 1, Commitment: [32]byte{1}, AtsID: 99}} {
			if err := n.DryRun(t.Context(), refused); !errors.Is(err, network.ErrRefused) {
				t.Errorf("%+v: %v", refused, err)
			}
			if _, err := n.Stage(t.Context(), refused); !errors.Is(err, network.ErrRefused) {
				t.Errorf("%+v: %v", refused, err)
			}
		}
		if err := n.Broadcast(t.Context(), []network.Staged{{Hash: [32]byte{1}}}); !errors.Is(err, network.ErrRefused) {
			t.Error(err)
		}
		anchored(t, c, 2)
		at, err := n.Status(t.Context())
		if err != nil || at.Entries != 2 || at.Refused != 0 || at.Stopped || at.Blocks != int64(c.Final()) {
			t.Errorf("%+v, %v", at, err)
		}
	})
}
