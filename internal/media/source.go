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
	readSize = 1 << 20 // large enough that hashing, not calls, is the cost
	keepSize = 1 << 18 // what stays reachable behind the position, and the largest peek
)

var buffers = sync.Pool{New: func() any { return new([readSize + keepSize]byte) }}

// A source is a file pulled forward once: format readers peek and skip, and
// every byte that arrives is hashed. A failed read shows to them as the end of
// the file; failure tells the difference.
type source struct {
	ctx  context.Context
	r    io.Reader
	hash hash.Hash
	mem  *[readSize + keepSize]byte
	base int64 // file offset of mem[0]
	pos  int   // the next byte is mem[pos]
	end  int   // bytes of mem in use
	stop int64 // file offset that reads as the end while a part is read; 0 none
	err  error // why reading stopped, io.EOF included

	boxes int64 // of an MP4 file that were passed
}

func newSource(ctx context.Context, r io.Reader) *source {
	return &source{ctx: ctx, r: r, hash: sha256.New(), mem: buffers.Get().(*[readSize + keepSize]byte)}
}

// release gives the buffer back; nothing peeked may be used after it.
func (s *source) release() {
	buffers.Put(s.mem)
	s.mem = nil
}

// fill reads once more, keeping what is unread and keepSize behind the position.
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

// peek returns the next n bytes without passing them, fewer only at the end of
// the file. n is at most keepSize. The bytes hold until the next call.
func (s *source) peek(n int) []byte {
	for s.end-s.pos < n && s.err == nil {
		s.fill()
	}
	return s.mem[s.pos:min(s.pos+n, max(s.pos, s.within()))]
}

// within is the end of what may be read of mem.
func (s *source) within() int {
	if s.stop > 0 && s.stop-s.base < int64(s.end) {
		return int(s.stop - s.base)
	}
	return s.end
}

// part makes the next n bytes read as if the file ended behind them, until
// whole is called. Parts do not nest.
func (s *source) part(n int64) { s.stop = s.offset() + n }

// whole ends a part.
func (s *source) whole() { s.stop = 0 }

// buffered returns the unread bytes that are in memory.
func (s *source) buffered() []byte { return s.mem[s.pos:max(s.pos, s.within())] }

// skip passes n bytes and returns how many there were.
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

// drain passes everything that is left and returns how much that was.
func (s *source) drain() int64 {
	const everything = 1<<63 - 1
	return s.skip(everything)
}

// offset is the position in the file.
func (s *source) offset() int64 { return s.base + int64(s.pos) }

// ended reports whether the end of the file has been read into memory.
func (s *source) ended() bool {
	return s.err != nil || s.stop > 0 && s.base+int64(s.end) >= s.stop
}

// rewind goes back to a file offset, and reports whether it is still held.
func (s *source) rewind(offset int64) bool {
	if offset < s.base || offset > s.offset() {
		return false
	}
	s.pos = int(offset - s.base)
	return true
}

// zeros is a block to compare with.
var zeros [1 << 14]byte

// skipZeros passes a run of zero bytes and returns its length.
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

// skipSound passes up to size bytes as skip does, and counts those in long runs
// of zeros: download managers and torrents set a file's size first, and nothing
// was written there. Compressed sound has no such runs, nor has DSD.
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

// since returns the bytes from a file offset behind the position to the last
// byte read, or nil when they are no longer held.
func (s *source) since(offset int64) []byte {
	if offset < s.base || offset > s.base+int64(s.end) {
		return nil
	}
	return s.mem[offset-s.base : max(int(offset-s.base), s.within())]
}

// failure is the error that ended reading, nil while going on or at a proper end.
func (s *source) failure() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}
