package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"

	"timbre.example/proof/commitment"
)

// The bounds of a proof of finality. maxVotes is the most signatures in one document: it
// bounds the work of a verifier.
const (
	maxAuthorities, maxHandOffs, maxHeaders = 256, 64, 512
	maxVotes                                = 1024
)

// block is a header of a chain, as far as a proof needs it.
type block struct {
	hash, parent, state, extrinsics commitment.Hash
	number                          uint64
	next                            []ChainAuthority // the set to which this block hands over, if any
	delay                           uint32           // blocks before it does
	forced                          bool             // it announces a set by force
}

// readBlock reads a whole header in SCALE.
func readBlock(header []byte) (b block, err error) {
	b.hash = blake2b.Sum256(header)
	const hash = len(b.hash)
	if len(header) < hash {
		return b, errShort
	}
	b.parent = commitment.Hash(header[:hash])
	var rest []byte
	if b.number, rest, err = compact(header[hash:]); err != nil {
		return b, err
	}
	if len(rest) < 2*hash {
		return b, errShort
	}
	b.state, b.extrinsics = commitment.Hash(rest[:hash]), commitment.Hash(rest[hash:2*hash])
	items, rest, err := compact(rest[2*hash:])
	for ; err == nil && items > 0; items-- {
		rest, err = b.digest(rest)
	}
	if err == nil && len(rest) > 0 {
		err = errors.New("the header has bytes after its end")
	}
	return b, err
}

// The kinds of items in a header's digest.
const (
	digestOther     = 0
	digestConsensus = 4
	digestSeal      = 5
	digestRuntime   = 6 // PreRuntime
	digestUpgraded  = 8
)

// digest reads one item of a header's digest, and returns the bytes after it.
func (b *block) digest(text []byte) (rest []byte, err error) {
	if len(text) == 0 {
		return nil, errShort
	}
	kind, text := text[0], text[1:]
	engine := ""
	switch kind {
	case digestUpgraded:
		return text, nil
	case digestConsensus, digestSeal, digestRuntime:
		if len(text) < 4 {
			return nil, errShort
		}
		engine, text = string(text[:4]), text[4:]
	case digestOther:
	default:
		return nil, fmt.Errorf("the header has a digest of the unknown kind %d", kind)
	}
	content, rest, err := sized(text)
	if err == nil && kind == digestConsensus && engine == "FRNK" && len(content) > 0 {
		err = b.grandpa(content[0], content[1:])
	}
	return rest, err
}

// grandpa reads what a header says to GRANDPA.
func (b *block) grandpa(kind byte, content []byte) error {
	switch kind {
	case 1: // a scheduled change
		if b.next != nil {
			return errors.New("the header hands over twice")
		}
		next, rest, err := readAuthorities(content)
		if err == nil && len(rest) != 4 {
			err = errShort
		}
		if err != nil {
			return fmt.Errorf("the next authorities: %w", err)
		}
		b.next, b.delay = next, binary.LittleEndian.Uint32(rest)
	case 2: // a forced change
		b.forced = true
	}
	return nil
}

// readAuthorities reads a set of authorities, and returns the bytes after it.
func readAuthorities(text []byte) (set []ChainAuthority, rest []byte, err error) {
	const size = 32 + 8
	n, rest, err := compact(text)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 || n > maxAuthorities || n*size > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("not a set of 1 to %d", maxAuthorities)
	}
	set = make([]ChainAuthority, n)
	for i := range set {
		set[i].Key = [32]byte(rest)
		set[i].Weight = int64(binary.LittleEndian.Uint64(rest[32:]))
		rest = rest[size:]
	}
	return set, rest, validSet(set)
}

// validSet returns an error unless each member has a key of its own and a weight, and the
// weights have a sum.
func validSet(set []ChainAuthority) error {
	seen := make(map[[32]byte]bool, len(set))
	var total int64
	for _, a := range set {
		if total += a.Weight; a.Weight < 1 || total < 0 || seen[a.Key] {
			return errors.New("an authority is there twice, or its weight is 0 or too large")
		}
		seen[a.Key] = true
	}
	return must(len(set) > 0 && len(set) <= maxAuthorities, fmt.Sprintf("not a set of 1 to %d", maxAuthorities))
}

// finality checks the GRANDPA justifications of one document.
type finality struct {
	votes int // signatures so far
}

// justified returns an error unless more than two thirds of the set voted for the block or
// for descendants of it. A justification is the round, the block's hash and number, the
// votes, and the headers between the block and the votes for descendants.
func (f *finality) justified(justification []byte, target block, set []ChainAuthority, id int64) error {
	const hash, vote = 32, 32 + 4 + 64 + 32
	text := justification
	if len(text) < 8+hash+4 {
		return errShort
	}
	round := text[:8]
	if commitment.Hash(text[8:8+hash]) != target.hash || uint64(binary.LittleEndian.Uint32(text[8+hash:])) != target.number {
		return errors.New("the justification is of another block")
	}
	n, text, err := compact(text[8+hash+4:])
	if err != nil {
		return err
	}
	if f.votes += int(n); f.votes > maxVotes || n*vote > uint64(len(text)) {
		return fmt.Errorf("the justification is cut off, or there are more than %d votes", maxVotes)
	}
	votes, text := text[:n*vote], text[n*vote:]
	descends, err := descendants(text, target)
	if err != nil {
		return err
	}
	weights := make(map[[32]byte]int64, len(set))
	var total, counted int64
	for _, a := range set {
		weights[a.Key] = a.Weight
		total += a.Weight
	}
	message := make([]byte, 1+hash+4+8+8)
	for ; len(votes) > 0; votes = votes[vote:] {
		key := [32]byte(votes[hash+4+64:])
		weight, member := weights[key]
		if !member {
			return errors.New("a vote is from outside of the set, or there twice")
		}
		delete(weights, key) // each one counts once
		if !descends.has(commitment.Hash(votes), binary.LittleEndian.Uint32(votes[hash:])) {
			return errors.New("a vote is not for the block or a descendant")
		}
		message[0] = 1 // a precommit
		copy(message[1:], votes[:hash+4])
		copy(message[1+hash+4:], round)
		binary.LittleEndian.PutUint64(message[1+hash+4+8:], uint64(id))
		if !ed25519.Verify(key[:], message, votes[hash+4:hash+4+64]) {
			return errors.New("a vote has a wrong signature")
		}
		counted += weight
	}
	if err := descends.complete(); err != nil {
		return err
	}
	return must(counted >= total-(total-1)/3, "the votes are not more than two thirds")
}

// descent is a block and headers of its descendants.
type descent struct {
	target  block
	headers map[commitment.Hash]block
	known   map[commitment.Hash]bool // descendants that a vote needs
}

// descendants reads the headers at the end of a justification.
func descendants(text []byte, target block) (descent, error) {
	n, text, err := compact(text)
	if err == nil && n > maxHeaders {
		err = fmt.Errorf("the justification has more than %d headers", maxHeaders)
	}
	d := descent{target, map[commitment.Hash]block{}, map[commitment.Hash]bool{}}
	for ; err == nil && n > 0; n-- {
		var size int
		if size, err = headerSize(text); err != nil {
			break
		}
		var b block
		if b, err = readBlock(text[:size]); err != nil {
			break
		}
		if _, twice := d.headers[b.hash]; twice {
			return d, errors.New("the justification has a header twice")
		}
		d.headers[b.hash], text = b, text[size:]
	}
	if err == nil && len(text) > 0 {
		err = errors.New("the justification has bytes after its end")
	}
	return d, err
}

// has reports whether the block with this hash and number is the target or descends from it.
func (d descent) has(hash commitment.Hash, number uint32) bool {
	if hash == d.target.hash {
		return uint64(number) == d.target.number
	}
	if b, ok := d.headers[hash]; !ok || b.number != uint64(number) {
		return false
	}
	for at := hash; !d.known[at] && at != d.target.hash; { // each header is passed once
		b, ok := d.headers[at]
		above := d.target.number
		if parent, ok := d.headers[b.parent]; ok {
			above = parent.number
		}
		if !ok || b.number != above+1 {
			return false
		}
		d.known[at] = true
		at = b.parent
	}
	return true
}

// complete returns an error if there is a header that no vote needs.
func (d descent) complete() error {
	return must(len(d.known) == len(d.headers), "the justification has a header that no vote needs")
}

// headerSize returns the length of the header at the beginning of text.
func headerSize(text []byte) (int, error) {
	const hash = 32
	if len(text) < hash {
		return 0, errShort
	}
	_, rest, err := compact(text[hash:])
	if err != nil {
		return 0, err
	}
	if len(rest) < 2*hash {
		return 0, errShort
	}
	items, rest, err := compact(rest[2*hash:])
	for ; err == nil && items > 0; items-- {
		rest, err = new(block).digest(rest)
	}
	return len(text) - len(rest), err
}

// chainSet is a set of authorities of a chain, with its number.
type chainSet struct {
	id      int64
	members []ChainAuthority
}

// errForced: the proof comes to a change of authorities by force. Such a set is not elected
// by the old one, so no justification leads to it.
var errForced = errors.New("the chain's authorities were changed by force")

// CheckFinality returns an error if the proof of finality contradicts itself or the header. A proof that comes to a
// change of authorities by force is not checked. Only [Verify] shows that the authorities are the chain's. It needs
// [Substrate.Finality].
func (s Substrate) CheckFinality() error {
	_, err := proveFinality(s)
	if errors.Is(err, errForced) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("evidence: finality: %w", err)
	}
	return nil
}

// proveFinality checks a proof of finality by itself: every vote, header and hand-over. It
// returns the sets of authorities from the first one to the one that signed the block.
func proveFinality(s Substrate) (sets []chainSet, err error) {
	f := s.Finality
	members, rest, err := readAuthorities(f.Authorities)
	if err == nil && len(rest) > 0 {
		err = errors.New("the set has bytes after its end")
	}
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	var check finality
	set := chainSet{f.SetID, members}
	sets = append(sets, set)
	last := uint64(0)
	for i, h := range f.HandOffs {
		b, err := check.handOver(h, set, last)
		if err != nil {
			return nil, fmt.Errorf("hand_offs[%d]: %w", i, err)
		}
		last, set = b.number, chainSet{set.id + 1, b.next}
		sets = append(sets, set)
	}
	b, err := readBlock(s.Header)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	for i, h := range f.Headers {
		next, err := readBlock(h)
		switch {
		case err == nil && (next.parent != b.hash || next.number != b.number+1):
			err = errors.New("it does not follow the one before")
		case err == nil && b.next != nil:
			err = errors.New("the one before hands over to other authorities")
		}
		if err != nil {
			return nil, fmt.Errorf("headers[%d]: %w", i, err)
		}
		b = next
	}
	if b.number <= last {
		return nil, errors.New("the block is not after the last hand-over")
	}
	return sets, check.justified(f.Justification, b, set.members, set.id)
}

// handOver checks one hand-over of a set, and returns its block. last is the number of the
// block of the hand-over before.
func (f *finality) handOver(h HandOff, set chainSet, last uint64) (block, error) {
	b, err := readBlock(h.Header)
	switch {
	case err == nil && b.number <= last:
		err = errors.New("it is not after the one before")
	case err == nil && b.forced:
		err = errForced
	case err == nil && b.next == nil:
		err = errors.New("the header does not hand over")
	case err == nil && b.delay != 0:
		err = errors.New("it hands over some blocks later, which is not followed")
	}
	if err == nil {
		err = f.justified(h.Justification, b, set.members, set.id)
	}
	return b, err
}

// Next checks the hand-over of a set of authorities, and returns the next set. Both are in SCALE, as in
// [Finality]. It returns an error unless the set made the block of the hand-over final, and the
// block names the next set without a delay.
func (h HandOff) Next(setID int64, authorities Bytes) (Bytes, error) {
	members, rest, err := readAuthorities(authorities)
	if err == nil && len(rest) > 0 {
		err = errors.New("the set has bytes after its end")
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: authorities: %w", err)
	}
	b, err := new(finality).handOver(h, chainSet{setID, members}, 0)
	if err != nil {
		return nil, fmt.Errorf("evidence: hand-over: %w", err)
	}
	return writeAuthorities(b.next), nil
}

// writeAuthorities returns a set of authorities in SCALE.
func writeAuthorities(set []ChainAuthority) []byte {
	b := appendCompact(nil, uint64(len(set)))
	for _, a := range set {
		b = binary.LittleEndian.AppendUint64(append(b, a.Key[:]...), uint64(a.Weight))
	}
	return b
}

// equalSet reports whether two sets have the same members, in one order.
func equalSet(a, b []ChainAuthority) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i].Key[:], b[i].Key[:]) || a[i].Weight != b[i].Weight {
			return false
		}
	}
	return true
}
