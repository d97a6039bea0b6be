package wasm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// memoryName is under which name the code exports its memory.
const memoryName = "memory"

// The ids of sections and kinds of imports in a module.
const (
	sectionImports = 2
	sectionMemory  = 5
	sectionExports = 7

	kindFunction = 0
	kindMemory   = 2
)

var errModule = errors.New("it is not a module of WASM")

// cursor reads a module. The first error stays.
type cursor struct {
	rest []byte
	err  error
}

func (c *cursor) number() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.err, c.rest = errModule, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.err, c.rest = errModule, nil
		return nil
	}
	out := c.rest[:n]
	c.rest = c.rest[n:]
	return out
}

func (c *cursor) sized() []byte { return c.take(c.number()) }

func appendSized(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

// ownMemory changes code that imports its memory into code that has its own and exports it.
// Substrate's runtimes import it. A module that is made in Go cannot export memory to them.
func ownMemory(code []byte) ([]byte, error) {
	const magic = 8
	if len(code) < magic || string(code[:magic]) != "\x00asm\x01\x00\x00\x00" {
		return nil, errModule
	}
	out := append([]byte(nil), code[:magic]...)
	c := &cursor{rest: code[magic:]}
	var memory []byte // the section that is missing
	added := false
	for len(c.rest) > 0 && c.err == nil {
		id := c.take(1)[0]
		data := c.sized()
		if c.err != nil {
			break
		}
		if id == sectionImports {
			var err error
			if data, memory, err = withoutMemory(data); err != nil {
				return nil, err
			}
		}
		if memory != nil && id == sectionMemory {
			return nil, errors.New("it has two memories")
		}
		if memory != nil && !added && id > sectionMemory {
			out = appendSized(append(out, sectionMemory), memory)
			added = true
		}
		if added && id == sectionExports {
			exports := &cursor{rest: data}
			n := exports.number()
			if exports.err != nil {
				return nil, exports.err
			}
			data = append(binary.AppendUvarint(nil, n+1), exports.rest...)
			data = append(appendSized(data, []byte(memoryName)), kindMemory, 0)
		}
		out = appendSized(append(out, id), data)
	}
	return out, c.err
}

// withoutMemory returns the imports without that of a memory, and the section of a memory of the
// same size; nil if it is missing.
func withoutMemory(imports []byte) (rest, memory []byte, _ error) {
	c := &cursor{rest: imports}
	var kept uint64
	for n := c.number(); n > 0 && c.err == nil; n-- {
		begin := c.rest
		c.sized() // the module
		c.sized() // the name
		switch kind := c.take(1); {
		case c.err != nil:
			return nil, nil, c.err
		case kind[0] == kindFunction:
			c.number()
			rest = append(rest, begin[:len(begin)-len(c.rest)]...)
			kept++
		case kind[0] == kindMemory:
			bounded := c.number()&1 == 1
			least := c.number()
			if bounded {
				c.number()
			}
			memory = append([]byte{1, 0}, binary.AppendUvarint(nil, least)...)
		default:
			return nil, nil, fmt.Errorf("it imports a thing of kind %d", kind[0])
		}
	}
	return append(binary.AppendUvarint(nil, kept), rest...), memory, c.err
}
