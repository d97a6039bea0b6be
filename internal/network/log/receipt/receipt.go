// Package receipt writes the inclusion proof of a log entry as a COSE Receipt (RFC 9942): the
// same tree and the same key as the log's checkpoints, in the form that COSE programs read.
//
// One signature serves all entries of a tree, because it covers only the root. So Sign needs
// the log's key and makes one signature for a block, and Write needs no key. The package keeps
// nothing, and reads no receipts: programs of others do.
package receipt

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/mod/sumdb/tlog"
)

// The labels and values of RFC 9052, RFC 9597 and RFC 9942 that receipts of inclusion have.
const (
	labelAlgorithm  = int64(1)
	labelKeyID      = int64(4)
	labelClaims     = int64(15)
	claimIssuer     = int64(1)
	algorithmEdDSA  = int64(-8)
	tagSign1        = 18
	labelStructure  = int64(395) // vds, in the protected header
	labelProofs     = int64(396) // vdp, in the unprotected header
	inclusionProofs = int64(-1)
	binaryTree      = int64(1) // RFC9162_SHA256
)

// KeyIDSize is the length of the key id: the first bytes of the SHA-256 of the verifier key's
// line, which people compare as the key's fingerprint.
const KeyIDSize = 16

// encoding sorts the members of maps, so that the same header has the same bytes.
var encoding = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // the options are the library's own
	}
	return mode
}()

// protected is what the signature covers beside the root. The log's name is in it, so that
// a receipt says of which log it is, also if two logs had one key.
func protected(origin, verifierKey string) ([]byte, error) {
	id := sha256.Sum256([]byte(verifierKey))
	return encoding.Marshal(map[int64]any{
		labelAlgorithm: algorithmEdDSA,
		labelKeyID:     id[:KeyIDSize],
		labelClaims:    map[int64]string{claimIssuer: origin},
		labelStructure: binaryTree,
	})
}

// Sign signs a root for the receipts of its entries. The same root gives the same signature.
func Sign(key ed25519.PrivateKey, origin, verifierKey string, root tlog.Hash) ([]byte, error) {
	header, err := protected(origin, verifierKey)
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	// The Sig_structure of RFC 9052, section 4.4, without external data.
	signed, err := encoding.Marshal([]any{"Signature1", header, []byte{}, root[:]})
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	return ed25519.Sign(key, signed), nil
}

// ErrAlone is the error of Write for the only entry of a tree: the form of RFC 9942 needs a
// path of at least one hash.
var ErrAlone = errors.New("receipt: a tree of one entry has no path")

// Write returns the receipt of the entry at index, from 0, in the tree of size entries whose
// root was signed with Sign. The payload is detached: a reader computes the root from the
// entry and the path.
func Write(origin, verifierKey string, signature []byte, size, index int64, path tlog.RecordProof) ([]byte, error) {
	if len(path) == 0 {
		return nil, ErrAlone
	}
	proof, err := encoding.Marshal([]any{size, index, byteStrings(path)})
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	header, err := protected(origin, verifierKey)
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	text, err := encoding.Marshal(cbor.Tag{Number: tagSign1, Content: []any{
		header, map[int64]any{labelProofs: map[int64]any{inclusionProofs: []any{proof}}}, nil, signature,
	}})
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	return text, nil
}

// byteStrings returns the hashes as byte strings: an array would be written as a list of numbers.
func byteStrings(path tlog.RecordProof) [][]byte {
	all := make([][]byte, len(path))
	for i, h := range path {
		all[i] = h[:]
	}
	return all
}
