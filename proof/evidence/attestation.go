package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/commitment"
)

// AttestationKind says what an [Attestation] holds.
type AttestationKind string

// The kinds that this package verifies. It keeps other kinds as they are, and reports
// them as not checked.
const (
	KindRFC3161        AttestationKind = "rfc3161"        // a time-stamp token of an authority
	KindOpenTimestamps AttestationKind = "opentimestamps" // a proof that leads to a block of Bitcoin
	KindCheckpoint     AttestationKind = "checkpoint"     // a later checkpoint of the same log
	KindAnchor         AttestationKind = "anchor"         // a proof that a chain has the block, or a later checkpoint
)

// Attestation is a statement about the registration by somebody other than the log, or a
// later statement of the log. It stands beside the proof: if it does not hold, the rest of
// the evidence still does.
type Attestation struct {
	Kind AttestationKind
	// Of says what a token, an OpenTimestamps proof or an anchor is about: see [Subject]. A checkpoint
	// has none. An anchor is about the block, or about a checkpoint.
	Of Subject
	// Token is a time-stamp token in DER.
	Token []byte
	// Proof is a detached OpenTimestamps file.
	Proof []byte
	// Checkpoint is a signed checkpoint with the log's signature alone. Consistency proves
	// (RFC 6962) that its tree continues the tree of the evidence's block. Cosignatures are
	// as in [Log].
	Checkpoint   string
	Consistency  tlog.TreeProof
	Cosignatures []string
	// Anchor is set for [KindAnchor] alone.
	Anchor *Anchor

	raw json.RawMessage // of another kind
}

// Subject names the 32 bytes that an attestation is about:
//
//	commitment       the commitment
//	block            the block's hash
//	attestation N    SHA-256 of what an earlier attestation holds, N from 0
//
// The last one renews an attestation whose algorithms or certificates grow old.
type Subject string

// The subjects that are not other attestations.
const (
	OfCommitment Subject = "commitment"
	OfBlock      Subject = "block"
)

// OfAttestation returns the subject that is the attestation at index i, from 0.
func OfAttestation(i int) Subject { return Subject("attestation " + strconv.Itoa(i)) }

// Attestation returns the index of the attestation that s names, and false if s names
// none.
func (s Subject) Attestation() (i int, ok bool) {
	digits, ok := strings.CutPrefix(string(s), "attestation ")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0 && OfAttestation(i) == s
}

// kindName matches the names that a kind may have.
var kindName = regexp.MustCompile(`\A[a-z][a-z0-9_]{0,31}\z`)

// The members of each known kind, in their order.
type (
	tokenMembers struct {
		Kind  AttestationKind `json:"kind"`
		Of    Subject         `json:"of"`
		Token []byte          `json:"token"`
	}
	proofMembers struct {
		Kind  AttestationKind `json:"kind"`
		Of    Subject         `json:"of"`
		Proof []byte          `json:"proof"`
	}
	checkpointMembers struct {
		Kind         AttestationKind `json:"kind"`
		Checkpoint   string          `json:"checkpoint"`
		Consistency  []string        `json:"consistency"`
		Cosignatures []string        `json:"cosignatures,omitempty"`
	}
)

// MarshalJSON writes the members of the kind.
func (a Attestation) MarshalJSON() ([]byte, error) {
	switch a.Kind {
	case KindRFC3161:
		return plain(tokenMembers{a.Kind, a.Of, a.Token})
	case KindOpenTimestamps:
		return plain(proofMembers{a.Kind, a.Of, a.Proof})
	case KindCheckpoint:
		steps := make([]string, len(a.Consistency))
		for i, h := range a.Consistency {
			steps[i] = h.String()
		}
		return plain(checkpointMembers{a.Kind, a.Checkpoint, steps, a.Cosignatures})
	case KindAnchor:
		if a.Anchor == nil {
			return nil, errors.New("an anchor without its proof")
		}
		return plain(a.Anchor.members(a.Of))
	}
	if len(a.raw) == 0 {
		return nil, fmt.Errorf("an attestation of the unknown kind %.40q", a.Kind)
	}
	return a.raw, nil
}

// plain is json.Marshal without escapes for HTML.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	err := j.Encode(v)
	return b.Bytes(), err
}

// UnmarshalJSON reads an attestation. An attestation of an unknown kind is kept as it is.
func (a *Attestation) UnmarshalJSON(text []byte) error {
	var named struct {
		Kind *AttestationKind `json:"kind"`
	}
	if err := json.Unmarshal(text, &named); err != nil {
		return err
	}
	if named.Kind == nil {
		return errors.New("attestation: no kind")
	}
	switch *named.Kind {
	case KindRFC3161:
		var m tokenMembers
		if err := strict(text, &m); err != nil {
			return err
		}
		*a = Attestation{Kind: m.Kind, Of: m.Of, Token: m.Token}
	case KindOpenTimestamps:
		var m proofMembers
		if err := strict(text, &m); err != nil {
			return err
		}
		*a = Attestation{Kind: m.Kind, Of: m.Of, Proof: m.Proof}
	case KindCheckpoint:
		var m checkpointMembers
		if err := strict(text, &m); err != nil {
			return err
		}
		steps, err := parseHashes(m.Consistency)
		if err != nil {
			return fmt.Errorf("attestation: consistency: %w", err)
		}
		*a = Attestation{Kind: m.Kind, Checkpoint: m.Checkpoint, Consistency: steps, Cosignatures: m.Cosignatures}
	case KindAnchor:
		var m anchorMembers
		if err := strict(text, &m); err != nil {
			return err
		}
		*a = m.attestation()
	default:
		if err := kindFirst(text); err != nil {
			return err
		}
		*a = Attestation{Kind: *named.Kind, raw: bytes.Clone(text)}
	}
	return nil
}

// kindFirst returns an error unless text is an object that begins with the member kind, has
// no member twice, and is not nested deeply.
func kindFirst(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var names []map[string]bool // of the open objects, nil for a list
	key := false                // the next token is the name of a member
	for {
		t, err := d.Token()
		if err != nil {
			return nil // the end: the caller has read the text as JSON
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if len(names) == maxDepth {
				return errors.New("attestation: nested too deeply")
			}
			var open map[string]bool
			if t == json.Delim('{') {
				open = map[string]bool{}
			}
			names, key = append(names, open), open != nil
			continue
		case json.Delim('}'), json.Delim(']'):
			names = names[:len(names)-1]
			key = len(names) > 0 && names[len(names)-1] != nil
			continue
		}
		within := names[len(names)-1]
		if within == nil {
			continue
		}
		if key {
			name, _ := t.(string)
			first := len(names) == 1 && len(within) == 0
			if within[name] || first && name != "kind" || !first && len(names) == 1 && strings.EqualFold(name, "kind") {
				return errors.New("attestation: a member stands twice, or kind is not the first")
			}
			within[name] = true
		}
		key = !key
	}
}

// maxDepth bounds the nesting of an attestation of an unknown kind.
const maxDepth = 8

// validate returns an error for the first member that the form does not allow in the
// attestation at index i.
func (a Attestation) validate(e Evidence, i int) error {
	if !kindName.MatchString(string(a.Kind)) {
		return fmt.Errorf("kind %.40q is not a name of at most 32 characters a–z, 0–9 and _", a.Kind)
	}
	switch a.Kind {
	case KindRFC3161, KindOpenTimestamps:
		of, isAttestation := a.Of.Attestation()
		switch {
		case a.Of != OfCommitment && a.Of != OfBlock && !isAttestation:
			return fmt.Errorf("of %.40q: must be commitment, block or attestation and a number", a.Of)
		case isAttestation && (of >= i || e.Attestations[of].content() == nil):
			return errors.New("of: it must name an earlier attestation that can be renewed")
		case a.Kind == KindRFC3161 && len(a.Token) == 0 || a.Kind == KindOpenTimestamps && len(a.Proof) == 0:
			return errors.New("empty")
		}
	case KindCheckpoint:
		if e.Log == nil {
			return errors.New("a checkpoint needs a log")
		}
		if a.Consistency == nil || len(a.Consistency) > maxProof {
			return errors.New("consistency: missing, or too long")
		}
		if err := alone(a.Checkpoint); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if err := validateCosignatures(a.Cosignatures); err != nil {
			return fmt.Errorf("cosignatures: %w", err)
		}
	case KindAnchor:
		of, isAttestation := a.Of.Attestation()
		switch {
		case e.Log == nil:
			return errors.New("an anchor needs a log")
		case a.Of != OfBlock && !(isAttestation && of < i && e.Attestations[of].Kind == KindCheckpoint):
			return errors.New("of: an anchor is about the block, or about an earlier attestation that is a checkpoint")
		}
		return a.Anchor.validate()
	}
	return nil
}

// content returns the bytes that a renewal of a is about. It is nil for an unknown kind, and for an
// anchor, because nothing in it ends.
func (a Attestation) content() []byte {
	switch a.Kind {
	case KindRFC3161:
		return a.Token
	case KindOpenTimestamps:
		return a.Proof
	case KindCheckpoint:
		return []byte(a.Checkpoint)
	case KindAnchor:
	}
	return nil
}

// Tokens returns the time-stamp tokens of the commitment, in both formats.
func (e Evidence) Tokens() (tokens []RFC3161) {
	if e.RFC3161 != nil {
		tokens = append(tokens, *e.RFC3161)
	}
	for _, a := range e.Attestations {
		if a.Kind == KindRFC3161 && a.Of == OfCommitment {
			tokens = append(tokens, RFC3161{Token: a.Token})
		}
	}
	return tokens
}

// Digest returns the 32 bytes that s names in e. It fails if e has no such attestation.
func (e Evidence) Digest(s Subject) (commitment.Hash, error) {
	switch s {
	case OfCommitment:
		return e.Commitment, nil
	case OfBlock:
		return e.Block.Hash, nil
	}
	if i, ok := s.Attestation(); ok && i < len(e.Attestations) {
		if content := e.Attestations[i].content(); content != nil {
			return sha256.Sum256(content), nil
		}
	}
	return commitment.Hash{}, fmt.Errorf("evidence: there is no %.40q", s)
}

// Extend returns e with further attestations. A document of format 1 becomes one of format
// 2, with the same proof. Extend refuses what the form does not allow, and verifies
// nothing.
func (e Evidence) Extend(more ...Attestation) (Evidence, error) {
	e = e.upgrade()
	e.Attestations = append(e.Attestations[:len(e.Attestations):len(e.Attestations)], more...)
	if err := e.validate(); err != nil {
		return Evidence{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return e, nil
}

// upgrade returns e in format 2. The proof stays the same: a block's hash covers the
// checkpoint with the log's signature alone, which is all that format 1 had.
func (e Evidence) upgrade() Evidence {
	if e.Format != 1 {
		return e
	}
	e.Format = Format
	creators := make([]Creator, len(e.Creators))
	for i, c := range e.Creators {
		c.Roles = slices.Clone(c.Roles)
		slices.Sort(c.Roles)
		c.Roles = slices.Compact(c.Roles)
		creators[i] = c
	}
	e.Creators = creators
	if e.Log != nil && e.Log.Proof == nil {
		l := *e.Log
		l.Proof = tlog.RecordProof{}
		e.Log = &l
	}
	if e.RFC3161 != nil {
		e.Attestations = []Attestation{{Kind: KindRFC3161, Of: OfCommitment, Token: e.RFC3161.Token}}
		e.RFC3161 = nil
	}
	return e
}
