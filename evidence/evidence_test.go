package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"timbre.example/commitment"
	"timbre.example/evidence"
	"timbre.example/internal/network/log/leaf"
)

// hashes is a tree's hashes, as tlog stores them.
type hashes []tlog.Hash

func (h hashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range at {
		out = append(out, h[i])
	}
	return out, nil
}

// made is a work's evidence in a log of its own, with the file and its key.
func made(t *rapid.T) (e evidence.Evidence, media []byte, key string) {
	die := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	media = rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "media")
	work := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) commitment.Creator {
		return commitment.Creator{FullName: rapid.StringN(1, 9, -1).Draw(t, "name"), Email: "a@b.example", Roles: []commitment.Role{commitment.Author}}
	}), 1, commitment.MaxCreators).Draw(t, "creators")
	title := rapid.StringN(1, 20, -1).Draw(t, "title")
	c, err := commitment.Compute(title, work, sha256.Sum256(media))
	die(err)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	entry := leaf.Leaf{Transaction: leaf.Transaction{Commitment: c.Hash, ProtocolVersion: 1, Nonce: leaf.Nonce("n")}, AtsID: 7, Version: 1, Block: 3, At: at}

	size := rapid.Int64Range(1, 40).Draw(t, "size")
	index := rapid.Int64Range(0, size-1).Draw(t, "index")
	var tree hashes
	for i := range size {
		text := fmt.Appendf(nil, "entry %d", i)
		if i == index {
			text = entry.Bytes()
		}
		more, err := tlog.StoredHashes(i, text, tree)
		die(err)
		tree = append(tree, more...)
	}
	root, err := tlog.TreeHash(size, tree)
	die(err)
	proof, err := tlog.ProveRecord(size, index, tree)
	die(err)
	secret, key, err := note.GenerateKey(nil, "log.example")
	die(err)
	signer, err := note.NewSigner(secret)
	die(err)
	checkpoint, err := note.Sign(&note.Note{Text: fmt.Sprintf("log.example\n%d\n%s\n", size, root)}, signer)
	die(err)

	e = evidence.Evidence{
		Format: evidence.Format, Title: title, Media: evidence.Media{SHA256: c.Media, SizeBytes: int64(len(media)), Format: "wav"},
		MerkleRoot: c.Root, Commitment: c.Hash, ProtocolVersion: 1, Network: evidence.Network{Name: "testnet", Kind: evidence.KindLog},
		AtsID: 7, Version: 1, TxHash: entry.Hash(), Block: evidence.Block{Number: 3, Hash: sha256.Sum256(checkpoint), Time: at},
		Log: &evidence.Log{Origin: "log.example", Key: key, Leaf: string(entry.Bytes()), Index: index, Proof: proof, Checkpoint: string(checkpoint)},
	}
	for i := range work {
		p, err := c.Proof(i)
		die(err)
		e.Creators = append(e.Creators, evidence.Creator{Creator: work[i], Proof: p})
	}
	return e, media, key
}

// Whatever is registered verifies, whole and redacted, after a round trip
// through JSON; and nothing that is said in it can be changed.
func TestEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, media, key := made(t)
		n := len(e.Creators)
		keep := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 1, n, rapid.ID).Draw(t, "keep")
		e, err := e.Redact(keep...)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		read := func() evidence.Evidence {
			e, err := evidence.Decode(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		verify := func(e evidence.Evidence, media []byte, key string) evidence.Report {
			r, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(media), Key: key})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := verify(read(), media, key)
		if !r.OK() {
			t.Fatalf("refused: %+v", r)
		}
		for _, c := range r {
			if want := c.Name != "all_creators" || len(keep) == n; (c.Status == evidence.OK) != want {
				t.Fatalf("%+v, with %d of %d creators", c, len(keep), n)
			}
		}

		_, other, err := note.GenerateKey(nil, "log.example")
		if err != nil {
			t.Fatal(err)
		}
		if verify(read(), media, other).OK() {
			t.Error("another log's key is accepted")
		}
		bit := bytes.Clone(media)
		bit[rapid.IntRange(0, len(bit)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if verify(read(), bit, key).OK() {
			t.Error("another recording is accepted")
		}
		for what, change := range map[string]func(*evidence.Evidence){
			"title":      func(e *evidence.Evidence) { e.Title += "x" },
			"name":       func(e *evidence.Evidence) { e.Creators[0].FullName += "x" },
			"e-mail":     func(e *evidence.Evidence) { e.Creators[0].Email += "x" },
			"role":       func(e *evidence.Evidence) { e.Creators[0].Roles[0] = commitment.Adapter },
			"proof":      func(e *evidence.Evidence) { e.Creators[0].Proof[4].Sibling[3] ^= 1 },
			"media hash": func(e *evidence.Evidence) { e.Media.SHA256[0] ^= 1 },
			"media size": func(e *evidence.Evidence) { e.Media.SizeBytes++ },
			"root":       func(e *evidence.Evidence) { e.MerkleRoot[0] ^= 1 },
			"commitment": func(e *evidence.Evidence) { e.Commitment[0] ^= 1 },
			"protocol":   func(e *evidence.Evidence) { e.ProtocolVersion++ },
			"ats id":     func(e *evidence.Evidence) { e.AtsID++ },
			"version":    func(e *evidence.Evidence) { e.Version++ },
			"tx hash":    func(e *evidence.Evidence) { e.TxHash[0] ^= 1 },
			"block":      func(e *evidence.Evidence) { e.Block.Number++ },
			"block hash": func(e *evidence.Evidence) { e.Block.Hash[0] ^= 1 },
			"block time": func(e *evidence.Evidence) { e.Block.Time = e.Block.Time.Add(time.Microsecond) },
			"origin":     func(e *evidence.Evidence) { e.Log.Origin += "x" },
			"key":        func(e *evidence.Evidence) { e.Log.Key = other },
			"leaf":       func(e *evidence.Evidence) { e.Log.Leaf = strings.Replace(e.Log.Leaf, "nonce ", "nonce 0", 1) },
			"index":      func(e *evidence.Evidence) { e.Log.Index++ },
			"inclusion":  func(e *evidence.Evidence) { e.Log.Proof = append(e.Log.Proof, tlog.Hash{}) },
			"checkpoint": func(e *evidence.Evidence) { e.Log.Checkpoint += "\n" },
			"signature": func(e *evidence.Evidence) {
				// The block hash is made to fit, so that only the signature is left to object.
				b := []byte(e.Log.Checkpoint)
				at := len(b) - 8
				b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A']
				e.Log.Checkpoint, e.Block.Hash = string(b), sha256.Sum256(b)
			},
		} {
			bad := read()
			change(&bad)
			if verify(bad, media, key).OK() {
				t.Errorf("another %s is accepted", what)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"evidence":1}`))
	f.Add([]byte(`{"evidence":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := evidence.Decode(bytes.NewReader(text))
		if err != nil {
			if !errors.Is(err, evidence.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		if _, err := evidence.Verify(e, evidence.Options{}); err != nil {
			t.Error(err)
		}
	})
}
