package node

import (
	"bytes"
	"fmt"

	"timbre.example/internal/network/substrate/scale"
)

// execute makes a block by a runtime in WASM, without its seal.
func (n *Node) execute(prog *program, parent *block, txs []*pooled, late bool) (b *block, in []*pooled, out []*pooled, _ error) {
	st := &layers{state: state{parent.state}}
	b = &block{number: parent.number + 1, parent: parent.hash}
	slot, now := n.slotTime(st.number(NowKey), prog.slot, late)
	b.logs = [][]byte{item(digestPreRuntime, "aura", le64(slot))}
	b.finish()
	if _, err := prog.call(st, "Core_initialize_block", b.header); err != nil {
		return nil, nil, nil, err
	}
	timestamp := prog.meta.pallets["Timestamp"]
	b.body = [][]byte{scale.AppendBytes(nil, scale.AppendCompact([]byte{4, timestamp.index, timestamp.calls["set"]}, now))}
	if result, err := prog.call(st, "BlockBuilder_apply_extrinsic", b.body[0]); err != nil {
		return nil, nil, nil, err
	} else if !bytes.Equal(result, []byte{0, 0}) {
		return nil, nil, nil, fmt.Errorf("the runtime refuses the time of block %d: %x", b.number, result)
	}

	for progress := true; progress; {
		progress = false
		for i, tx := range txs {
			if tx == nil || tx.x.nonce > st.nonce(tx.x.signer) { // its turn can come
				continue
			}
			before := st.top
			result, err := prog.call(st, "BlockBuilder_apply_extrinsic", tx.x.raw)
			if err == nil && len(result) > 0 && result[0] == 0 {
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

	header, err := prog.call(st, "BlockBuilder_finalize_block", nil)
	if err == nil {
		err = b.read(header)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	if b.stateRoot != st.Root() || b.extrinsicsRoot != ordered(b.body).root(0) {
		return nil, nil, nil, fmt.Errorf("the header of block %d is not that of its state: %x", b.number, header)
	}
	b.state = st.top
	return b, in, out, nil
}

// slotTime returns the slot and the time of a block, in milliseconds, after one with the time
// last. Late blocks skip a slot. The first block has no time of its own.
func (n *Node) slotTime(last, length uint64, late bool) (slot, now uint64) {
	if last == 0 {
		last = uint64(n.opts.Genesis.UnixMilli())
	}
	now = last + length
	if late {
		now += length
	}
	if n.opts.Clock != nil {
		now = max(now, uint64(n.opts.Clock().UnixMilli()))
	}
	return now / length, now
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
