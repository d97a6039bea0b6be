package node

import (
	"bytes"
	"fmt"
	"time"

	"timbre.example/internal/network/substrate/scale"
)

// slots is the time between two slots of Aura.
const slots = uint64(blockTime / time.Millisecond)

// execute makes a block by a runtime in WASM, without its seal. It panics if the runtime cannot make an empty block:
// such a chain has ended.
func (n *Node) execute(prog *program, parent *block, txs []*pooled, late bool) (_ *block, in []*pooled, out []*pooled) {
	st := &layers{state: state{parent.state}}
	b := &block{number: parent.number + 1, parent: parent.hash}
	must := func(function string, in []byte) []byte {
		result, err := prog.call(st, function, in)
		if err != nil {
			panic(fmt.Sprintf("the runtime cannot make block %d: %v", b.number, err))
		}
		return result
	}

	now := n.slotTime(st.number(NowKey), late)
	b.logs = [][]byte{item(digestPreRuntime, "aura", le64(now/slots))}
	b.finish()
	must("Core_initialize_block", b.header)
	timestamp := prog.meta.pallets["Timestamp"]
	b.body = [][]byte{scale.AppendBytes(nil, scale.AppendCompact([]byte{4, timestamp.index, timestamp.calls["set"]}, now))}
	if result := must("BlockBuilder_apply_extrinsic", b.body[0]); !bytes.Equal(result, []byte{0, 0}) {
		panic(fmt.Sprintf("the runtime refuses the time of block %d: %x", b.number, result))
	}

	for progress := true; progress; {
		progress = false
		for i, tx := range txs {
			if tx == nil || tx.x.nonce > st.nonce(tx.x.signer) { // its turn can come
				continue
			}
			before := st.top
			result, err := prog.call(st, "BlockBuilder_apply_extrinsic", tx.x.raw)
			if err == nil && result[0] == 0 {
				b.body = append(b.body, tx.x.raw)
				in = append(in, tx)
				txs[i] = nil
				progress = true
				continue
			}
			st.top, st.saved = before, nil
			if full := []byte{1, 0, byte(invalidExhaustsResources)}; err == nil && bytes.Equal(result, full) {
				continue
			}
			out = append(out, tx)
			txs[i] = nil
		}
	}

	header := must("BlockBuilder_finalize_block", nil)
	if err := b.read(header); err != nil || b.stateRoot != st.Root() || b.extrinsicsRoot != ordered(b.body).root(0) {
		panic(fmt.Sprintf("the header of block %d is not that of its state: %x, %v", b.number, header, err))
	}
	b.state = st.top
	return b, in, out
}

// slotTime returns the time of a block, in milliseconds, after one with the time last. Late
// blocks skip a slot. The first block has no time of its own.
func (n *Node) slotTime(last uint64, late bool) uint64 {
	now := last + slots
	if last == 0 {
		now = uint64(n.opts.Genesis.UnixMilli()) + slots
	}
	if late {
		now += slots
	}
	if n.opts.Clock != nil {
		now = max(now, uint64(n.opts.Clock().UnixMilli()))
	}
	return now
}

// read takes the roots and the digest from a header.
func (b *block) read(header []byte) error {
	r := scale.NewReader(header)
	r.Hash()
	r.Compact()
	b.stateRoot, b.extrinsicsRoot, b.logs = r.Hash(), r.Hash(), nil
	for k := r.Count(1); k > 0; k-- {
		from := r.Offset()
		switch kind := r.U8(); kind {
		case digestConsensus, digestSeal, digestPreRuntime:
			r.Take(4)
			r.Bytes()
		case digestOther:
			r.Bytes()
		case digestEnvironmentUpdated:
		default:
			return fmt.Errorf("a digest has an item of kind %d", kind)
		}
		if r.Err() != nil {
			return r.Err()
		}
		b.logs = append(b.logs, header[from:r.Offset()])
	}
	return r.End()
}

// digestOther is the kind of an item that only the runtime knows.
const digestOther = 0
