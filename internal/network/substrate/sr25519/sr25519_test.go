package sr25519_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"timbre.example/internal/network/substrate/sr25519"
)

// seed is that of the well-known development phrase, and the keys below are those that all
// tools derive from it.
const seed = "fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e"

func key(t *testing.T, s string) (k [32]byte) {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(k) {
		t.Fatal(err)
	}
	return [32]byte(b)
}

func TestDerive(t *testing.T) {
	for name, want := range map[string]string{
		"Alice": "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d",
		"Bob":   "8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48",
	} {
		p, err := sr25519.Named(key(t, seed), name)
		if err != nil || p.Public() != key(t, want) {
			t.Errorf("//%s: %x, %v", name, p.Public(), err)
		}
	}
	zero, err := sr25519.Numbered(key(t, seed), 0)
	one, err2 := sr25519.Numbered(key(t, seed), 1)
	if err != nil || err2 != nil || zero.Public() == one.Public() {
		t.Error(err, err2, zero, one)
	}
	long, err := sr25519.Named(key(t, seed), strings.Repeat("long", 20))
	if err != nil || long.Public() == zero.Public() {
		t.Error(err, long)
	}
}

func TestSign(t *testing.T) {
	p, err := sr25519.Numbered(key(t, seed), 7)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Sign([]byte("a message"))
	if err != nil || !sr25519.Verify(p.Public(), []byte("a message"), s) {
		t.Fatalf("%x, %v", s, err)
	}
	changed := s
	changed[3] ^= 1
	other := p.Public()
	other[0] ^= 1
	if sr25519.Verify(p.Public(), []byte("another"), s) || sr25519.Verify(p.Public(), []byte("a message"), changed) || sr25519.Verify(other, []byte("a message"), s) || sr25519.Verify(p.Public(), []byte("a message"), [64]byte{}) {
		t.Error("a wrong signature is accepted")
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, p); text != fmt.Sprintf("sr25519 %x", p.Public()) {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
