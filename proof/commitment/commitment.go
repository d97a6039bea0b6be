// Package commitment is version 1 of the commitment protocol: it turns a song and its creators into the 32 bytes that
// are anchored on a network. Anyone can compute and verify a commitment with this package alone; it needs only the
// standard library.
//
// The protocol, with ‖ for concatenation:
//
//	string     = its length in bytes, 32 bits little-endian ‖ its UTF-8 bytes
//	option     = 00, or 01 ‖ string
//	roles      = their number, one byte ‖ the tags, ascending, each once
//	creator    = full_name ‖ email ‖ roles ‖ option(ipi) ‖ option(isni)
//	leaf       = SHA-256(creator)
//	root       = a binary tree over 32 leaves in the order of the creators; unused leaves are SHA-256(00),
//	             a node is SHA-256(left ‖ right)
//	media_hash = SHA-256(file)
//	commitment = SHA-256(01 ‖ media_hash ‖ string(title) ‖ root)
//
// The package never trims, folds or normalises text: it commits to the caller's text byte by byte. It
// never opens a file by name and never uses a network.
//
// It keeps no state: all functions and methods may be called at the same time.
package commitment

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Version is the version of the protocol. It is the first byte of the input of the commitment's hash.
const Version = 1

// Hash is a SHA-256 digest. Its text form is 64 hexadecimal digits without a prefix.
type Hash [sha256.Size]byte

// String returns h in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns h in lower-case hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads 64 hexadecimal digits of either case. On an error h keeps its value.
func (h *Hash) UnmarshalText(text []byte) error {
	parsed, err := ParseHash(string(text))
	if err != nil {
		return err
	}
	*h = parsed
	return nil
}

// ParseHash reads 64 hexadecimal digits of either case.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != hex.EncodedLen(len(h)) {
		return Hash{}, fmt.Errorf("commitment: a hash is %d hexadecimal digits, not %d characters", hex.EncodedLen(len(h)), len(s))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, errors.New("commitment: a hash has hexadecimal digits only")
	}
	return h, nil
}

// emptyMedia is the SHA-256 of an empty file.
var emptyMedia = Hash(sha256.Sum256(nil))

// HashMedia reads r to its end and returns its SHA-256 and its size in bytes. It uses a small buffer and never holds the
// whole content. For an empty r it returns a [*ValidationError]. It wraps an error of r.
func HashMedia(r io.Reader) (Hash, int64, error) {
	digest := sha256.New()
	size, err := io.Copy(digest, r)
	if err != nil {
		return Hash{}, size, fmt.Errorf("commitment: read media: %w", err)
	}
	if size == 0 {
		return Hash{}, 0, errNoMedia()
	}
	return Hash(digest.Sum(nil)), size, nil
}

// Commitment is the commitment of a work, with everything that proves one of its creators.
type Commitment struct {
	Hash   Hash   // the 32 bytes to anchor
	Media  Hash   // SHA-256 of the file
	Root   Hash   // root of the tree over the creators
	Leaves []Hash // one leaf per creator, in the order of the creators
}

// Compute validates the work and returns its commitment. It returns a [*ValidationError] for an invalid work, and also
// for the hash of an empty file.
func Compute(title string, creators []Creator, media Hash) (Commitment, error) {
	if err := (Work{Title: title, Creators: creators}).Validate(); err != nil {
		return Commitment{}, err
	}
	if media == emptyMedia {
		return Commitment{}, errNoMedia()
	}
	leaves := make([]Hash, len(creators))
	for i, c := range creators {
		leaves[i] = Leaf(c)
	}
	root, err := Root(leaves)
	if err != nil {
		return Commitment{}, err
	}
	return Commitment{Hash: Seal(title, media, root), Media: media, Root: root, Leaves: leaves}, nil
}

// Proof returns the proof that creator i, counted from 0, is part of the commitment. It fails when i is out of range.
func (c Commitment) Proof(i int) (Proof, error) { return Prove(c.Leaves, i) }

// Seal returns the commitment for a known root. A verifier uses it after [VerifyProof], to get from
// one creator to the anchored bytes without knowing the other creators.
func Seal(title string, media, root Hash) Hash {
	b := make([]byte, 0, 1+len(media)+4+len(title)+len(root))
	b = append(b, Version)
	b = append(b, media[:]...)
	b = appendString(b, title)
	b = append(b, root[:]...)
	return sha256.Sum256(b)
}
