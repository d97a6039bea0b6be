package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timbre.example/proof/evidence"
)

// TestThePageAgrees compares the page with package evidence, check by check, on documents that were
// changed at random. The cases of proof/evidence/testdata/cases.json are chosen by hand; random changes
// find others.
func TestThePageAgrees(t *testing.T) {
	t.Parallel()
	dir, err := verifyDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range []error{stat(filepath.Join(dir, "..", "node_modules", "@noble", "curves")), look("node")} {
		if missing != nil && os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(missing)
		} else if missing != nil {
			t.Skip(missing)
		}
	}
	built, err := forNode(dir, filepath.Join(t.TempDir(), "built"), filepath.Join(dir, "test", "agree.ts"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, "..", "proof", "evidence", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key, media := strings.TrimSpace(string(read("v1/key.txt"))), read("v1/media.bin")
	sum := sha256.Sum256(media)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	golden := [][]byte{read("v1/full.json"), read("v1/redacted.json"), read("v1/substrate.json"), read("v2/full.json"), read("v2/attested.json"), read("v2/attested.json"), read("v2/chain.json"), read("v2/chain.json"), read("v2/anchored.json"), read("v2/anchored.json")}
	text := string(read("v2/policy.txt"))
	policy, err := evidence.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	checkpoint := string(read("v2/checkpoint.txt"))
	chains, err := evidence.ParseChainCheckpoints([]byte(checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	var documents [][]byte
	var in bytes.Buffer
	lines := json.NewEncoder(&in)
	chain, anchored := read("v2/chain.json"), read("v2/anchored.json")
	for i := range 2000 + (len(chain)+len(anchored))/101 {
		document := changed(r, golden[r.IntN(len(golden))])
		if i >= 2000 { // one character of a chain's proof, in every part of it
			document = slices.Concat(chain, anchored)
			at := (i-2000)*101 + r.IntN(101)
			document[at] = map[bool]byte{true: '1', false: '0'}[document[at] == '0']
			if at < len(chain) {
				document = document[:len(chain)]
			} else {
				document = document[len(chain):]
			}
		}
		documents = append(documents, document)
		if err := lines.Encode(map[string]any{"document": document, "key": key, "sha256": hex.EncodeToString(sum[:]), "size": len(media), "policy": text, "checkpoint": checkpoint}); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("node", built...)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(bytes.NewReader(out))
	readable := 0
	for _, document := range documents {
		want := "malformed"
		if e, err := evidence.Decode(bytes.NewReader(document)); err == nil {
			readable++
			report, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(media), Keys: []string{key}, Policy: &policy, ChainCheckpoints: chains})
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, c := range report {
				if c.Name == evidence.CheckToken || c.Name == evidence.CheckTokenAuthority || c.Name == evidence.CheckBitcoin {
					continue // the page reads neither tokens nor OpenTimestamps proofs
				}
				said = append(said, string(c.Name)+" "+string(c.Status))
			}
			want = strings.Join(said, ", ")
		}
		if !answers.Scan() {
			t.Fatal("the page printed too few results")
		}
		if got := answers.Text(); got != want {
			t.Fatalf("seed %d: the page says %s, the package %s, of\n%s", seed, got, want, document)
		}
	}
	if readable < len(documents)/20 {
		t.Errorf("only %d of %d could be read", readable, len(documents))
	}
}

func stat(path string) error {
	_, err := os.Stat(path)
	return err
}

func look(name string) error {
	_, err := exec.LookPath(name)
	return err
}

// changed returns a document in which a few bytes, or one value, are changed.
func changed(r *rand.Rand, document []byte) []byte {
	b := bytes.Clone(document)
	const signs = "{}[]\",:\\/0123456789.eE-+=ntfu \n\tabcXZ"
	words := []string{"null", "true", "0", "-0", "1e3", "1.0", "\"\"", "\"0\"", "[]", "{}", `"\ud800"`, "\"\u00e9\"", "18446744073709551616", "\"2026-03-01T12:00:00Z\"",
		`"mainnet"`, `"log/testnet"`, `"Testnet"`, `"testnet "`, `"timbre.example/log/mainnet"`, `"timbre.example/log/log/testnet"`}
	for range 1 + r.IntN(2) {
		switch at := r.IntN(len(b)); r.IntN(6) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = signs[r.IntN(len(signs))]
		case 2:
			b = append(b[:at], b[at+1:]...)
		case 3:
			b = fmt.Appendf(nil, "%s%c%s", b[:at], signs[r.IntN(len(signs))], b[at:])
		case 4: // a digit or letter within a value
			if c := b[at]; c >= '0' && c < '9' || c >= 'a' && c < 'f' {
				b[at]++
			}
		case 5: // a whole value
			colon := bytes.IndexByte(b[at:], ':')
			if colon < 0 {
				continue
			}
			from := at + colon + 1
			end := bytes.IndexAny(b[from:], ",}\n")
			if end < 0 {
				continue
			}
			b = fmt.Appendf(nil, "%s %s%s", b[:from], words[r.IntN(len(words))], b[from+end:])
		}
	}
	return b
}
