package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/evidence"
)

const pageOrigin = "songs.example/log/testnet"

// signerOf returns the n-th key of a log as a note.Signer and as a verifier key.
func signerOf(t testing.TB, origin string, n int) (note.Signer, string) {
	t.Helper()
	private, key, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{byte(n)}, 64)), origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return s, key
}

// root is the root of a tree of this size in the tests.
func root(size int64) tlog.Hash {
	if size == 0 {
		return tlog.Hash(sha256.Sum256(nil))
	}
	return tlog.Hash(sha256.Sum256(fmt.Append(nil, size)))
}

// grow adds a change to a page, signed by these keys.
func grow(t testing.TB, p evidence.KeyPage, kind evidence.ChangeKind, size int64, key int, signers ...int) string {
	t.Helper()
	p.Origin = pageOrigin
	_, vkey := signerOf(t, pageOrigin, key)
	c := evidence.KeyChange{Kind: kind, Key: vkey, After: tlog.Tree{N: size, Hash: root(size)}, Block: size, At: time.Unix(1_700_000_000+size, 0)}
	var by []note.Signer
	for _, n := range signers {
		s, _ := signerOf(t, pageOrigin, n)
		by = append(by, s)
	}
	signed, err := note.Sign(&note.Note{Text: p.Unsigned(c)}, by...)
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

func parsePage(t testing.TB, text string) evidence.KeyPage {
	t.Helper()
	p, err := evidence.ParseKeyPage(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// threeKeys is a page with three keys and an end: trees up to 5, 9, and 12.
func threeKeys(t testing.TB) evidence.KeyPage {
	p := parsePage(t, grow(t, evidence.KeyPage{}, evidence.ChangeBegin, 0, 1, 1))
	p = parsePage(t, grow(t, p, evidence.ChangeRotate, 5, 2, 1, 2))
	p = parsePage(t, grow(t, p, evidence.ChangeRotate, 9, 3, 2, 3))
	return parsePage(t, grow(t, p, evidence.ChangeEnd, 12, 3, 3))
}

// checkpointOf is a checkpoint of the size, signed by the n-th key.
func checkpointOf(t testing.TB, size int64, hash tlog.Hash, n int) string {
	t.Helper()
	s, _ := signerOf(t, pageOrigin, n)
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", pageOrigin, size, hash)}, s)
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// Exactly one key signs the trees of each size, and none signs after the end.
func TestKeyPage(t *testing.T) {
	t.Parallel()
	p := threeKeys(t)
	for size := range int64(15) {
		for n := 1; n <= 3; n++ {
			want := size <= 12 && n == map[bool]int{true: 1}[size <= 5]+map[bool]int{true: 2}[size > 5 && size <= 9]+map[bool]int{true: 3}[size > 9]
			_, key := signerOf(t, pageOrigin, n)
			tree, by, err := p.Open(checkpointOf(t, size, root(size), n))
			if (err == nil) != want || want && (by != key || tree.N != size || p.KeyFor(size) != key) {
				t.Errorf("size %d, key %d: %v", size, n, err)
			}
		}
	}
	conflict := (*evidence.KeyConflict)(nil)
	if _, _, err := p.Open(checkpointOf(t, 9, root(8), 2)); !errors.As(err, &conflict) || !conflict.Trees {
		t.Error("another tree at the size of a change", err)
	}
	if last, ended := p.Ended(); !ended || last.N != 12 {
		t.Error(last, ended)
	}
	// Go's own package reads the page with any of its newest keys.
	_, key := signerOf(t, pageOrigin, 3)
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := note.Open([]byte(p.Text), note.VerifierList(v)); err != nil || !strings.HasSuffix(n.Text, "\nstate ended\n") {
		t.Error(err)
	}
}

// A page whose chain does not hold is refused, and the error says where.
func TestKeyPageIsRefused(t *testing.T) {
	t.Parallel()
	p := threeKeys(t)
	one := parsePage(t, grow(t, evidence.KeyPage{}, evidence.ChangeBegin, 0, 1, 1))
	two := parsePage(t, grow(t, one, evidence.ChangeRotate, 5, 2, 1, 2))
	all := strings.SplitAfter(p.Text, "\n")
	for name, c := range map[string]struct{ text, why string }{
		"empty":                     {"", "not a signed note"},
		"the former key is missing": {grow(t, one, evidence.ChangeRotate, 5, 2, 2), "change 2: it has 1 signatures, not 2"},
		"the new key is missing":    {grow(t, one, evidence.ChangeRotate, 5, 2, 1), "change 2: it has 1 signatures, not 2"},
		"another former key":        {grow(t, one, evidence.ChangeRotate, 5, 2, 3, 2), "change 2: the key that stops"},
		"another new key":           {grow(t, one, evidence.ChangeRotate, 5, 2, 1, 3), "change 2: the key that counts"},
		"signatures the other way":  {grow(t, one, evidence.ChangeRotate, 5, 2, 2, 1), "change 2: the key that stops"},
		"the begin by another":      {grow(t, evidence.KeyPage{}, evidence.ChangeBegin, 0, 1, 2), "change 1: the key that counts"},
		"no begin":                  {grow(t, evidence.KeyPage{Text: "timbre-log-keys/v1\norigin " + pageOrigin + "\n"}, evidence.ChangeEnd, 0, 1, 1), "change 1: the first change"},
		"a begin with entries":      {grow(t, evidence.KeyPage{}, evidence.ChangeBegin, 3, 1, 1), "change 1: the first change"},
		"a key that comes back":     {grow(t, two, evidence.ChangeRotate, 7, 1, 2, 1), "change 3: the new key was"},
		"a smaller size":            {grow(t, two, evidence.ChangeRotate, 4, 3, 2, 3), "change 3: its size"},
		"after the end":             {grow(t, p, evidence.ChangeRotate, 12, 4, 3, 4), "change 5: it follows the end"},
		"an end by another key":     {grow(t, two, evidence.ChangeEnd, 9, 3, 3), "change 3: an end keeps the key"},
		"a signature more":          {p.Text + all[len(all)-2], "change 4: it has 2 signatures, not 1"},
		"another version":           {strings.Replace(one.Text, "/v1", "/v2", 1), "change 1: this is not a key page"},
		"a line changed":            {strings.Replace(p.Text, "\nblock 5\n", "\nblock 6\n", 1), "change 2: the key that stops"},
		"a zero more":               {strings.Replace(p.Text, "\nafter 5\n", "\nafter 05\n", 1), "change 2: its lines"},
		"too large":                 {p.Text + strings.Repeat(" ", evidence.MaxKeyPage), "more than"},
	} {
		if _, err := evidence.ParseKeyPage(c.text); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
	}
	for i := range p.Text { // each byte of a page counts
		changed := []byte(p.Text)
		changed[i] ^= 1
		if _, err := evidence.ParseKeyPage(string(changed)); err == nil {
			t.Errorf("byte %d of the page can be changed", i)
		}
	}
}

// A reader trusts the keys of a page that has one of the reader's keys, and no page of others.
func TestKeyring(t *testing.T) {
	t.Parallel()
	p := threeKeys(t)
	for n := 1; n <= 3; n++ {
		_, key := signerOf(t, pageOrigin, n)
		ring, err := evidence.NewKeyring([]string{key}, []evidence.KeyPage{p})
		if err != nil || len(ring.Keys()) != 3 || ring.Keys()[0] != key {
			t.Error(n, err, ring.Keys())
		}
	}
	_, foreign := signerOf(t, pageOrigin, 9)
	if ring, err := evidence.NewKeyring([]string{foreign}, []evidence.KeyPage{p}); err != nil || len(ring.Keys()) != 1 {
		t.Error(err, ring.Keys())
	}
	// A thief of the first key names another next key: both pages together show it.
	one := parsePage(t, grow(t, evidence.KeyPage{}, evidence.ChangeBegin, 0, 1, 1))
	forged := parsePage(t, grow(t, one, evidence.ChangeRotate, 5, 7, 1, 7))
	_, first := signerOf(t, pageOrigin, 1)
	if _, err := evidence.NewKeyring([]string{first}, []evidence.KeyPage{p, forged}); !errors.As(err, new(*evidence.KeyFork)) {
		t.Error(err)
	}
	for _, order := range [][]evidence.KeyPage{{one, p}, {p, one}} {
		ring, err := evidence.NewKeyring([]string{first}, order)
		if page, ok := ring.Page(pageOrigin); err != nil || !ok || page.Text != p.Text {
			t.Error("the newest page does not count", err)
		}
	}
}

func FuzzKeyPage(f *testing.F) {
	f.Add(threeKeys(f).Text)
	f.Add(strings.Replace(threeKeys(f).Text, "\n\n", "\n", 1))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := evidence.ParseKeyPage(text)
		if err != nil {
			return
		}
		if p.Text != text || len(p.Changes) == 0 || len(p.Keys()) == 0 || !p.Continues(p) {
			t.Errorf("%+v", p)
		}
	})
}
