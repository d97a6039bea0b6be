package media

import (
	"bytes"
	"time"
)

// readFLAC reads a native FLAC file: its metadata, then every frame. A frame is
// complete when the CRC-16 at its end matches, so every hole is found.
func readFLAC(s *source) (Info, *refusal) {
	bad := &refusal{detected: flacType, problem: malformed}
	cut := &refusal{detected: flacType, problem: truncated}
	s.skip(4)
	h := s.peek(38)
	if len(h) < 38 {
		return Info{}, cut
	}
	if h[0]&0x7f != 0 || h[1] != 0 || h[2] != 0 || h[3] < 34 {
		return Info{}, bad
	}
	si, ok := parseStreamInfo(h[4:])
	if !ok {
		return Info{}, bad
	}
	if !flacMetadata(s) {
		return Info{}, cut
	}
	start := s.offset()
	if si.total == 0 && len(s.peek(1)) == 0 {
		return Info{}, &refusal{detected: flacType, problem: noAudio}
	}
	c := flacChain{si: si, total: si.total, end: start}
	return c.read(s)
}

// readFLACFrames reads frames without a description before them, as in a recorded
// stream. At least two frames must follow; otherwise s keeps its position.
func readFLACFrames(s *source) (info Info, no *refusal, ok bool) {
	si := streamInfo{minBlock: 16, maxBlock: 1<<16 - 1}
	head := s.peek(keepSize)
	f, ok := si.frame(head)
	if !ok || f.rate == 0 {
		return Info{}, nil, false
	}
	// The first frame ends where its CRC matches and the second frame begins.
	crc, whole := uint16(0), false
	for at := range head {
		if at > 0 && crc == 0 {
			if next, ok := si.frame(head[at:min(len(head), at+flacHeaderMax)]); ok && next.rate == f.rate {
				whole = true
				break
			}
		}
		crc = crc<<8 ^ crc16[0][byte(crc>>8)^head[at]]
	}
	if !whole {
		return Info{}, nil, false
	}
	si.rate, si.channels = f.rate, f.channels
	c := flacChain{si: si, end: s.offset()}
	info, no = c.read(s)
	return info, no, true
}

// read follows the frames to the end of the file, and returns the result.
func (c *flacChain) read(s *source) (Info, *refusal) {
	bad := &refusal{detected: flacType, problem: malformed}
	cut := &refusal{detected: flacType, problem: truncated}
	si, start := c.si, c.end
	c.follow(s)
	switch {
	case c.outweighed && c.frames > 0:
		return Info{}, &refusal{detected: flacType, problem: truncated, hole: true}
	case c.outweighed, c.frames == 0 && !c.open && s.offset()-start >= flacHeaderMax:
		return Info{}, bad
	case c.frames == 0 && !c.open:
		return Info{}, cut
	}
	behind := s.offset() - c.lastAt
	if c.open && behind > maxBehind && behind > c.lastAt {
		return Info{}, bad // mostly not FLAC
	}
	if c.strays && c.lastWhole(s, c.strayAt) {
		c.last, c.lastAt, c.open = c.stray, c.strayAt, true
	} else if c.open && !c.lastWhole(s, c.lastAt) {
		return Info{}, cut
	}
	if c.open {
		c.count(c.last)
	}
	edges := 2 * uint64(c.biggest) // a hole also damages up to two frames at its edges
	if c.missing > (c.samples+c.missing)/10+edges {
		return Info{}, &refusal{detected: flacType, problem: truncated, hole: true}
	}
	reach := c.samples + c.missing
	if reach < c.total && c.missing == 0 || c.samples+c.samples/9+edges < c.total {
		return Info{}, &refusal{detected: flacType, problem: truncated, hole: c.missing > 0}
	}
	length := c.past + duration(c.run, uint64(c.rate))
	if c.missing > 0 {
		length += duration(c.missing, uint64(si.rate))
		if reach < c.total || c.total > c.samples && !c.mixed {
			length = duration(c.total, uint64(si.rate))
		}
	}
	return Info{Format: FLAC, SampleRate: si.rate, Channels: c.channels, Duration: length}, nil
}

// A flacChain follows the frames of a stream. Frames do not state their length: a frame
// ends where its CRC-16 matches and the next header begins.
type flacChain struct {
	si       streamInfo
	total    uint64 // samples the file states, of all its streams
	samples  uint64 // in whole frames
	missing  uint64 // samples in holes, by the frame numbers
	frames   int64
	sound    int64         // bytes in whole frames
	past     time.Duration // of the frames before the last change of the rate
	run      uint64        // samples since that change
	rate     int           // of those samples
	mixed    bool          // the rate has changed
	biggest  int           // largest block, in samples
	channels int           // of the first frame: the stream's description may be wrong

	open   bool      // last has begun, and its end is not found yet
	last   flacFrame // the frame that began at lastAt
	lastAt int64
	crc    uint16    // from lastAt on
	end    int64     // of the last whole frame
	before flacFrame // the last whole frame
	fresh  bool      // the numbering starts again

	stray    flacFrame // an unexpected header; if its own successor confirms it, it ends a hole
	strays   bool
	strayAt  int64
	strayCRC uint16

	wrong      int64 // sync words that did not begin a header
	outweighed bool  // stopped early: mostly not FLAC
}

const (
	flacHeaderMax = 16
	// maxBehind is the number of bytes that are always accepted after the last frame:
	// a tag with pictures. More bytes are accepted if the frames have more.
	maxBehind = 1 << 24
	// maxFlacLead is how far the reader searches for the first frame, in bytes: a
	// picture whose length wrapped may come before it.
	maxFlacLead = 1 << 26
)

// follow reads the frames to the end of the file.
func (c *flacChain) follow(s *source) {
	c.fresh = true
	start := s.offset()
	if f, ok := c.si.frame(s.peek(flacHeaderMax)); ok {
		c.begin(f, start)
	}
	first := true
	for {
		w := s.peek(flacHeaderMax)
		if len(w) == 0 {
			return
		}
		w = s.buffered()
		starts := len(w) - flacHeaderMax + 1 // places with room for a whole header
		if s.ended() {
			starts = len(w)
		}
		summed := 0 // end of the bytes in the checksums
		from := 0
		if first {
			first, from = false, 1
		}
		restarted := false
		joined := len(w) // where another file may begin
		if i := flacStart(w); i >= 0 {
			joined = i
		}
		for at := from; at < starts; at++ {
			i := flacSync(w[at:], min(starts, max(joined, at))-at)
			if i < 0 && joined >= starts {
				break
			}
			if i >= 0 {
				at += i
			} else {
				at = joined
				joined = len(w)
				if i := flacStart(w[at+1:]); i >= 0 {
					joined = at + 1 + i
				}
			}
			b := w[at:min(at+flacHeaderMax, len(w))]
			another := w[at] == 'f'
			f, ok := flacFrame{}, false
			if another {
				another = len(b) > 8 && string(b[:4]) == "fLaC" && b[4]&0x7f == 0 && b[5] == 0 && b[6] == 0
			} else {
				f, ok = c.si.frame(b)
			}
			if !ok && !another {
				c.wrong++
				continue
			}
			c.sum(w[summed:at])
			summed = at
			if another && c.open && c.crc == 0 {
				// A second file was joined to the first.
				c.close(s.offset() + int64(at))
				s.skip(int64(at) + 4)
				if h := s.peek(38); len(h) == 38 {
					if si, ok := parseStreamInfo(h[4:]); ok && c.total > 0 && si.total > 0 {
						c.total += si.total
					} else {
						c.total = 0
					}
				}
				flacMetadata(s)
				c.fresh, c.end, restarted = true, s.offset(), true
				if f, ok := c.si.frame(s.peek(flacHeaderMax)); ok {
					c.begin(f, s.offset())
					first = true
				}
				break
			}
			if ok {
				c.take(f, s.offset()+int64(at))
			}
		}
		if restarted {
			continue
		}
		c.sum(w[summed:starts])
		s.skip(int64(starts))
		if junk := s.offset() - c.end - maxBehind; junk > c.sound && (c.frames > 0 || c.open || junk > maxFlacLead) || wrongWeight*c.wrong > c.sound+maxBehind {
			c.outweighed = true
			return
		}
	}
}

// flacSync returns the first place before within that may be a frame header, or -1.
func flacSync(w []byte, within int) int {
	for at := 0; at < within; at++ {
		if w[at] != 0xff {
			i := bytes.IndexByte(w[at:within], 0xff)
			if i < 0 {
				return -1
			}
			at += i
		}
		// A frame has a block size other than 0, a rate other than 15, and an assignment of
		// channels up to 10. One bit is always 0, and a number begins like UTF-8.
		if at+4 < len(w) && w[at+1]&0xfe == 0xf8 && w[at+2] >= 16 && w[at+2]&15 != 15 &&
			w[at+3] < 0xb0 && w[at+3]&1 == 0 && (w[at+4] < 0x80 || w[at+4] >= 0xc0 && w[at+4] != 0xff) {
			return at
		}
	}
	return -1
}

// flacStart returns the start of a FLAC file in w, or -1. Its description is
// the first block of metadata, and may be the only one.
func flacStart(w []byte) int {
	i, j := bytes.Index(w, []byte("fLaC\x00\x00\x00")), bytes.Index(w, []byte("fLaC\x80\x00\x00"))
	if i < 0 || j >= 0 && j < i {
		return j
	}
	return i
}

// sum adds bytes to the checksums.
func (c *flacChain) sum(b []byte) {
	if c.open {
		c.crc = flacCRC(c.crc, b)
	}
	if c.strays {
		c.strayCRC = flacCRC(c.strayCRC, b)
	}
}

// begin starts a frame.
func (c *flacChain) begin(f flacFrame, at int64) {
	c.open, c.last, c.lastAt, c.crc, c.strays = true, f, at, 0, false
}

// take handles a header at a file offset.
func (c *flacChain) take(f flacFrame, at int64) {
	switch {
	case c.open && c.crc == 0:
		c.close(at)
	case c.strays && c.strayCRC == 0:
		// The bytes between the last whole frame and the stray header are a hole.
		c.last, c.lastAt = c.stray, c.strayAt
		c.close(at)
	default:
		c.stray, c.strayAt, c.strayCRC, c.strays = f, at, 0, true
		return
	}
	c.begin(f, at)
}

// close ends the last frame at a file offset.
func (c *flacChain) close(at int64) {
	c.count(c.last)
	c.sound += at - c.lastAt
	c.end, c.open = at, false
}

// count adds a whole frame, and the samples that are missing before it.
func (c *flacChain) count(f flacFrame) {
	c.missing += c.gap(f)
	c.biggest = max(c.biggest, f.block)
	if c.frames == 0 {
		c.channels = f.channels
	}
	rate := f.rate
	if rate == 0 {
		rate = c.si.rate
	}
	if rate != c.rate {
		c.past += duration(c.run, uint64(c.rate))
		c.mixed = c.mixed || c.rate != 0
		c.run, c.rate = 0, rate
	}
	c.run += uint64(f.block)
	c.samples += uint64(f.block)
	c.frames++
	c.before, c.fresh = f, false
}

// gap returns how many samples are missing between the last whole frame and f. Some
// old encoders number fixed blocks by samples, or start again. If f has the next
// number of such an encoder, or an earlier number, nothing is missing.
func (c *flacChain) gap(f flacFrame) uint64 {
	b := c.before
	if c.frames == 0 && c.lastAt > c.end && c.total == 0 { // a hole before the first frame; otherwise the file was recorded from a running stream
		if f.variable {
			return c.sane(f.number)
		}
		return c.sane(f.number * uint64(f.block))
	}
	byFrame, bySample := b.number+1, b.number+uint64(b.block)
	switch {
	case c.fresh || f.number <= b.number || f.number == byFrame || f.number == bySample:
		return 0
	case f.variable || f.number > bySample && c.samples > 0 && b.number == c.samples-uint64(b.block):
		return c.sane(f.number - bySample)
	}
	return c.sane((f.number - byFrame) * uint64(b.block))
}

// sane limits a gap that a damaged number may cause.
func (c *flacChain) sane(gap uint64) uint64 {
	if c.total > 0 {
		return min(gap, c.total)
	}
	return min(gap, 1<<40)
}

// lastWhole checks the CRC-16 at the end of the last frame. That end is the end of
// the file, or the start of the tags there. A frame that is no longer in the buffer
// counts as complete.
func (c *flacChain) lastWhole(s *source, at int64) bool {
	b := s.since(at)
	if b == nil {
		return true
	}
	ends := []int{len(b)}
	if t := len(b) - trailingTags(b); t > 0 && t < len(b) {
		ends = append(ends, t)
	}
	filled := len(bytes.TrimRight(b, "\x00"))
	// Unknown bytes follow the frame if the rest is longer than any frame of this file.
	anywhere := c.si.maxFrame > 0 && len(b) > c.si.maxFrame

	crc := uint16(0)
	for i, v := range b {
		crc = crc<<8 ^ crc16[0][byte(crc>>8)^v]
		if crc != 0 {
			continue
		}
		end := i + 1
		// The CRC itself may end in zeros, so up to two of them belong to it.
		if end == ends[0] || len(ends) > 1 && end == ends[1] || end >= filled && end <= filled+2 && end > 6 || anywhere && end > 6 && end <= c.si.maxFrame {
			return true
		}
	}
	return false
}

// The checksums of FLAC: polynomials 0x07 and 0x8005, most significant bit first.
// crc16[n] is the table for a byte with n more bytes after it. So the loop handles eight
// bytes at once.
var crc8, crc16 = func() (t8 [256]byte, t16 [8][256]uint16) {
	for i := range 256 {
		a, b := byte(i), uint16(i)<<8
		for range 8 {
			a = a<<1 ^ 0x07*(a>>7)
			b = b<<1 ^ 0x8005*(b>>15)
		}
		t8[i], t16[0][i] = a, b
	}
	for n := 1; n < 8; n++ {
		for i := range 256 {
			v := t16[n-1][i]
			t16[n][i] = v<<8 ^ t16[0][v>>8]
		}
	}
	return t8, t16
}()

// flacCRC continues a frame's CRC-16.
func flacCRC(crc uint16, b []byte) uint16 {
	for len(b) >= 8 {
		crc = crc16[7][b[0]^byte(crc>>8)] ^ crc16[6][b[1]^byte(crc)] ^ crc16[5][b[2]] ^ crc16[4][b[3]] ^
			crc16[3][b[4]] ^ crc16[2][b[5]] ^ crc16[1][b[6]] ^ crc16[0][b[7]]
		b = b[8:]
	}
	for _, v := range b {
		crc = crc<<8 ^ crc16[0][byte(crc>>8)^v]
	}
	return crc
}
