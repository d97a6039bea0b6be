package extrinsic_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/sr25519"
)

func melodie(t *testing.T, name string) *metadata.Metadata {
	t.Helper()
	f, err := os.Open("../metadata/testdata/" + name + ".scale.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	m, err := metadata.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The real runtime accepted these extrinsics of another client: the bytes between signature
// and call, and what the signature covers, are those that this package makes.
func TestRealExtrinsics(t *testing.T) {
	text, err := os.ReadFile("testdata/signed.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Extrinsic, Head, Refused string
		Number                   uint64
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	chain := extrinsic.Chain{Genesis: [32]byte(bytes.Repeat([]byte{0x45}, 32)), SpecVersion: 100, TransactionVersion: 1, Metadata: melodie(t, "melodie-100-v14")}
	if err := chain.Check(); err != nil {
		t.Fatal(err)
	}
	verified := 0
	for nonce, one := range all {
		if one.Refused != "" {
			continue
		}
		b := unhex(t, one.Extrinsic)
		body := b[2:]                           // after the length
		account, sig := body[2:34], body[35:99] // after version, kinds of address and signature
		call := body[99+5:]                     // after era, nonce, tip and mode
		nonce = min(nonce, 4)                   // the fifth was refused, and the sixth has its nonce
		era := extrinsic.Era{Period: 64, Born: one.Number, Hash: [32]byte(unhex(t, one.Head))}
		payload, err := chain.Payload(call, era, uint64(nonce))
		if err != nil {
			t.Fatal(err)
		}
		if !sr25519.Verify([32]byte(account), payload, [64]byte(sig)) {
			t.Errorf("extrinsic %d: the signature is not that of this payload", nonce)
		}
		if !bytes.HasPrefix(payload[len(call):], body[99:99+5]) {
			t.Errorf("extrinsic %d: %x, want %x", nonce, payload[len(call):], body[99:99+5])
		}
		own, err := chain.Sign(pair(t, one.Number), call, era, uint64(nonce))
		if err != nil || len(own) != len(b) || !bytes.Equal(own[:4], b[:4]) || !bytes.Equal(own[len(own)-len(call)-5:], b[len(b)-len(call)-5:]) {
			t.Errorf("%x, want the form of %x, %v", own, b, err)
		}
		verified++
	}
	if verified != 5 {
		t.Errorf("%d extrinsics were verified", verified)
	}
}

func pair(t *testing.T, n uint64) sr25519.Pair {
	t.Helper()
	p, err := sr25519.Numbered([32]byte{1}, n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A call of more than 256 bytes is hashed before it is signed.
func TestLongPayload(t *testing.T) {
	chain := extrinsic.Chain{Metadata: melodie(t, "melodie-100-v14")}
	era := extrinsic.Era{Period: 64, Born: 9}
	long, err := chain.Payload(make([]byte, 400), era, 1)
	if err != nil || len(long) != 32 {
		t.Errorf("%d, %v", len(long), err)
	}
	signed, err := chain.Sign(pair(t, 1), make([]byte, 400), era, 1)
	if err != nil || !sr25519.Verify(pair(t, 1).Public(), long, [64]byte(signed[2+35:2+99])) {
		t.Errorf("the signature of a long payload: %v", err)
	}
}

func TestEra(t *testing.T) {
	chain := extrinsic.Chain{Metadata: melodie(t, "melodie-201-v16")}
	if err := chain.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		era  extrinsic.Era
		want string
	}{
		{extrinsic.Era{Period: 64, Born: 42}, "a502"}, // an example of the specification
		{extrinsic.Era{Period: 32768, Born: 20000}, "4e9c"},
		{extrinsic.Era{Period: 4, Born: 7}, "3100"},
	} {
		b, err := chain.Payload(nil, c.era, 0)
		if err != nil || hex.EncodeToString(b[:2]) != c.want {
			t.Errorf("%+v: %x, want %s, %v", c.era, b[:2], c.want, err)
		}
	}
	for _, wrong := range []extrinsic.Era{{}, {Period: 2}, {Period: 63}, {Period: 1 << 17}, {Period: 1 << 15, Born: 3}} {
		if _, err := chain.Payload(nil, wrong, 0); err == nil {
			t.Errorf("%+v is accepted", wrong)
		}
	}
	if end := (extrinsic.Era{Period: 64, Born: 42}).End(); end != 106 {
		t.Error(end)
	}
}

// An unknown extension with bytes cannot be signed; one without bytes can.
func TestUnknownExtension(t *testing.T) {
	m := melodie(t, "melodie-100-v14")
	var empty, full metadata.Type
	for _, e := range m.Extensions {
		if e.Name == "CheckWeight" {
			empty = e.Type
		}
		if e.Name == "CheckNonce" {
			full = e.Type
		}
	}
	for _, c := range []struct {
		as, additional metadata.Type
		ok             bool
	}{{empty, empty, true}, {full, empty, false}, {empty, full, false}} {
		changed := *m
		changed.Extensions = append([]metadata.Extension{{Name: "FromTheFuture", Type: c.as, Additional: c.additional}}, m.Extensions...)
		err := extrinsic.Chain{Metadata: &changed}.Check()
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
		_, signing := extrinsic.Chain{Metadata: &changed}.Sign(pair(t, 1), nil, extrinsic.Era{Period: 64}, 0)
		if (signing == nil) != c.ok {
			t.Errorf("%+v: %v", c, signing)
		}
	}
	changed := *m
	changed.Extrinsics = []uint8{5}
	if err := (extrinsic.Chain{Metadata: &changed}).Check(); err == nil {
		t.Error("a runtime without extrinsics of version 4 is accepted")
	}
}

func TestSigner(t *testing.T) {
	chain := extrinsic.Chain{Metadata: melodie(t, "melodie-100-v14")}
	x, err := chain.Sign(pair(t, 5), []byte{1, 2}, extrinsic.Era{Period: 64}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if by, ok := extrinsic.Signer(x); !ok || by != pair(t, 5).Public() {
		t.Errorf("%x, %t", by, ok)
	}
	if _, ok := extrinsic.Signer(unhex(t, "0x280403000b49d32c07a201")); ok {
		t.Error("an extrinsic without a signature has a signer")
	}
}

func TestBare(t *testing.T) {
	call, ok := extrinsic.Bare(unhex(t, "0x280403000b49d32c07a201"))
	if !ok || hex.EncodeToString(call) != "03000b49d32c07a201" {
		t.Errorf("%x, %t", call, ok)
	}
	for _, other := range []string{"", "0x28", "0x0c840102", "0x2c0403000b49d32c07a201"} {
		if _, ok := extrinsic.Bare(unhex(t, other)); ok {
			t.Errorf("%s is bare", other)
		}
	}
}
