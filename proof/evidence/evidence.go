// Package evidence is the portable proof of one version of a work. It has the
// registered data, and every hash and signature between them and a block of a
// network. Verification needs no registry, no database and no network.
//
// Evidence is a JSON document. This package writes version 2, and reads versions 1 and
// 2. A document holds personal data: the creators that it discloses. Its holder decides
// who may read it. [Evidence.Redact] keeps some creators and drops the others.
// [Evidence.Extend] adds statements that others made later.
//
// A verifier decodes the document, and verifies it with the keys of the logs that it
// trusts:
//
//	e, err := evidence.Decode(file)
//	…
//	report, err := evidence.Verify(e, evidence.Options{Media: recording, Keys: keys})
//	…
//	if report.Anchored() { … }
//
// [Report.Anchored] is the answer for a program, and [Judge] is the answer for a
// person. Each check of a report has a stable name, see [CheckName].
//
// # Trust
//
// The package never fetches anything, never opens a file by name, and trusts only
// keys and roots from its caller. The document may be hostile: its size, its keys and
// the work of its checks are limited, and no input makes the package panic.
//
// # Concurrency
//
// The package keeps no state. All functions and methods may be called at the same
// time, also with the same [Evidence] or [Report]. Only one call at a time may read
// one Options.Media.
//
// # Dependencies
//
// The package needs the standard library, golang.org/x/mod (tlog and note) and
// golang.org/x/crypto (BLAKE2b). The types tlog.Hash, tlog.Tree and tlog.RecordProof of
// golang.org/x/mod are part of its API.
package evidence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence/leaf"
)

// Format is the version of the JSON form that this package writes. [Decode] reads this
// version and the earlier ones.
const Format = 2

// MaxSize is the maximum number of bytes of JSON that [Decode] reads. The largest
// evidence of a registry is far smaller.
const MaxSize = 1 << 20

// maxProof bounds the steps of a proof. A tree with 2^63 leaves needs fewer.
const maxProof = 64

// The bounds of the statements of others in one document.
const maxCosignatures, maxAttestations = 64, 32

// ErrMalformed: [Decode] wraps it in every error about the document itself.
var ErrMalformed = errors.New("malformed evidence")

// Kind is the kind of a network. It decides which member of [Evidence] has the proof.
type Kind string

// The kinds of network.
const (
	KindLog       Kind = "log"       // a transparency log, see [Log]
	KindSubstrate Kind = "substrate" // a chain, see [Substrate]
)

// Evidence proves one version of a work.
type Evidence struct {
	// Format is the version of this document's form: 1 or 2.
	Format int `json:"evidence"`
	// Title is the work's title, byte by byte as in the commitment.
	Title string `json:"title"`
	// Creators are the disclosed creators, in the order of the work.
	Creators []Creator `json:"creators"`
	// Media is the registered file.
	Media Media `json:"media"`
	// MerkleRoot is the root of the tree over all creators.
	MerkleRoot commitment.Hash `json:"merkle_root"`
	// Commitment is the commitment that was registered.
	Commitment commitment.Hash `json:"commitment"`
	// ProtocolVersion is the version of the commitment protocol.
	ProtocolVersion uint8 `json:"protocol_version"`
	// Network is the network of the registration.
	Network Network `json:"network"`
	// AtsID is the registration number of the work on the network. Version counts
	// from 1 within the work.
	AtsID   int64 `json:"ats_id"`
	Version int64 `json:"version"`
	// TxHash identifies the transaction on the network.
	TxHash commitment.Hash `json:"tx_hash"`
	// Block is the block that holds the transaction.
	Block Block `json:"block"`
	// Log proves the transaction on a network of kind "log"; otherwise absent.
	Log *Log `json:"log,omitempty"`
	// Substrate is the place of the transaction on a network of kind "substrate";
	// otherwise absent.
	Substrate *Substrate `json:"substrate,omitempty"`
	// RFC3161 is the time-stamp of an authority for the commitment, if there is one. Only
	// format 1 has it: format 2 has an [Attestation] instead.
	RFC3161 *RFC3161 `json:"rfc3161,omitempty"`
	// Attestations are statements of others about this registration. The registry writes
	// the first ones, and a holder may add more. Only format 2 has them.
	Attestations []Attestation `json:"attestations,omitempty"`
}

// Creator is one creator of the work, with a proof.
type Creator struct {
	commitment.Creator
	// Proof leads from the creator to MerkleRoot.
	Proof commitment.Proof `json:"proof"`
}

// Media describes the file. Only its hash is committed to.
type Media struct {
	SHA256    commitment.Hash `json:"sha256"`
	SizeBytes int64           `json:"size_bytes"`
	Format    string          `json:"format"`
	Filename  string          `json:"filename,omitempty"`
	// Duration is in seconds.
	Duration float64 `json:"duration,omitempty"`
}

// Network is the name and the kind of a network.
type Network struct {
	// Name is 1 to 63 characters of a–z, 0–9 and "-", and begins with a letter. The
	// name of a log's network is the end of the log's origin: see [NetworkOf].
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

// Block is a block of the network.
type Block struct {
	Number int64           `json:"number"`
	Hash   commitment.Hash `json:"hash"`
	Time   time.Time       `json:"time"`
}

// UnmarshalJSON reads the time as a JSON string. Package time does not decode JSON
// escapes, so it would refuse the output of other encoders.
func (b *Block) UnmarshalJSON(text []byte) error {
	type members Block // without this method
	var read struct {
		members
		Time string `json:"time"`
	}
	if err := strict(text, &read); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339Nano, read.Time)
	if err != nil {
		return fmt.Errorf("block: time: %w", err)
	}
	*b = Block(read.members)
	b.Time = at
	return nil
}

// Log is the place of a transaction in a transparency log.
type Log struct {
	// Origin is the log's name, the first line of its checkpoints.
	Origin string `json:"origin"`
	// Key is the log's verifier key (signed-note form). It is here for convenience:
	// it proves something only when it equals a trusted key.
	Key string `json:"key"`
	// Leaf is the text of the entry: see [Log.Entry]. Index is its place in the log,
	// from 0.
	Leaf  string `json:"leaf"`
	Index int64  `json:"index"`
	// Proof is the RFC 6962 inclusion proof, each hash in base64.
	Proof tlog.RecordProof `json:"proof"`
	// Checkpoint is the block's signed checkpoint; the block's hash is its SHA-256. In
	// format 2 it has one signature, that of the log, so cosignatures do not change the
	// block's hash. See [Split].
	Checkpoint string `json:"checkpoint"`
	// Cosignatures are signature lines of witnesses for Checkpoint, without the newline, in
	// the order of their bytes, each once. Only format 2 has them.
	Cosignatures []string `json:"cosignatures,omitempty"`
}

// UnmarshalJSON reads the hashes of the proof as JSON strings. Package tlog does
// not decode JSON escapes, so it would refuse the output of other encoders.
func (l *Log) UnmarshalJSON(text []byte) error {
	type members Log // without this method
	var read struct {
		members
		Proof []string `json:"proof"`
	}
	if err := strict(text, &read); err != nil {
		return err
	}
	proof, err := parseHashes(read.Proof)
	if err != nil {
		return fmt.Errorf("log: proof: %w", err)
	}
	*l = Log(read.members)
	l.Proof = proof
	return nil
}

// strict decodes text, and refuses unknown members.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// parseHashes reads hashes in base64. No list gives nil.
func parseHashes(texts []string) ([]tlog.Hash, error) {
	if texts == nil {
		return nil, nil
	}
	hashes := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		hashes[i] = hash
	}
	return hashes, nil
}

// Entry reads the text of the entry. It fails for a text that no log keeps. Only
// [Verify] shows that the entry is in the log, and that it is about this work.
func (l Log) Entry() (leaf.Leaf, error) { return leaf.ParseLeaf([]byte(l.Leaf)) }

// Substrate is the place of a transaction on a chain: its block's header, and
// the transaction itself.
type Substrate struct {
	// Genesis is the hash of the chain's first block. It identifies the chain.
	Genesis commitment.Hash `json:"genesis"`
	// Header is the block's header in SCALE; the block's hash is its BLAKE2b-256.
	Header Bytes `json:"header"`
	// Index is the place of the transaction in the block, from 0.
	Index int64 `json:"index"`
	// Extrinsic is the signed transaction in SCALE, with its length first. Its
	// BLAKE2b-256 is the transaction's hash.
	Extrinsic Bytes `json:"extrinsic"`
	// ExtrinsicProof proves that the block has Extrinsic at Index: the nodes of the trie of
	// the block's extrinsics that lead to it. Absent if unknown. It has 1 to 64 nodes in the
	// order of their bytes, each once. Only format 2 has this member and the following ones.
	ExtrinsicProof []Bytes `json:"extrinsic_proof,omitempty"`
	// StateProof proves what the chain's state says after this block. It has the trie nodes of
	// one state_getReadProof at the block, for the keys of [StateKeys]. Absent if unknown. It
	// has 1 to 256 nodes in the order of their bytes, each once.
	StateProof []Bytes `json:"state_proof,omitempty"`
	// Finality proves that the chain's authorities made the block final. Absent if unknown.
	Finality *Finality `json:"finality,omitempty"`
}

// Finality is a proof of GRANDPA, the finality of Substrate chains. It is worth as much as
// the set of authorities that it leads from: see [Options.ChainCheckpoints].
type Finality struct {
	// SetID is the number of the set of authorities at which the proof begins.
	SetID int64 `json:"set_id"`
	// Authorities are the members of this set with their weights, in SCALE: the answer of the
	// runtime call GrandpaApi_grandpa_authorities, at the block where the set begins or any
	// later one of this set. At most 256.
	Authorities Bytes `json:"authorities"`
	// HandOffs are the blocks at which a set hands over to the next one, in their order. The
	// first one hands over from SetID to SetID+1. At most 64. Absent if the set that signed
	// Justification is that of SetID.
	HandOffs []HandOff `json:"hand_offs,omitempty"`
	// Headers are the headers after [Substrate.Header] in SCALE, each the parent of the next
	// one, up to the block of Justification. At most 512. Absent if Justification is of the
	// block itself. No header before the last one hands over to another set.
	Headers []Bytes `json:"headers,omitempty"`
	// Justification is the GRANDPA justification in SCALE of the last header, by the set after
	// the hand-offs. A node returns it with the block (engine FRNK).
	Justification Bytes `json:"justification"`
}

// HandOff is a block at which one set of authorities hands over to the next one.
type HandOff struct {
	// Header is the block's header in SCALE. Its digest has the next authorities.
	Header Bytes `json:"header"`
	// Justification is the GRANDPA justification in SCALE of this block, by the old set.
	Justification Bytes `json:"justification"`
}

// Bytes are bytes that JSON shows as lower-case hexadecimal without a prefix.
type Bytes []byte

// MarshalText returns b in lower-case hexadecimal.
func (b Bytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

// UnmarshalText reads hexadecimal digits. On an error b keeps its value.
func (b *Bytes) UnmarshalText(text []byte) error {
	decoded, err := hex.AppendDecode(nil, text)
	if err == nil {
		*b = decoded
	}
	return err
}

// RFC3161 is a time-stamp token, in DER; base64 in JSON.
type RFC3161 struct {
	Token []byte `json:"token"`
}

// Decode reads one document and refuses anything after it. It refuses more than
// [MaxSize] bytes and unknown versions. It accepts only one form of each document:
// it refuses members that are unknown, repeated, in another order or in other
// capitals, and other forms of a number or hash. Only white space and the escapes of
// strings are free. So two programs always read a document in the same way. Decode does
// not verify: see [Verify].
func Decode(r io.Reader) (Evidence, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return Evidence{}, fmt.Errorf("evidence: %w", err)
	}
	if len(text) > MaxSize {
		return Evidence{}, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	if !utf8.Valid(text) {
		return Evidence{}, fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	var version struct {
		Format int `json:"evidence"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return Evidence{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if version.Format < 1 || version.Format > Format {
		return Evidence{}, fmt.Errorf("%w: version %d, this program reads 1 to %d", ErrMalformed, version.Format, Format)
	}
	var e Evidence
	if err := strict(text, &e); err != nil {
		return Evidence{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	canonical, err := Encode(e)
	if err != nil {
		return Evidence{}, err
	}
	if at, same := sameTokens(text, canonical, e.Format > 1); !same {
		return Evidence{}, fmt.Errorf("%w: not in the form of version %d near byte %d", ErrMalformed, e.Format, at)
	}
	return e, nil
}

// sameTokens reports whether two valid texts are the same JSON except white
// space and escapes, and at which byte a begins to differ. Numbers are compared by their
// value or, if digits is true, digit by digit.
func sameTokens(a, b []byte, digits bool) (at int64, same bool) {
	da, db := json.NewDecoder(bytes.NewReader(a)), json.NewDecoder(bytes.NewReader(b))
	if digits {
		da.UseNumber()
		db.UseNumber()
	}
	for {
		ta, errA := da.Token()
		tb, errB := db.Token()
		if errA != nil || errB != nil {
			return da.InputOffset(), errA == io.EOF && errB == io.EOF
		}
		// Version 1 compares values, and -0 equals 0. No release wrote it.
		if f, isNumber := ta.(float64); ta != tb || isNumber && f == 0 && math.Signbit(f) {
			return da.InputOffset(), false
		}
	}
}

// Encode returns e as a document: the bytes that a registry returns and attaches to
// certificates. The same evidence gives the same bytes.
func Encode(e Evidence) ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false) // people read it, too
	j.SetIndent("", "  ")
	if err := j.Encode(e); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return b.Bytes(), nil
}

// validate returns an error for the first member that the form does not allow.
func (e Evidence) validate() error {
	switch {
	case e.Format < 1 || e.Format > Format:
		return fmt.Errorf("evidence is %d, want 1 to %d", e.Format, Format)
	case len(e.Creators) == 0 || len(e.Creators) > commitment.MaxCreators:
		return fmt.Errorf("%d creators", len(e.Creators))
	case e.Media.SizeBytes < 1 || e.Media.Duration < 0:
		return errors.New("media: size_bytes below 1, or duration below 0")
	case e.Title == "" || !utf8.ValidString(e.Title):
		return errors.New("title: empty, or not UTF-8")
	case e.AtsID < 0 || e.AtsID < 1 && e.Network.Kind == KindLog || e.Version < 1 || e.Block.Number < 1:
		return errors.New("ats_id, version or block.number is too small: they count from 1, the ids of a chain from 0")
	case e.Block.Time.Location() != time.UTC || !e.Block.Time.Equal(e.Block.Time.Truncate(time.Microsecond)):
		return errors.New("block.time: not in UTC, or finer than a microsecond")
	case !networkName.MatchString(e.Network.Name) || e.Network.Kind != KindLog && e.Network.Kind != KindSubstrate:
		return fmt.Errorf("network: invalid name %.80q or unknown kind %.20q", e.Network.Name, e.Network.Kind)
	case (e.Network.Kind == KindLog) != (e.Log != nil) || (e.Network.Kind == KindSubstrate) != (e.Substrate != nil):
		return fmt.Errorf("network: kind %s does not match the members log and substrate", e.Network.Kind)
	case e.Log != nil && (e.Log.Index < 0 || len(e.Log.Proof) > maxProof):
		return errors.New("log: index below 0, or proof too long")
	case e.Log != nil && strings.ContainsFunc(e.Log.Key, unicode.IsSpace):
		return errors.New("log: white space in key")
	case e.Substrate != nil && e.Substrate.Index < 0:
		return errors.New("substrate: index below 0")
	case e.RFC3161 != nil && len(e.RFC3161.Token) == 0:
		return errors.New("rfc3161: no token")
	}
	last := -1
	for i, c := range e.Creators {
		if err := c.Validate(); err != nil {
			return fmt.Errorf("creators[%d]: %w", i, err)
		}
		if c.Proof.Index() <= last {
			return fmt.Errorf("creators[%d]: not in the order of the work", i)
		}
		last = c.Proof.Index()
	}
	if e.Format == 1 {
		return e.validateFirst()
	}
	return e.validateSecond()
}

// validateFirst returns an error if e has members that format 1 lacks.
func (e Evidence) validateFirst() error {
	if len(e.Attestations) > 0 || e.Log != nil && len(e.Log.Cosignatures) > 0 {
		return errors.New("attestations and log.cosignatures are members of version 2")
	}
	if s := e.Substrate; s != nil && (len(s.ExtrinsicProof) > 0 || len(s.StateProof) > 0 || s.Finality != nil) {
		return errors.New("substrate.extrinsic_proof, state_proof and finality are members of version 2")
	}
	return nil
}

// validateSecond checks what format 2 alone demands: one form of each value.
func (e Evidence) validateSecond() error {
	if e.RFC3161 != nil {
		return errors.New("rfc3161 is a member of version 1")
	}
	for i, c := range e.Creators {
		for j := 1; j < len(c.Roles); j++ {
			if c.Roles[j-1] >= c.Roles[j] {
				return fmt.Errorf("creators[%d].roles: repeated, or not in the order author, composer, arranger, adapter", i)
			}
		}
	}
	if l := e.Log; l != nil {
		if l.Proof == nil {
			return errors.New("log.proof: missing")
		}
		if err := alone(l.Checkpoint); err != nil {
			return fmt.Errorf("log.checkpoint: %w", err)
		}
		if err := validateCosignatures(l.Cosignatures); err != nil {
			return fmt.Errorf("log.cosignatures: %w", err)
		}
	}
	if s := e.Substrate; s != nil {
		if err := s.validate(); err != nil {
			return fmt.Errorf("substrate: %w", err)
		}
	}
	if len(e.Attestations) > maxAttestations {
		return fmt.Errorf("%d attestations", len(e.Attestations))
	}
	anchors := 0
	for i, a := range e.Attestations {
		err := a.validate(e, i)
		if a.Kind == KindAnchor {
			anchors++
		}
		if err == nil && anchors > maxAnchors {
			err = fmt.Errorf("more than %d anchors", maxAnchors)
		}
		if err != nil {
			return fmt.Errorf("attestations[%d]: %w", i, err)
		}
	}
	return nil
}

// validate checks the members that only format 2 has.
func (s Substrate) validate() error {
	if err := inOrder(s.ExtrinsicProof, maxExtrinsicNodes); err != nil {
		return fmt.Errorf("extrinsic_proof: %w", err)
	}
	if err := inOrder(s.StateProof, maxStateNodes); err != nil {
		return fmt.Errorf("state_proof: %w", err)
	}
	if f := s.Finality; f != nil && (f.SetID < 0 || len(f.HandOffs) > maxHandOffs || len(f.Headers) > maxHeaders || f.SetID > math.MaxInt64-maxHandOffs) {
		return errors.New("finality: set_id below 0 or too large, or too many hand_offs or headers")
	}
	return nil
}

// The bounds of the proofs of tries, in nodes.
const maxExtrinsicNodes, maxStateNodes = 64, 256

// inOrder returns an error unless the nodes of a proof are in the order of their bytes, each once.
func inOrder(nodes []Bytes, most int) error {
	if len(nodes) > most {
		return fmt.Errorf("%d nodes, more than %d", len(nodes), most)
	}
	for i := 1; i < len(nodes); i++ {
		if bytes.Compare(nodes[i-1], nodes[i]) >= 0 {
			return errors.New("the nodes are not in the order of their bytes")
		}
	}
	return nil
}

// Redact returns e with only the creators in keep. keep holds their places in the
// work, from 0. It also removes the file's name, which is not part of the
// commitment and may name other creators. The result verifies as before. Its
// proofs still contain hashes of the removed creators: a reader who guesses all
// details of a creator can confirm the guess.
func (e Evidence) Redact(keep ...int) (Evidence, error) {
	var kept []Creator
	for _, c := range e.Creators {
		if slices.Contains(keep, c.Proof.Index()) {
			kept = append(kept, c)
		}
	}
	for _, i := range keep {
		if !slices.ContainsFunc(kept, func(c Creator) bool { return c.Proof.Index() == i }) {
			return Evidence{}, fmt.Errorf("evidence: creator %d is not disclosed", i)
		}
	}
	if len(kept) == 0 {
		return Evidence{}, errors.New("evidence: keep at least one creator")
	}
	e.Creators, e.Media.Filename = kept, ""
	return e, nil
}
