// Package ots reads detached OpenTimestamps files: the operations that lead from a digest
// to the statements of calendars and of block chains. It also puts the answers of calendars
// into files (write.go). It verifies no statement, and fetches nothing. A file may be hostile: its size and the work on it are limited.
package ots

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// magic begins each file; version 1 follows.
var magic = []byte("\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94\x01")

// The limits of a file.
const (
	maxFile    = 1 << 17 // bytes
	maxMessage = 4096    // bytes of an intermediate result
	maxSteps   = 4096    // operations and statements
	maxDepth   = 256     // operations of one path
)

// The operations that this package computes, and the marks of the form.
const (
	opSHA256  = 0x08
	opAppend  = 0xf0
	opPrepend = 0xf1
	attested  = 0x00
	fork      = 0xff
)

// opsOther are operations without an argument that calendars do not use on the way to
// Bitcoin. A path over them is skipped.
var opsOther = map[byte]bool{0x02: true, 0x03: true, 0x67: true, 0xf2: true, 0xf3: true}

// The kinds of statements.
var (
	tagBitcoin = []byte{0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01}
	tagPending = []byte{0x83, 0xdf, 0xe3, 0x0d, 0x2e, 0xf9, 0x0c, 0x8e}
)

// Bitcoin is the statement that a block's Merkle root is Root, in the order of the header's
// bytes.
type Bitcoin struct {
	Height int64
	Root   [32]byte
}

// Pending is the statement of a calendar that it will complete the proof of Digest.
type Pending struct {
	Calendar string // the address, as the file gives it: not trusted
	Digest   []byte

	from, to int  // the bytes of the statement
	last     bool // no mark stands before it
}

// Proof is the content of a file.
type Proof struct {
	Digest  [32]byte // SHA-256 of what was stamped
	Bitcoin []Bitcoin
	Pending []Pending
	// Skipped counts the paths and statements of kinds that this package does not know.
	Skipped int
}

var errForm = errors.New("not an OpenTimestamps proof")

// Parse reads a file. The digest must be SHA-256.
func Parse(file []byte) (Proof, error) {
	if len(file) > maxFile {
		return Proof{}, fmt.Errorf("more than %d bytes", maxFile)
	}
	rest, ok := bytes.CutPrefix(file, magic)
	if !ok || len(rest) < 33 || rest[0] != opSHA256 {
		return Proof{}, errForm
	}
	r := reader{rest: rest[33:], size: len(file)}
	r.proof.Digest = [32]byte(rest[1:33])
	if err := r.timestamp(r.proof.Digest[:], true, 0); err != nil {
		return Proof{}, err
	}
	if len(r.rest) > 0 {
		return Proof{}, errForm
	}
	return r.proof, nil
}

type reader struct {
	rest  []byte
	size  int // of the whole input
	steps int
	final int // where the last item begins that is not below another
	proof Proof
}

// at is where the rest begins.
func (r *reader) at() int { return r.size - len(r.rest) }

// timestamp reads what follows from message: one or more items, all but the last after a
// mark. known is false below an operation that is skipped.
func (r *reader) timestamp(message []byte, known bool, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	for {
		tag, err := r.byte()
		if err != nil {
			return err
		}
		last := tag != fork
		if !last {
			if tag, err = r.byte(); err != nil {
				return err
			}
		}
		if depth == 0 {
			r.final = r.at() - 1
		}
		if err := r.item(tag, message, known, depth, last); err != nil || last {
			return err
		}
	}
}

func (r *reader) item(tag byte, message []byte, known bool, depth int, last bool) error {
	if r.steps++; r.steps > maxSteps {
		return errors.New("more than 4096 steps")
	}
	switch tag {
	case attested:
		return r.statement(message, known, last)
	case opSHA256:
		sum := sha256.Sum256(message)
		return r.timestamp(sum[:], known, depth+1)
	case opAppend, opPrepend:
		text, err := r.text(maxMessage)
		if err != nil {
			return err
		}
		next := make([]byte, 0, len(message)+len(text))
		if tag == opAppend {
			next = append(append(next, message...), text...)
		} else {
			next = append(append(next, text...), message...)
		}
		if len(next) > maxMessage {
			return fmt.Errorf("a result of more than %d bytes", maxMessage)
		}
		return r.timestamp(next, known, depth+1)
	}
	if opsOther[tag] {
		r.proof.Skipped++
		return r.timestamp(message, false, depth+1)
	}
	return errForm
}

func (r *reader) statement(message []byte, known, last bool) error {
	from := r.at() - 1
	if len(r.rest) < 8 {
		return errForm
	}
	tag := r.rest[:8]
	r.rest = r.rest[8:]
	payload, err := r.text(8192)
	if err != nil {
		return err
	}
	inner := reader{rest: payload}
	switch {
	case bytes.Equal(tag, tagBitcoin):
		height, err := inner.number()
		if err != nil || len(inner.rest) > 0 || height >= 1<<40 {
			return errForm
		}
		if known && len(message) == 32 {
			r.proof.Bitcoin = append(r.proof.Bitcoin, Bitcoin{int64(height), [32]byte(message)})
		}
	case bytes.Equal(tag, tagPending):
		address, err := inner.text(1000)
		if err != nil || len(inner.rest) > 0 {
			return errForm
		}
		if known {
			r.proof.Pending = append(r.proof.Pending, Pending{string(address), bytes.Clone(message), from, r.at(), last})
		}
	default:
		r.proof.Skipped++
	}
	return nil
}

func (r *reader) byte() (byte, error) {
	if len(r.rest) == 0 {
		return 0, errForm
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b, nil
}

func (r *reader) number() (uint64, error) {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 {
		return 0, errForm
	}
	r.rest = r.rest[used:]
	return n, nil
}

func (r *reader) text(most uint64) ([]byte, error) {
	n, err := r.number()
	if err != nil || n > most || n > uint64(len(r.rest)) {
		return nil, errForm
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text, nil
}
