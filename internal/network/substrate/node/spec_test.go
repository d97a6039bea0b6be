package node

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"timbre.example/internal/network/substrate/scale"
)

// tinySpec is the spec of a chain whose runtime is ../wasm/testdata/runtime.wat, with the metadata
// of Melodie. It is JSON, which change may change.
func tinySpec(t testing.TB, change func(top map[string]string)) string {
	t.Helper()
	code, err := os.ReadFile("../wasm/testdata/runtime.wasm")
	if err != nil {
		t.Fatal(err)
	}
	top := map[string]string{hexed(keyCode): hexed(code), hexed([]byte("meta")): hexed(compiled(Melodie()).blobs[14])}
	if change != nil {
		change(top)
	}
	b, err := json.Marshal(map[string]any{"name": "Tiny", "properties": map[string]any{"tokenDecimals": 6, "tokenSymbol": "TNY"}, "genesis": map[string]any{"raw": map[string]any{"top": top, "childrenDefault": map[string]any{}}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readSpec(t testing.TB, text string) *Spec {
	t.Helper()
	s, err := ReadSpec(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSpec runs a chain from a spec: the runtime is WASM, and everything else is the node's.
func TestSpec(t *testing.T) {
	t.Parallel()
	alice := newWallet(t, "alice")
	rich := Account{1}
	huge := scale.AppendUint(nil, scale.NewReader(bytes.Repeat([]byte{0x10}, 16)).U128(), 16)
	spec := readSpec(t, tinySpec(t, func(top map[string]string) {
		st := &state{}
		st.setAccount(rich, Balance{Nonce: 7, providers: 1})
		account := st.get(accountKey(rich))
		copy(account[freeAt:], huge)
		top[hexed(accountKey(rich))], top[hexed(keyIssuance)] = hexed(account), hexed(huge)
	}))
	if spec.Name != "Tiny" || spec.Decimals() != 6 {
		t.Errorf("%q, %d", spec.Name, spec.Decimals())
	}
	n := Start(t, Options{Spec: spec, Endowed: map[Account]uint64{alice.id: 5, rich: 7}})
	c := dial(t, n)

	// The first state is that of the spec, with the node's authorities and the funds.
	for k, want := range map[string][]byte{string(keyAuthorities): newSet(0, 4).Encode(), string(keyIssuance): plus(huge, 12), string(SetIDKey): le64(0), string(keyNext): le64(1)} {
		if got := c.hex("state_getStorage", hexed([]byte(k)), n.Genesis().String()); !bytes.Equal(got, want) {
			t.Errorf("%x is %x, want %x", k, got, want)
		}
	}
	if v := c.hex("state_getStorage", hexed(accountKey(rich))); len(v) != accountSize || !bytes.Equal(v[freeAt:freeAt+16], plus(huge, 7)) || v[0] != 7 {
		t.Errorf("the account of the spec is %x", v)
	}
	if b := n.Balance(alice.id); b.Free != 5 || b.providers != 1 {
		t.Errorf("%+v", b)
	}

	n.Step(3)
	raw := alice.sign(t, createCall("x"), n.terms(0))
	var hash string
	c.call(&hash, "author_submitExtrinsic", hexed(raw))
	if _, err := c.try("author_submitExtrinsic", hexed(raw)); code(err) != 1013 {
		t.Errorf("a second time: %v", err)
	}
	if _, err := c.try("author_submitExtrinsic", "0x00"); code(err) != 1010 || !strings.Contains(err.Error(), "Invalid Transaction") {
		t.Errorf("a stale one: %v", err)
	}
	at := n.Step(1)
	if _, err := c.try("author_submitExtrinsic", hexed(raw)); code(err) != 1012 {
		t.Errorf("after its block: %v", err)
	}
	var of struct {
		Block struct{ Extrinsics []string }
	}
	c.call(&of, "chain_getBlock", at.String())
	if len(of.Block.Extrinsics) != 2 || of.Block.Extrinsics[1] != hexed(raw) || n.Pool() != 0 || n.Final() != 4 {
		t.Fatalf("%d in the block, %d in the pool, block %d is final", len(of.Block.Extrinsics), n.Pool(), n.Final())
	}
	// The state root is that of the trie: the read proof has it.
	var proof struct{ Proof []string }
	c.call(&proof, "state_getReadProof", []string{hexed([]byte("list"))}, at.String())
	root := n.chain[4].state.root(1)
	if len(proof.Proof) == 0 || n.chain[4].stateRoot != root {
		t.Errorf("%v, %x", proof, root)
	}

	// Runtime and properties are those of the spec.
	var version, properties map[string]any
	c.call(&version, "state_getRuntimeVersion")
	c.call(&properties, "system_properties")
	var name string
	c.call(&name, "system_chain")
	if version["specName"] != "tiny" || version["specVersion"] != 7.0 || properties["tokenSymbol"] != "TNY" || name != "Tiny" {
		t.Errorf("%v, %v, %s", version, properties, name)
	}
	if got := c.hex("state_call", "do_twox_128", hexed([]byte("System"))); hex.EncodeToString(got) != "26aa394eea5630e07c48ae0c9558cef7" {
		t.Errorf("%x", got)
	}
	for call, want := range map[string]string{"do_stop": "unreachable", "no_such": "Exported method no_such is not found"} {
		if _, err := c.try("state_call", call, "0x"); code(err) != 4003 || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", call, err)
		}
	}
	if _, err := c.try("payment_queryInfo", hexed(raw)); code(err) != 9001 { // this runtime takes no fees
		t.Errorf("%v", err)
	}

	// dev_setStorage changes a state, in a block of its own.
	c.call(&hash, "dev_setStorage", [][]any{{"0x6b31", "0x76"}, {hexed([]byte("list")), nil}})
	if got := c.hex("state_getStorage", "0x6b31", hash); string(got) != "v" || n.Best() != 5 || n.chain[5].hash.String() != hash {
		t.Errorf("%x, block %d", got, n.Best())
	}
	for _, wrong := range []any{nil, [][]any{{nil, "0x00"}}, [][]any{{"0xzz", "0x"}}, [][]any{{"0x01", "0xzz"}}} {
		if _, err := c.try("dev_setStorage", wrong); code(err) != -32602 {
			t.Errorf("%v: %v", wrong, err)
		}
	}

	// A page of another site in a browser changes nothing.
	change := `{"id":1,"method":"dev_setStorage","params":[[["0x6b32","0x77"]]]}`
	for origin, status := range map[string]int{"": 200, "http://evil.example": 403} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(n.URL, "ws://", "http://", 1), strings.NewReader(change))
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			q.Header.Set("Origin", origin)
		}
		before := n.Best()
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status || (n.Best() > before) != (status == 200) {
			t.Errorf("origin %q: %s, from block %d to %d", origin, resp.Status, before, n.Best())
		}
	}
	if ws, resp, err := websocket.Dial(t.Context(), n.URL, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}}); err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("%v, %v: a WebSocket of another site", ws, err)
	}

	// A fork returns the transaction, and a restart loses nothing.
	n.StallFinality(true)
	second := newWallet(t, "bob").sign(t, createCall("y"), n.terms(0))
	c.call(&hash, "author_submitExtrinsic", hexed(second))
	n.Step(1)
	if err := n.Reorg(1, true); err != nil || n.Pool() != 1 {
		t.Fatalf("%v, %d in the pool", err, n.Pool())
	}
	n.Step(1)
	if last := n.chain[len(n.chain)-1]; !slices.ContainsFunc(last.body, func(b []byte) bool { return bytes.Equal(b, second) }) {
		t.Error("the fork lost a transaction")
	}
	n.Restart()
	if err := Start(t, Options{}).Audit(); err != nil {
		t.Error(err)
	}
}

// plus adds to a number of 16 bytes.
func plus(v []byte, more uint64) []byte {
	sum := scale.NewReader(v).U128()
	return scale.AppendUint(nil, sum.Add(sum, scale.NewReader(u128(more)).U128()), 16)
}

func TestWrongSpecs(t *testing.T) {
	t.Parallel()
	for _, each := range []struct{ text, says string }{
		{"", "unexpected end"},
		{"{}", "no code"},
		{`{"genesis":{"runtime":{}}}`, "build-spec --raw"},
		{`{"genesis":{"raw":{"top":{"0x3a636f6465":"0xzz"}}}}`, "the value of 0x3a636f6465 is not hexadecimal"},
		{`{"genesis":{"raw":{"top":{"0x3a636f6465":"0x00","0x0":"0x00"}}}}`, `the key "0x0" is not hexadecimal`},
		{`{"genesis":{"raw":{"top":{"0x3a636f6465":"0x00"},"childrenDefault":{"0x00":{}}}}}`, "child tries"},
		{strings.Repeat(" ", maxSpec+1), "more than 67108864 bytes"},
	} {
		if _, err := ReadSpec(strings.NewReader(each.text)); !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), each.says) {
			t.Errorf("%.80s: %v, want %q", each.text, err, each.says)
		}
	}
	for says, change := range map[string]func(top map[string]string){
		"not a module of WASM": func(top map[string]string) { top[hexed(keyCode)] = "0x00" },
		"ask the runtime":      func(top map[string]string) { delete(top, hexed([]byte("meta"))) },
	} {
		if n, err := Open(Options{Spec: readSpec(t, tinySpec(t, change))}); !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, %v, want %q", n, err, says)
		}
	}
	for text, want := range map[string]int{"null": 12, `{}`: 12, `{"tokenDecimals":18}`: 18, `{"tokenDecimals":[10]}`: 10, `{"tokenDecimals":[]}`: 12, `{"tokenDecimals":"x"}`: 12, `{"tokenDecimals":-1}`: 12, `{"tokenDecimals":99}`: 12} {
		s := readSpec(t, `{"properties":`+text+`,"genesis":{"raw":{"top":{"0x3a636f6465":"0x00"}}}}`)
		if s.Decimals() != want {
			t.Errorf("%s has %d decimals, want %d", text, s.Decimals(), want)
		}
	}
	if taken, err := Open(Options{Listen: "127.0.0.1:99999"}); err == nil {
		taken.Close()
		t.Error("a wrong address is no error")
	}
}

// TestAfter compares the order of a trie with that of sorted keys.
func TestAfter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bytesOf := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 15, 16, 17, 240, 255}), 0, 4)
		all := map[string]bool{}
		st := &layers{}
		for _, k := range rapid.SliceOf(bytesOf).Draw(t, "keys") {
			all[string(k)] = true
			st.Set(k, k)
		}
		from := rapid.OneOf(bytesOf, rapid.Map(rapid.Just(0), func(int) []byte { return nil })).Draw(t, "from")
		want, found := "", false
		for _, k := range slices.Sorted(maps.Keys(all)) {
			if k > string(from) {
				want, found = k, true
				break
			}
		}
		if got, is := st.Next(from); is != found || string(got) != want {
			t.Fatalf("after %x comes %x, %t; want %x, %t", from, got, is, want, found)
		}
	})
}

// TestRealRuntime runs the runtime of a real network, from its own spec: it makes a block, takes
// the calls of the pallet Ats, and its metadata is what the client reads.
func TestRealRuntime(t *testing.T) {
	t.Parallel()
	path := os.Getenv("TIMBRE_TEST_SPEC")
	if path == "" {
		t.Skip("TIMBRE_TEST_SPEC names no chain spec: its code has a licence of its own, see docs/chain.md")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	spec, err := ReadSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	alice := newWallet(t, "alice")
	started := time.Now()
	n := Start(t, Options{Spec: spec, Endowed: map[Account]uint64{alice.id: 1000 * Coin}})
	t.Logf("ready after %v", time.Since(started))
	n.Step(1)
	prog := n.program(n.best().state)
	if prog.meta.pallets["Ats"] == nil {
		t.Logf("this runtime has no pallet Ats, so there is nothing more to try: %q", prog.version)
		return
	}
	c := dial(t, n)
	for nonce, call := range [][]byte{createCall("x"), updateCall(1, "y"), revokeCall(1)} {
		c.call(new(string), "author_submitExtrinsic", hexed(alice.sign(t, call, n.terms(uint64(nonce)))))
	}
	var info map[string]any
	c.call(&info, "payment_queryInfo", hexed(alice.sign(t, createCall("x"), n.terms(3))))
	if fee, _ := info["partialFee"].(string); len(fee) < 8 || info["class"] != "normal" {
		t.Errorf("%v", info)
	}
	started = time.Now()
	n.Step(100)
	t.Logf("100 blocks in %v", time.Since(started))
	n.mu.Lock()
	defer n.mu.Unlock()
	if in := len(n.chain[2].body); in != 4 || len(n.pool.all) != 0 || (&state{n.best().state}).nonce(alice.id) != 3 {
		t.Errorf("block 2 has %d extrinsics, and %d wait", in, len(n.pool.all))
	}
	if v := (&state{n.chain[2].state}).get(VersionKey(1, 0)); len(v) != 0 {
		t.Errorf("the revoked work has %x", v)
	}
}
