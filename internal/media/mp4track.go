package media

import (
	"encoding/binary"
	"math"
	"time"
)

// An mp4Track has the values of a track's boxes.
type mp4Track struct {
	id             uint32
	handler        string // "soun", "vide", …
	codec          string // four characters of the sample description
	object         byte   // MPEG-4 object type within an mp4a or mp4v description
	audioObject    int    // MPEG-4 audio object type; 0 unknown
	rate, channels int
	scale          uint32 // units of duration per second
	duration       uint64
	samples        uint64 // packets in the sample table
	bytes          uint64 // of these packets
	frame          int    // bytes of an uncompressed sample of all channels; 0 unknown
	edits          []mp4Edit
	lastChunk      uint64 // where the last chunk of packets begins in the file

	// Of fragments:
	perSample, perSize uint32 // defaults of duration and size
	added              uint64 // duration
	begun              uint64 // start time of the first fragment
	missing            uint64 // time of the gaps between fragments
	pieces             uint64 // packets
}

// An mp4Edit is a part of the track that is played.
type mp4Edit struct {
	length uint64 // in the movie's units; 0 means the rest
	from   int64  // in the track's units; -1 is a pause
}

// read sets the track's fields from its nested boxes.
func (t *mp4Track) read(s *source, size int64) {
	depth := 0 // edts, mdia, minf, stbl; deep nesting must not exhaust the stack
	var visit func(name string, size int64)
	visit = func(name string, size int64) {
		b := s.peek(int(min(size, 32)))
		version := byte(0)
		if len(b) > 0 {
			version = b[0]
		}
		switch name {
		case "edts", "mdia", "minf", "stbl":
			if depth < 3 {
				depth++
				children(s, size, visit)
				depth--
			}
		case "tkhd":
			at := 12
			if version == 1 {
				at = 20
			}
			if len(b) >= at+4 {
				t.id = binary.BigEndian.Uint32(b[at:])
			}
		case "mdhd":
			if version == 1 && len(b) >= 32 {
				t.scale, t.duration = binary.BigEndian.Uint32(b[20:]), binary.BigEndian.Uint64(b[24:])
			} else if version == 0 && len(b) >= 20 {
				t.scale, t.duration = binary.BigEndian.Uint32(b[12:]), uint64(binary.BigEndian.Uint32(b[16:]))
				if t.duration == math.MaxUint32 {
					t.duration = 0
				}
			}
		case "hdlr":
			// QuickTime files have a second one inside minf, for the data.
			if len(b) >= 12 && t.handler == "" {
				t.handler = string(b[8:12])
			}
		case "stsd":
			t.describe(s.peek(int(min(size, mp4MaxEntry))))
		case "elst":
			t.edit(s, size, version)
		case "stsz", "stz2":
			t.sizes(s, size, name == "stz2")
		case "stco":
			t.chunks(s, size, 4)
		case "co64":
			t.chunks(s, size, 8)
		}
	}
	children(s, size, visit)
}

// maxEdits is the maximum number of edits, far more than a recording has.
const maxEdits = 1 << 16

// edit reads an edit list.
func (t *mp4Track) edit(s *source, size int64, version byte) {
	h := s.peek(8)
	if size < 8 || len(h) < 8 {
		return
	}
	each := int64(12)
	if version == 1 {
		each = 20
	}
	count := min(int64(binary.BigEndian.Uint32(h[4:])), (size-8)/each, maxEdits)
	t.edits = t.edits[:0]
	s.skip(8)
	for range count {
		b := s.peek(int(each))
		if len(b) < int(each) {
			return
		}
		var e mp4Edit
		if version == 1 {
			e = mp4Edit{binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:]))}
		} else {
			e = mp4Edit{uint64(binary.BigEndian.Uint32(b)), int64(int32(binary.BigEndian.Uint32(b[4:])))}
		}
		t.edits = append(t.edits, e)
		s.skip(each)
	}
}

// sizes reads the table of packet sizes: their number and their sum.
func (t *mp4Track) sizes(s *source, size int64, compact bool) {
	h := s.peek(12)
	if size < 12 || len(h) < 12 {
		return
	}
	each, count := binary.BigEndian.Uint32(h[4:]), int64(binary.BigEndian.Uint32(h[8:]))
	t.samples, t.bytes = uint64(count), 0
	if !compact && each > 0 {
		t.bytes = uint64(each) * uint64(count)
		return
	}
	bits := int64(32)
	if compact {
		bits = int64(each & 0xff)
	}
	if bits != 4 && bits != 8 && bits != 16 && bits != 32 {
		return
	}
	s.skip(12)
	left := min((count*bits+7)/8, size-12)
	for left > 0 {
		b := s.peek(int(min(left, 1<<16)))
		if len(b) == 0 {
			return
		}
		switch bits {
		case 4:
			for _, v := range b {
				t.bytes += uint64(v>>4) + uint64(v&15)
			}
		case 8:
			for _, v := range b {
				t.bytes += uint64(v)
			}
		case 16:
			for i := 0; i+2 <= len(b); i += 2 {
				t.bytes += uint64(binary.BigEndian.Uint16(b[i:]))
			}
		default:
			for i := 0; i+4 <= len(b); i += 4 {
				t.bytes += uint64(binary.BigEndian.Uint32(b[i:]))
			}
		}
		left -= s.skip(int64(len(b)))
	}
}

// chunks reads the table of the offsets of chunks of packets.
func (t *mp4Track) chunks(s *source, size, each int64) {
	h := s.peek(8)
	if size < 8 || len(h) < 8 {
		return
	}
	s.skip(8)
	left := min(int64(binary.BigEndian.Uint32(h[4:])), (size-8)/each) * each
	for left > 0 {
		b := s.peek(int(min(left, 1<<16)))
		if len(b) < int(each) {
			return
		}
		for i := 0; i+int(each) <= len(b); i += int(each) {
			at := uint64(binary.BigEndian.Uint32(b[i:]))
			if each == 8 {
				at = binary.BigEndian.Uint64(b[i:])
			}
			t.lastChunk = max(t.lastChunk, at)
		}
		left -= s.skip(int64(len(b)))
	}
}

// length returns how long the track plays. units is its length in its own units. A file
// with fragments has its edits before the fragments, so these edits do not limit the
// length.
func (t *mp4Track) length(units uint64, movie uint32, fragmented bool) time.Duration {
	all := duration(units, uint64(t.scale))
	var played time.Duration
	sound := false
	for _, e := range t.edits {
		if e.from < 0 {
			continue // a pause before the recording does not count
		}
		sound = true
		rest := max(all-duration(uint64(e.from), uint64(t.scale)), 0)
		if n := duration(e.length, uint64(movie)); n > 0 && !fragmented {
			rest = min(rest, n)
		}
		played += rest
	}
	if !sound || played <= 0 {
		return all
	}
	return played
}
