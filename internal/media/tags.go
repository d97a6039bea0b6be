package media

import "encoding/binary"

// skipTags skips all ID3v2 and APEv2 tags before the audio, of any size.
func skipTags(s *source) *refusal {
	for {
		b := s.peek(32)
		size := max(id3Size(b), apeSize(b))
		if size == 0 {
			return nil
		}
		declared := s.offset() + size
		if s.skip(size) == size {
			continue
		}
		// At the end of the file: if a file begins inside the tag, the tag's size is wrong.
		if s.rewind(0) {
			if at := signature(s.peek(keepSize)); at > 0 {
				s.skip(int64(at))
				return nil
			}
			s.drain()
		}
		return &refusal{detected: mpegType, problem: truncated, declared: declared}
	}
}

// id3Size returns the length of the ID3v2 tag at the start of b, 0 without a tag.
func id3Size(b []byte) int64 {
	if len(b) < 10 || string(b[:3]) != "ID3" || b[3] == 0xff || b[4] == 0xff {
		return 0
	}
	size := int64(10)
	for i, c := range b[6:10] {
		if c >= 0x80 {
			return 0
		}
		size += int64(c) << (7 * (3 - i))
	}
	if b[5]&0x10 != 0 {
		size += 10 // a footer repeats the header
	}
	return size
}

// apeHeader begins the header and the footer of an APEv2 tag.
const apeHeader = "APETAGEX"

// apeSize returns the length of the APE tag at the start of b, 0 without a tag.
func apeSize(b []byte) int64 {
	if len(b) < 32 || string(b[:8]) != apeHeader {
		return 0
	}
	return 32 + int64(binary.LittleEndian.Uint32(b[12:])) // the size does not include this header
}

const (
	id3v1     = "TAG"
	id3v1Size = 128
)

// trailingTags returns the length of the ID3v1 and APE tags at the end of b.
func trailingTags(b []byte) int {
	n := 0
	if at := len(b) - id3v1Size; at >= 0 && string(b[at:at+3]) == id3v1 {
		n = id3v1Size
	}
	if at := len(b) - n - 32; at >= 0 && string(b[at:at+8]) == apeHeader {
		size := int64(binary.LittleEndian.Uint32(b[at+12:])) // of items and footer
		if binary.LittleEndian.Uint32(b[at+20:])&(1<<31) != 0 {
			size += 32 // a header comes before the items
		}
		if int64(n)+size <= int64(len(b)) {
			n += int(size)
		}
	}
	return n
}
