package node

import (
	"bytes"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

// vertex is a node of the state trie. It never changes after it is linked, so each block
// keeps its whole state as one pointer, and shares most of it with its parent. A nil vertex
// is an empty trie.
type vertex struct {
	partial []byte // nibbles between the parent and this vertex
	value   []byte
	has     bool
	child   *[16]*vertex // nil in a leaf
	code    []byte       // its encoding, made when it is first needed
}

// layout is the version of the trie. In version 1 a value of more than 32 bytes is hashed.
type layout int

// hashed is the length of a value from which version 1 hashes it.
const hashed = 33

// nibbles splits a key into halves of bytes, the higher one first.
func nibbles(key []byte) []byte {
	out := make([]byte, 0, 2*len(key))
	for _, b := range key {
		out = append(out, b>>4, b&15)
	}
	return out
}

// packed is the reverse of nibbles; n has an even length.
func packed(n []byte) []byte {
	out := make([]byte, 0, len(n)/2)
	for i := 0; i < len(n); i += 2 {
		out = append(out, n[i]<<4|n[i+1])
	}
	return out
}

func shared(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// get returns the value below v at the path key.
func (v *vertex) get(key []byte) ([]byte, bool) {
	for v != nil {
		if !bytes.HasPrefix(key, v.partial) {
			return nil, false
		}
		key = key[len(v.partial):]
		if len(key) == 0 {
			return v.value, v.has
		}
		if v.child == nil {
			return nil, false
		}
		v, key = v.child[key[0]], key[1:]
	}
	return nil, false
}

// put returns a trie in which value is at the path key.
func (v *vertex) put(key, value []byte) *vertex {
	if v == nil {
		return &vertex{partial: key, value: value, has: true}
	}
	n := shared(key, v.partial)
	if n < len(v.partial) { // a branch goes between v and its parent
		lower := &vertex{partial: v.partial[n+1:], value: v.value, has: v.has, child: v.child}
		branch := &vertex{partial: v.partial[:n], child: &[16]*vertex{}}
		branch.child[v.partial[n]] = lower
		if n == len(key) {
			branch.value, branch.has = value, true
		} else {
			branch.child[key[n]] = &vertex{partial: key[n+1:], value: value, has: true}
		}
		return branch
	}
	next := &vertex{partial: v.partial, value: v.value, has: v.has, child: v.child}
	if n == len(key) {
		next.value, next.has = value, true
		return next
	}
	next.child = &[16]*vertex{}
	if v.child != nil {
		*next.child = *v.child
	}
	next.child[key[n]] = next.child[key[n]].put(key[n+1:], value)
	return next
}

// remove returns a trie that has no value at the path key.
func (v *vertex) remove(key []byte) *vertex {
	if v == nil || !bytes.HasPrefix(key, v.partial) {
		return v
	}
	key = key[len(v.partial):]
	next := &vertex{partial: v.partial, value: v.value, has: v.has, child: v.child}
	switch {
	case len(key) == 0:
		next.value, next.has = nil, false
	case v.child == nil:
		return v
	default:
		next.child = &[16]*vertex{}
		*next.child = *v.child
		next.child[key[0]] = next.child[key[0]].remove(key[1:])
	}
	return next.tidied()
}

// tidied removes or joins a vertex that has too few children to stand alone.
func (v *vertex) tidied() *vertex {
	count, last := 0, 0
	if v.child != nil {
		for i, c := range v.child {
			if c != nil {
				count, last = count+1, i
			}
		}
	}
	switch {
	case count == 0 && !v.has:
		return nil
	case count == 0:
		v.child = nil
	case count == 1 && !v.has:
		c := v.child[last]
		return &vertex{partial: slices.Concat(v.partial, []byte{byte(last)}, c.partial), value: c.value, has: c.has, child: c.child}
	}
	return v
}

// walk calls visit for each value below v in the order of keys, until visit returns false.
func (v *vertex) walk(path []byte, visit func(path, value []byte) bool) bool {
	if v == nil {
		return true
	}
	path = append(slices.Clone(path), v.partial...)
	if v.has && !visit(path, v.value) {
		return false
	}
	if v.child != nil {
		for i, c := range v.child {
			if c != nil && !c.walk(append(slices.Clone(path), byte(i)), visit) {
				return false
			}
		}
	}
	return true
}

// after returns the path of the first value below v that comes after key, in the order of keys;
// all says that each path below v comes after it.
func (v *vertex) after(key []byte, all bool) (path []byte, found bool) {
	if v == nil {
		return nil, false
	}
	if !all {
		n := shared(v.partial, key)
		switch {
		case n == len(v.partial):
			key = key[n:]
		case n == len(key) || v.partial[n] > key[n]:
			all = true
		default:
			return nil, false
		}
	}
	if all && v.has {
		return slices.Clone(v.partial), true
	}
	if v.child == nil {
		return nil, false
	}
	from, rest := 0, []byte(nil)
	if !all && len(key) > 0 {
		from, rest = int(key[0]), key[1:]
	}
	for i := from; i < len(v.child); i++ {
		open := all || len(key) == 0 || i > from
		if below, found := v.child[i].after(rest, open); found {
			return slices.Concat(v.partial, []byte{byte(i)}, below), true
		}
	}
	return nil, false
}

// head returns the first bytes of an encoding: what the vertex is, and its partial key.
func head(prefix byte, bits int, partial []byte) []byte {
	most := 1<<bits - 1
	var out []byte
	if len(partial) < most {
		out = append(out, prefix|byte(len(partial)))
	} else {
		out = append(out, prefix|byte(most))
		rest := len(partial) - most
		for ; rest >= 255; rest -= 255 {
			out = append(out, 255)
		}
		out = append(out, byte(rest))
	}
	if len(partial)%2 == 1 {
		out, partial = append(out, partial[0]), partial[1:]
	}
	return append(out, packed(partial)...)
}

// encoding returns the bytes of v as they are hashed.
func (v *vertex) encoding(l layout) []byte {
	if v == nil {
		return []byte{0}
	}
	if v.code != nil {
		return v.code
	}
	apart := v.has && l == 1 && len(v.value) >= hashed
	var out []byte
	switch {
	case v.child == nil && apart:
		out = head(0x20, 5, v.partial)
	case v.child == nil:
		out = head(0x40, 6, v.partial)
	case apart:
		out = head(0x10, 4, v.partial)
	case v.has:
		out = head(0xc0, 6, v.partial)
	default:
		out = head(0x80, 6, v.partial)
	}
	if v.child != nil {
		var present uint16
		for i, c := range v.child {
			if c != nil {
				present |= 1 << i
			}
		}
		out = binary.LittleEndian.AppendUint16(out, present)
	}
	if apart {
		sum := blake2b.Sum256(v.value)
		out = append(out, sum[:]...)
	} else if v.has {
		out = scale.AppendBytes(out, v.value)
	}
	if v.child != nil {
		for _, c := range v.child {
			if c != nil {
				out = scale.AppendBytes(out, c.reference(l))
			}
		}
	}
	v.code = out
	return out
}

// reference returns how a parent names v: its encoding, or the hash of a long one.
func (v *vertex) reference(l layout) []byte {
	code := v.encoding(l)
	if len(code) < 32 {
		return code
	}
	sum := blake2b.Sum256(code)
	return sum[:]
}

// root returns the root hash of the trie v. All calls for one trie must use one layout.
func (v *vertex) root(l layout) [32]byte { return blake2b.Sum256(v.encoding(l)) }

// prove returns the encodings that a reader of keys needs, and long values; sorted, each once.
// It proves the absence of a key, too.
func (v *vertex) prove(l layout, keys ...[]byte) [][]byte {
	found := map[string]bool{}
	for _, key := range keys {
		at, path := v, nibbles(key)
		for first := true; at != nil; first = false {
			if code := at.encoding(l); first || len(code) >= 32 {
				found[string(code)] = true
			}
			if !bytes.HasPrefix(path, at.partial) {
				break
			}
			path = path[len(at.partial):]
			if len(path) == 0 {
				if at.has && l == 1 && len(at.value) >= hashed {
					found[string(at.value)] = true
				}
				break
			}
			if at.child == nil {
				break
			}
			at, path = at.child[path[0]], path[1:]
		}
	}
	if v == nil {
		found[string(v.encoding(l))] = true
	}
	out := make([][]byte, 0, len(found))
	for code := range found {
		out = append(out, []byte(code))
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

// ordered returns the trie of a list, as headers have it for extrinsics: the keys are the
// compact numbers of the elements.
func ordered(list [][]byte) *vertex {
	var v *vertex
	for i, e := range list {
		v = v.put(nibbles(scale.AppendCompact(nil, uint64(i))), e)
	}
	return v
}
