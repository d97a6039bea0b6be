package evidence

import (
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/blake2b"

	"timbre.example/proof/commitment"
)

// trie is a part of a trie of Substrate (base 16, BLAKE2b-256): the nodes of a proof. Both
// layouts of values are read, that with values in the nodes and that with hashes of values.
type trie struct {
	root  commitment.Hash
	nodes map[commitment.Hash]Bytes
	used  map[commitment.Hash]bool
}

func openTrie(root commitment.Hash, nodes []Bytes) *trie {
	t := &trie{root, make(map[commitment.Hash]Bytes, len(nodes)), make(map[commitment.Hash]bool, len(nodes))}
	for _, n := range nodes {
		t.nodes[blake2b.Sum256(n)] = n
	}
	return t
}

var (
	errNoNode   = errors.New("a node of the proof is missing")
	errBadNode  = errors.New("a node of the proof has an unknown form")
	errIdleNode = errors.New("the proof has a node that proves nothing here")
)

// stored returns the node or value with this hash.
func (t *trie) stored(hash []byte) ([]byte, error) {
	h := commitment.Hash(hash)
	n, ok := t.nodes[h]
	if !ok {
		return nil, errNoNode
	}
	t.used[h] = true
	return n, nil
}

// complete returns an error if the proof has a node that no lookup needed: nothing in the
// evidence would protect it.
func (t *trie) complete() error { return must(len(t.used) == len(t.nodes), errIdleNode.Error()) }

// get returns the value of a key. found is false if the trie is proved to have no such key.
func (t *trie) get(key []byte) (value []byte, found bool, err error) {
	text, err := t.stored(t.root[:])
	for at := 0; err == nil; { // at counts the digits of the key that the path has
		var n trieNode
		if n, err = readNode(text); err != nil {
			break
		}
		if n.digits > 2*len(key)-at {
			return nil, false, nil
		}
		for i := range n.digits {
			if n.digit(i) != digitAt(key, at+i) {
				return nil, false, nil
			}
		}
		at += n.digits
		if at == 2*len(key) {
			if n.hashed {
				value, err = t.stored(n.value)
				return value, err == nil, err
			}
			return n.value, n.value != nil, nil
		}
		child := n.children[digitAt(key, at)]
		at++
		switch {
		case child == nil:
			return nil, false, nil
		case len(child) == len(t.root):
			text, err = t.stored(child)
		default:
			text = child // a short node is in its parent
		}
	}
	return nil, false, err
}

// digitAt returns one hexadecimal digit of a key.
func digitAt(key []byte, i int) byte {
	if i%2 == 0 {
		return key[i/2] >> 4
	}
	return key[i/2] & 15
}

// trieNode is one node. A leaf and the empty trie have no children.
type trieNode struct {
	partial  []byte // digits, after a zero digit if their number is odd
	digits   int
	value    []byte // nil for none
	hashed   bool   // value is the hash of the value
	children [16][]byte
}

func (n trieNode) digit(i int) byte { return digitAt(n.partial, i+n.digits%2) }

// readNode reads one node. The first bits of its first byte are its kind, the others begin
// the number of digits.
func readNode(b []byte) (n trieNode, err error) {
	if len(b) == 0 {
		return n, errBadNode
	}
	first := b[0]
	branch, valued, bits := false, true, 6
	switch {
	case first == 0: // the empty trie
		return n, must(len(b) == 1, errBadNode.Error())
	case first>>6 == 1:
	case first>>6 == 2:
		branch, valued = true, false
	case first>>6 == 3:
		branch = true
	case first>>5 == 1:
		n.hashed, bits = true, 5
	case first>>4 == 1:
		branch, n.hashed, bits = true, true, 4
	default:
		return n, errBadNode
	}
	b = b[1:]
	most := 1<<bits - 1
	n.digits = int(first) & most
	for more := n.digits == most; more; b = b[1:] {
		if len(b) == 0 {
			return n, errBadNode
		}
		n.digits += int(b[0])
		more = b[0] == 255
	}
	size := (n.digits + 1) / 2
	if len(b) < size || n.digits%2 == 1 && b[0]>>4 != 0 {
		return n, errBadNode
	}
	n.partial, b = b[:size], b[size:]
	var present uint16
	if branch {
		if len(b) < 2 {
			return n, errBadNode
		}
		present, b = binary.LittleEndian.Uint16(b), b[2:]
	}
	switch {
	case n.hashed:
		if len(b) < blake2b.Size256 {
			return n, errBadNode
		}
		n.value, b = b[:blake2b.Size256], b[blake2b.Size256:]
	case valued:
		if n.value, b, err = sized(b); err != nil {
			return n, errBadNode
		}
	}
	for i := range n.children {
		if present>>i&1 == 0 {
			continue
		}
		if n.children[i], b, err = sized(b); err != nil || len(n.children[i]) == 0 || len(n.children[i]) > blake2b.Size256 {
			return n, errBadNode
		}
	}
	return n, must(len(b) == 0, errBadNode.Error())
}

// sized reads bytes with their length in front, and returns the bytes after them. The bytes
// are never nil.
func sized(b []byte) (content, rest []byte, err error) {
	n, b, err := compact(b)
	if err == nil && n > uint64(len(b)) {
		err = errShort
	}
	if err != nil {
		return nil, nil, err
	}
	return b[:n:n], b[n:], nil
}
