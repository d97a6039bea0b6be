package node

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ChainSafe/go-schnorrkel"

	"timbre.example/internal/network/substrate/scale"
)

// recorded are answers of the real runtime, see the note in the file.
type recorded struct {
	Extrinsics     []string       `json:"extrinsics"`
	Events         []string       `json:"events"`
	Registry       string         `json:"registry"`
	Versions       []string       `json:"versions"`
	Owned          string         `json:"owned"`
	Header         map[string]any `json:"header"`
	UnknownPayment rpcError       `json:"unknownPayment"`
	Stale          rpcError       `json:"stale"`
	BadProof       rpcError       `json:"badProof"`
	Valid          string         `json:"valid"`
	NoFunds        string         `json:"noFunds"`
	Info           string         `json:"info"`
	RuntimeVersion map[string]any `json:"runtimeVersion"`
}

// TestAsMelodie makes the calls of a recorded conversation, and compares events, storage and
// errors with those of the real runtime. Only the fee is another: the real one followed a
// multiplier that changes from block to block.
func TestAsMelodie(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/melodie.json")
	if err != nil {
		t.Fatal(err)
	}
	var want recorded
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	// The seed of the public test account //Bob.
	seed, err := schnorrkel.NewMiniSecretKeyFromHex("0x398f0c28f98885e046333d4a41c19cee4c37368a9832c6502f6cfd182e2aef89")
	if err != nil {
		t.Fatal(err)
	}
	bob := wallet{seed.ExpandEd25519(), Account(seed.Public().Encode())}
	author, err := ss58("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY")
	if err != nil {
		t.Fatal(err)
	}
	n := Start(t, Options{Endowed: map[Account]uint64{bob.id: 4600 * Coin}, Author: author, Chopsticks: true})
	c := dial(t, n)
	n.Step(1)
	signed := func(i int) []byte {
		x, err := compiled(Melodie()).decode(unhex(t, want.Extrinsics[i]))
		if err != nil || x.signer != bob.id {
			t.Fatalf("%x: %v", x.signer, err)
		}
		return bob.sign(t, x.callBytes, n.terms(uint64(x.nonce)))
	}
	first := signed(0)
	if got := hexed(c.hex("state_call", "TaggedTransactionQueue_validate_transaction", hexed(slices.Concat([]byte{2}, first, make([]byte, 32))))); len(got) != len(want.Valid) || got[:98] != want.Valid[:98] {
		t.Errorf("validity %s, recorded %s", got, want.Valid)
	}
	stranger := newWallet(t, "stranger").sign(t, createCall("x"), n.terms(0))
	if got := hexed(c.hex("state_call", "TaggedTransactionQueue_validate_transaction", hexed(slices.Concat([]byte{2}, stranger, make([]byte, 32))))); got != want.NoFunds {
		t.Errorf("validity %s, recorded %s", got, want.NoFunds)
	}
	if got := hexed(c.hex("state_call", "TransactionPaymentApi_query_info", hexed(append(slices.Clone(first), le32(uint32(len(first)))...)))); len(got) != len(want.Info) || got[:16] != want.Info[:16] {
		t.Errorf("info %s, recorded %s", got, want.Info)
	}
	for i := range want.Events {
		raw := signed(i)
		c.call(new(string), "author_submitExtrinsic", hexed(raw))
		at := n.Step(1)
		got := hex.EncodeToString(c.hex("state_getStorage", hexed(keyEvents), at.String()))
		expected := trim0x(want.Events[i])
		r := scale.NewReader(unhex(t, expected[strings.Index(expected, "0508"+hex.EncodeToString(bob.id[:]))+4+64:]))
		fee := hex.EncodeToString(u128(r.U128().Uint64()))
		x, _ := compiled(Melodie()).decode(raw)
		expected = strings.ReplaceAll(expected, fee, hex.EncodeToString(u128(x.fee())))
		if got != expected {
			t.Errorf("events of block %d:\n%s, recorded\n%s", i+2, got, expected)
		}
		if i != 1 {
			continue
		}
		for k, value := range map[string]string{
			string(WorkKey(0)): want.Registry, string(VersionKey(0, 0)): want.Versions[0], string(VersionKey(0, 1)): want.Versions[1], string(ownerKey(bob.id)): want.Owned,
		} {
			if got := hexed(c.hex("state_getStorage", hexed([]byte(k)))); got != value {
				t.Errorf("storage %s, recorded %s", got, value)
			}
		}
	}
	bad := bytes.Clone(first)
	bad[60] ^= 1
	for _, each := range []struct {
		raw  []byte
		want rpcError
	}{{stranger, want.UnknownPayment}, {first, want.Stale}, {bad, want.BadProof}} {
		_, err := c.try("author_submitAndWatchExtrinsic", hexed(each.raw))
		if err == nil || err.Error() != each.want.Error() {
			t.Errorf("error %v, recorded %v", err, &each.want)
		}
	}
	var header, version map[string]any
	c.call(&header, "chain_getHeader", n.Genesis().String())
	c.call(&version, "state_getRuntimeVersion")
	if !slices.Equal(slices.Sorted(maps.Keys(header)), slices.Sorted(maps.Keys(want.Header))) || header["number"] != "0x00000000" {
		t.Errorf("header %v, recorded %v", header, want.Header)
	}
	got, _ := json.Marshal(version)
	expected, _ := json.Marshal(want.RuntimeVersion)
	if string(got) != string(expected) {
		t.Errorf("version %s, recorded %s", got, expected)
	}
}
