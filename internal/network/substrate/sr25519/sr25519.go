// Package sr25519 holds the key pairs of a seed: it derives them, signs and verifies. It
// reads no file, and never returns a secret.
package sr25519

import (
	"context"
	"encoding/binary"
	"fmt"

	schnorrkel "github.com/ChainSafe/go-schnorrkel"
	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

// SeedSize and SignatureSize are the bytes of a seed and of a signature.
const (
	SeedSize      = schnorrkel.MiniSecretKeySize
	SignatureSize = schnorrkel.SignatureSize
)

// mixed is what every Substrate chain mixes into the signed message.
var mixed = []byte("substrate")

// Pair is a key pair.
type Pair struct {
	secret *schnorrkel.SecretKey
	public [32]byte
}

// Numbered derives the pair with a number from a seed, as the path //0 of other tools does.
func Numbered(seed [SeedSize]byte, number uint64) (Pair, error) {
	var code [schnorrkel.ChainCodeLength]byte
	binary.LittleEndian.PutUint64(code[:], number)
	return derive(seed, code)
}

// Named derives the pair with a name from a seed, as the path //Alice of other tools does.
func Named(seed [SeedSize]byte, name string) (Pair, error) {
	var code [schnorrkel.ChainCodeLength]byte
	text := scale.AppendText(nil, name)
	if len(text) > len(code) {
		code = blake2b.Sum256(text)
	} else {
		copy(code[:], text)
	}
	return derive(seed, code)
}

func derive(seed [SeedSize]byte, code [schnorrkel.ChainCodeLength]byte) (Pair, error) {
	mini, err := schnorrkel.NewMiniSecretKeyFromRaw(seed)
	if err == nil {
		mini, _, err = mini.HardDeriveMiniSecretKey(nil, code)
	}
	if err != nil {
		return Pair{}, fmt.Errorf("sr25519: derive a key: %w", err)
	}
	secret := mini.ExpandEd25519()
	public, err := secret.Public()
	if err != nil {
		return Pair{}, fmt.Errorf("sr25519: derive a key: %w", err)
	}
	return Pair{secret: secret, public: public.Encode()}, nil
}

// Public is the public key, which is also the account.
func (p Pair) Public() [32]byte { return p.public }

// String returns nothing of the secret.
func (p Pair) String() string { return fmt.Sprintf("sr25519 %x", p.public) }

// GoString returns nothing of the secret.
func (p Pair) GoString() string { return p.String() }

// Sign signs a message. Each signature is another one, because it is randomized.
func (p Pair) Sign(message []byte) ([SignatureSize]byte, error) {
	s, err := p.secret.Sign(schnorrkel.NewSigningContext(mixed, message))
	if err != nil {
		return [SignatureSize]byte{}, fmt.Errorf("sr25519: sign: %w", err)
	}
	return s.Encode(), nil
}

// Verify reports whether a signature is the public key's for a message.
func Verify(public [32]byte, message []byte, signature [SignatureSize]byte) bool {
	key, err := schnorrkel.NewPublicKey(public)
	if err != nil {
		return false
	}
	var s schnorrkel.Signature
	if err := s.Decode(signature); err != nil {
		return false
	}
	ok, err := key.Verify(&s, schnorrkel.NewSigningContext(mixed, message))
	return err == nil && ok
}

// Keys are the first pairs of a seed.
type Keys struct {
	accounts [][32]byte
	pairs    map[[32]byte]Pair
}

// NewKeys derives the pairs 0 to n-1 of a seed.
func NewKeys(seed [SeedSize]byte, n int) (Keys, error) {
	k := Keys{pairs: map[[32]byte]Pair{}}
	for i := range n {
		p, err := Numbered(seed, uint64(i))
		if err != nil {
			return Keys{}, err
		}
		k.accounts = append(k.accounts, p.Public())
		k.pairs[p.Public()] = p
	}
	return k, nil
}

// Accounts are the public keys of the pairs, in the order of their numbers.
func (k Keys) Accounts() [][32]byte { return k.accounts }

// Sign signs a message with the pair of an account.
func (k Keys) Sign(_ context.Context, account [32]byte, message []byte) ([SignatureSize]byte, error) {
	p, ok := k.pairs[account]
	if !ok {
		return [SignatureSize]byte{}, fmt.Errorf("sr25519: the account %x is not one of the first %d of the seed", account, len(k.accounts))
	}
	return p.Sign(message)
}
