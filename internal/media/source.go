package media

import (
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
	err  error // why reading stopped, io.EOF included
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
	return s.mem[s.pos:min(s.pos+n, s.end)]
}

// buffered returns the unread bytes that are in memory.
func (s *source) buffered() []byte { return s.mem[s.pos:s.end] }

// skip passes n bytes and returns how many there were.
func (s *source) skip(n int64) int64 {
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
func (s *source) ended() bool { return s.err != nil }

// since returns the bytes from a file offset behind the position to the last
// byte read, or nil when they are no longer held.
func (s *source) since(offset int64) []byte {
	if offset < s.base || offset > s.base+int64(s.end) {
		return nil
	}
	return s.mem[offset-s.base : s.end]
}

// failure is the error that ended reading, nil while going on or at a proper end.
func (s *source) failure() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}
