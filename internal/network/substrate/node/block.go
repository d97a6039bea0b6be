package node

import (
	"bytes"
	"time"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

// block is a block with the state after it.
type block struct {
	number                    uint32
	hash, parent              Hash
	stateRoot, extrinsicsRoot Hash
	logs                      [][]byte
	header                    []byte // SCALE, with the seal
	body                      [][]byte
	state                     *vertex // nil when it is pruned
	change                    *change // of authorities, that this block announces
	justification             []byte  // kept where a node keeps it
	made                      map[made]uint32
}

// change is an announced change of authorities. It holds from the block with the number
// from on; a forced one without finality.
type change struct {
	next   AuthoritySet
	from   uint32
	forced bool
	done   bool
}

// finish sets header and hash of b.
func (b *block) finish() {
	h := append(bytes.Clone(b.parent[:]), scale.AppendCompact(nil, uint64(b.number))...)
	h = append(append(h, b.stateRoot[:]...), b.extrinsicsRoot[:]...)
	h = scale.AppendCompact(h, uint64(len(b.logs)))
	for _, l := range b.logs {
		h = append(h, l...)
	}
	b.header, b.hash = h, blake2b.Sum256(h)
}

// item is an item of a digest.
func item(kind byte, engine string, data []byte) []byte {
	return scale.AppendBytes(append([]byte{kind}, engine...), data)
}

// The kinds of digest items.
const (
	digestConsensus          = 4
	digestSeal               = 5
	digestPreRuntime         = 6
	digestEnvironmentUpdated = 8
)

// MaxDelay is the longest delay of a change of authorities, in blocks.
const MaxDelay = 64

// blockTime is between two blocks.
const blockTime = 6 * time.Second
