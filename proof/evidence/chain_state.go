package evidence

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/crypto/blake2b"

	"timbre.example/proof/commitment"
)

// The keys of the chain's storage that the proof is about, or their beginnings: twox128 of the
// pallet's name, and twox128 of the item's name. A test computes them again.
var (
	prefixAtsVersions = unhex("d6a922a3bb930d4e184882d6db8d355feb1a8703380c322f02a66a55ef253e7e")
	prefixAtsRegistry = unhex("d6a922a3bb930d4e184882d6db8d355f6594e7b0e619cc1e0c43aeb4e050e2a3")
	keyTimestampNow   = unhex("f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb")
	keyCurrentSetID   = unhex("5f9cc45b7a00c5899361e1c6099678dc8a2d09463effcc78a22d75b9cb87dffc")
	keyRuntimeUpgrade = unhex("26aa394eea5630e07c48ae0c9558cef7f9cce9c888469bb1a0dceaa129672ef8")
)

func unhex(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err) // the digits are part of the program
	}
	return b
}

// StateKeys returns the storage keys that [Substrate.StateProof] is about, for a version of a
// work: Ats.AtsVersions, Ats.AtsRegistry, Timestamp.Now, Grandpa.CurrentSetId and
// System.LastRuntimeUpgrade. id counts from 0, and version from 1. The chain counts the versions
// of a work from 0.
func StateKeys(id, version int64) [5][]byte {
	work := binary.LittleEndian.AppendUint64(nil, uint64(id))
	at := binary.LittleEndian.AppendUint32(nil, uint32(version-1))
	return [5][]byte{
		append(mapKey(prefixAtsVersions, work), mapKey(nil, at)...),
		mapKey(prefixAtsRegistry, work),
		bytes.Clone(keyTimestampNow), bytes.Clone(keyCurrentSetID), bytes.Clone(keyRuntimeUpgrade),
	}
}

// mapKey returns the storage key of a map's entry whose hasher is Blake2_128Concat.
func mapKey(prefix, key []byte) []byte {
	h, err := blake2b.New(16, nil)
	if err != nil {
		panic(err) // the size is valid
	}
	h.Write(key)
	return append(h.Sum(bytes.Clone(prefix)), key...)
}

// ChainState is what the chain's state says after a block. Only [Verify] shows that the block
// is the chain's.
type ChainState struct {
	// Commitment and ProtocolVersion are those of the version.
	Commitment      commitment.Hash
	ProtocolVersion uint8
	// CreatedAt is the number of the block that registered the version.
	CreatedAt int64
	// Owner is the account of the work's owner.
	Owner [32]byte
	// Versions is how many versions the work has.
	Versions int64
	// Time is the block's time. Zero if the proof does not have it.
	Time time.Time
	// SetID is the number of the set of authorities after the block. -1 if the proof does not
	// have it.
	SetID int64
	// Runtime is the version of the chain's program (spec_version). -1 if the proof does not
	// have it.
	Runtime int64
}

// ErrLayout is wrapped by [Substrate.State] if the proof holds, and the chain's state has a form that this package
// does not know.
var ErrLayout = errors.New("this version of the chain's program stores works in an unknown form")

// State reads the proof of the chain's state for a version of a work. It fails if the proof
// does not hold for the header, or if the state does not have the version.
func (s Substrate) State(id, version int64) (ChainState, error) {
	b, err := readBlock(s.Header)
	if err != nil {
		return ChainState{}, fmt.Errorf("evidence: header: %w", err)
	}
	if len(s.StateProof) == 0 {
		return ChainState{}, errors.New("evidence: there is no proof of the chain's state")
	}
	if id < 0 || version < 1 || version > math.MaxUint32 {
		return ChainState{}, errors.New("evidence: the chain has no such version")
	}
	t := openTrie(b.state, s.StateProof)
	state := ChainState{SetID: -1, Runtime: -1}
	var values [5][]byte
	for i, key := range StateKeys(id, version) {
		value, found, err := t.get(key)
		switch {
		case errors.Is(err, errNoNode) && i >= 2: // the proof may do without
		case err != nil:
			return ChainState{}, fmt.Errorf("evidence: state_proof: %w", err)
		case !found && i < 2:
			return ChainState{}, errors.New("evidence: the chain's state does not have this version")
		case !found && i == 3:
			state.SetID = 0 // the first set is not stored
		}
		values[i] = value
	}
	if err := t.complete(); err != nil {
		return ChainState{}, fmt.Errorf("evidence: state_proof: %w", err)
	}
	if now := values[2]; len(now) == 8 {
		// The state has milliseconds. Those after the year 9999 have no form in the evidence.
		if ms := binary.LittleEndian.Uint64(now); ms < 253_402_300_800_000 {
			state.Time = time.UnixMilli(int64(ms)).UTC()
		}
	}
	if set := values[3]; len(set) == 8 && binary.LittleEndian.Uint64(set) <= math.MaxInt64 {
		state.SetID = int64(binary.LittleEndian.Uint64(set))
	}
	if n, _, err := compact(values[4]); err == nil {
		state.Runtime = int64(n)
	}
	return state, state.read(values[0], values[1])
}

// read reads the values of a version and of its work. Runtime 100 stores a deposit with each,
// and runtime 201 stores a list of deposits with the work alone.
func (c *ChainState) read(version, work []byte) error {
	const deposit, depositor = 16, 32
	if len(version) != 32+1+4 && len(version) != 32+1+4+deposit {
		return ErrLayout
	}
	c.Commitment, c.ProtocolVersion = commitment.Hash(version), version[32]
	c.CreatedAt = int64(binary.LittleEndian.Uint32(version[33:]))
	if len(work) < 32+4+4 {
		return ErrLayout
	}
	c.Owner = [32]byte(work)
	c.Versions = int64(binary.LittleEndian.Uint32(work[36:]))
	deposits := work[40:]
	if len(deposits) == deposit {
		return nil
	}
	if n, rest, err := compact(deposits); err != nil || n*(depositor+deposit) != uint64(len(rest)) {
		return ErrLayout
	}
	return nil
}
