package wasm

import (
	"errors"
	"math/bits"

	"github.com/tetratelabs/wazero/api"
)

var errFull = errors.New("the memory of the call is full")

// maxPages is how much memory a call has, in pages of 64 KiB: 160 MiB. Nodes give 128 MiB besides
// what the code begins with.
const maxPages = 2560

// heap gives the runtime pieces of its memory. A piece has a power of two of bytes and is used
// again after it is free. Before each piece are 8 bytes that are not used: a runtime may
// keep an offset there.
type heap struct {
	memory api.Memory
	end    uint32
	free   [33][]uint32
	sizes  map[uint32]int // of pieces that are in use, as powers of two
}

const (
	page        = 64 << 10
	leastGrowth = 16 // pages
	header      = 8
)

func (h *heap) alloc(n uint32) (uint32, error) {
	size := 3
	if n > 8 {
		size = bits.Len32(n - 1)
	}
	if l := h.free[size]; len(l) > 0 {
		at := l[len(l)-1]
		h.free[size] = l[:len(l)-1]
		h.sizes[at] = size
		return at, nil
	}
	at := uint64(h.end) + header
	end := at + 1<<size
	if has := uint64(h.memory.Size()); end > has {
		more := (end - has + page - 1) / page
		if has+more*page > maxPages*page {
			return 0, errFull
		}
		more = min(max(more, leastGrowth, has/page/2), maxPages-has/page) // growth copies the memory
		if _, grown := h.memory.Grow(uint32(more)); !grown {
			return 0, errFull
		}
	}
	h.end = uint32(end)
	h.sizes[uint32(at)] = size
	return uint32(at), nil
}

func (h *heap) release(at uint32) {
	if size, found := h.sizes[at]; found {
		delete(h.sizes, at)
		h.free[size] = append(h.free[size], at)
	}
}

// store puts bytes into a piece. It returns the place in the lower half, and the length in the
// upper one.
func (h *heap) store(b []byte) (uint64, error) {
	at, err := h.alloc(uint32(max(len(b), 1)))
	if err != nil {
		return 0, err
	}
	if !h.memory.Write(at, b) {
		return 0, errFull
	}
	return uint64(at) | uint64(len(b))<<32, nil
}
