package evidence

import (
	"timbre.example/proof/commitment"
)

// ChainCheckpoint is a set of authorities of a chain that a verifier trusts.
type ChainCheckpoint struct {
	// Network is the name of the network, as in [Network].
	Network string
	// Genesis is the hash of the chain's first block.
	Genesis commitment.Hash
	// SetID is the number of the set, which the chain counts from 0.
	SetID int64
	// Authorities are the members of the set, in the order of the chain. 1 to 256.
	Authorities []ChainAuthority
}

// ChainAuthority is one member of a set of authorities.
type ChainAuthority struct {
	// Key is an Ed25519 public key.
	Key [32]byte
	// Weight is how much its vote counts, from 1.
	Weight int64
}
