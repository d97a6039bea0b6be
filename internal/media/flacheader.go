package media

import (
	"encoding/binary"
)

// streamInfo is the part of FLAC's STREAMINFO block that this package uses.
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

// flacMetadata skips the metadata blocks while they look valid. The length of a
// picture of 16 MiB and more wraps; the caller then searches for frames from
// there. It returns false when the file ends inside a block.
func flacMetadata(s *source) bool {
	for {
		h := s.peek(4 + 18)
		if len(h) < 4 {
			return false
		}
		kind, size := h[0]&0x7f, int64(h[1])<<16|int64(h[2])<<8|int64(h[3])
		if !flacBlock(kind, size, h[4:]) {
			return true
		}
		last := h[0]&0x80 != 0
		if s.skip(4+size) < 4+size {
			return false
		}
		if last {
			return true
		}
	}
}

// flacBlock reports whether a metadata block of this kind can begin with b.
func flacBlock(kind byte, size int64, b []byte) bool {
	fits := func(at int, bigEndian bool, most int64) bool {
		if len(b) < at+4 {
			return true
		}
		if bigEndian {
			return int64(binary.BigEndian.Uint32(b[at:])) <= most
		}
		return int64(binary.LittleEndian.Uint32(b[at:])) <= most
	}
	switch kind {
	case 0:
		return size >= 34
	case 1:
		return true
	case 2:
		return size >= 4 && (len(b) < 4 || fourCC(b))
	case 3:
		return size%18 == 0
	case 4:
		return fits(0, false, size)
	case 5:
		return size >= 396
	case 6:
		return fits(0, true, 255) && fits(4, true, 255)
	}
	return false
}

// A flacFrame is a frame header that passed its CRC-8.
type flacFrame struct {
	variable bool   // number counts samples, not frames
	number   uint64 // of the frame, or of its first sample
	block    int    // samples
	rate     int    // hertz; 0 means the rate of the stream's description
	channels int
}

// frame parses a frame header. Rate and channels may differ from the stream's
// description, because they may change inside the stream.
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
	if sizeCode == 0 || rateCode == 15 || assignment > 10 || depth == 3 || channels > 8 {
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
	f.rate, f.channels = rate, channels
	if n >= len(b) || f.block > si.maxBlock && f.block > 1<<15 {
		return none, false
	}
	crc := byte(0)
	for _, v := range b[:n] {
		crc = crc8[crc^v]
	}
	return f, crc == b[n]
}

var flacRates = [12]int{0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}
