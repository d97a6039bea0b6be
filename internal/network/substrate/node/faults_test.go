package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/crypto/blake2b"
)

// rich starts a node on which the wallet a has money.
func rich(t *testing.T, o Options) (*Node, wallet, *client) {
	t.Helper()
	w := newWallet(t, "a")
	o.Endowed = map[Account]uint64{w.id: 100_000 * Coin}
	n := Start(t, o)
	return n, w, dial(t, n)
}

func TestReorg(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{FinalityLag: 4})
	n.Step(2)
	c.call(new(string), "author_submitAndWatchExtrinsic", hexed(w.sign(t, createCall("1"), n.terms(0))))
	before := n.Step(2)
	if err := n.Reorg(2, true); err != nil {
		t.Fatal(err)
	}
	if len(n.Works()) != 0 || n.Pool() != 1 || n.Best() != 5 {
		t.Errorf("%d works, %d in the pool, block %d", len(n.Works()), n.Pool(), n.Best())
	}
	var hash string
	if c.call(&hash, "chain_getBlockHash", 4); hash == before.String() {
		t.Error("the best chain did not change")
	}
	var header map[string]any
	if c.call(&header, "chain_getHeader", before.String()); header == nil {
		t.Error("a node forgets forks before finality")
	}
	n.Step(6)
	if got := c.statuses(); got != "ready broadcast inBlock retracted ready broadcast inBlock finalized " {
		t.Error(got)
	}
	if c.call(&header, "chain_getHeader", before.String()); header != nil {
		t.Error("a fork outlives finality")
	}
	if err := n.Reorg(5, true); !errors.Is(err, ErrFinal) {
		t.Error(err)
	}
	c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, createCall("2"), n.terms(1))))
	n.Step(1)
	if err := n.Reorg(1, false); err != nil {
		t.Fatal(err)
	}
	n.Step(3)
	if len(n.Works()) != 1 || n.Pool() != 0 || n.Balance(w.id).Nonce != 1 {
		t.Errorf("%d works, %d in the pool", len(n.Works()), n.Pool())
	}
}

func TestPruned(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{PruneAfter: 8})
	c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, createCall("1"), n.terms(0))))
	at := n.Step(1)
	if _, err := n.Evidence(0, 0); err != nil {
		t.Error(err)
	}
	n.Step(7)
	c.hex("state_getStorage", hexed(keyEvents), at.String())
	n.Step(1)
	if _, err := c.try("state_getStorage", hexed(keyEvents), at.String()); code(err) != 4003 || !strings.Contains(err.Error(), "State already discarded for "+at.String()) {
		t.Error(err)
	}
	if _, err := c.try("state_getReadProof", []string{hexed(NowKey)}, at.String()); code(err) != 4003 {
		t.Error(err)
	}
	if _, err := n.Evidence(0, 0); !errors.Is(err, ErrNoEvidence) {
		t.Error(err)
	}
	var block map[string]any
	if c.call(&block, "chain_getBlock", at.String()); block == nil {
		t.Error("the body of a block is gone")
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{})
	c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, createCall("1"), n.terms(0))))
	c.call(new(string), "state_subscribeRuntimeVersion")
	old := w.sign(t, createCall("2"), n.terms(1))
	n.Upgrade(Melodie().Next())
	n.Step(1)
	if len(n.Works()) != 1 {
		t.Error("the block of the upgrade still runs the old runtime")
	}
	if _, err := c.try("author_submitExtrinsic", hexed(old)); err == nil {
		t.Error("the old form is accepted")
	}
	terms := n.terms(1)
	terms.spec, terms.transaction = 101, 2
	sum := blake2b.Sum256([]byte("2"))
	c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, append(append([]byte{movedIndex, 2}, sum[:]...), 1), terms)))
	terms.nonce++
	c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, append([]byte{movedIndex, 0}, le64(0)...), terms)))
	n.Step(1)
	if all := n.Works(); len(all) != 1 || all[0].ID != 1 {
		t.Errorf("%+v", all)
	}
	if err := n.Audit(); err != nil {
		t.Error(err)
	}
	if got := c.hex("state_getStorage", hexed(RuntimeUpgradeKey)); !bytes.Equal(got, lastUpgrade(Melodie().Next())) {
		t.Errorf("%x", got)
	}
	blob := c.hex("state_getMetadata")
	d, err := describe(blob)
	if err != nil || d.pallets["Ats"].index != movedIndex || d.pallets["Ats"].calls["create"] != 2 || d.pallets["Ats"].events["AtsCreated"] != 2 || d.pallets["Ats"].errors["NotOwner"] != 0 {
		t.Errorf("%v %+v", err, d.pallets["Ats"])
	}
	outer := 0
	for _, e := range d.enums {
		for _, v := range e.variants {
			if v.name == "Ats" && v.index == movedIndex {
				outer++
			}
		}
	}
	if outer < 3 {
		t.Errorf("%d enumerations have the new index", outer)
	}
	var versions []float64
	c.statuses()
	for _, raw := range c.notes {
		var v map[string]any
		if json.Unmarshal(raw, &v) == nil && v["specVersion"] != nil {
			versions = append(versions, v["specVersion"].(float64))
		}
	}
	if fmt.Sprint(versions) != "[100 101]" {
		t.Error(versions)
	}
}

// TestListed runs the runtime of spec version 201, from the start and after an upgrade.
func TestListed(t *testing.T) {
	t.Parallel()
	upgraded, w, c := rich(t, Options{})
	for i, call := range [][]byte{createCall("1"), updateCall(0, "2"), createCall("3")} {
		c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, call, upgraded.terms(uint64(i)))))
	}
	upgraded.Upgrade(Melodie201())
	upgraded.Step(2)
	if err := upgraded.Audit(); err != nil {
		t.Error(err)
	}
	fresh, _, _ := rich(t, Options{Runtime: Melodie201()})
	for n, works := range map[*Node]int{upgraded: 2, fresh: 0} {
		c := dial(t, n)
		next := uint64(n.Balance(w.id).Nonce)
		terms := n.terms(next)
		terms.spec, terms.transaction = 201, 2
		for _, call := range [][]byte{createCall("4"), updateCall(uint64(works), "5"), revokeCall(0), createCall("6")} {
			c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, call, terms)))
			terms.nonce++
		}
		n.Step(1)
		if got := fmt.Sprint(failures(t, n, n.Best())); got != "[ok ok ok ok]" {
			t.Error(got)
		}
		if err := n.Audit(); err != nil {
			t.Error(err)
		}
		if got := len(n.Works()); got != max(works, 0)+1 {
			t.Errorf("%d works", got)
		}
		last := n.Works()[len(n.Works())-1].ID
		if v, k := c.hex("state_getStorage", hexed(VersionKey(last, 0))), c.hex("state_getStorage", hexed(WorkKey(last))); len(v) != 37 || len(k) != 89 {
			t.Errorf("%x, %x", v, k)
		}
		v14, v16 := c.hex("state_getMetadata"), c.hex("state_call", "Metadata_metadata_at_version", hexed(le32(16)))
		low, err := describe(v14)
		if err != nil {
			t.Fatal(err)
		}
		high, err := describe(v16[5:])
		if err != nil || len(low.pallets) != len(high.pallets) || fmt.Sprint(low.exts) != fmt.Sprint(high.exts) || low.pallets["Ats"].index != high.pallets["Ats"].index {
			t.Error("the two forms of metadata differ", err)
		}
		if _, err := n.Evidence(last, 0); err != nil {
			t.Error(err)
		}
	}
}

func TestStalledFinality(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{})
	n.Step(1)
	n.StallFinality(true)
	c.call(new(string), "author_submitAndWatchExtrinsic", hexed(w.sign(t, createCall("1"), n.terms(0))))
	n.Step(20)
	if n.Final() != 1 || c.statuses() != "ready broadcast inBlock " {
		t.Error(n.Final(), c.statuses())
	}
	if _, err := c.try("grandpa_proveFinality", 2); code(err) != 2 {
		t.Error(err)
	}
	n.StallFinality(false)
	n.Step(1)
	n.StallFinality(true)
	c.call(new(string), "author_submitAndWatchExtrinsic", hexed(w.sign(t, createCall("2"), n.terms(1))))
	if n.Final() != 22 || c.statuses() != "ready broadcast inBlock finalized ready broadcast " {
		t.Error(n.Final(), c.statuses())
	}
	n.Step(513)
	if got := c.statuses(); got != "ready broadcast inBlock finalized ready broadcast inBlock finalityTimeout " {
		t.Error(got)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{NotifyFirst: true, Auto: true})
	c.call(new(string), "author_submitAndWatchExtrinsic", hexed(w.sign(t, createCall("1"), n.terms(0))))
	c.statuses()
	if c.order[0] != updates || string(c.notes[0]) != `"ready"` {
		t.Error(c.order, string(c.notes[0]))
	}
	n, w, c = rich(t, Options{Auto: true, Chopsticks: true})
	c.call(new(string), "author_submitAndWatchExtrinsic", hexed(w.sign(t, createCall("1"), n.terms(0))))
	c.statuses()
	if c.order[0] != "answer" || string(c.notes[0]) != `{"ready":null}` {
		t.Error(c.order, string(c.notes[0]))
	}
	if len(n.Works()) != 1 {
		t.Error("no block was made")
	}
}

func TestConnectionFaults(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{})
	raw := hexed(w.sign(t, createCall("1"), n.terms(0)))
	n.Inject(Fault{Method: "author_submitExtrinsic", Times: 1, Drop: DropBefore})
	n.Inject(Fault{Method: "author_submitExtrinsic", Times: 1, Drop: DropAfter})
	for i := range 2 {
		if _, err := c.try("author_submitExtrinsic", raw); err == nil || code(err) != 0 {
			t.Error("an answer after the connection ended:", err)
		}
		if n.Pool() != i {
			t.Errorf("%d in the pool", n.Pool())
		}
		c = dial(t, n)
	}
	if _, err := c.try("author_submitExtrinsic", raw); code(err) != 1013 {
		t.Error(err)
	}
	n.Inject(Fault{Method: "system_name", Times: 1, Code: -32000, Message: "too busy"})
	if _, err := c.try("system_name"); code(err) != -32000 {
		t.Error(err)
	}
	gate := make(chan struct{})
	n.Inject(Fault{Method: "system_chain", Times: 1, Wait: gate})
	b, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1000, "method": "system_chain", "params": []any{}})
	if err := c.ws.Write(t.Context(), 1, b); err != nil {
		t.Fatal(err)
	}
	c.call(new(string), "system_name") // comes before it
	close(gate)
	if a, err := c.read(); err != nil || *a.ID != 1000 {
		t.Error(a, err)
	}
	n.Restart()
	if _, err := c.try("system_name"); err == nil {
		t.Error("the connection survives a restart")
	}
	if n.Pool() != 0 {
		t.Error("the pool survives a restart")
	}
	c = dial(t, n)
	n.Down(true)
	if _, err := c.try("system_name"); err == nil {
		t.Error("a node that is down answers")
	}
	n.Down(false)
	dial(t, n).call(new(string), "system_name")
}

func TestMortal(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{})
	n.Step(9)
	mortal := func(nonce uint64, text string) string {
		s := n.terms(nonce)
		s.era, s.birth = []byte{0x12, 0}, n.chain[9].hash // 8 blocks from block 9
		return hexed(w.sign(t, createCall(text), s))
	}
	c.call(new(string), "author_submitAndWatchExtrinsic", mortal(1, "future"))
	n.Step(6)
	late := mortal(0, "in time")
	c.call(new(string), "author_submitExtrinsic", late)
	n.Restart()
	c = dial(t, n)
	c.call(new(string), "author_submitAndWatchExtrinsic", mortal(1, "future"))
	if n.Step(1); n.Best() != 16 || n.Pool() != 0 {
		t.Errorf("block %d: %d in the pool", n.Best(), n.Pool())
	}
	if got := c.statuses(); got != "future invalid " {
		t.Error(got)
	}
	// The last block was 16. In block 17 another era begins, so the signature is another's.
	if _, err := c.try("author_submitExtrinsic", late); code(err) != 1010 {
		t.Error(err)
	}
}

func TestForcedChange(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{})
	n.Step(2)
	n.StallFinality(true)
	c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, createCall("1"), n.terms(0))))
	n.Step(2)
	n.ForceRotate(3, 1)
	n.Step(3)
	n.StallFinality(false)
	n.Step(1)
	e, err := n.Evidence(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if e.Number != 3 || e.Set.ID != 1 || len(e.HandOffs) != 1 || !e.HandOffs[0].Forced || e.HandOffs[0].Justification != nil {
		t.Errorf("block %d, set %d, %+v", e.Number, e.Set.ID, e.HandOffs)
	}
	judged(t, e.Justification, e.Set)
}

func TestLimitsOfBlocksAndAccounts(t *testing.T) {
	t.Parallel()
	r := Melodie()
	r.Rules.ExtrinsicsPerBlock, r.Rules.MaxAtsPerAccount, r.Rules.MaxVersionsPerAts = 3, 3, 2
	n, w, c := rich(t, Options{Runtime: r})
	for i, call := range [][]byte{createCall("0"), createCall("1"), createCall("2"), createCall("3"), updateCall(0, "4"), updateCall(0, "5"), updateCall(0, "6")} {
		c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, call, n.terms(uint64(i)))))
	}
	n.Step(3)
	got := fmt.Sprint(failures(t, n, 1), failures(t, n, 2), failures(t, n, 3))
	if got != "[ok ok ok] [module 105 error 4 ok module 105 error 2] [module 105 error 2]" {
		t.Error(got)
	}
	d, err := describe(c.hex("state_getMetadata"))
	if err != nil || !bytes.Equal(d.pallets["Ats"].constants["MaxAtsPerAccount"], le32(3)) {
		t.Error("metadata has another limit", err)
	}
}

func TestWeightOfBlock(t *testing.T) {
	t.Parallel()
	n, w, _ := rich(t, Options{})
	n.mu.Lock()
	for i := range 300 { // more than one block has weight for
		if _, err := n.submit(w.sign(t, revokeCall(7), n.terms(uint64(i)))); err != nil {
			t.Error(err)
		}
	}
	n.refresh()
	n.mu.Unlock()
	n.Step(1)
	if got := len(failures(t, n, 1)); got != maxWeight/(6_794_002_000+baseWeight) {
		t.Errorf("%d calls in a block", got)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	n, w, c := rich(t, Options{})
	batch := func(kind byte, calls ...[]byte) []byte {
		return append([]byte{1, kind, byte(len(calls) << 2)}, bytes.Join(calls, nil)...)
	}
	for i, call := range [][]byte{
		batch(0, createCall("1"), updateCall(9, "x"), createCall("2")), // stops at the second
		batch(2, createCall("3"), updateCall(9, "x")),                  // none
		batch(4, createCall("4"), updateCall(9, "x"), createCall("5")), // two of three
	} {
		c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, call, n.terms(uint64(i)))))
	}
	n.Step(1)
	if got := fmt.Sprint(failures(t, n, 1)); got != "[ok module 105 error 0 ok]" {
		t.Error(got)
	}
	if got := len(n.Works()); got != 3 {
		t.Errorf("%d works", got)
	}
	if err := n.Audit(); err != nil {
		t.Error(err)
	}
}

// TestInvariants runs random calls, forks and restarts, and audits each state.
func TestInvariants(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 9))
		wallets := []wallet{newWallet(t, "a"), newWallet(t, "b"), newWallet(t, "c")}
		n := Start(t, Options{FinalityLag: 6, Endowed: map[Account]uint64{wallets[0].id: 200 * Coin, wallets[1].id: 40 * Coin, wallets[2].id: Coin}})
		for range 60 {
			w := wallets[r.IntN(3)]
			id := uint64(r.IntN(12))
			call := [][]byte{createCall(fmt.Sprint(id)), updateCall(id, "x"), revokeCall(id), append(append([]byte{5, 3, 0}, wallets[r.IntN(3)].id[:]...), 2, 0x10, 0xa5, 0xd4)}[r.IntN(4)]
			n.mu.Lock()
			s := n.terms(uint64(n.nextIndex(w.id)) + uint64(r.IntN(10)/9))
			s.tip = uint64(r.IntN(3)) * Coin / 1000
			_, _ = n.submit(w.sign(t, call, s))
			n.refresh()
			n.mu.Unlock()
			switch r.IntN(8) {
			case 0, 1, 2:
				n.Step(1)
			case 3:
				_ = n.Reorg(1+r.IntN(3), r.IntN(2) == 0)
			case 4:
				if r.IntN(4) == 0 {
					n.Restart()
				}
			case 5:
				n.Fund(w.id, Coin)
			}
			if err := n.Audit(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		n.Step(3)
		if len(n.Works()) == 0 {
			t.Errorf("seed %d: no work", seed)
		}
	}
}

// TestManyClients sends from several connections at once, while blocks are made, undone, and
// the node restarts. Each client sends what is missing again.
func TestManyClients(t *testing.T) {
	t.Parallel()
	const clients, works = 4, 8
	endowed := map[Account]uint64{}
	var wallets []wallet
	for i := range clients {
		wallets = append(wallets, newWallet(t, fmt.Sprint("client ", i)))
		endowed[wallets[i].id] = 1000 * Coin
	}
	n := Start(t, Options{Endowed: endowed, FinalityLag: 3})
	var group sync.WaitGroup
	stop := make(chan struct{})
	for _, w := range wallets {
		var all [][]byte
		for i := range works {
			all = append(all, w.sign(t, createCall(fmt.Sprint(i)), n.terms(uint64(i))))
		}
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ws, _, err := websocket.Dial(t.Context(), n.URL, nil)
				if err != nil {
					continue
				}
				c := &client{t: t, ws: ws}
				_, _ = c.try("chain_subscribeNewHeads")
				for _, raw := range all {
					if _, err := c.try("author_submitAndWatchExtrinsic", hexed(raw)); err != nil && code(err) == 0 {
						break // the connection ended
					}
				}
				_ = ws.CloseNow()
			}
		})
	}
	for i := 0; len(n.Works()) < clients*works; i++ {
		if i < 20 || n.Pool() > 0 {
			n.Step(1)
		}
		if i < 20 && i%5 == 2 {
			_ = n.Reorg(2, i%2 == 0)
		}
		if i == 9 || i == 13 {
			n.Restart()
		}
		runtime.Gosched()
	}
	close(stop)
	group.Wait()
	if got := len(n.Works()); got != clients*works {
		t.Errorf("%d works", got)
	}
	if err := n.Audit(); err != nil {
		t.Error(err)
	}
}
