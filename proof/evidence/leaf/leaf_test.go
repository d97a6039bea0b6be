package leaf

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var example = Leaf{
	Transaction: Transaction{Commitment: [32]byte{0xab, 31: 1}, ProtocolVersion: 1, Nonce: Nonce("a nonce")},
	AtsID:       17, Version: 1, Block: 4, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
}

const exampleText = `timbre-log/v1
create
commitment ab00000000000000000000000000000000000000000000000000000000000001
protocol 1
nonce df71001510f3ff862b7342de1a92e1e700fd41e78677baf161079d3a5fcef6ec
ats 17
version 1
block 4
time 2026-03-01T12:00:00.000000Z
`

func TestTheText(t *testing.T) {
	lines := strings.SplitAfter(exampleText, "\n")
	if diff := cmp.Diff(exampleText, string(example.Bytes())); diff != "" {
		t.Errorf("leaf (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(strings.Join(lines[:5], ""), string(example.Transaction.Bytes())); diff != "" {
		t.Errorf("transaction (-want +got):\n%s", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digest := rapid.Custom(func(t *rapid.T) (d [32]byte) {
			copy(d[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
			return d
		})
		want := Leaf{
			Transaction: Transaction{
				Commitment: digest.Draw(t, "commitment"), Nonce: digest.Draw(t, "nonce"),
				ProtocolVersion: rapid.Uint8Min(1).Draw(t, "protocol"),
			},
			AtsID: rapid.Int64Min(1).Draw(t, "ats"), Version: rapid.Int64Min(1).Draw(t, "version"), Block: rapid.Int64Min(1).Draw(t, "block"),
			At: time.UnixMicro(rapid.Int64Range(0, 253402300799999999).Draw(t, "time")).UTC(),
		}
		if want.Version > 1 {
			want.Updates = want.AtsID
		}
		got, err := ParseLeaf(want.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("leaf (-want +got):\n%s", diff)
		}
	})
}

func TestStrict(t *testing.T) {
	good := string(example.Bytes())
	if _, err := ParseLeaf([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new string }{
		{"another format", "timbre-log/v1", "timbre-log/v2"},
		{"another action", "create", "revoke"},
		{"update without number", "create", "update"},
		{"update of work 0", "create", "update 0"},
		{"update as version 1", "create", "update 17"},
		{"leading zero", "ats 17", "ats 017"},
		{"plus sign", "ats 17", "ats +17"},
		{"negative", "ats 17", "ats -17"},
		{"too large", "ats 17", "ats 9223372036854775808"},
		{"create as version 2", "version 1", "version 2"},
		{"capitals", "commitment ab", "commitment AB"},
		{"short digest", "commitment ab", "commitment "},
		{"protocol over a byte", "protocol 1", "protocol 257"},
		{"carriage return", "create\n", "create\r\n"},
		{"two spaces", "block 4", "block  4"},
		{"another key", "block 4", "blok 4"},
		{"seconds only", "00.000000Z", "00Z"},
		{"no such day", "03-01", "02-30"},
		{"an offset", "000000Z", "000000+00:00"},
		{"an empty line more", "block 4\n", "block 4\n\n"},
		{"an end more", "000000Z\n", "000000Z\n\n"},
		{"no end", "000000Z\n", "000000Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(good, c.old, c.new, 1)
			if bad == good {
				t.Fatal("the case changes nothing")
			}
			if l, err := ParseLeaf([]byte(bad)); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %+v, %v, want ErrMalformed", l, err)
			}
		})
	}
}

func FuzzParseLeaf(f *testing.F) {
	f.Add(example.Bytes())
	f.Add([]byte(strings.Replace(string(example.Bytes()), "create", "update 17", 1)))
	f.Add([]byte("timbre-log/v1\ncreate\n\n\n\n\n\n\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ParseLeaf(text)
		if err == nil && !bytes.Equal(l.Bytes(), text) {
			t.Errorf("%q is read but written as %q", text, l.Bytes())
		}
	})
}

func FuzzParseTransaction(f *testing.F) {
	f.Add(example.Transaction.Bytes())
	f.Add([]byte(nil))
	f.Add([]byte("\n\n\n\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tx, err := ParseTransaction(text)
		if err == nil && (!bytes.Equal(tx.Bytes(), text) || tx.Hash() != sha256.Sum256(text)) {
			t.Errorf("%q is read but written as %q", text, tx.Bytes())
		}
	})
}
