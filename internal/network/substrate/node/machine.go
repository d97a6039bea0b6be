package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
	if err == nil && (p.meta.pallets["Timestamp"] == nil || p.meta.pallets["Grandpa"] == nil) {
		err = errors.New("it has not the pallets Timestamp and Grandpa")
	}
	if err == nil {
		text, err = p.call(&layers{state: state{top}}, "AuraApi_slot_duration", nil)
		if r := scale.NewReader(text); err == nil {
			if p.slot = r.U64(); r.End() != nil || p.slot == 0 {
				err = fmt.Errorf("a slot of %x milliseconds", text)
			}
		}
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

// ask asks a runtime in WASM about a transaction on top of a block. The runtime says what the
// transaction provides: one nonce of one account.
func (p *program) ask(b *block, raw []byte) (*extrinsic, valid, error) {
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
	if r.End() != nil || class >= len(classes) {
		return nil, &rpcError{Code: 9001, Message: "Unable to query dispatch info.", Data: "the runtime answers in another form"}
	}
	return map[string]any{"weight": weight, "class": classes[class], "partialFee": fee.String()}, nil
}
