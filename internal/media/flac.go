package media

import (
	"bytes"
	"encoding/binary"
)

const flacType = "audio/flac"

// streamInfo is the part of FLAC's STREAMINFO block that is used here.
type streamInfo struct {
	minBlock, maxBlock int
	maxFrame           int // bytes; 0 unknown
	rate, channels     int
	total              uint64 // samples; 0 unknown
}

// parseStreamInfo reads the 34 bytes of a STREAMINFO block.
func parseStreamInfo(b []byte) (streamInfo, bool) {
	if len(b) < 34 {
		return streamInfo{}, false
	}
	packed := binary.BigEndian.Uint64(b[10:]) // rate 20, channels-1 3, bits-1 5, total 36
	si := streamInfo{
		minBlock: int(binary.BigEndian.Uint16(b)),
		maxBlock: int(binary.BigEndian.Uint16(b[2:])),
		maxFrame: int(b[7])<<16 | int(b[8])<<8 | int(b[9]),
		rate:     int(packed >> 44),
		channels: int(packed>>41&7) + 1,
		total:    packed & (1<<36 - 1),
	}
	return si, si.rate > 0 && si.minBlock >= 16 && si.maxBlock >= si.minBlock
}

// readFLAC reads a native FLAC file: its metadata, then every frame header, so
// that the last frame's place is known without trusting the declared total.
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
	for last := false; !last; {
		h := s.peek(4)
		if len(h) < 4 {
			return Info{}, cut
		}
		if h[0]&0x7f == 0x7f {
			return Info{}, bad
		}
		last = h[0]&0x80 != 0
		size := 4 + (int64(h[1])<<16 | int64(h[2])<<8 | int64(h[3]))
		if s.skip(size) < size {
			return Info{}, cut
		}
	}

	chain := flacChain{si: si}
	if !chain.first(s) {
		if s.ended() && len(s.buffered()) < flacHeaderMax {
			if si.total == 0 && len(s.buffered()) == 0 {
				return Info{}, &refusal{detected: flacType, problem: noAudio}
			}
			return Info{}, cut
		}
		return Info{}, bad
	}
	chain.follow(s)
	if behind := s.offset() - chain.lastAt; behind > maxBehind && behind > chain.lastAt {
		return Info{}, bad // more of something else than of FLAC
	}
	samples := chain.samples()
	if samples < si.total || !chain.lastWhole(s) {
		return Info{}, cut
	}
	if si.total > 0 {
		samples = si.total
	}
	return Info{
		Format: FLAC, SampleRate: si.rate, Channels: si.channels,
		Duration: duration(samples, uint64(si.rate)),
	}, nil
}

// A flacFrame is a frame header that passed its CRC-8.
type flacFrame struct {
	variable bool   // number counts samples, not frames
	number   uint64 // of the frame, or of its first sample
	block    int    // samples
}

// next is the number of the frame that follows.
func (f flacFrame) next() uint64 {
	if f.variable {
		return f.number + uint64(f.block)
	}
	return f.number + 1
}

// A flacChain follows frame headers through a stream. Frames state no length,
// so headers are searched for, and believed when they continue the numbering.
type flacChain struct {
	si     streamInfo
	head   flacFrame
	last   flacFrame
	lastAt int64     // offset of last
	stray  flacFrame // out of order; becomes last when its successor turns up
	strays bool
}

// first takes the frame that must stand right behind the metadata.
func (c *flacChain) first(s *source) bool {
	f, ok := c.si.frame(s.peek(flacHeaderMax))
	c.head, c.last, c.lastAt = f, f, s.offset()
	return ok
}

// follow reads to the end of the file.
func (c *flacChain) follow(s *source) {
	sync := []byte{0xff, 0xf8}
	if c.head.variable {
		sync[1] = 0xf9
	}
	s.skip(1)
	for {
		if len(s.peek(flacHeaderMax)) < len(sync) {
			return
		}
		w := s.buffered()
		starts := len(w) - flacHeaderMax + 1 // where a whole header fits
		if s.ended() {
			starts = len(w) - 1
		}
		for at := 0; at < starts; at++ {
			i := bytes.Index(w[at:starts+1], sync)
			if i < 0 {
				break
			}
			at += i
			if f, ok := c.si.frame(w[at:min(at+flacHeaderMax, len(w))]); ok {
				c.take(f, s.offset()+int64(at))
			}
		}
		s.skip(int64(starts))
	}
}

// take adds a frame that continues the chain, or one that continues a stray:
// a damaged stretch must not hide everything behind it.
func (c *flacChain) take(f flacFrame, at int64) {
	switch {
	case f.number == c.last.next(), c.strays && f.number == c.stray.next() && f.number > c.last.number:
		c.last, c.lastAt, c.strays = f, at, false
	case f.number > c.last.number:
		c.stray, c.strays = f, true
	}
}

// samples is how far the chain reaches, counted from its first frame: a
// recording of a running stream does not begin at zero.
func (c *flacChain) samples() uint64 {
	if c.last.variable {
		return c.last.next() - c.head.number
	}
	return (c.last.number-c.head.number)*uint64(c.head.block) + uint64(c.last.block)
}

// lastWhole checks the last frame's CRC-16, which stands at the frame's end:
// at the end of the file, or before the tags that follow there. A frame that
// is no longer held is believed.
func (c *flacChain) lastWhole(s *source) bool {
	b := s.since(c.lastAt)
	if b == nil {
		return true
	}
	ends := []int{len(b)}
	if t := len(b) - trailingTags(b); t > 0 && t < len(b) {
		ends = append(ends, t)
	}
	zeros := len(b)
	for zeros > 0 && b[zeros-1] == 0 {
		zeros--
	}
	// What is longer than any frame of this file has something unknown behind it.
	anywhere := c.si.maxFrame > 0 && len(b) > c.si.maxFrame

	crc := uint16(0)
	for i, v := range b {
		crc = crc<<8 ^ crc16[byte(crc>>8)^v]
		if crc != 0 {
			continue
		}
		end := i + 1
		// The CRC itself may end in zeros, so up to two of them belong to it.
		if end == ends[0] || len(ends) > 1 && end == ends[1] || end >= zeros && end > 6 || anywhere && end > 6 && end <= c.si.maxFrame {
			return true
		}
	}
	return false
}

const (
	flacHeaderMax = 16
	// maxBehind is as much as may always follow the last frame: a tag with
	// pictures. More must not outweigh the frames.
	maxBehind = 1 << 24
)

// frame parses a frame header and holds it against the stream's description.
func (si streamInfo) frame(b []byte) (flacFrame, bool) {
	none := flacFrame{}
	if len(b) < 6 || b[0] != 0xff || b[1]&0xfe != 0xf8 || b[3]&1 != 0 {
		return none, false
	}
	f := flacFrame{variable: b[1]&1 != 0}
	sizeCode, rateCode, assignment, depth := b[2]>>4, b[2]&15, b[3]>>4, b[3]>>1&7
	channels := int(assignment) + 1
	if assignment >= 8 {
		channels = 2 // left/side, right/side, mid/side
	}
	if sizeCode == 0 || rateCode == 15 || assignment > 10 || depth == 3 || channels != si.channels {
		return none, false
	}

	// The number is coded like UTF-8, with up to 7 bytes.
	n := 4
	lead := b[n]
	n++
	extra := 0
	switch {
	case lead < 0x80:
		f.number = uint64(lead)
	case lead < 0xc0 || lead == 0xff:
		return none, false
	default:
		for mask := byte(0x40); lead&mask != 0; mask >>= 1 {
			extra++
		}
		f.number = uint64(lead & (0x3f >> extra))
	}
	for range extra {
		if n >= len(b) || b[n]&0xc0 != 0x80 {
			return none, false
		}
		f.number = f.number<<6 | uint64(b[n]&0x3f)
		n++
	}

	take := func(bytes int) (v int) {
		for range bytes {
			if n < len(b) {
				v = v<<8 | int(b[n])
			}
			n++
		}
		return v
	}
	switch {
	case sizeCode == 1:
		f.block = 192
	case sizeCode <= 5:
		f.block = 144 << sizeCode
	case sizeCode <= 7:
		f.block = take(int(sizeCode)-5) + 1
	default:
		f.block = 1 << sizeCode
	}
	rate := 0
	switch {
	case rateCode == 12:
		rate = take(1) * 1000
	case rateCode == 13:
		rate = take(2)
	case rateCode == 14:
		rate = take(2) * 10
	default:
		rate = flacRates[rateCode]
	}
	if n >= len(b) || rate != 0 && rate != si.rate || f.block > si.maxBlock {
		return none, false
	}
	crc := byte(0)
	for _, v := range b[:n] {
		crc = crc8[crc^v]
	}
	return f, crc == b[n]
}

var flacRates = [12]int{0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}

// The checksums of FLAC: polynomials 0x07 and 0x8005, most significant bit first.
var crc8, crc16 = func() (t8 [256]byte, t16 [256]uint16) {
	for i := range 256 {
		a, b := byte(i), uint16(i)<<8
		for range 8 {
			a = a<<1 ^ 0x07*(a>>7)
			b = b<<1 ^ 0x8005*(b>>15)
		}
		t8[i], t16[i] = a, b
	}
	return t8, t16
}()
