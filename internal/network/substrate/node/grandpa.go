package node

import (
	"crypto/ed25519"
	"fmt"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

// Authority is a voter of GRANDPA.
type Authority struct {
	// Key is its ed25519 public key, and Weight its share of the vote.
	Key    [32]byte
	Weight uint64
}

// AuthoritySet is the voters who finalize blocks together.
type AuthoritySet struct {
	// ID counts the sets from 0.
	ID          uint64
	Authorities []Authority
}

// Encode returns the members in SCALE, as GrandpaApi_grandpa_authorities does.
func (s AuthoritySet) Encode() []byte {
	out := scale.AppendCompact(nil, uint64(len(s.Authorities)))
	for _, a := range s.Authorities {
		out = append(append(out, a.Key[:]...), le64(a.Weight)...)
	}
	return out
}

// signer returns the key of an authority: tests can know it.
func signer(set uint64, i int) ed25519.PrivateKey {
	seed := blake2b.Sum256(fmt.Appendf(nil, "timbre test authority %d of set %d", i, set))
	return ed25519.NewKeyFromSeed(seed[:])
}

func newSet(id uint64, size int) AuthoritySet {
	s := AuthoritySet{ID: id}
	for i := range size {
		s.Authorities = append(s.Authorities, Authority{[32]byte(signer(id, i).Public().(ed25519.PublicKey)), 1})
	}
	return s
}
