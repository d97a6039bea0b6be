package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

// work is a registry's data of a version and of its log.
type work struct {
	title    string
	creators []commitment.Creator
	media    []byte
	ats      int64
	version  int64
	// The log has size entries, and the version is the one at index.
	size, index int64
	// seed makes the log's key.
	seed [32]byte
}

const logName = "timbre.example/log/testnet"

// key is the log's verifier key.
func (w work) key() string {
	key, err := note.NewEd25519VerifierKey(logName, ed25519.NewKeyFromSeed(w.seed[:]).Public().(ed25519.PublicKey))
	if err != nil {
		panic(err)
	}
	return key
}

// hashes is a tree's hashes, as tlog stores them.
type hashes []tlog.Hash

func (h hashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range at {
		out = append(out, h[i])
	}
	return out, nil
}

type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s signer) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.key, text), nil }

// must panics on an error: use it only where an error is a bug of the tests.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// committed returns the part of the evidence with the registered data.
func (w work) committed() evidence.Evidence {
	c := must(commitment.Compute(w.title, w.creators, sha256.Sum256(w.media)))
	e := evidence.Evidence{
		Format: evidence.Format, Title: w.title, Media: evidence.Media{SHA256: c.Media, SizeBytes: int64(len(w.media)), Format: "WAV", Filename: "take 3.wav", Duration: 2.5},
		MerkleRoot: c.Root, Commitment: c.Hash, ProtocolVersion: commitment.Version, AtsID: w.ats, Version: w.version,
	}
	for i := range w.creators {
		e.Creators = append(e.Creators, evidence.Creator{Creator: w.creators[i], Proof: must(c.Proof(i))})
	}
	return e
}

// sign returns the log's signed checkpoint of a tree.
func (w work) sign(size int64, root tlog.Hash) []byte {
	s := signer{must(note.NewVerifier(w.key())), ed25519.NewKeyFromSeed(w.seed[:])}
	return must(note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", logName, size, root)}, s))
}

// signAs returns a checkpoint with the given origin, signed with this log's key.
func (w work) signAs(origin string) []byte {
	s := signer{must(note.NewVerifier(w.key())), ed25519.NewKeyFromSeed(w.seed[:])}
	return must(note.Sign(&note.Note{Text: fmt.Sprintf("%s\n1\n%s\n", origin, tlog.Hash{})}, s))
}

// logged returns the version's evidence in a log.
func (w work) logged() evidence.Evidence {
	e := w.committed()
	entry := leaf.Leaf{
		Transaction: leaf.Transaction{Commitment: e.Commitment, ProtocolVersion: e.ProtocolVersion, Nonce: leaf.Nonce("n")},
		AtsID:       w.ats, Version: w.version, Block: 3, At: time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC),
	}
	if w.version > 1 {
		entry.Updates = w.ats
	}
	var tree hashes
	for i := range w.size {
		text := fmt.Appendf(nil, "entry %d", i)
		if i == w.index {
			text = entry.Bytes()
		}
		tree = append(tree, must(tlog.StoredHashes(i, text, tree))...)
	}
	checkpoint := w.sign(w.size, must(tlog.TreeHash(w.size, tree)))
	e.Network = evidence.Network{Name: "testnet", Kind: evidence.KindLog}
	e.TxHash = entry.Hash()
	e.Block = evidence.Block{Number: entry.Block, Hash: sha256.Sum256(checkpoint), Time: entry.At}
	e.Log = &evidence.Log{
		Origin: logName, Key: w.key(), Leaf: string(entry.Bytes()), Index: w.index,
		Proof: must(tlog.ProveRecord(w.size, w.index, tree)), Checkpoint: string(checkpoint),
	}
	return e
}

// Real data of a Substrate chain: a header with its hash, and for each call an
// extrinsic up to the arguments.
const (
	chainHeader = "774ef7f11947c2853aaf4afb631bf387e8c4ab224d38a5fe731a1a942c535d1c080000000000000000000000000000000000000000000000000000000000000000" +
		"e72e9e54c3b1d5235a2beb2d78fbd1590e838bc5735278802cc2e5adf27c8f810406617572612011fbd51100000000"
	chainBlock  = "c09eb50def3e38abbf897a2748cfbcb106656015a58ac9e91a2c689c9a90c6dd"
	chainCreate = "2d0284008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a4801068948a7092088c16db512a8bd3de0993f31eaad978195091aca24793f32761a" +
		"6f4ede539267f875257dcf9e8e28c76b4e01122c7f5f8dd99eec33789a4d5f8115000000006900"
	chainUpdate = "4d0284008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48019624d69b641ee949c16730de2278f4a46607943330678f95c415a57867082f36" +
		"b9f41f3b42c1e176d5b3d71134549841e66906aca6f4c15e64346b02c7ec328d25000400006901"
)

// chained returns the version's evidence on a chain: real bytes around its commitment.
func (w work) chained() evidence.Evidence {
	e := w.committed()
	x := must(hex.DecodeString(chainCreate))
	if w.version > 1 {
		var id [8]byte
		for i := range id {
			id[i] = byte(w.ats >> (8 * i))
		}
		x = append(must(hex.DecodeString(chainUpdate)), id[:]...)
	}
	x = append(append(x, e.Commitment[:]...), e.ProtocolVersion)
	e.Network = evidence.Network{Name: "testnet", Kind: evidence.KindSubstrate}
	e.TxHash = blake2b.Sum256(x)
	e.Block = evidence.Block{Number: 2, Hash: must(commitment.ParseHash(chainBlock)), Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	e.Substrate = &evidence.Substrate{Genesis: commitment.Hash(bytes.Repeat([]byte{0x45}, 32)), Header: must(hex.DecodeString(chainHeader)), Index: 1, Extrinsic: x}
	return e
}
