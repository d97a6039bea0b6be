package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/network/substrate/wasm"
)

// layers is the storage of a call of WASM code. The trie never changes, so a layer is a pointer.
type layers struct {
	state
	saved []*vertex
}

func (l *layers) Get(key []byte) ([]byte, bool) { return l.top.get(nibbles(key)) }
func (l *layers) Set(key, value []byte)         { l.put(key, value) }
func (l *layers) Clear(key []byte)              { l.remove(key) }
func (l *layers) Begin()                        { l.saved = append(l.saved, l.top) }

func (l *layers) Next(key []byte) ([]byte, bool) {
	path, found := l.top.after(nibbles(key), false)
	return packed(path), found
}

// newest takes the newest layer away. Without one the runtime has counted wrongly.
func (l *layers) newest() *vertex {
	if len(l.saved) == 0 {
		panic("the runtime closes a layer that it did not open")
	}
	last := l.saved[len(l.saved)-1]
	l.saved = l.saved[:len(l.saved)-1]
	return last
}

func (l *layers) Commit()   { l.newest() }
func (l *layers) Rollback() { l.top = l.newest() }

func (l *layers) Root() [32]byte { return l.top.root(1) }

func (l *layers) ListRoot(values [][]byte, version int) [32]byte {
	return ordered(values).root(layout(version))
}

// machine makes the WASM code of a state ready to run.
func machine(top *vertex) (*program, error) {
	ctx := context.Background()
	code, _ := top.get(nibbles(keyCode))
	c, err := wasm.Compile(ctx, code)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	p := &program{wasm: c}
	text, err := p.call(&layers{state: state{top}}, "Metadata_metadata", nil)
	if err == nil {
		p.version, err = p.call(&layers{state: state{top}}, "Core_version", nil)
	}
	if err == nil {
		p.blobs = map[uint32][]byte{14: scale.NewReader(text).Bytes()}
		p.meta, err = describe(p.blobs[14])
	}
	if err == nil && (p.meta.pallets["Timestamp"] == nil || p.meta.pallets["Aura"] == nil || p.meta.pallets["Grandpa"] == nil) {
		err = errors.New("it has not the pallets Timestamp, Aura and Grandpa")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask the runtime what it is: %w", err), c.Close(ctx))
	}
	return p, nil
}

// machines are runtimes in WASM that are ready, by the hash of their code.
type machines map[Hash]*program

// of returns the runtime of a state.
func (m machines) of(top *vertex) (*program, error) {
	code, _ := top.get(nibbles(keyCode))
	hash := Hash(blake2b.Sum256(code))
	if p := m[hash]; p != nil {
		return p, nil
	}
	p, err := machine(top)
	if err == nil {
		m[hash] = p
	}
	return p, err
}

func (m machines) close() {
	for _, p := range m {
		_ = p.wasm.Close(context.Background())
	}
}

func (p *program) call(st *layers, function string, in []byte) ([]byte, error) {
	return p.wasm.Call(context.Background(), st, function, in)
}

// slots is the time between two slots of Aura.
const slots = uint64(blockTime / time.Millisecond)

// execute is build for a runtime in WASM. It panics if the runtime cannot make an empty block:
// such a chain is over.
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
	n.seal(b)
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

// admit asks a runtime in WASM about a transaction on top of a block. The runtime says what the
// transaction provides: one nonce of one account.
func (p *program) admit(b *block, raw []byte) (*extrinsic, valid, error) {
	const external = 2
	input := append(append([]byte{external}, raw...), b.hash[:]...)
	out, err := p.call(&layers{state: state{b.state}}, "TaggedTransactionQueue_validate_transaction", input)
	if err != nil {
		return nil, valid{}, err
	}
	r := scale.NewReader(out)
	if r.Bool() {
		if unknown := r.Bool(); unknown {
			return nil, valid{}, &rpcError{Code: 1011, Message: "Unknown Transaction Validity"}
		}
		return nil, valid{}, invalid(r.U8())
	}
	v := valid{priority: r.U64()}
	v.requires = len(tags(r)) > 0
	provides := tags(r)
	v.longevity = r.U64()
	r.Bool()
	if r.End() != nil {
		return nil, valid{}, fmt.Errorf("read the validity: %w", r.End())
	}
	x := &extrinsic{raw: raw, hash: blake2b.Sum256(raw)}
	if len(provides) != 1 || len(provides[0]) != len(x.signer)+4 {
		return nil, valid{}, &rpcError{Code: 1010, Message: "Invalid Transaction", Data: "this node takes transactions that an account signed"}
	}
	tag := scale.NewReader(provides[0])
	x.signer, x.nonce = tag.Hash(), tag.U32()
	return x, v, nil
}

func tags(r *scale.Reader) (all [][]byte) {
	for k := r.Count(1); k > 0; k-- {
		all = append(all, r.Bytes())
	}
	return all
}

// setStorage answers dev_setStorage: it changes storage, and makes a block that has the change. A null
// value removes a key.
func (n *Node) setStorage(a *arguments) (any, func(), error) {
	var pairs [][2]*string
	a.read(0, &pairs)
	if a.err != nil {
		return nil, nil, a.err
	}
	st := &state{n.best().state}
	for i, p := range pairs {
		if p[0] == nil {
			return nil, nil, fmt.Errorf("entry %d has no key", i)
		}
		k, err := unhexed(*p[0])
		if err != nil {
			return nil, nil, fmt.Errorf("the key of entry %d: %w", i, err)
		}
		if p[1] == nil {
			st.remove(k)
			continue
		}
		v, err := unhexed(*p[1])
		if err != nil {
			return nil, nil, fmt.Errorf("the value of entry %d: %w", i, err)
		}
		st.put(k, v)
	}
	parent := n.best()
	changed := *parent
	changed.state = st.top
	b, in, out := n.build(&changed, n.ordered(), false)
	n.include(b, in, out)
	return b.hash.String(), nil, nil
}

// paymentInfo answers payment_queryInfo.
func (p *program) paymentInfo(b *block, raw []byte) (any, error) {
	out, err := p.call(&layers{state: state{b.state}}, "TransactionPaymentApi_query_info", append(bytes.Clone(raw), le32(uint32(len(raw)))...))
	if err != nil {
		return nil, &rpcError{Code: 9001, Message: "Unable to query dispatch info.", Data: err.Error()}
	}
	r := scale.NewReader(out)
	weight := map[string]any{"ref_time": r.Compact(), "proof_size": r.Compact()}
	classes := []string{"normal", "operational", "mandatory"}
	class := int(r.U8())
	fee := r.U128()
	if err := r.End(); err != nil || class >= len(classes) {
		return nil, fmt.Errorf("read the payment information: %v", err)
	}
	return map[string]any{"weight": weight, "class": classes[class], "partialFee": fee.String()}, nil
}
