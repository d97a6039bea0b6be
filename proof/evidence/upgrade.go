package evidence

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence/internal/cms"
	"timbre.example/proof/evidence/internal/ots"
)

// ErrUnrelated: the statement is about something that the evidence does not have.
var ErrUnrelated = errors.New("it is about something else than this evidence")

// AddToken returns e with a time-stamp token of the commitment, the block or an earlier
// attestation: the one whose digest the token has. A token that e has already changes
// nothing. AddToken does not verify the authority.
func (e Evidence) AddToken(der []byte) (Evidence, error) {
	digest, err := TokenDigest(der)
	if err != nil {
		return Evidence{}, err
	}
	return e.add(Attestation{Kind: KindRFC3161, Token: der}, digest)
}

// AddProof returns e with an OpenTimestamps proof of the commitment, the block or an earlier
// attestation. If e has a pending proof of the same digest, the new one takes its place,
// unless another attestation is about the pending one. A proof that leads to no block of
// Bitcoin takes no other's place.
func (e Evidence) AddProof(file []byte) (Evidence, error) {
	proof, err := ots.Parse(file)
	if err != nil {
		return Evidence{}, fmt.Errorf("evidence: %w", err)
	}
	e = e.upgrade()
	if slices.ContainsFunc(e.Attestations, func(a Attestation) bool { return a.Kind == KindOpenTimestamps && bytes.Equal(a.Proof, file) }) {
		return e, nil
	}
	for i, a := range e.Attestations {
		if a.Kind != KindOpenTimestamps {
			continue
		}
		old, err := ots.Parse(a.Proof)
		renewed := slices.ContainsFunc(e.Attestations, func(other Attestation) bool { return other.Of == OfAttestation(i) })
		if err != nil || renewed || old.Digest != proof.Digest || len(old.Bitcoin) > 0 || len(proof.Bitcoin) == 0 {
			continue
		}
		e.Attestations = slices.Clone(e.Attestations)
		a.Proof = bytes.Clone(file)
		e.Attestations[i] = a
		return e.checked()
	}
	return e.add(Attestation{Kind: KindOpenTimestamps, Proof: file}, proof.Digest)
}

// AddCheckpoint returns e with a later checkpoint as its log serves it, with the proof that
// its tree continues the tree of e's block. A checkpoint of the same tree adds its
// cosignatures to those of the block. AddCheckpoint verifies no signature: see [Verify].
func (e Evidence) AddCheckpoint(signed string, consistency tlog.TreeProof) (Evidence, error) {
	if e.Log == nil {
		return Evidence{}, fmt.Errorf("evidence: a checkpoint: %w", ErrUnrelated)
	}
	own, cosignatures, err := Split(signed)
	if err != nil {
		return Evidence{}, fmt.Errorf("evidence: the checkpoint: %w", err)
	}
	e = e.upgrade()
	if noteText(own) == noteText(e.Log.Checkpoint) {
		l := *e.Log
		l.Cosignatures = merged(l.Cosignatures, cosignatures)
		e.Log = &l
		return e.checked()
	}
	for i, a := range e.Attestations {
		if a.Kind == KindCheckpoint && noteText(a.Checkpoint) == noteText(own) {
			e.Attestations = slices.Clone(e.Attestations)
			a.Cosignatures = merged(a.Cosignatures, cosignatures)
			e.Attestations[i] = a
			return e.checked()
		}
	}
	if consistency == nil {
		consistency = tlog.TreeProof{}
	}
	return e.Extend(Attestation{Kind: KindCheckpoint, Checkpoint: own, Consistency: consistency, Cosignatures: cosignatures})
}

// AddAnchor returns e with an anchor of the block, or of a later checkpoint that e has: the one
// whose hash the chain's state has. An anchor of the same version of the same work changes
// nothing. AddAnchor does not verify the finality.
func (e Evidence) AddAnchor(a Anchor) (Evidence, error) {
	state, err := a.substrate().State(a.AtsID, a.Version)
	if err != nil {
		return Evidence{}, fmt.Errorf("evidence: an anchor: %w", err)
	}
	e = e.upgrade()
	if slices.ContainsFunc(e.Attestations, func(had Attestation) bool {
		return had.Kind == KindAnchor && had.Anchor.Genesis == a.Genesis && had.Anchor.AtsID == a.AtsID && had.Anchor.Version == a.Version
	}) {
		return e, nil
	}
	subjects := []Subject{OfBlock}
	for i, had := range e.Attestations {
		if had.Kind == KindCheckpoint {
			subjects = append(subjects, OfAttestation(i))
		}
	}
	for _, s := range subjects {
		if sum, err := e.Digest(s); err == nil && sum == state.Commitment {
			return e.Extend(Attestation{Kind: KindAnchor, Of: s, Anchor: &a})
		}
	}
	return Evidence{}, fmt.Errorf("evidence: an anchor: %w", ErrUnrelated)
}

// merged returns the signature lines of both lists in the order of format 2.
func merged(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// add adds a token or proof of the digest, unless e has the same one.
func (e Evidence) add(a Attestation, digest commitment.Hash) (Evidence, error) {
	e = e.upgrade()
	subjects := []Subject{OfCommitment, OfBlock}
	for i := range e.Attestations {
		subjects = append(subjects, OfAttestation(i))
	}
	for _, s := range subjects {
		if sum, err := e.Digest(s); err != nil || sum != digest {
			continue
		}
		a.Of = s
		if slices.ContainsFunc(e.Attestations, func(had Attestation) bool {
			return had.Kind == a.Kind && had.Of == s && bytes.Equal(had.content(), a.content())
		}) {
			return e, nil
		}
		return e.Extend(a)
	}
	return Evidence{}, fmt.Errorf("evidence: %w", ErrUnrelated)
}

// checked returns e, or an error if the form does not allow it.
func (e Evidence) checked() (Evidence, error) {
	if err := e.validate(); err != nil {
		return Evidence{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return e, nil
}

// TokenDigest returns the 32 bytes that a time-stamp token is about. It verifies nothing.
func TokenDigest(der []byte) (commitment.Hash, error) {
	message, err := cms.Parse(der)
	if err != nil {
		return commitment.Hash{}, fmt.Errorf("evidence: not a token: %w", err)
	}
	var info tstInfo
	if _, err := asn1.Unmarshal(message.Content, &info); err != nil || !message.Type.Equal(oidTSTInfo) || len(info.Imprint.Hash) != len(commitment.Hash{}) {
		return commitment.Hash{}, errors.New("evidence: not a token with an imprint of SHA-256")
	}
	return commitment.Hash(info.Imprint.Hash), nil
}
