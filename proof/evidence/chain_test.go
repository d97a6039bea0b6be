package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"timbre.example/proof/evidence"
)

// pinned returns what a verifier has who trusts one set of the golden chain.
func pinned(m chainMaker, e evidence.Evidence, set int) evidence.Options {
	return evidence.Options{ChainCheckpoints: must(evidence.ParseChainCheckpoints([]byte(m.checkpoint(e, set))))}
}

// The beginnings of the storage keys are constants of the package.
func TestStorageKeys(t *testing.T) {
	t.Parallel()
	twox := func(text string) (b []byte) {
		for seed := range uint64(2) {
			d := xxhash.NewWithSeed(seed)
			_, _ = d.WriteString(text)
			var sum [8]byte
			for i := range sum {
				sum[i] = byte(d.Sum64() >> (8 * i))
			}
			b = append(b, sum[:]...)
		}
		return b
	}
	for i, name := range []string{"Ats AtsVersions", "Ats AtsRegistry", "Timestamp Now", "Grandpa CurrentSetId", "System LastRuntimeUpgrade"} {
		pallet, item, _ := strings.Cut(name, " ")
		want := append(twox(pallet), twox(item)...)
		if key := evidence.StateKeys(3, 1)[i]; !bytes.Equal(key[:32], want) || i >= 2 && len(key) != 32 {
			t.Errorf("%s: %x, want %x", name, key, want)
		}
	}
	// The key of the first version of work 0, as a node's client (polkadot-js) writes it.
	const known = "d6a922a3bb930d4e184882d6db8d355feb1a8703380c322f02a66a55ef253e7e" +
		"c804ce198ec337e3dc762bdd1a09aece000000000000000011d2df4e979aa105cf552e9544ebd2b500000000"
	if key := hex.EncodeToString(evidence.StateKeys(0, 1)[0]); key != known {
		t.Errorf("%s, want %s", key, known)
	}
}

func TestChainProof(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]chainMaker{
		"the usual":                  usual,
		"values in the nodes":        {runtime: 201, handOffs: 1, headers: 2, members: 4},
		"runtime 100":                {hashed: true, runtime: 100, handOffs: 1, headers: 2, members: 4},
		"runtime 100, values inside": {runtime: 100, members: 4},
		"no hand-over":               {hashed: true, runtime: 201, headers: 1, members: 3},
		"many":                       {hashed: true, runtime: 201, handOffs: 5, headers: 30, members: 20},
		"weights":                    {hashed: true, runtime: 201, handOffs: 2, members: 3, weights: []uint64{7, 5, 4}},
		"one":                        {hashed: true, runtime: 201, handOffs: 2, members: 1},
	} {
		e := song.finalized(m)
		e = must(evidence.Decode(bytes.NewReader(must(evidence.Encode(e)))))
		for set := firstSet; set <= firstSet+m.handOffs; set++ {
			r := must(evidence.Verify(e, pinned(m, e, set)))
			if !r.OK() || !r.Anchored() || evidence.Judge(e, r) != evidence.Registered || check(r, "inclusion").Status != evidence.OK {
				t.Errorf("%s, set %d: %s %+v", name, set, evidence.Judge(e, r), r)
			}
		}
		r := must(evidence.Verify(e, evidence.Options{}))
		if !r.OK() || r.Anchored() || evidence.Judge(e, r) != evidence.Untrusted || check(r, "chain").Status != evidence.NotChecked {
			t.Errorf("%s, without a checkpoint: %s %+v", name, evidence.Judge(e, r), r)
		}
	}
}

// unprotected are the members that no hash or signature covers.
var unprotected = regexp.MustCompile(`"(format|filename|duration)": [^,\n]*`)

// Characters of the document are changed, one after the other: each one with TIMBRE_TEST_ALL,
// otherwise every seventh. A reader who pins a set of
// authorities never takes the result for a proof of the same registration.
func TestNoByteOfAChainIsFree(t *testing.T) {
	t.Parallel()
	text := golden()["chain.json"]
	free := make([]bool, len(text))
	for _, place := range unprotected.FindAllIndex(text, -1) {
		for i := place[0]; i < place[1]; i++ {
			free[i] = true
		}
	}
	e := decode(t, text)
	opts := pinned(usual, e, firstSet)
	step := 7 // a prime: the places in bytes and digits differ
	if os.Getenv("TIMBRE_TEST_ALL") != "" {
		step = 1
	}
	changed := bytes.Clone(text)
	proved := 0
	for at := 0; at < len(text); at += step {
		if free[at] || text[at] == ' ' || text[at] == '\n' {
			continue
		}
		changed[at] = other(text[at])
		e, err := evidence.Decode(bytes.NewReader(changed))
		if err == nil {
			proved++
			opts.Media = bytes.NewReader(song.media)
			if r := must(evidence.Verify(e, opts)); r.Anchored() || evidence.Judge(e, r).Proved() {
				t.Errorf("byte %d is free: %q", at, text[max(0, at-60):at+1])
			}
		}
		changed[at] = text[at]
	}
	if proved < len(text)/2/step {
		t.Errorf("only %d of %d changed documents could be read", proved, len(text)/step)
	}
}

// other returns another character of the same kind.
func other(c byte) byte {
	switch {
	case c == '9' || c == 'f' || c == 'z' || c == 'Z':
		return c - 1
	case c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return c + 1
	}
	return 'x'
}

// The proof of a chain costs the checks of its signatures, and little besides.
func BenchmarkChain(b *testing.B) {
	for name, m := range map[string]chainMaker{
		"4":  usual,
		"20": {hashed: true, runtime: 201, handOffs: 1, headers: 10, members: 20},
	} {
		e := song.finalized(m)
		opts := pinned(m, e, firstSet)
		b.Run("authorities="+name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if r := must(evidence.Verify(e, opts)); !r.Anchored() {
					b.Fatal(r)
				}
			}
		})
		// The floor: the signatures alone.
		b.Run("signatures="+name, func(b *testing.B) {
			b.ReportAllocs()
			key := grandpaKey(firstSet, 0)
			public, message := key.Public().(ed25519.PublicKey), make([]byte, 53)
			sum := ed25519.Sign(key, message)
			for range b.N {
				for range (1 + m.handOffs) * m.enough() {
					if !ed25519.Verify(public, message, sum) {
						b.Fatal("it does not verify")
					}
				}
			}
		})
	}
}
