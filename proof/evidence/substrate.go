package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"

	"timbre.example/proof/commitment"
)

// verifySubstrate checks the hashes and the content of the transaction. Only the
// chain itself can confirm that the block is part of it, that the block holds the
// transaction, and that the transaction succeeded.
func verifySubstrate(e Evidence, add adder, skip skipper) {
	s := e.Substrate
	add(CheckTransaction, word("check_transaction"), must(blake2b.Sum256(s.Extrinsic) == e.TxHash, "it is another's"))
	add(CheckEntry, word("check_chain_entry"), extrinsic(e))
	number, err := headerNumber(s.Header)
	if err == nil {
		err = must(number == uint64(e.Block.Number) && blake2b.Sum256(s.Header) == e.Block.Hash, "it is another's")
	}
	add(CheckBlock, word("check_chain_block"), err)
	ask := fmt.Sprintf("%s It is extrinsic %d of block %d.", word("why_chain"), s.Index, e.Block.Number)
	skip(CheckInclusion, word("check_chain_inclusion"), ask)
	skip(CheckChain, word("check_chain"), ask)
	skip(CheckTime, word("check_chain_time"), ask)
}

// The indexes of the pallet's calls. The comment lists the arguments.
const (
	callCreate = 0 // commitment, protocol version
	callUpdate = 1 // ats id, commitment, protocol version
)

// extrinsic checks that the transaction ends with the arguments of the call. Only
// the chain's metadata says where a call begins, and so whether the bytes are that
// call. The signer is not checked either, for the same reason.
func extrinsic(e Evidence) error {
	length, body, err := compact(e.Substrate.Extrinsic)
	if err != nil {
		return err
	}
	if length != uint64(len(body)) || length == 0 {
		return errors.New("the extrinsic's length differs from its length prefix")
	}
	if body[0] != 0x84 { // version 4, signed
		return errors.New("not a signed extrinsic of version 4")
	}
	call := []byte{callCreate}
	if e.Version > 1 {
		call = binary.LittleEndian.AppendUint64([]byte{callUpdate}, uint64(e.AtsID))
	}
	call = append(append(call, e.Commitment[:]...), e.ProtocolVersion)
	return must(bytes.HasSuffix(body, call), "it ends with something else")
}

// headerNumber reads a block's number. A header consists of the parent's hash,
// the number, two roots and a digest.
func headerNumber(header []byte) (uint64, error) {
	const hash = len(commitment.Hash{})
	if len(header) < hash {
		return 0, errShort
	}
	n, rest, err := compact(header[hash:])
	if err == nil && len(rest) < 2*hash+1 {
		err = errShort
	}
	return n, err
}

var errShort = errors.New("the bytes end too early")

// compact reads a number in SCALE's compact form, and returns the bytes after it.
func compact(b []byte) (n uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errShort
	}
	size := 1 << (b[0] & 3)
	if b[0]&3 == 3 { // larger than any length or block number here
		return 0, nil, errors.New("a number is too large")
	}
	if len(b) < size {
		return 0, nil, errShort
	}
	var whole [8]byte
	copy(whole[:], b[:size])
	return binary.LittleEndian.Uint64(whole[:]) >> 2, b[size:], nil
}
