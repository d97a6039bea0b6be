package evidence

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"

	"golang.org/x/crypto/blake2b"
)

// The keys of the chain's storage that the proof is about, or their beginnings: twox128 of the
// pallet's name, and twox128 of the item's name. A test computes them again.
var (
	prefixAtsVersions = unhex("d6a922a3bb930d4e184882d6db8d355feb1a8703380c322f02a66a55ef253e7e")
	prefixAtsRegistry = unhex("d6a922a3bb930d4e184882d6db8d355f6594e7b0e619cc1e0c43aeb4e050e2a3")
	keyTimestampNow = unhex("f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb")
	keyCurrentSetID = unhex("5f9cc45b7a00c5899361e1c6099678dc8a2d09463effcc78a22d75b9cb87dffc")
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
