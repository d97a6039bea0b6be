package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"sync"
)

const (
	readSize = 1 << 20 // so large that hashing costs more than the read calls
	keepSize = 1 << 18 // bytes kept before the position, and the largest peek
)

var buffers = sync.Pool{New: func() any { return new([readSize + keepSize]byte) }}

// A source reads a file once, from start to end. Format readers peek and skip, and
// the source hashes every byte. A failed read looks to them like the end of the
// file; failure returns the error.
type source struct {
	ctx  context.Context
	r    io.Reader
	hash hash.Hash
	mem  *[readSize + keepSize]byte
	base int64 // file offset of mem[0]
	pos  int   // the next byte is mem[pos]
	end  int   // bytes of mem in use
	stop int64 // file offset that counts as the end while a part is read; 0 no part
	err  error // why reading stopped, io.EOF included

	boxes int64 // number of MP4 boxes read so far
}

func newSource(ctx context.Context, r io.Reader) *source {
	return &source{ctx: ctx, r: r, hash: sha256.New(), mem: buffers.Get().(*[readSize + keepSize]byte)}
}

// release returns the buffer to the pool. Do not use peeked bytes after it.
func (s *source) release() {
	buffers.Put(s.mem)
	s.mem = nil
}

// fill reads one more block. It keeps the unread bytes and keepSize bytes before the position.
func (s *source) fill() {
	if s.err != nil {
		return
	}
	if s.end == len(s.mem) {
		from := max(s.pos-keepSize, 0)
		copy(s.mem[:], s.mem[from:s.end])
		s.base += int64(from)
		s.pos -= from
		s.end -= from
	}
	for range 100 {
		if s.err = s.ctx.Err(); s.err != nil {
			return
		}
		n, err := s.r.Read(s.mem[s.end:])
		s.hash.Write(s.mem[s.end : s.end+n])
		s.end += n
		s.err = err
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// peek returns the next n bytes without moving the position, fewer only at the end of
// the file. n is at most keepSize. The bytes are valid until the next call.
func (s *source) peek(n int) []byte {
	for s.end-s.pos < n && s.err == nil {
		s.fill()
	}
	return s.mem[s.pos:min(s.pos+n, max(s.pos, s.within()))]
}

// within returns the end of the bytes in mem that may be read.
func (s *source) within() int {
	if s.stop > 0 && s.stop-s.base < int64(s.end) {
		return int(s.stop - s.base)
	}
	return s.end
}

// part makes the source end after the next n bytes, until endPart is called. Parts do
// not nest.
func (s *source) part(n int64) { s.stop = s.offset() + n }

// endPart ends a part.
func (s *source) endPart() { s.stop = 0 }

// buffered returns the unread bytes that are in memory.
func (s *source) buffered() []byte { return s.mem[s.pos:max(s.pos, s.within())] }

// skip moves n bytes forward and returns how many bytes were there.
func (s *source) skip(n int64) int64 {
	if s.stop > 0 {
		n = min(n, s.stop-s.offset())
	}
	var done int64
	for done < n {
		if s.pos == s.end {
			s.fill()
			if s.pos == s.end {
				break
			}
		}
		step := int(min(n-done, int64(s.end-s.pos)))
		s.pos += step
		done += int64(step)
	}
	return done
}

// drain skips the rest and returns its length in bytes.
func (s *source) drain() int64 {
	const everything = 1<<63 - 1
	return s.skip(everything)
}

// offset returns the position in the file.
func (s *source) offset() int64 { return s.base + int64(s.pos) }

// ended reports whether the end of the file has been read into memory.
func (s *source) ended() bool {
	return s.err != nil || s.stop > 0 && s.base+int64(s.end) >= s.stop
}

// rewind moves back to a file offset. It returns false when the buffer no longer holds it.
func (s *source) rewind(offset int64) bool {
	if offset < s.base || offset > s.offset() {
		return false
	}
	s.pos = int(offset - s.base)
	return true
}

// zeros is a block of zeros to compare with.
var zeros [1 << 14]byte

// skipZeros skips a run of zero bytes and returns its length.
func (s *source) skipZeros() (passed int64) {
	for {
		w := s.buffered()
		if len(w) == 0 {
			if w = s.peek(1); len(w) == 0 {
				return passed
			}
			w = s.buffered()
		}
		n := 0
		for len(w)-n >= len(zeros) && bytes.Equal(w[n:n+len(zeros)], zeros[:]) {
			n += len(zeros)
		}
		for n < len(w) && w[n] == 0 {
			n++
		}
		passed += s.skip(int64(n))
		if n < len(w) {
			return passed
		}
	}
}

// skipSound skips up to size bytes as skip does, and counts the bytes in long runs
// of zeros. Download managers and torrents set a file's size first; such runs are
// parts that were never written. Compressed sound and DSD have no such runs.
func (s *source) skipSound(size int64) (passed, blank int64) {
	const block = 1 << 10
	for passed < size {
		w := s.peek(int(min(size-passed, int64(len(zeros)))))
		if len(w) == 0 {
			break
		}
		for b := w; len(b) >= block; b = b[block:] {
			if bytes.Equal(b[:block], zeros[:block]) {
				blank += block
			}
		}
		passed += s.skip(int64(len(w)))
	}
	return passed, blank
}

// since returns the bytes from an earlier file offset to the last byte read, or nil
// when the buffer no longer holds them.
func (s *source) since(offset int64) []byte {
	if offset < s.base || offset > s.base+int64(s.end) {
		return nil
	}
	return s.mem[offset-s.base : max(int(offset-s.base), s.within())]
}

// failure returns the error that ended reading. It returns nil while reading continues
// and at the end of the file.
func (s *source) failure() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}
