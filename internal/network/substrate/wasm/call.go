package wasm

import (
	"bytes"

	"github.com/tetratelabs/wazero/api"

	"timbre.example/internal/network/substrate/scale"
)

// Storage is the state that a call reads and changes.
type Storage interface {
	// Get returns the value of a key.
	Get(key []byte) (value []byte, found bool)
	// Set stores a value. The storage keeps both slices.
	Set(key, value []byte)
	// Clear removes a key that may be missing.
	Clear(key []byte)
	// Next returns the first key after key, in the order of bytes.
	Next(key []byte) (next []byte, found bool)
	// Begin opens a layer of changes. Commit keeps the changes of the newest layer, and Rollback
	// undoes them.
	Begin()
	Commit()
	Rollback()
	// Root returns the root hash of the state.
	Root() [32]byte
	// ListRoot returns the root hash of the trie of a list, in which the keys are the compact
	// numbers of the values. The version is that of the trie: 0 or 1.
	ListRoot(values [][]byte, version int) [32]byte
}

// call is one call while it runs.
type call struct {
	st     Storage
	memory api.Memory
	heap   heap
	logs   []string
	// version asks other code for its version.
	version func(code []byte) ([]byte, error)
}

// maxLogs is how many messages of the runtime an error has at most.
const maxLogs = 5

// slice reads bytes of the runtime's memory, by a place and a length in one number. A panic ends
// the call as a trap: that is how a host stops a runtime.
func (k *call) slice(at uint64) []byte { return k.read(at&0xffffffff, uint32(at>>32)) }

// read reads n bytes at a place.
func (k *call) read(at uint64, n uint32) []byte {
	b, found := k.memory.Read(uint32(at), n)
	if !found {
		panic("the runtime names bytes outside of its memory")
	}
	return bytes.Clone(b)
}

// give puts bytes into the runtime's memory.
func (k *call) give(b []byte) uint64 {
	at, err := k.heap.store(b)
	if err != nil {
		panic(err)
	}
	return at
}

// place is give for bytes of a length that the runtime knows.
func (k *call) place(b []byte) uint64 { return k.give(b) & 0xffffffff }

// option gives bytes that may be missing.
func (k *call) option(b []byte, found bool) uint64 {
	if !found {
		return k.give([]byte{0})
	}
	return k.give(scale.AppendBytes([]byte{1}, b))
}
