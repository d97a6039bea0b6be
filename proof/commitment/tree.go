package commitment

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
)

// depth is the depth of the tree. It is fixed, so that a proof of one shape never passes as a proof of another shape.
const depth = 5

// unused is the leaf of an unused place. No creator encodes to that single byte.
var unused = Hash(sha256.Sum256([]byte{0}))

// Step is one level of a proof: the sibling and its side.
type Step struct {
	Sibling Hash `json:"sibling"`
	IsLeft  bool `json:"is_left"` // the sibling is the left one of the two
}

// Proof shows that a leaf is in a tree. Its steps go from the leaf's level up to the children of the root. As JSON it is
// a list of {"sibling", "is_left"}.
type Proof [depth]Step

// UnmarshalJSON reads a list whose length is the tree's depth. Each step must have both members and no others. On an
// error p keeps its value.
func (p *Proof) UnmarshalJSON(data []byte) error {
	var steps []struct {
		Sibling *Hash `json:"sibling"`
		IsLeft  *bool `json:"is_left"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&steps); err != nil {
		return fmt.Errorf("commitment: decode proof: %w", err)
	}
	var parsed Proof
	if len(steps) != len(parsed) {
		return fmt.Errorf("commitment: decode proof: %d steps, want %d", len(steps), len(parsed))
	}
	for i, s := range steps {
		if s.Sibling == nil || s.IsLeft == nil {
			return errors.New("commitment: decode proof: a step needs sibling and is_left")
		}
		parsed[i] = Step{Sibling: *s.Sibling, IsLeft: *s.IsLeft}
	}
	*p = parsed
	return nil
}

// Index returns the position of the proved leaf, counted from 0: the place of the creator in the work.
func (p Proof) Index() int {
	index := 0
	for level, s := range p {
		if s.IsLeft {
			index |= 1 << level
		}
	}
	return index
}

// Root returns the root of the tree over leaves. It fails unless the number of leaves is 1 to [MaxCreators].
func Root(leaves []Hash) (Hash, error) {
	level, err := pad(leaves)
	if err != nil {
		return Hash{}, err
	}
	for len(level) > 1 {
		level = parents(level)
	}
	return level[0], nil
}

// Prove returns the proof of leaf i, counted from 0, among leaves. It fails when i is out of range, or as [Root] does.
func Prove(leaves []Hash, i int) (Proof, error) {
	level, err := pad(leaves)
	if err != nil {
		return Proof{}, err
	}
	if i < 0 || i >= len(leaves) {
		return Proof{}, fmt.Errorf("commitment: no leaf %d among %d", i, len(leaves))
	}
	var p Proof
	for at := range p {
		p[at] = Step{Sibling: level[i^1], IsLeft: i%2 == 1}
		level = parents(level)
		i /= 2
	}
	return p, nil
}

// VerifyProof reports whether proof leads from leaf to root.
func VerifyProof(leaf Hash, proof Proof, root Hash) bool {
	for _, s := range proof {
		if s.IsLeft {
			leaf = node(s.Sibling, leaf)
		} else {
			leaf = node(leaf, s.Sibling)
		}
	}
	return leaf == root
}

func pad(leaves []Hash) ([]Hash, error) {
	if len(leaves) < 1 || len(leaves) > MaxCreators {
		return nil, fmt.Errorf("commitment: a tree has 1 to %d leaves, not %d", MaxCreators, len(leaves))
	}
	level := make([]Hash, MaxCreators)
	for i := copy(level, leaves); i < len(level); i++ {
		level[i] = unused
	}
	return level, nil
}

func parents(level []Hash) []Hash {
	up := make([]Hash, len(level)/2)
	for i := range up {
		up[i] = node(level[2*i], level[2*i+1])
	}
	return up
}

func node(left, right Hash) Hash {
	var both [2 * sha256.Size]byte
	copy(both[:], left[:])
	copy(both[sha256.Size:], right[:])
	return sha256.Sum256(both[:])
}
