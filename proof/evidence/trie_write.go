package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"timbre.example/proof/commitment"
)

// ProveExtrinsic returns the nodes of [Substrate.ExtrinsicProof] for the extrinsic at an
// index. header is the block's header in SCALE, and extrinsics are all of the block, each with
// its length in front, as a node returns them. It fails if they are not those of the header.
func ProveExtrinsic(header []byte, extrinsics [][]byte, index int64) ([]Bytes, error) {
	all, err := ProveExtrinsics(header, extrinsics, index)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ProveExtrinsics is ProveExtrinsic for several extrinsics of one block, in the order of
// indexes. The block's trie is made once.
func ProveExtrinsics(header []byte, extrinsics [][]byte, indexes ...int64) ([][]Bytes, error) {
	b, err := readBlock(header)
	if err != nil {
		return nil, fmt.Errorf("evidence: header: %w", err)
	}
	if len(extrinsics) > maxCompact {
		return nil, errors.New("evidence: no block has so many extrinsics")
	}
	for _, index := range indexes {
		if index < 0 || index >= int64(len(extrinsics)) {
			return nil, fmt.Errorf("evidence: the block has no extrinsic %d", index)
		}
	}
	values := make(map[string][]byte, len(extrinsics))
	for i, x := range extrinsics {
		values[string(appendCompact(nil, uint64(i)))] = x
	}
	for _, hashed := range []bool{true, false} { // the header does not say which layout it is
		root, nodes := writeTrie(values, hashed)
		if root != b.extrinsics {
			continue
		}
		t := openTrie(root, nodes)
		all := make([][]Bytes, len(indexes))
		for i, index := range indexes {
			if all[i], err = t.prove(appendCompact(nil, uint64(index))); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return nil, errors.New("evidence: these are not the extrinsics of the block")
}

// A StateProver makes proofs for single versions from nodes that prove several at once. It is
// not safe for concurrent use.
type StateProver struct{ t *trie }

// NewStateProver returns a StateProver for a block's header in SCALE, and for nodes of the trie
// of its state. It does not check the nodes.
func NewStateProver(header []byte, nodes []Bytes) (*StateProver, error) {
	b, err := readBlock(header)
	if err != nil {
		return nil, fmt.Errorf("evidence: header: %w", err)
	}
	return &StateProver{openTrie(b.state, nodes)}, nil
}

// Prove returns the nodes of [Substrate.StateProof] for a version of a work: those that lead to
// its [StateKeys], and no others. It fails if one is missing. It does not read the values:
// [Substrate.State] does.
func (p *StateProver) Prove(id, version int64) ([]Bytes, error) {
	keys := StateKeys(id, version)
	return p.t.prove(keys[:]...)
}

// prove returns the nodes that lead to the keys, in the order of their bytes.
func (t *trie) prove(keys ...[]byte) (proof []Bytes, err error) {
	clear(t.used)
	for _, key := range keys {
		if _, _, err := t.get(key); err != nil {
			return nil, fmt.Errorf("evidence: %w", err)
		}
	}
	for hash := range t.used {
		proof = append(proof, t.nodes[hash])
	}
	slices.SortFunc(proof, func(a, b Bytes) int { return bytes.Compare(a, b) })
	return proof, nil
}

// writeTrie returns the root and the nodes of a trie. If hashed is true, it has the layout
// with hashes of the values above 32 bytes.
func writeTrie(values map[string][]byte, hashed bool) (root commitment.Hash, nodes []Bytes) {
	w := trieWriter{hashed: hashed}
	for key, value := range values {
		w.all = append(w.all, trieEntry{[]byte(key), value})
	}
	slices.SortFunc(w.all, func(a, b trieEntry) int { return bytes.Compare(a.key, b.key) })
	top := Bytes{0} // the empty trie
	if len(w.all) > 0 {
		top = w.node(w.all, 0)
	}
	return blake2b.Sum256(top), append(w.nodes, top)
}

type trieEntry struct{ key, value []byte }

type trieWriter struct {
	hashed bool
	all    []trieEntry
	nodes  []Bytes
}

// node returns the node for sorted entries with the same digits before at.
func (w *trieWriter) node(entries []trieEntry, at int) Bytes {
	first, last := entries[0], entries[len(entries)-1]
	end := at
	for end < 2*len(first.key) && end < 2*len(last.key) && digitAt(first.key, end) == digitAt(last.key, end) {
		end++
	}
	valued := 2*len(first.key) == end
	value := []byte(nil)
	hashed := valued && w.hashed && len(first.value) > blake2b.Size256
	switch {
	case hashed:
		sum := blake2b.Sum256(first.value)
		value = sum[:]
		w.nodes = append(w.nodes, first.value)
	case valued:
		value = append(appendCompact(nil, uint64(len(first.value))), first.value...)
	}
	kind, bits := byte(1<<6), 6
	switch branch := len(entries) > 1; {
	case branch && hashed:
		kind, bits = 1<<4, 4
	case branch && valued:
		kind = 3 << 6
	case branch:
		kind = 2 << 6
	case hashed:
		kind, bits = 1<<5, 5
	}
	b := appendDigits(kind, bits, first.key, at, end)
	if len(entries) == 1 {
		return append(b, value...)
	}
	bitmap := len(b)
	b = append(append(b, 0, 0), value...)
	if valued {
		entries = entries[1:]
	}
	var present uint16
	for len(entries) > 0 {
		digit, n := digitAt(entries[0].key, end), 1
		for n < len(entries) && digitAt(entries[n].key, end) == digit {
			n++
		}
		child := w.node(entries[:n], end+1)
		if len(child) >= blake2b.Size256 {
			w.nodes = append(w.nodes, child)
			sum := blake2b.Sum256(child)
			child = sum[:]
		}
		b = append(appendCompact(b, uint64(len(child))), child...)
		present |= 1 << digit
		entries = entries[n:]
	}
	binary.LittleEndian.PutUint16(b[bitmap:], present)
	return b
}

// appendDigits returns the beginning of a node: its kind, and digits of its key.
func appendDigits(kind byte, bits int, key []byte, from, to int) Bytes {
	n, most := to-from, 1<<bits-1
	b := Bytes{kind | byte(min(n, most))}
	if n >= most {
		for n -= most; n >= 255; n -= 255 {
			b = append(b, 255)
		}
		b = append(b, byte(n))
	}
	if (to-from)%2 == 1 {
		b = append(b, digitAt(key, from))
		from++
	}
	for ; from < to; from += 2 {
		b = append(b, digitAt(key, from)<<4|digitAt(key, from+1))
	}
	return b
}
