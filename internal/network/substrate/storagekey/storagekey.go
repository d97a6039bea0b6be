// Package storagekey makes the keys under which a Substrate chain stores its values. It
// holds the hashes of keys, and never reads a value.
package storagekey

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/metadata"
)

// Key returns the key of an entry of a pallet's storage; keys are the SCALE-coded keys of a map.
func Key(m *metadata.Metadata, pallet, entry string, keys ...[]byte) ([]byte, error) {
	p, err := m.Pallet(pallet)
	if err != nil {
		return nil, err
	}
	s, err := p.Storage(entry)
	if err != nil {
		return nil, err
	}
	if len(keys) != len(s.Hashers) {
		return nil, fmt.Errorf("%s.%s has %d keys, not %d", pallet, entry, len(s.Hashers), len(keys))
	}
	whole := append(twox([]byte(p.Prefix), 2), twox([]byte(entry), 2)...)
	for i, k := range keys {
		whole = append(whole, hashed(s.Hashers[i], k)...)
	}
	return whole, nil
}

func hashed(h metadata.Hasher, key []byte) []byte {
	switch h {
	case metadata.Blake2_128:
		return blake128(key)
	case metadata.Blake2_256:
		sum := blake2b.Sum256(key)
		return sum[:]
	case metadata.Blake2_128Concat:
		return append(blake128(key), key...)
	case metadata.Twox128:
		return twox(key, 2)
	case metadata.Twox256:
		return twox(key, 4)
	case metadata.Twox64Concat:
		return append(twox(key, 1), key...)
	case metadata.Identity:
	}
	return key
}

func blake128(b []byte) []byte {
	h, err := blake2b.New(16, nil)
	if err != nil {
		panic(err) // only for sizes that do not exist
	}
	h.Write(b)
	return h.Sum(nil)
}

// twox returns several xxHash64 of b, with the seeds from 0.
func twox(b []byte, n uint64) (sum []byte) {
	for seed := range n {
		d := xxhash.NewWithSeed(seed)
		_, _ = d.Write(b) // never fails
		sum = binary.LittleEndian.AppendUint64(sum, d.Sum64())
	}
	return sum
}
