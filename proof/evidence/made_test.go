package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
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

// ptr returns a pointer to a copy of v.
func ptr[T any](v T) *T { return &v }

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
		person := w.creators[i]
		person.Roles = slices.Clone(person.Roles)
		slices.Sort(person.Roles)
		person.Roles = slices.Compact(person.Roles)
		e.Creators = append(e.Creators, evidence.Creator{Creator: person, Proof: must(c.Proof(i))})
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

// pair returns evidence of two entries of the same version, which one tree of the log has.
func (w work) pair() (one, other evidence.Evidence) {
	again := w
	again.title += ", again"
	both := [2]evidence.Evidence{w.logged(), again.logged()}
	var tree hashes
	for i, e := range both {
		tree = append(tree, must(tlog.StoredHashes(int64(i), []byte(e.Log.Leaf), tree))...)
	}
	checkpoint := w.sign(2, must(tlog.TreeHash(2, tree)))
	for i := range both {
		l := *both[i].Log
		l.Index, l.Proof, l.Checkpoint = int64(i), must(tlog.ProveRecord(2, int64(i), tree)), string(checkpoint)
		both[i].Log, both[i].Block.Hash = &l, sha256.Sum256(checkpoint)
	}
	return both[0], both[1]
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

// token is an attestation of the commitment.
func token(der []byte) evidence.Attestation {
	return evidence.Attestation{Kind: evidence.KindRFC3161, Of: evidence.OfCommitment, Token: der}
}

// witness is a witness with a key of its own for each seed.
type witness struct {
	name string
	seed byte
}

var witnesses = []witness{{"one.example/w", 11}, {"two.example/w", 12}, {"three.example/w", 13}}

func (w witness) private() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{w.seed}, 32))
}

// key is the witness's verifier key (c2sp.org/tlog-cosignature).
func (w witness) key() string {
	public := append([]byte{4}, w.private().Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(w.name+"\n"), public...))
	return fmt.Sprintf("%s+%x+%s", w.name, sum[:4], base64.StdEncoding.EncodeToString(public))
}

// cosign returns the witness's signature line for a signed checkpoint.
func (w witness) cosign(signed string, at time.Time) string {
	text := signed[:strings.LastIndex(signed, "\n\n")+1]
	public := append([]byte{4}, w.private().Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(w.name+"\n"), public...))
	raw := binary.BigEndian.AppendUint64(sum[:4:4], uint64(at.Unix()))
	raw = append(raw, ed25519.Sign(w.private(), fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at.Unix(), text))...)
	return "— " + w.name + " " + base64.StdEncoding.EncodeToString(raw)
}

// cosigned returns lines of the witnesses in the order of format 2. The first witness
// cosigns at the given time, and each one after it a second later.
func cosigned(signed string, at time.Time, by ...witness) (lines []string) {
	for i, w := range by {
		lines = append(lines, w.cosign(signed, at.Add(time.Duration(i)*time.Second)))
	}
	slices.Sort(lines)
	return lines
}

// policy is a policy file with the log of the work, and a quorum of two of three witnesses.
func (w work) policy() string {
	text := "# The log and the witnesses of the golden files.\nlog " + w.key() + "\n"
	for i, x := range witnesses {
		text += fmt.Sprintf("witness w%d %s\n", i, x.key())
	}
	return text + "group most 2 w0 w1 w2\nquorum most\n"
}

// grown returns the log's tree when it has size entries, and that of the evidence inside.
func (w work) grown(size int64) hashes {
	e := w.logged()
	var tree hashes
	for i := range size {
		text := fmt.Appendf(nil, "entry %d", i)
		if i == w.index {
			text = []byte(e.Log.Leaf)
		}
		tree = append(tree, must(tlog.StoredHashes(i, text, tree))...)
	}
	return tree
}

// later returns an attestation with a checkpoint of size entries.
func (w work) later(size int64) evidence.Attestation {
	tree := w.grown(size)
	signed := string(w.sign(size, must(tlog.TreeHash(size, tree))))
	return evidence.Attestation{
		Kind: evidence.KindCheckpoint, Checkpoint: signed, Consistency: must(tlog.ProveTree(size, w.size, tree)),
		Cosignatures: cosigned(signed, time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), witnesses...),
	}
}

// chainBlocks are blocks that the tests of OpenTimestamps know: one, with this root.
const bitcoinHeight = 940_000

var bitcoinTime = time.Date(2026, 3, 1, 19, 0, 0, 0, time.UTC)

// opentimestamps returns a detached proof of sum with a pending path and a path to the block.
func opentimestamps(sum [32]byte) (file []byte, root [32]byte) {
	file = append([]byte("\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94\x01\x08"), sum[:]...)
	pending := append([]byte{0, 0x83, 0xdf, 0xe3, 0x0d, 0x2e, 0xf9, 0x0c, 0x8e, 26, 25}, "https://calendar.example/x"[:25]...)
	file = append(append(file, 0xff), pending...)
	file = append(file, 0xf1, 2, 'a', 'b', 0x08, 0xf0, 1, 'c', 0x08, 0, 0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01)
	height := binary.AppendUvarint(nil, bitcoinHeight)
	file = append(append(file, byte(len(height))), height...)
	inner := sha256.Sum256(append([]byte("ab"), sum[:]...))
	return file, sha256.Sum256(append(inner[:], 'c'))
}

// attested returns the version's evidence with an attestation of each kind, and one of a
// kind that this release does not know.
func (w work) attested() evidence.Evidence {
	e := w.logged()
	e.Log.Cosignatures = cosigned(e.Log.Checkpoint, e.Block.Time.Add(time.Second), witnesses[0], witnesses[2])
	proof, _ := opentimestamps(e.Block.Hash)
	der := must(os.ReadFile("testdata/v1/token.der"))
	e = must(e.Extend(token(der), evidence.Attestation{Kind: evidence.KindOpenTimestamps, Of: evidence.OfBlock, Proof: proof}, w.later(w.size+300)))
	text := must(evidence.Encode(e))
	text = bytes.Replace(text, []byte("\n  ]\n}\n"), []byte(",\n    {\n      \"kind\": \"oracle\",\n      \"says\": [\"<yes>\", 1.50, null]\n    }\n  ]\n}\n"), 1)
	return must(evidence.Decode(bytes.NewReader(text)))
}
