package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ChainSafe/go-schnorrkel"
	"github.com/coder/websocket"
	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

// wallet signs; it shares no code with the node's checks but the coding of numbers.
type wallet struct {
	key *schnorrkel.SecretKey
	id  Account
}

func newWallet(t testing.TB, name string) wallet {
	t.Helper()
	seed, err := schnorrkel.NewMiniSecretKeyFromRaw(blake2b.Sum256([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return wallet{seed.ExpandEd25519(), Account(seed.Public().Encode())}
}

// terms are what a signature covers besides the call.
type terms struct {
	nonce, tip        uint64
	spec, transaction uint32
	genesis, birth    Hash
	era               []byte
}

func (w wallet) sign(t testing.TB, c []byte, s terms) []byte {
	t.Helper()
	if s.era == nil {
		s.era, s.birth = []byte{0}, s.genesis
	}
	extra := scale.AppendCompact(bytes.Clone(s.era), s.nonce)
	extra = append(scale.AppendCompact(extra, s.tip), 0)
	payload := append(bytes.Clone(c), extra...)
	payload = append(append(payload, le32(s.spec)...), le32(s.transaction)...)
	payload = append(append(payload, s.genesis[:]...), s.birth[:]...)
	payload = append(payload, 0)
	if len(payload) > 256 {
		sum := blake2b.Sum256(payload)
		payload = sum[:]
	}
	signature, err := w.key.Sign(schnorrkel.NewSigningContext([]byte("substrate"), payload))
	if err != nil {
		t.Fatal(err)
	}
	encoded := signature.Encode()
	body := append(append([]byte{0x84, 0}, w.id[:]...), 1)
	body = append(append(append(body, encoded[:]...), extra...), c...)
	return scale.AppendBytes(nil, body)
}

func createCall(text string) []byte {
	sum := blake2b.Sum256([]byte(text))
	return append(append([]byte{105, 0}, sum[:]...), 1)
}

func updateCall(id uint64, text string) []byte {
	sum := blake2b.Sum256([]byte(text))
	return append(append(append([]byte{105, 1}, le64(id)...), sum[:]...), 1)
}

func revokeCall(id uint64) []byte { return append([]byte{105, 2}, le64(id)...) }

// client is one connection of a test.
type client struct {
	t     testing.TB
	ws    *websocket.Conn
	id    int
	notes []json.RawMessage // results of notifications, in order
	order []string          // what came: "answer", or the kind of a notification
}

func dial(t testing.TB, n *Node) *client {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), n.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(1 << 22)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &client{t: t, ws: ws}
}

type answer struct {
	ID     *int            `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  *rpcError       `json:"error"`
	Params struct {
		Result json.RawMessage `json:"result"`
	} `json:"params"`
}

func (c *client) read() (answer, error) {
	var a answer
	_, b, err := c.ws.Read(context.Background())
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(b, &a); err != nil {
		c.t.Fatal(err)
	}
	if a.ID == nil {
		c.notes = append(c.notes, a.Params.Result)
		c.order = append(c.order, a.Method)
	} else {
		c.order = append(c.order, "answer")
	}
	return a, nil
}

func (c *client) try(method string, params ...any) (json.RawMessage, error) {
	c.id++
	if params == nil {
		params = []any{}
	}
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.id, "method": method, "params": params})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.ws.Write(context.Background(), websocket.MessageText, b); err != nil {
		return nil, err
	}
	for {
		a, err := c.read()
		if err != nil {
			return nil, err
		}
		if a.ID != nil {
			if a.Error != nil {
				return nil, a.Error
			}
			return a.Result, nil
		}
	}
}

func (c *client) call(into any, method string, params ...any) {
	c.t.Helper()
	r, err := c.try(method, params...)
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	if err := json.Unmarshal(r, into); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
}

func (c *client) hex(method string, params ...any) []byte {
	c.t.Helper()
	var s *string
	c.call(&s, method, params...)
	if s == nil {
		return nil
	}
	b, err := unhexed(*s)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// statuses returns the names of the statuses so far, after a call that comes after them.
func (c *client) statuses() string {
	c.t.Helper()
	c.call(new(string), "system_name")
	out := ""
	for _, raw := range c.notes {
		var name string
		var object map[string]any
		if json.Unmarshal(raw, &name) != nil && json.Unmarshal(raw, &object) == nil {
			for k := range object {
				name = k
			}
		}
		out += name + " "
	}
	return out
}

func (n *Node) terms(nonce uint64) terms {
	return terms{nonce: nonce, spec: 100, transaction: 1, genesis: n.Genesis()}
}

func code(err error) int {
	var e *rpcError
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code
}

// failures returns the dispatch errors of a block, by extrinsic.
func failures(t *testing.T, n *Node, number uint32) []string {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.chain[number]
	p := n.program(b.state)
	events, _ := b.state.get(nibbles(keyEvents))
	var out []string
	for i := range b.body[1:] {
		mark := append([]byte{0}, le32(uint32(i+1))...)
		ok := append(slices.Clone(mark), 0, p.meta.pallets["System"].events["ExtrinsicSuccess"])
		bad := append(slices.Clone(mark), 0, p.meta.pallets["System"].events["ExtrinsicFailed"])
		switch at := bytes.Index(events, bad); {
		case at >= 0 && events[at+7] == 3:
			out = append(out, fmt.Sprintf("module %d error %d", events[at+8], events[at+9]))
		case at >= 0:
			out = append(out, fmt.Sprintf("error %d %d", events[at+7], events[at+8]))
		case bytes.Contains(events, ok):
			out = append(out, "ok")
		}
	}
	return out
}

func TestCreateUpdateRevoke(t *testing.T) {
	t.Parallel()
	w := newWallet(t, "a")
	n := Start(t, Options{Endowed: map[Account]uint64{w.id: 4600 * Coin}})
	c := dial(t, n)
	for i, call := range [][]byte{createCall("1"), createCall("2"), updateCall(1, "3"), revokeCall(0), updateCall(0, "4"), {105, 0, 31: 0, 33: 1, 34: 0}} {
		c.call(new(string), "author_submitAndWatchExtrinsic", hexed(w.sign(t, call, n.terms(uint64(i)))))
	}
	n.Step(1)
	if got := c.statuses(); got != "ready broadcast ready broadcast ready broadcast ready broadcast ready broadcast ready broadcast inBlock inBlock inBlock inBlock inBlock inBlock finalized finalized finalized finalized finalized finalized " {
		t.Error(got)
	}
	if got := fmt.Sprint(failures(t, n, 1)); got != "[ok ok ok ok module 105 error 0 module 105 error 3]" {
		t.Error(got)
	}
	all := n.Works()
	if len(all) != 1 || all[0].ID != 1 || all[0].Owner != w.id || len(all[0].Versions) != 2 || all[0].Versions[1].Commitment != blake2b.Sum256([]byte("3")) {
		t.Errorf("%+v", all)
	}
	b := n.Balance(w.id)
	if b.Nonce != 6 || b.Held != 12*Coin || b.Free >= 4588*Coin || b.Free < 4586*Coin {
		t.Errorf("%+v", b)
	}
	if err := n.Audit(); err != nil {
		t.Error(err)
	}
}

// TestAsMelodieAnswered replays extrinsic and fee of a recorded conversation.
func TestFeeOfMelodie(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ length, weight, want uint64 }{
		{141, 734_002_000, 79_273_220_835}, {149, 577_002_000, 64_836_559_826}, {116, 6_794_002_000, 639_265_977_744},
	} {
		got := feeOf(c.length, c.weight)
		if diff := int64(got) - int64(c.want); diff*1000 > int64(c.want) || -diff*1000 > int64(c.want) {
			t.Errorf("%d, recorded %d", got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w, poor, stranger := newWallet(t, "a"), newWallet(t, "b"), newWallet(t, "c")
	n := Start(t, Options{Endowed: map[Account]uint64{w.id: 1000 * Coin, poor.id: Coin}})
	c := dial(t, n)
	good := w.sign(t, createCall("1"), n.terms(0))
	submit := func(raw []byte) int {
		_, err := c.try("author_submitExtrinsic", hexed(raw))
		return code(err)
	}
	other := func(change func(*terms)) []byte {
		s := n.terms(0)
		change(&s)
		return w.sign(t, createCall("1"), s)
	}
	for name, raw := range map[string][]byte{
		"another signer":      stranger.sign(t, createCall("1"), n.terms(0)),
		"specification":       other(func(s *terms) { s.spec = 99 }),
		"transaction version": other(func(s *terms) { s.transaction = 2 }),
		"genesis":             other(func(s *terms) { s.genesis[0]++ }),
		"era":                 other(func(s *terms) { s.era, s.birth = []byte{0x05, 0}, Hash{1} }),
		"era of the past":     other(func(s *terms) { s.era = []byte{0x15, 2} }),
	} {
		if got := submit(raw); got != 1010 {
			t.Errorf("%s: %d", name, got)
		}
	}
	flipped := bytes.Clone(good)
	flipped[50] ^= 1
	if got := submit(flipped); got != 1010 {
		t.Error("flipped:", got)
	}
	if got := submit(good[:100]); got != 1002 {
		t.Error("cut:", got)
	}
	if got := submit(good); got != 0 {
		t.Error("good:", got)
	}
	if got := submit(good); got != 1013 {
		t.Error("twice:", got)
	}
	if got := submit(w.sign(t, createCall("other"), n.terms(0))); got != 1014 {
		t.Error("same nonce:", got)
	}
	n.Step(1)
	if got := submit(good); got != 1012 {
		t.Error("after its block:", got)
	}
	n.Restart()
	c = dial(t, n)
	if got := submit(good); got != 1010 {
		t.Error("after a restart:", got)
	}
	// Enough for the fee, and not for the deposit: included, and the fee is lost.
	if got := submit(poor.sign(t, createCall("2"), n.terms(0))); got != 0 {
		t.Error("poor:", got)
	}
	n.Step(1)
	if got := fmt.Sprint(failures(t, n, 2)); got != "[error 7 0]" {
		t.Error(got)
	}
	if b := n.Balance(poor.id); b.Nonce != 1 || b.Free >= Coin || b.Held != 0 {
		t.Errorf("%+v", b)
	}
	if err := n.Audit(); err != nil {
		t.Error(err)
	}
}

func TestNoncesInAnyOrder(t *testing.T) {
	t.Parallel()
	w := newWallet(t, "a")
	n := Start(t, Options{Endowed: map[Account]uint64{w.id: 4600 * Coin}})
	c := dial(t, n)
	c.call(new(string), "author_submitAndWatchExtrinsic", hexed(w.sign(t, createCall("1"), n.terms(1))))
	n.Step(1)
	if got := c.statuses(); got != "future " {
		t.Error(got)
	}
	c.call(new(string), "author_submitAndWatchExtrinsic", hexed(w.sign(t, createCall("0"), n.terms(0))))
	var next int
	c.call(&next, "system_accountNextIndex", "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM")
	n.Step(1)
	if got := c.statuses(); got != "future ready broadcast ready broadcast inBlock inBlock finalized finalized " {
		t.Error(got)
	}
	if len(n.Works()) != 2 {
		t.Errorf("%+v", n.Works())
	}
}

// readProof reads a value from proof nodes alone; ok is false if the proof does not reach.
func readProof(nodes [][]byte, root Hash, k []byte) (value []byte, found, ok bool) {
	by := map[Hash][]byte{}
	for _, p := range nodes {
		by[blake2b.Sum256(p)] = p
	}
	code, ok := by[root]
	path := nibbles(k)
	for ok {
		r := scale.NewReader(code)
		first := r.U8()
		var kind, bits int
		switch {
		case first>>6 == 1:
			kind, bits = 1, 6 // leaf
		case first>>6 == 2:
			kind, bits = 2, 6 // branch
		case first>>6 == 3:
			kind, bits = 3, 6 // branch with value
		case first>>5 == 1:
			kind, bits = 4, 5 // leaf with hash
		case first>>4 == 1:
			kind, bits = 5, 4 // branch with hash
		default:
			return nil, false, len(code) == 1 && first == 0
		}
		size := int(first) & (1<<bits - 1)
		if size == 1<<bits-1 {
			for more := 255; more == 255; size += more {
				more = int(r.U8())
			}
		}
		partial := nibbles(r.Take((size + 1) / 2))
		partial = partial[len(partial)-size:]
		if !bytes.HasPrefix(path, partial) {
			return nil, false, r.Err() == nil
		}
		path = path[len(partial):]
		var present uint16
		if kind == 2 || kind == 3 || kind == 5 {
			present = r.U16()
		}
		var own []byte
		switch kind {
		case 1, 3:
			own = r.Bytes()
		case 4, 5:
			own, ok = by[r.Hash()]
		}
		if len(path) == 0 {
			return own, kind != 2, ok && r.Err() == nil
		}
		ok = true
		if present>>path[0]&1 == 0 {
			return nil, false, r.Err() == nil
		}
		for i := range path[0] {
			if present>>i&1 == 1 {
				r.Bytes()
			}
		}
		child := r.Bytes()
		path = path[1:]
		if code = child; len(child) == 32 {
			code, ok = by[Hash(child)]
		}
	}
	return nil, false, false
}

// judged checks a justification as a verifier does, and returns what it finalizes.
func judged(t *testing.T, j []byte, set AuthoritySet) (Hash, uint32) {
	t.Helper()
	r := scale.NewReader(j)
	round := r.U64()
	target, number := Hash(r.Hash()), r.U32()
	type vote struct {
		hash   Hash
		number uint32
	}
	var votes []vote
	seen := map[[32]byte]bool{}
	for k := r.Count(1); k > 0; k-- {
		v := vote{r.Hash(), r.U32()}
		signature, id := r.Take(64), r.Hash()
		message := append(append([]byte{1}, v.hash[:]...), le32(v.number)...)
		message = append(append(message, le64(round)...), le64(set.ID)...)
		member := slices.ContainsFunc(set.Authorities, func(a Authority) bool { return a.Key == id })
		if !member || seen[id] || !ed25519.Verify(id[:], message, signature) {
			t.Errorf("a vote of %x does not hold", id)
		}
		seen[id] = true
		votes = append(votes, v)
	}
	parents := map[Hash]Hash{}
	for k := r.Count(1); k > 0; k-- {
		from := r.Offset()
		parent := Hash(r.Hash())
		r.Compact()
		r.Take(64)
		for d := r.Count(1); d > 0; d-- {
			switch r.U8() {
			case digestConsensus, digestSeal, digestPreRuntime:
				r.Take(4)
				r.Bytes()
			}
		}
		parents[blake2b.Sum256(j[from:r.Offset()])] = parent
	}
	if r.End() != nil {
		t.Error(r.End())
	}
	for _, v := range votes {
		for v.hash != target {
			p, ok := parents[v.hash]
			if !ok {
				t.Fatal("a vote is not for the target or a block on it")
			}
			v.hash = p
		}
	}
	if 3*len(votes) <= 2*len(set.Authorities) {
		t.Errorf("%d votes of %d", len(votes), len(set.Authorities))
	}
	return target, number
}

// TestEvidence reads the material as a verifier does, over hand-offs and with votes for later
// blocks.
func TestEvidence(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"plain": {}, "lagging": {FinalityLag: 3, SpreadVotes: true, Absent: 1, Authorities: 7}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWallet(t, "a")
			o.Endowed = map[Account]uint64{w.id: 4600 * Coin}
			n := Start(t, o)
			c := dial(t, n)
			n.Step(2)
			n.Rotate(5, 0)
			n.Step(2)
			n.Rotate(4, 2)
			n.Step(6)
			n.StallFinality(true)
			c.call(new(string), "author_submitExtrinsic", hexed(w.sign(t, createCall("x"), n.terms(0))))
			n.Step(5)
			n.StallFinality(false)
			n.Step(1)
			if o.FinalityLag > 0 {
				n.Step(6)
			}
			e, err := n.Evidence(0, 0)
			if err != nil {
				t.Fatal(err)
			}
			if e.Set.ID != 2 || len(e.HandOffs) != 2 || len(e.HandOffs[0].Headers) != 1 || len(e.HandOffs[1].Headers) != 3 || len(e.Headers) == 0 {
				t.Fatalf("set %d, %d hand-offs, %d headers", e.Set.ID, len(e.HandOffs), len(e.Headers))
			}
			chainOf := func(headers [][]byte) (Hash, uint32) {
				for i, h := range headers[1:] {
					before := blake2b.Sum256(headers[i])
					if !bytes.HasPrefix(h, before[:]) {
						t.Error("the headers are no chain")
					}
				}
				last := headers[len(headers)-1]
				r := scale.NewReader(last)
				r.Take(32)
				return blake2b.Sum256(last), uint32(r.Compact())
			}
			for _, h := range e.HandOffs {
				hash, number := chainOf(h.Headers)
				if target, at := judged(t, h.Justification, h.From); target != hash || at != number {
					t.Error("a hand-off's justification is for another block")
				}
				if !bytes.Contains(h.Headers[0], append(append([]byte("FRNK"), scale.AppendCompact(nil, uint64(len(h.To.Encode())+5))...), append([]byte{1}, h.To.Encode()...)...)) {
					t.Error("the header does not announce the next set")
				}
			}
			if got := c.hex("state_call", "GrandpaApi_grandpa_authorities", "0x", Hash(blake2b.Sum256(e.Header)).String()); !bytes.Equal(got, e.Set.Encode()) {
				t.Errorf("the authorities are %x", got)
			}
			if got := c.hex("state_call", "GrandpaApi_current_set_id", "0x"); !bytes.Equal(got, le64(2)) {
				t.Errorf("the set is %x", got)
			}
			hash, number := chainOf(append([][]byte{e.Header}, e.Headers...))
			if target, at := judged(t, e.Justification, e.Set); target != hash || at != number {
				t.Errorf("the justification is for block %d, not %d", at, number)
			}
			root := e.stateRoot()
			want := blake2b.Sum256([]byte("x"))
			for i, k := range e.Keys() {
				v, found, ok := readProof(e.Proof, root, k)
				if !ok || !found {
					t.Fatalf("key %d is not proved", i)
				}
				if i == 0 && !bytes.HasPrefix(v, want[:]) || i == 1 && !bytes.HasPrefix(v, w.id[:]) || i == 3 && !bytes.Equal(v, le64(2)) {
					t.Errorf("key %d: %x", i, v)
				}
			}
			r := scale.NewReader(e.Header)
			r.Take(32)
			r.Compact()
			r.Take(32)
			if v, found, ok := readProof(e.ExtrinsicProof, r.Hash(), scale.AppendCompact(nil, uint64(e.Index))); !ok || !found || !bytes.Equal(v, e.Extrinsic) || !bytes.Contains(v, want[:]) {
				t.Error("the extrinsic is not proved")
			}
			// The same by JSON-RPC.
			proof := struct{ Proof []string }{}
			var keys []string
			for _, k := range e.Keys() {
				keys = append(keys, hexed(k))
			}
			c.call(&proof, "state_getReadProof", keys, Hash(blake2b.Sum256(e.Header)).String())
			for i, p := range proof.Proof {
				if p != hexed(e.Proof[i]) {
					t.Error("state_getReadProof gives another proof")
				}
			}
			r = scale.NewReader(c.hex("grandpa_proveFinality", e.Number))
			if got := r.Hash(); got != hash || !bytes.Equal(r.Bytes(), e.Justification) || r.Compact() != uint64(len(e.Headers)) || !bytes.Equal(r.Take(r.Len()), bytes.Join(e.Headers, nil)) {
				t.Error("grandpa_proveFinality gives another proof")
			}
		})
	}
}

func (e *Evidence) stateRoot() Hash {
	r := scale.NewReader(e.Header)
	r.Take(32)
	r.Compact()
	return r.Hash()
}
