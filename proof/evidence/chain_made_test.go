package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/blake2b"

	"timbre.example/proof/evidence"
)

// chainMaker makes a chain's proof around a version: tries, headers, and votes of test
// authorities.
type chainMaker struct {
	hashed   bool   // the layout of the tries
	runtime  uint32 // spec_version, which decides the layout of values
	handOffs int
	headers  int // after the block
	members  int // of each set of authorities
	weights  []uint64
	works    int // of others, in the state

	// The changes of a forger; nil changes nothing.
	values  func(values map[string][]byte, keys [5][]byte)
	votes   func(votes []vote) []vote
	above   func(headers [][]byte) [][]byte // those in the justification
	handOff func(i int, h *forgedHandOff)
	middle  []byte // a digest in the first header after the block
	signed  int    // added to the number of the set that is signed
}

// forgedHandOff is what a hand-over is made of.
type forgedHandOff struct {
	kind   byte
	delay  uint32
	number int
	by     int // the set that signs
	none   bool
}

// usual is the chain of the golden files: two sets, and a vote for a descendant.
var usual = chainMaker{hashed: true, runtime: 201, handOffs: 1, headers: 2, members: 4, works: 300}

const (
	firstSet  = 6
	workBlock = 1000 // the number of the block of the work
)

func grandpaKey(set, i int) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(set), byte(i), 7, 9}, 8))
}

func (m chainMaker) weight(i int) uint64 {
	if i < len(m.weights) {
		return m.weights[i]
	}
	return 1
}

// set returns a set of authorities in SCALE.
func (m chainMaker) set(id int) []byte {
	b := compactBytes(m.members)
	for i := range m.members {
		b = append(b, grandpaKey(id, i).Public().(ed25519.PublicKey)...)
		b = binary.LittleEndian.AppendUint64(b, m.weight(i))
	}
	return b
}

// compactBytes returns a small number in SCALE's compact form.
func compactBytes(n int) []byte {
	if n < 64 {
		return []byte{byte(n << 2)}
	}
	if n < 1<<14 {
		return binary.LittleEndian.AppendUint16(nil, uint16(n<<2|1))
	}
	return binary.LittleEndian.AppendUint32(nil, uint32(n<<2|2))
}

// sizedBytes returns bytes with their length in front.
func sizedBytes(b []byte) []byte { return append(compactBytes(len(b)), b...) }

// header returns a header in SCALE.
func header(parent [32]byte, number int, state, extrinsics [32]byte, digest ...[]byte) []byte {
	b := append(parent[:], compactBytes(number)...)
	b = append(append(b, state[:]...), extrinsics[:]...)
	b = append(b, compactBytes(len(digest))...)
	for _, d := range digest {
		b = append(b, d...)
	}
	return b
}

func preRuntime() []byte { return append([]byte("\x06aura"), sizedBytes([]byte("slot 123"))...) }

// handsOver is the digest of a change of authorities: kind 1 is scheduled, and kind 2 forced.
func handsOver(kind byte, next []byte, delay uint32) []byte {
	content := []byte{kind}
	if kind == 2 {
		content = append(content, 0, 0, 0, 0)
	}
	content = binary.LittleEndian.AppendUint32(append(content, next...), delay)
	return append([]byte("\x04FRNK"), sizedBytes(content)...)
}

// vote is a vote of one authority for a block.
type vote struct {
	by     int
	hash   [32]byte
	number int
}

// justify returns the justification of a block, with votes of a set and ancestries. signed is
// the number of the set in what is signed.
func justify(set, signed int, target [32]byte, number int, votes []vote, ancestries ...[]byte) []byte {
	const round = 77
	b := binary.LittleEndian.AppendUint64(nil, round)
	b = binary.LittleEndian.AppendUint32(append(b, target[:]...), uint32(number))
	b = append(b, compactBytes(len(votes))...)
	for _, v := range votes {
		precommit := binary.LittleEndian.AppendUint32(slices.Clone(v.hash[:]), uint32(v.number))
		message := binary.LittleEndian.AppendUint64(append([]byte{1}, precommit...), round)
		message = binary.LittleEndian.AppendUint64(message, uint64(signed))
		key := grandpaKey(set, v.by)
		b = append(append(append(b, precommit...), ed25519.Sign(key, message)...), key.Public().(ed25519.PublicKey)...)
	}
	b = append(b, compactBytes(len(ancestries))...)
	for _, a := range ancestries {
		b = append(b, a...)
	}
	return b
}

// votesFor are the votes of the first n authorities for a block.
func votesFor(n int, hash [32]byte, number int) (votes []vote) {
	for i := range n {
		votes = append(votes, vote{i, hash, number})
	}
	return votes
}

// enough is how many of the members are more than two thirds.
func (m chainMaker) enough() int { return m.members - (m.members-1)/3 }

var chainTime = time.Date(2026, 3, 1, 12, 0, 6, 250_000_000, time.UTC)

// state returns the values of the chain's state around a version, and other entries.
func (m chainMaker) state(e evidence.Evidence) map[string][]byte {
	keys := evidence.StateKeys(e.AtsID, e.Version)
	version := append(slices.Clone(e.Commitment[:]), e.ProtocolVersion)
	version = binary.LittleEndian.AppendUint32(version, workBlock)
	owner := bytes.Repeat([]byte{0xA7}, 32)
	work := binary.LittleEndian.AppendUint32(slices.Clone(owner), workBlock-5)
	work = binary.LittleEndian.AppendUint32(work, uint32(e.Version))
	deposit := append(make([]byte, 8), 1, 2, 3, 4, 5, 6, 7, 8)
	if m.runtime < 201 {
		version, work = append(version, deposit...), append(work, deposit...)
	} else {
		work = append(append(append(work, compactBytes(1)...), owner...), deposit...)
	}
	values := map[string][]byte{
		string(keys[0]): version,
		string(keys[1]): work,
		string(keys[2]): binary.LittleEndian.AppendUint64(nil, uint64(chainTime.UnixMilli())),
		string(keys[3]): binary.LittleEndian.AppendUint64(nil, uint64(firstSet+m.handOffs)),
		string(keys[4]): append(compactBytes(int(m.runtime)), sizedBytes([]byte("allfeat"))...),
	}
	for i := range m.works { // other works, and other items of the same pallets
		other := evidence.StateKeys(int64(100+i), 1)
		values[string(other[0])], values[string(other[1])] = version, work
		sum := blake2b.Sum256([]byte{byte(i), byte(i >> 8)})
		values[string(append(slices.Clone(keys[2][:16]), sum[:]...))] = sum[:i%33]
		values[string(sum[:])] = bytes.Repeat(sum[:], 1+i%4)
	}
	values[string(keys[2])+"longer"] = []byte("a key that begins with another one")
	return values
}

// finalized returns the version's evidence on a chain, with every proof.
func (w work) finalized(m chainMaker) evidence.Evidence { return m.finalize(w.chained()) }

// anchor returns an anchor of 32 bytes.
func (m chainMaker) anchor(sum [32]byte, of evidence.Subject) evidence.Attestation {
	e := song.chained()
	e.Commitment, e.AtsID, e.Version = sum, 40, 3
	e = m.finalize(e)
	s := e.Substrate
	return evidence.Attestation{Kind: evidence.KindAnchor, Of: of, Anchor: &evidence.Anchor{
		AtsID: e.AtsID, Version: e.Version, Genesis: s.Genesis, Header: s.Header, StateProof: s.StateProof, Finality: s.Finality,
	}}
}

// anchored returns the version's evidence in a log, with an anchor of a later checkpoint.
func (w work) anchored(m chainMaker) evidence.Evidence {
	later := w.later(w.size + 300)
	later.Cosignatures = nil
	return must(w.logged().Extend(later, m.anchor(sha256.Sum256([]byte(later.Checkpoint)), evidence.OfAttestation(0))))
}

// finalize adds every proof to evidence on a chain.
func (m chainMaker) finalize(e evidence.Evidence) evidence.Evidence {
	s := *e.Substrate
	values := m.state(e)
	if m.values != nil {
		m.values(values, evidence.StateKeys(e.AtsID, e.Version))
	}
	root, nodes := evidence.WriteTrie(values, m.hashed)
	keys := evidence.StateKeys(e.AtsID, e.Version)
	s.StateProof = must(evidence.ProveKeys(root, nodes, keys[:]...))

	body := [][]byte{sizedBytes([]byte("the time")), s.Extrinsic}
	for i := range m.works {
		body = append(body, sizedBytes(fmt.Appendf(nil, "another transaction, number %d, of some length", i)))
	}
	extrinsics := map[string][]byte{}
	for i, x := range body {
		extrinsics[string(compactBytes(i))] = x
	}
	extrinsicsRoot, _ := evidence.WriteTrie(extrinsics, m.hashed)

	f := evidence.Finality{SetID: firstSet, Authorities: m.set(firstSet)}
	for i := range m.handOffs {
		set := firstSet + i
		made := forgedHandOff{kind: 1, number: 100 * (i + 1), by: set}
		if m.handOff != nil {
			m.handOff(i, &made)
		}
		digest := [][]byte{preRuntime(), handsOver(made.kind, m.set(set+1), made.delay)}
		if made.none {
			digest = digest[:1]
		}
		h := header([32]byte{byte(i)}, made.number, [32]byte{1}, [32]byte{2}, digest...)
		sum := blake2b.Sum256(h)
		f.HandOffs = append(f.HandOffs, evidence.HandOff{Header: h, Justification: justify(made.by, set, sum, made.number, votesFor(m.enough(), sum, made.number))})
	}
	s.Header = header([32]byte{9, 9}, workBlock, root, extrinsicsRoot, preRuntime())
	e.Block = evidence.Block{Number: workBlock, Hash: blake2b.Sum256(s.Header), Time: chainTime}
	last, number := e.Block.Hash, workBlock
	grow := func(digest ...[]byte) []byte {
		number++
		digest = append(digest, preRuntime(), append([]byte("\x05aura"), sizedBytes(make([]byte, 64))...))
		h := header(last, number, [32]byte{3}, [32]byte{4}, digest...)
		last = blake2b.Sum256(h)
		return h
	}
	for i := range m.headers {
		if i == 0 && m.middle != nil {
			f.Headers = append(f.Headers, grow(m.middle))
		} else {
			f.Headers = append(f.Headers, grow())
		}
	}
	target, at := last, number
	votes := votesFor(m.enough(), target, at)
	above := [][]byte{grow(), grow()}
	votes[len(votes)-1].hash, votes[len(votes)-1].number = last, number // the last one votes for a descendant
	if m.votes != nil {
		votes = m.votes(votes)
	}
	if m.above != nil {
		above = m.above(above)
	}
	f.Justification = justify(firstSet+m.handOffs, firstSet+m.handOffs+m.signed, target, at, votes, above...)
	s.ExtrinsicProof = must(evidence.ProveExtrinsic(s.Header, body, s.Index))
	s.Finality = &f
	e.Substrate = &s
	return e
}

// checkpoint returns a file that pins a set of the chain.
func (m chainMaker) checkpoint(e evidence.Evidence, set int) string {
	text := fmt.Sprintf("# The authorities of the golden files.\nnetwork %s\ngenesis %s\nset %d\n", e.Network.Name, e.Substrate.Genesis, set)
	for i := range m.members {
		text += fmt.Sprintf("authority %s %d\n", hex.EncodeToString(grandpaKey(set, i).Public().(ed25519.PublicKey)), m.weight(i))
	}
	return text
}
