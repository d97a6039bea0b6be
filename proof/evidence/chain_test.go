package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"

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
		"many":                       {works: 50, hashed: true, runtime: 201, handOffs: 5, headers: 30, members: 20},
		"weights":                    {hashed: true, runtime: 201, handOffs: 2, members: 3, weights: []uint64{7, 5, 4}},
		"one":                        {hashed: true, runtime: 201, handOffs: 2, members: 1},
	} {
		e := song.finalized(m)
		e = must(evidence.Decode(bytes.NewReader(must(evidence.Encode(e)))))
		for set := firstSet; set <= firstSet+m.handOffs; set++ {
			r := must(evidence.Verify(e, pinned(m, e, set)))
			if !r.OK() || !r.Anchored() || evidence.Judge(e, r) != evidence.Registered || check(r, "inclusion").Status != evidence.OK || !slices.Equal(r.Levels(), []evidence.Level{evidence.LevelChained}) {
				t.Errorf("%s, set %d: %s %+v", name, set, evidence.Judge(e, r), r)
			}
		}
		r := must(evidence.Verify(e, evidence.Options{}))
		if !r.OK() || r.Anchored() || evidence.Judge(e, r) != evidence.Untrusted || check(r, "chain").Status != evidence.NotChecked || !slices.Equal(r.Levels(), []evidence.Level{evidence.LevelNamed}) {
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

// docs/chain-proof.md promises that its commands check evidence without our programs, and that
// its checkpoint is one.
func TestChainByHand(t *testing.T) {
	t.Parallel()
	text := document(t, "chain-proof.md")
	if checkpoint := blocks(text, "text"); len(checkpoint) != 1 {
		t.Fatal(checkpoint)
	} else if _, err := evidence.ParseChainCheckpoints([]byte(checkpoint[0])); err != nil {
		t.Error(err)
	}
	for _, tool := range []string{"sh", "jq", "xxd", "b2sum", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("skipped: the documented commands need %s", tool)
		}
	}
	script := "set -eu\n" + strings.Join(blocks(text, "sh"), "")
	run := func(e evidence.Evidence) string {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "evidence.json"), must(evidence.Encode(e)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	right := "the block is right\nthe transaction is right\nthe root of state_proof is in the header\nthe root of extrinsic_proof is in the header\n" +
		"the justification is of the last header\nSignature Verified Successfully\n"
	if out := run(song.finalized(usual)); out != right {
		t.Errorf("%s", out)
	}
	forged := song.finalized(usual)
	forged.Substrate.Finality.Justification[100]++
	if out := run(forged); strings.Contains(out, "Successfully") {
		t.Errorf("%s", out)
	}
}

// The files of checkpoints that are read, and how many sets each one has: 0 if it is refused.
func TestChainCheckpoints(t *testing.T) {
	t.Parallel()
	var all []struct {
		Text string
		Sets int
	}
	if err := json.Unmarshal(must(os.ReadFile("testdata/checkpoints.json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		sets, err := evidence.ParseChainCheckpoints([]byte(c.Text))
		if len(sets) != c.Sets || (err == nil) != (c.Sets > 0) {
			t.Errorf("%q: %d sets, %v", c.Text, len(sets), err)
		}
	}
	if _, err := evidence.ParseChainCheckpoints(bytes.Repeat([]byte("#"), 1<<18+1)); err == nil {
		t.Error("a file of any size is read")
	}
}

// The sets of a file that is read are ones that a chain can have.
func FuzzChainCheckpoints(f *testing.F) {
	f.Add(usual.checkpoint(song.chained(), firstSet))
	f.Add("network a\ngenesis " + strings.Repeat("0", 64) + "\nset 1\nset 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		sets, err := evidence.ParseChainCheckpoints([]byte(text))
		if (err == nil) != (len(sets) > 0) {
			t.Fatalf("%d sets, %v", len(sets), err)
		}
		for i, s := range sets {
			if s.Genesis != sets[0].Genesis || s.Network != sets[0].Network || i > 0 && s.SetID <= sets[i-1].SetID || len(s.Authorities) == 0 {
				t.Errorf("%+v", sets)
			}
		}
	})
}

// A proof may have any bytes: the verifier refuses them, and never panics.
func FuzzChainProof(f *testing.F) {
	e := song.finalized(chainMaker{hashed: true, runtime: 201, handOffs: 1, headers: 1, members: 2})
	opts := pinned(chainMaker{members: 2}, e, firstSet)
	s := e.Substrate
	f.Add([]byte(s.Header), []byte(s.Finality.Justification), []byte(s.Finality.HandOffs[0].Header), []byte(s.StateProof[0]))
	f.Add([]byte{}, []byte{}, []byte{}, []byte{0x3f, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, header, justification, handOff, node []byte) {
		e, s, finality := e, *s, *s.Finality
		same := bytes.Equal(header, s.Header) && bytes.Equal(justification, finality.Justification) && bytes.Equal(handOff, finality.HandOffs[0].Header) && bytes.Equal(node, s.StateProof[0])
		s.Header, finality.Justification = header, justification
		finality.HandOffs = []evidence.HandOff{{Header: handOff, Justification: finality.HandOffs[0].Justification}}
		s.StateProof = append([]evidence.Bytes{node}, s.StateProof[1:]...)
		s.Finality, e.Substrate = &finality, &s
		e.Block.Hash = blake2b.Sum256(header)
		if r := must(evidence.Verify(e, opts)); r.Anchored() != same {
			t.Errorf("anchored: %t\n%+v", r.Anchored(), r)
		}
	})
}

// The values are real. The published runtime 100 of Melodie, a test network, stored them for
// a creation in block 2 and an update in block 3.
func TestRuntimeStores(t *testing.T) {
	t.Parallel()
	const (
		owner  = "8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48"
		work   = owner + "020000000200000000a0724e180900000000000000000000"
		second = "6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b01030000000010a5d4e80000000000000000000000"
	)
	keys := evidence.StateKeys(0, 2)
	values := map[string][]byte{
		string(keys[0]): must(hex.DecodeString(second)), string(keys[1]): must(hex.DecodeString(work)),
		string(keys[4]): must(hex.DecodeString("910144616c6c666561742d6d656c6f6469652d33")),
	}
	root, nodes := evidence.WriteTrie(values, true)
	s := evidence.Substrate{Header: header([32]byte{}, 3, root, [32]byte{}), StateProof: must(evidence.ProveKeys(root, nodes, keys[:]...))}
	state, err := s.State(0, 2)
	if err != nil || hex.EncodeToString(state.Owner[:]) != owner || state.Commitment != [32]byte(bytes.Repeat([]byte{0x6b}, 32)) ||
		state.ProtocolVersion != 1 || state.CreatedAt != 3 || state.Versions != 2 || state.Runtime != 100 || !state.Time.IsZero() {
		t.Errorf("%+v, %v", state, err)
	}
	for _, none := range [][2]int64{{0, 3}, {1, 2}, {0, 0}, {-1, 1}, {0, 1 << 32}} {
		if state, err := s.State(none[0], none[1]); err == nil {
			t.Errorf("%v: %+v", none, state)
		}
	}
}
