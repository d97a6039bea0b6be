package wasm

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"hash"
	"strings"

	"github.com/ChainSafe/go-schnorrkel"
	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/sha3"

	"timbre.example/internal/network/substrate/scale"
)

func flag(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

// hashed makes a function of the host from a hash.
func hashed(sum func([]byte) []byte) function {
	return func(k *call, in []uint64) uint64 { return k.place(sum(k.slice(in[0]))) }
}

func blake2(size int) func([]byte) []byte {
	return func(b []byte) []byte {
		h, err := blake2b.New(size, nil)
		if err != nil {
			panic(err) // the size is right
		}
		return summed(h, b)
	}
}

func summed(h hash.Hash, b []byte) []byte {
	_, _ = h.Write(b)
	return h.Sum(nil)
}

func twox(words uint64) func([]byte) []byte {
	return func(b []byte) (out []byte) {
		for seed := range words {
			h := xxhash.NewWithSeed(seed)
			_, _ = h.Write(b)
			out = binary.LittleEndian.AppendUint64(out, h.Sum64())
		}
		return out
	}
}

// sr25519 verifies a signature.
func sr25519(public, message, signature []byte) bool {
	key, err := schnorrkel.NewPublicKey([32]byte(public))
	if err != nil {
		return false
	}
	s := new(schnorrkel.Signature)
	if s.Decode([64]byte(signature)) != nil {
		return false
	}
	ok, err := key.Verify(s, schnorrkel.NewSigningContext([]byte("substrate"), message))
	return ok && err == nil
}

// function is a function of the host. Its result counts only where the runtime expects one.
type function func(k *call, in []uint64) uint64

// functions are what the host has, by the names of Substrate. Keys of the node, child tries and
// signatures of Ethereum are not among them.
var functions = map[string]function{
	"ext_storage_get_version_1":   func(k *call, in []uint64) uint64 { return k.option(k.st.Get(k.slice(in[0]))) },
	"ext_storage_set_version_1":   func(k *call, in []uint64) uint64 { k.st.Set(k.slice(in[0]), k.slice(in[1])); return 0 },
	"ext_storage_clear_version_1": func(k *call, in []uint64) uint64 { k.st.Clear(k.slice(in[0])); return 0 },
	"ext_storage_exists_version_1": func(k *call, in []uint64) uint64 {
		_, found := k.st.Get(k.slice(in[0]))
		return flag(found)
	},
	"ext_storage_read_version_1":                 readStorage,
	"ext_storage_append_version_1":               appendStorage,
	"ext_storage_next_key_version_1":             func(k *call, in []uint64) uint64 { return k.option(k.st.Next(k.slice(in[0]))) },
	"ext_storage_clear_prefix_version_2":         clearPrefix,
	"ext_storage_start_transaction_version_1":    func(k *call, _ []uint64) uint64 { k.st.Begin(); return 0 },
	"ext_storage_commit_transaction_version_1":   func(k *call, _ []uint64) uint64 { k.st.Commit(); return 0 },
	"ext_storage_rollback_transaction_version_1": func(k *call, _ []uint64) uint64 { k.st.Rollback(); return 0 },
	"ext_storage_root_version_2": func(k *call, _ []uint64) uint64 {
		root := k.st.Root()
		return k.give(root[:])
	},
	"ext_trie_blake2_256_ordered_root_version_2": func(k *call, in []uint64) uint64 {
		r := scale.NewReader(k.slice(in[0]))
		var values [][]byte
		for n := r.Count(1); n > 0; n-- {
			values = append(values, r.Bytes())
		}
		if r.Err() != nil {
			panic(r.Err())
		}
		root := k.st.ListRoot(values, int(uint32(in[1])))
		return k.place(root[:])
	},
	"ext_hashing_blake2_128_version_1": hashed(blake2(16)),
	"ext_hashing_blake2_256_version_1": hashed(blake2(32)),
	"ext_hashing_twox_64_version_1":    hashed(twox(1)),
	"ext_hashing_twox_128_version_1":   hashed(twox(2)),
	"ext_hashing_keccak_256_version_1": hashed(func(b []byte) []byte { return summed(sha3.NewLegacyKeccak256(), b) }),
	"ext_crypto_sr25519_verify_version_2": func(k *call, in []uint64) uint64 {
		return flag(sr25519(k.read(in[2], 32), k.slice(in[1]), k.read(in[0], 64)))
	},
	"ext_crypto_ed25519_verify_version_1": func(k *call, in []uint64) uint64 {
		return flag(ed25519.Verify(k.read(in[2], 32), k.slice(in[1]), k.read(in[0], 64)))
	},
	"ext_logging_max_level_version_1": func(*call, []uint64) uint64 { return 1 }, // errors
	"ext_logging_log_version_1": func(k *call, in []uint64) uint64 {
		if len(k.logs) < maxLogs {
			k.logs = append(k.logs, "; "+strings.ToValidUTF8(string(k.slice(in[1]))+": "+string(k.slice(in[2])), "?"))
		}
		return 0
	},
	"ext_misc_print_hex_version_1":       func(*call, []uint64) uint64 { return 0 },
	"ext_misc_print_utf8_version_1":      func(*call, []uint64) uint64 { return 0 },
	"ext_misc_runtime_version_version_1": versionOf,
	"ext_offchain_index_set_version_1":   func(*call, []uint64) uint64 { return 0 },
	"ext_allocator_malloc_version_1": func(k *call, in []uint64) uint64 {
		at, err := k.heap.alloc(uint32(in[0]))
		if err != nil {
			panic(err)
		}
		return uint64(at)
	},
	"ext_allocator_free_version_1": func(k *call, in []uint64) uint64 { k.heap.release(uint32(in[0])); return 0 },
}

// readStorage copies a value, from an offset, to where the runtime has room for it.
func readStorage(k *call, in []uint64) uint64 {
	v, found := k.st.Get(k.slice(in[0]))
	if !found {
		return k.give([]byte{0})
	}
	v = v[min(uint64(uint32(in[2])), uint64(len(v))):]
	if !k.memory.Write(uint32(in[1]), v[:min(uint64(len(v)), in[1]>>32)]) {
		panic("the runtime names bytes outside of its memory")
	}
	return k.give(binary.LittleEndian.AppendUint32([]byte{1}, uint32(len(v))))
}

// appendStorage appends an element to a list. Another value is replaced.
func appendStorage(k *call, in []uint64) uint64 {
	at, element := k.slice(in[0]), k.slice(in[1])
	list, _ := k.st.Get(at)
	r := scale.NewReader(list)
	n := r.Compact()
	rest := r.Take(r.Len())
	if r.Err() != nil {
		n, rest = 0, nil
	}
	list = append(scale.AppendCompact(make([]byte, 0, len(rest)+len(element)+4), n+1), rest...)
	k.st.Set(at, append(list, element...))
	return 0
}

// clearPrefix removes the keys with a prefix, up to a number. It says whether all are gone, and
// how many it removed.
func clearPrefix(k *call, in []uint64) uint64 {
	prefix := k.slice(in[0])
	r := scale.NewReader(k.slice(in[1]))
	limit := ^uint32(0)
	if r.Some() {
		limit = r.U32()
	}
	var removed uint32
	next, found := prefix, false
	if _, found = k.st.Get(prefix); !found {
		next, found = k.st.Next(prefix)
	}
	for found && bytes.HasPrefix(next, prefix) {
		if removed == limit {
			return k.give(binary.LittleEndian.AppendUint32([]byte{1}, removed))
		}
		k.st.Clear(next)
		removed++
		next, found = k.st.Next(next)
	}
	return k.give(binary.LittleEndian.AppendUint32([]byte{0}, removed))
}

// versionOf asks other code for its version: the runtime does it before an upgrade.
func versionOf(k *call, in []uint64) uint64 {
	version, err := k.version(k.slice(in[0]))
	return k.option(version, err == nil)
}
