package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"

	"timbre.example/proof/commitment"
)

// verifySubstrate checks the evidence of a version on a chain. Each optional part goes one
// step further. Without them, only a node can confirm that the chain has the block, that the
// block has the transaction, and that the transaction succeeded.
func verifySubstrate(e Evidence, opts Options, add adder, skip skipper) {
	s := e.Substrate
	add(CheckTransaction, word("check_transaction"), must(blake2b.Sum256(s.Extrinsic) == e.TxHash, "it is another's"))
	if decided, err := extrinsic(e); decided {
		add(CheckEntry, word("check_chain_entry"), err)
	} else {
		skip(CheckEntry, word("check_chain_entry"), word("why_chain"))
	}
	number, err := headerNumber(s.Header)
	if err == nil {
		err = must(number == uint64(e.Block.Number) && blake2b.Sum256(s.Header) == e.Block.Hash, "it is another's")
	}
	add(CheckBlock, word("check_chain_block"), err)
	ask := fmt.Sprintf("%s It is extrinsic %d of block %d.", word("why_chain"), s.Index, e.Block.Number)

	var state ChainState
	stateErr := errors.New("there is no proof of the chain's state")
	if len(s.StateProof) > 0 {
		state, stateErr = registered(e)
	}
	switch err := s.checkExtrinsic(); {
	case len(s.ExtrinsicProof) == 0:
		skip(CheckInclusion, word("check_chain_inclusion"), ask)
	case err == nil && stateErr != nil:
		skip(CheckInclusion, word("check_chain_inclusion"), "The block has it. Whether the chain carried it out is not proved. "+ask)
	default:
		add(CheckInclusion, word("check_chain_inclusion"), err)
	}
	switch {
	case len(s.StateProof) == 0:
	case errors.Is(stateErr, ErrLayout):
		skip(CheckState, word("check_state"), fmt.Sprintf("%s: runtime %d.", stateErr, state.Runtime))
	default:
		add(CheckState, word("check_state"), stateErr)
	}
	verifyFinality(e, opts, ask, add, skip)
	switch {
	case stateErr != nil || state.Time.IsZero():
		skip(CheckTime, word("check_chain_time"), ask)
	default:
		add(CheckTime, word("check_chain_time"), must(state.Time.Equal(e.Block.Time), "the chain says another time"))
	}
}

// registered returns what the chain's state says, or an error if it is not that this block
// registered this version.
func registered(e Evidence) (ChainState, error) {
	state, err := e.Substrate.State(e.AtsID, e.Version)
	switch {
	case err != nil:
	case state.Commitment != e.Commitment || state.ProtocolVersion != e.ProtocolVersion:
		err = errors.New("the chain has another commitment for this version")
	case state.CreatedAt != e.Block.Number:
		err = errors.New("another block registered this version")
	case state.Versions < e.Version:
		err = errors.New("the chain says that the work has fewer versions")
	}
	return state, err
}

// CheckExtrinsic returns an error unless the proof shows that the block of the header has the
// extrinsic at its place. It needs [Substrate.ExtrinsicProof]. Only [Verify] shows that the
// block is the chain's.
func (s Substrate) CheckExtrinsic() error {
	if err := s.checkExtrinsic(); err != nil {
		return fmt.Errorf("evidence: extrinsic: %w", err)
	}
	return nil
}

// checkExtrinsic is CheckExtrinsic. The trie of a block's extrinsics has their places as keys,
// in SCALE.
func (s Substrate) checkExtrinsic() error {
	b, err := readBlock(s.Header)
	if err != nil {
		return err
	}
	if s.Index > maxCompact {
		return errors.New("no block has so many transactions")
	}
	t := openTrie(b.extrinsics, s.ExtrinsicProof)
	value, _, err := t.get(appendCompact(nil, uint64(s.Index)))
	if err == nil {
		err = t.complete()
	}
	if err != nil {
		return err
	}
	return must(bytes.Equal(value, s.Extrinsic), "the block has another transaction there")
}

// verifyFinality checks the proof of finality by itself, and compares its sets of authorities
// with those that the caller trusts.
func verifyFinality(e Evidence, opts Options, ask string, add adder, skip skipper) {
	if e.Substrate.Finality == nil {
		skip(CheckChain, word("check_chain"), ask)
		return
	}
	sets, err := proveFinality(*e.Substrate)
	if errors.Is(err, errForced) {
		skip(CheckFinality, word("check_finality"), word("why_chain_forced"))
		skip(CheckChain, word("check_chain"), word("why_chain_forced"))
		return
	}
	add(CheckFinality, word("check_finality"), err)
	if err != nil {
		skip(CheckChain, word("check_chain"), ask)
		return
	}
	switch status, why := trustSets(opts.ChainCheckpoints, e.Network.Name, e.Substrate.Genesis, sets); status {
	case NotChecked:
		skip(CheckChain, word("check_chain"), why)
	case Failed:
		add(CheckChain, word("check_chain"), errors.New(why))
	default:
		add(CheckChain, word("check_chain"), nil)
	}
}

// trustSets compares the sets of authorities of a proof of finality with those that the caller
// trusts.
func trustSets(all []ChainCheckpoint, network string, genesis commitment.Hash, sets []chainSet) (Status, string) {
	known, met, ok := 0, 0, true
	for _, c := range all {
		if c.Genesis != genesis {
			continue
		}
		known++
		ok = ok && c.Network == network
		for _, set := range sets {
			if set.id == c.SetID {
				met++
				ok = ok && equalSet(set.members, c.Authorities)
			}
		}
	}
	switch {
	case len(all) > 0 && known == 0, !ok:
		return Failed, word("why_chain_failed")
	case met == 0:
		return NotChecked, filled("why_chain_checkpoint", "{set}", fmt.Sprint(sets[0].id))
	}
	return OK, ""
}

// The indexes of the pallet's calls. The comment lists the arguments.
const (
	callCreate = 0 // commitment, protocol version
	callUpdate = 1 // ats id, commitment, protocol version
)

// idSize is the length of a work's id, by which an update is longer than a creation.
const idSize = 8

// extrinsic checks that the transaction is the call of this version, or a batch that has it. Only the chain's
// metadata says how long the part between the tip and the call is. Chains have a byte or two
// there. If it has fewer bytes than an id, the length tells the two calls apart. Otherwise
// nothing is decided. The signature, the signer and the pallet are not checked.
func extrinsic(e Evidence) (decided bool, err error) {
	length, body, err := compact(e.Substrate.Extrinsic)
	if err != nil {
		return true, err
	}
	if length != uint64(len(body)) || length == 0 {
		return true, errors.New("the extrinsic's length differs from its length prefix")
	}
	if body[0] != 0x84 { // version 4, signed
		return true, errors.New("not a signed extrinsic of version 4")
	}
	call := []byte{callCreate}
	if e.Version > 1 {
		call = binary.LittleEndian.AppendUint64([]byte{callUpdate}, uint64(e.AtsID))
	}
	call = append(append(call, e.Commitment[:]...), e.ProtocolVersion)
	rest, ok := afterTip(body)
	if ok && inBatch(rest, call) {
		return true, nil
	}
	if !bytes.HasSuffix(body, call) {
		return true, errors.New("it ends with something else")
	}
	if !ok {
		return false, nil
	}
	switch between := len(rest) - 1 - len(call); { // 1 for the pallet
	case between < 0, e.Version == 1 && between >= idSize && between < 2*idSize && rest[between+1-idSize] == callUpdate:
		return true, errors.New("it is the call of another version")
	default:
		return between < idSize, nil
	}
}

// inBatch reports whether b is a batch that has a call. In front of a batch are fewer bytes than an id
// has. Then come the pallet and the call of the batch, a number, and so many calls of one pallet up
// to the end. It has at least two calls. So it is longer than any single call, and no bytes are both.
func inBatch(b, call []byte) bool {
	const create = 1 + 1 + len(commitment.Hash{}) + 1 // the pallet, the call, the commitment, the protocol version
	for skip := range min(idSize, len(b)-1) {
		n, rest, err := compact(b[min(skip+2, len(b)):])
		if err != nil || n < 2 || len(rest) == 0 {
			continue
		}
		has, pallet := false, rest[0]
		for ; n > 0 && len(rest) > 1 && rest[0] == pallet && rest[1] <= callUpdate; n-- {
			size := create + int(rest[1])*idSize
			if len(rest) < size {
				break
			}
			has = has || bytes.Equal(rest[1:size], call)
			rest = rest[size:]
		}
		if has && n == 0 && len(rest) == 0 {
			return true
		}
	}
	return false
}

// afterTip returns what follows the parts of a signed extrinsic that are the same on most
// chains: the signer's account, the signature, the era, the nonce and the tip.
func afterTip(body []byte) (rest []byte, ok bool) {
	const signature = 2 + 32 + 1 // after the version, the kinds of address and signature, and the account
	if len(body) < signature || body[1] != 0 || body[signature-1] > 2 {
		return nil, false
	}
	at := signature + 64
	if body[signature-1] == 2 { // ECDSA
		at++
	}
	if at >= len(body) {
		return nil, false
	}
	if body[at] != 0 { // a mortal era has two bytes
		at++
	}
	at++
	for range 2 {
		if at >= len(body) {
			return nil, false
		}
		size := 1 << (body[at] & 3)
		if body[at]&3 == 3 {
			size = int(body[at]>>2) + 5
		}
		at += size
	}
	if at > len(body) {
		return nil, false
	}
	return body[at:], true
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

// maxCompact is the largest number that compact reads.
const maxCompact = 1<<30 - 1

// appendCompact appends a number up to maxCompact in SCALE's compact form.
func appendCompact(b []byte, n uint64) []byte {
	switch {
	case n < 1<<6:
		return append(b, byte(n<<2))
	case n < 1<<14:
		return binary.LittleEndian.AppendUint16(b, uint16(n<<2|1))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(n<<2|2))
}

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
