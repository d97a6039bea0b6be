// Package scale reads and writes SCALE, the binary coding of Substrate chains. It holds the
// numbers, byte strings and lists of that coding, and no type of a chain. It never reads
// beyond its input, and never allocates more than its input is long.
package scale

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"unicode/utf8"
)

// ErrShort is wrapped by the error of a Reader whose input ends too early.
var ErrShort = errors.New("the bytes end too early")

// Reader reads values one after the other. After its first error it returns only zero
// values, so callers can check Err once at the end. The slices that it returns are parts of
// the input.
type Reader struct {
	rest []byte
	size int
	err  error
}

// NewReader returns a Reader of b.
func NewReader(b []byte) *Reader { return &Reader{rest: b, size: len(b)} }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// End returns the first error, or an error if bytes are left.
func (r *Reader) End() error {
	if r.err == nil && len(r.rest) > 0 {
		return fmt.Errorf("scale: %d bytes follow the value", len(r.rest))
	}
	return r.err
}

// Fail sets the error, if it is the first.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("scale: byte %d: %w", r.Offset(), err)
		r.rest = nil
	}
}

// Offset returns how many bytes were read.
func (r *Reader) Offset() int { return r.size - len(r.rest) }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.rest) }

// Take reads n bytes.
func (r *Reader) Take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.rest) {
		r.Fail(ErrShort)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// fixed reads a number of n bytes, at most 8.
func (r *Reader) fixed(n int) uint64 {
	var whole [8]byte
	copy(whole[:], r.Take(n))
	return binary.LittleEndian.Uint64(whole[:])
}

// U8 reads a number of one byte.
func (r *Reader) U8() uint8 { return uint8(r.fixed(1)) }

// U16 reads a number of two bytes.
func (r *Reader) U16() uint16 { return uint16(r.fixed(2)) }

// U32 reads a number of four bytes.
func (r *Reader) U32() uint32 { return uint32(r.fixed(4)) }

// U64 reads a number of eight bytes.
func (r *Reader) U64() uint64 { return r.fixed(8) }

// U128 reads a number of 16 bytes.
func (r *Reader) U128() *big.Int { return r.Uint(16) }

// Uint reads a number of n bytes.
func (r *Reader) Uint(n int) *big.Int {
	b := slices.Clone(r.Take(n))
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// Hash reads 32 bytes.
func (r *Reader) Hash() (h [32]byte) {
	copy(h[:], r.Take(len(h)))
	return h
}

// Bool reads one byte that is 0 or 1.
func (r *Reader) Bool() bool {
	b := r.U8()
	if b > 1 {
		r.Fail(fmt.Errorf("%d is not a boolean", b))
	}
	return b == 1 && r.err == nil
}

// Some reads the first byte of an option: whether a value follows.
func (r *Reader) Some() bool { return r.Bool() }

// errCompact is the error of a compact number with bytes that it does not need.
var errCompact = errors.New("a compact number is not in its shortest form")

// CompactBig reads a compact number of at most 536 bits.
func (r *Reader) CompactBig() *big.Int {
	first := r.U8()
	if first&3 < 3 {
		return new(big.Int).SetUint64(r.small(first))
	}
	n := int(first>>2) + 4
	v := r.Uint(n)
	if r.err == nil && (v.BitLen() <= 8*(n-1) && n > 4 || v.BitLen() <= 30) {
		r.Fail(errCompact)
		return new(big.Int)
	}
	return v
}

// small reads the rest of a compact number of at most 30 bits.
func (r *Reader) small(first byte) uint64 {
	size := 1 << (first & 3)
	v := (uint64(first) | r.fixed(size-1)<<8) >> 2
	if size > 1 && v < 1<<(size*4-2) {
		r.Fail(errCompact)
	}
	if r.err != nil {
		return 0
	}
	return v
}

// Compact reads a compact number of at most 64 bits.
func (r *Reader) Compact() uint64 {
	v := r.CompactBig()
	if !v.IsUint64() {
		r.Fail(fmt.Errorf("a compact number has %d bits, more than 64", v.BitLen()))
		return 0
	}
	return v.Uint64()
}

// Count reads the number of elements of a list of which each has at least least bytes. It
// refuses a list that the rest of the input cannot hold; least must be at least 1.
func (r *Reader) Count(least int) int {
	n := r.Compact()
	if n > uint64(len(r.rest)/least) {
		r.Fail(fmt.Errorf("a list of %d elements: %w", n, ErrShort))
		return 0
	}
	return int(n)
}

// Bytes reads a string of bytes with its length.
func (r *Reader) Bytes() []byte { return r.Take(r.Count(1)) }

// Text reads a string of UTF-8 with its length.
func (r *Reader) Text() string {
	b := r.Bytes()
	if !utf8.Valid(b) {
		r.Fail(errors.New("the text is not UTF-8"))
		return ""
	}
	return string(b)
}

// AppendCompact appends a compact number.
func AppendCompact(b []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(b, byte(v<<2))
	case v < 1<<14:
		return binary.LittleEndian.AppendUint16(b, uint16(v<<2|1))
	case v < 1<<30:
		return binary.LittleEndian.AppendUint32(b, uint32(v<<2|2))
	}
	return AppendCompactBig(b, new(big.Int).SetUint64(v))
}

// AppendCompactBig appends a compact number; v is not negative and has at most 536 bits.
func AppendCompactBig(b []byte, v *big.Int) []byte {
	if v.BitLen() <= 30 {
		return AppendCompact(b, v.Uint64())
	}
	n := max(4, (v.BitLen()+7)/8)
	return AppendUint(append(b, byte(n-4)<<2|3), v, n)
}

// AppendUint appends v, which is not negative, as a number of n bytes.
func AppendUint(b []byte, v *big.Int, n int) []byte {
	whole := v.FillBytes(make([]byte, n))
	slices.Reverse(whole)
	return append(b, whole...)
}

// AppendBytes appends a string of bytes with its length.
func AppendBytes(b, data []byte) []byte { return append(AppendCompact(b, uint64(len(data))), data...) }

// AppendText appends a text with its length.
func AppendText(b []byte, text string) []byte {
	return append(AppendCompact(b, uint64(len(text))), text...)
}
