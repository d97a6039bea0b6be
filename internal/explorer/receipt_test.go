package explorer_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/network/log/receipt"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// publicKey returns the Ed25519 key in a verifier key: the bytes after the type.
func publicKey(t *testing.T, verifierKey string) ed25519.PublicKey {
	t.Helper()
	parts := strings.SplitN(verifierKey, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 33 || raw[0] != 1 {
		t.Fatalf("%v: %x", err, raw)
	}
	return raw[1:]
}

// rootOf computes the root of RFC 9162, section 2.1.3.2, without the program that made the
// proof. It fails if the path has another length.
func rootOf(leaf []byte, size, index uint64, path [][]byte) (root [32]byte, ok bool) {
	if index >= size {
		return root, false
	}
	fn, sn := index, size-1
	root = sha256.Sum256(append([]byte{0}, leaf...))
	for _, p := range path {
		if sn == 0 {
			return root, false
		}
		if fn&1 == 1 || fn == sn {
			root = sha256.Sum256(bytes.Join([][]byte{{1}, p, root[:]}, nil))
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			root = sha256.Sum256(bytes.Join([][]byte{{1}, root[:], p}, nil))
		}
		fn, sn = fn>>1, sn>>1
	}
	return root, sn == 0
}

// accepts reads a receipt as a stranger does: by RFC 9942, with go-cose for the signature.
func accepts(text, leaf []byte, verifierKey string, key ed25519.PublicKey) (size uint64, ok bool) {
	var m cose.Sign1Message
	if m.UnmarshalCBOR(text) != nil || m.Payload != nil {
		return 0, false
	}
	// Read the headers without go-cose, which could accept its own mistakes.
	var outer cbor.RawTag
	var parts struct {
		_           struct{} `cbor:",toarray"`
		Protected   []byte
		Unprotected map[int64]map[int64][][]byte
		Payload     any
		Signature   []byte
	}
	var head struct {
		Algorithm int64            `cbor:"1,keyasint"`
		KeyID     []byte           `cbor:"4,keyasint"`
		Claims    map[int64]string `cbor:"15,keyasint"`
		Structure int64            `cbor:"395,keyasint"`
	}
	if cbor.Unmarshal(text, &outer) != nil || outer.Number != 18 || cbor.Unmarshal(outer.Content, &parts) != nil || cbor.Unmarshal(parts.Protected, &head) != nil {
		return 0, false
	}
	id := sha256.Sum256([]byte(verifierKey))
	origin, _, _ := strings.Cut(verifierKey, "+")
	if head.Algorithm != -8 || head.Structure != 1 || !bytes.Equal(head.KeyID, id[:16]) || head.Claims[1] != origin || len(parts.Signature) != 64 || len(parts.Unprotected) != 1 || len(parts.Unprotected[396][-1]) != 1 {
		return 0, false
	}
	var proof struct {
		_           struct{} `cbor:",toarray"`
		Size, Index uint64
		Path        [][]byte
	}
	if cbor.Unmarshal(parts.Unprotected[396][-1][0], &proof) != nil || len(proof.Path) == 0 {
		return 0, false
	}
	root, ok := rootOf(leaf, proof.Size, proof.Index, proof.Path)
	if !ok {
		return 0, false
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmEdDSA, key)
	if err != nil {
		return 0, false
	}
	m.Payload = root[:]
	return proof.Size, m.Verify(nil, verifier) == nil
}

// sizeAt returns the place of the tree's size, from 1 to 23. The signature does not cover the
// size: another size with a path of the same form gives the same root.
func sizeAt(receipt []byte, size uint64) int {
	return bytes.Index(receipt, []byte{0x83, byte(size)}) + 1
}

// Every entry has a COSE Receipt that other programs verify, in a tree of any shape.
func TestReceipts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		verifierKey := h.log.VerifierKey()
		key := publicKey(t, verifierKey)
		alone := h.add(0, 1, 0, true)[0]
		if res, _ := h.get(tx(alone) + "/receipt.cose"); res.StatusCode != 404 {
			t.Errorf("the only entry: %d", res.StatusCode)
		}
		if _, page := h.get(tx(alone)); strings.Contains(page, "receipt.cose") {
			t.Error("the page of the only entry leads to no receipt")
		}
		all, sizes := []network.Staged{alone}, []uint64{3}
		for _, n := range []int{2, 1, 5, 4} {
			all = append(all, h.add(len(all), n, 0, true)...)
			for len(sizes) < len(all) {
				sizes = append(sizes, uint64(len(all)))
			}
		}
		waiting := h.add(len(all), 1, 0, false)[0]
		if res, _ := h.get(tx(waiting) + "/receipt.cose"); res.StatusCode != 404 {
			t.Errorf("a waiting entry: %d", res.StatusCode)
		}
		for i, s := range all {
			res, body := h.get(tx(s) + "/receipt.cose")
			_, leaf := h.get(tx(s) + "/leaf.txt")
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != network.ReceiptType || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Fatalf("entry %d: %d %v", i, res.StatusCode, res.Header)
			}
			if size, ok := accepts([]byte(body), []byte(leaf), verifierKey, key); !ok || size != sizes[i] {
				t.Errorf("entry %d: %v, in a tree of %d: %x", i, ok, size, body)
			}
			if _, ok := accepts([]byte(body), []byte(leaf+"\n"), verifierKey, key); ok {
				t.Errorf("entry %d: another entry is accepted", i)
			}
			for at := range len(body) {
				if at == sizeAt([]byte(body), sizes[i]) {
					continue
				}
				changed := []byte(body)
				changed[at] ^= 1
				if _, ok := accepts(changed, []byte(leaf), verifierKey, key); ok {
					t.Errorf("entry %d: byte %d can be changed", i, at)
				}
			}
		}
		if _, page := h.get(tx(all[4])); !strings.Contains(page, `href="`+tx(all[4])+`/receipt.cose"`) {
			t.Error("the page does not lead to the receipt")
		}
		// A process without the key serves the same bytes.
		reader, err := log.Open(t.Context(), db, log.Config{Network: "testnet", Origin: h.log.Origin(), PublicKey: key})
		if err != nil {
			t.Fatal(err)
		}
		_, body := h.get(tx(all[4]) + "/receipt.cose")
		if text, err := reader.Receipt(t.Context(), all[4].Hash); err != nil || string(text) != body {
			t.Errorf("without the key: %v, %x", err, text)
		}
	})
}

// The two forms that the log's key signs can never be the same bytes: a note is UTF-8 and
// begins with the log's name, and what COSE signs begins with the byte 0x84.
func TestReceiptsAreApart(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	root := tlog.Hash{1}
	signature, err := receipt.Sign(key, "a.example/log/testnet", "a.example/log/testnet+00000000+AQ==", root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := receipt.Write("a.example/log/testnet", "a.example/log/testnet+00000000+AQ==", signature, 2, 0, tlog.RecordProof{{2}})
	if err != nil {
		t.Fatal(err)
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(text); err != nil {
		t.Fatal(err)
	}
	raw, err := m.Headers.MarshalProtected()
	if err != nil {
		t.Fatal(err)
	}
	var head []byte
	if err := cbor.Unmarshal(raw, &head); err != nil {
		t.Fatal(err)
	}
	signed, err := cbor.Marshal([]any{"Signature1", head, []byte{}, root[:]})
	if err != nil || signed[0] != 0x84 || !ed25519.Verify(key.Public().(ed25519.PublicKey), signed, signature) {
		t.Errorf("%v: %x", err, signed)
	}
	// The signature is about this log alone, also with the same key.
	other, err := receipt.Sign(key, "a.example/log/mainnet", "a.example/log/mainnet+00000000+AQ==", root)
	if err != nil || bytes.Equal(other, signature) {
		t.Errorf("%v: two logs have one signature", err)
	}
	if _, err := receipt.Write("a.example/log/testnet", "a", signature, 1, 0, nil); err != receipt.ErrAlone {
		t.Error(err)
	}
}

// docs/log.md has a program in another language that reads a receipt. It runs unchanged.
func TestDocumentedReceipt(t *testing.T) {
	python := ""
	for _, one := range []string{"python3", "/usr/bin/python3"} { // the second one is the system's, if another is before it
		if exec.Command(one, "-c", "import cbor2, cryptography").Run() == nil {
			python = one
			break
		}
	}
	if python == "" {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal("no python3 with cbor2 and cryptography")
		}
		t.Skip("skipped: needs python3 with cbor2 and cryptography (Debian: python3-cbor2, python3-cryptography)")
	}
	page, err := os.ReadFile("../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```py\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(programs) != 1 {
		t.Fatalf("%d programs", len(programs))
	}
	h := open(t, storetest.SQLite(t))
	h.add(0, 3, 0, true)
	for i, s := range h.add(3, 9, 0, true)[:3] {
		dir := t.TempDir()
		_, leaf := h.get(tx(s) + "/leaf.txt")
		_, body := h.get(tx(s) + "/receipt.cose")
		run := func(leaf, receipt, key string) (string, error) {
			for name, text := range map[string]string{"leaf.txt": leaf, "receipt.cose": receipt, "key.txt": key + "\n", "receipt.py": programs[0][1]} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(python, "receipt.py")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := run(leaf, body, h.log.VerifierKey()); err != nil || !strings.Contains(out, "the entry is in the log "+h.log.Origin()) {
			t.Fatalf("%v: %s", err, out)
		}
		if i > 0 {
			continue
		}
		for at := 0; at < len(body); at += 23 {
			if at == sizeAt([]byte(body), 12) {
				continue
			}
			changed := []byte(body)
			changed[at] ^= 1
			if out, err := run(leaf, string(changed), h.log.VerifierKey()); err == nil || strings.Contains(out, "the entry is in the log") {
				t.Errorf("byte %d can be changed: %s", at, out)
			}
		}
		if out, err := run(strings.Replace(leaf, "time 2", "time 1", 1), body, h.log.VerifierKey()); err == nil {
			t.Errorf("another entry: %s", out)
		}
	}
}
