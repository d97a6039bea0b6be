package media

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

const (
	mp4Type      = "audio/mp4"
	mp4MaxEntry  = 1 << 12 // bytes of a sample description that are read
	mp4MaxTracks = 64
)

// An mp4File has the values of the boxes that were read so far.
type mp4File struct {
	tracks     []mp4Track
	scale      uint32 // the movie's units per second
	gapless    uint64 // samples without the encoder's padding, from iTunes' comment; 0 unknown
	moov       bool
	fragmented bool
	media      int64 // bytes of audio boxes
	blank      int64 // bytes of audio in long runs of zeros
	owed       bool  // a fragment's description was read, but not its sound yet
}

// readMP4 reads the boxes of an MP4 or QuickTime file. It never keeps the sample
// tables in memory.
func readMP4(s *source) (Info, *refusal) {
	var m mp4File
	for {
		name, size, whole := mp4Box(s)
		start := s.offset()
		if !whole {
			if len(s.buffered()) == 0 || m.moov && m.media > 0 && !m.fragmented {
				break // the end, or a few stray bytes there
			}
			return Info{}, &refusal{detected: mp4Type, problem: truncated}
		}
		if name == "" {
			if m.moov && m.media > 0 {
				// Junk after a complete file. In a file of fragments, more fragments may follow it.
				if here := s.offset(); m.fragmented && s.drain() > here/10+slack {
					return Info{}, &refusal{detected: mp4Type, problem: truncated, hole: true}
				}
				break
			}
			return Info{}, &refusal{detected: mp4Type, problem: malformed}
		}
		switch name {
		case "moov":
			m.moov = true
			if no := m.movie(s, size); no != nil {
				return Info{}, no
			}
		case "moof":
			m.fragment(s, size)
			m.owed = true
			if no := m.verdict(); m.moov && no != nil {
				return Info{}, no
			}
		}
		if size < 0 { // to the end of the file
			m.pass(s, math.MaxInt64)
			m.owed = false
			break
		}
		rest := start + size - s.offset()
		var got int64
		if name == "mdat" {
			got = m.pass(s, rest)
			m.owed = false
		} else {
			got = s.skip(rest)
		}
		needed := name == "mdat" || name == "moov" || name == "moof"
		if got < rest && !needed && m.moov && m.media > 0 && !m.owed {
			break // tags or junk after the sound
		}
		if got < rest {
			return Info{}, &refusal{detected: mp4Type, problem: truncated, declared: start + size}
		}
		if name == "moov" {
			if no := m.verdict(); no != nil {
				return Info{}, no
			}
		}
	}
	if !m.moov || m.owed {
		return Info{}, &refusal{detected: mp4Type, problem: truncated}
	}
	s.drain()
	return m.info(s.offset())
}

// pass skips an audio box and counts its bytes.
func (m *mp4File) pass(s *source, size int64) int64 {
	got, blank := s.skipSound(size)
	m.media += got
	m.blank += blank
	return got
}

// mp4Box reads a box header. It returns the box's name and the size of its content,
// -1 when the content extends to the end of the file. name is empty when no box can
// start here; whole is false when the file ends first.
func mp4Box(s *source) (name string, size int64, whole bool) {
	h := s.peek(16)
	if len(h) < 8 {
		return "", 0, false
	}
	// A file of empty boxes is refused: even the boxes of the smallest fragments have
	// three times as many bytes.
	if s.boxes++; !fourCC(h[4:]) || s.boxes > 1<<16+s.offset()/16 {
		return "", 0, true
	}
	name = string(h[4:8])
	switch n := binary.BigEndian.Uint32(h); {
	case n == 0:
		s.skip(8)
		return name, -1, true
	case n == 1:
		if len(h) < 16 {
			return "", 0, false
		}
		n := binary.BigEndian.Uint64(h[8:])
		if n < 16 || n > math.MaxInt64/2 {
			return "", 0, true
		}
		s.skip(16)
		return name, int64(n) - 16, true
	case n < 8:
		return "", 0, true
	default:
		s.skip(8)
		return name, int64(n) - 8, true
	}
}

// children calls visit for each box in the next size bytes, and skips the bytes
// that visit did not read. It stops at the first box that does not fit.
func children(s *source, size int64, visit func(name string, size int64)) {
	end := s.offset() + size
	for s.offset()+8 <= end {
		name, size, whole := mp4Box(s)
		start := s.offset()
		if size < 0 {
			size = end - start
		}
		if !whole || name == "" || start+size > end {
			return
		}
		visit(name, size)
		s.skip(start + size - s.offset())
	}
}

// movie reads a moov box.
func (m *mp4File) movie(s *source, size int64) *refusal {
	if size < 0 {
		return &refusal{detected: mp4Type, problem: malformed}
	}
	m.tracks = m.tracks[:0]
	type perSample struct{ id, duration, size uint32 }
	var defaults []perSample
	children(s, size, func(name string, size int64) {
		switch name {
		case "mvhd":
			if b := s.peek(int(min(size, 24))); len(b) == 24 {
				m.scale = binary.BigEndian.Uint32(b[12:])
				if b[0] == 1 {
					m.scale = binary.BigEndian.Uint32(b[20:])
				}
			}
		case "udta":
			m.gapless = parseGapless(s.peek(int(min(size, keepSize))))
		case "trak":
			if len(m.tracks) < mp4MaxTracks {
				var t mp4Track
				t.read(s, size)
				m.tracks = append(m.tracks, t)
			}
		case "mvex":
			m.fragmented = true
			children(s, size, func(name string, size int64) {
				if b := s.peek(int(min(size, 20))); name == "trex" && len(b) == 20 && len(defaults) < mp4MaxTracks {
					defaults = append(defaults, perSample{binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[16:])})
				}
			})
		}
	})
	for _, d := range defaults {
		if t := m.track(d.id); t != nil {
			t.perSample, t.perSize = d.duration, d.size
		}
	}
	return nil
}

// parseGapless finds iTunes' gapless comment in the tags: delay, padding and length in
// samples, as text.
func parseGapless(b []byte) (samples uint64) {
	_, b, found := bytes.Cut(b, []byte("iTunSMPB"))
	_, b, there := bytes.Cut(b, []byte("data"))
	if !found || !there || len(b) < 8+36 {
		return 0
	}
	fields := strings.Fields(string(b[8:min(len(b), 8+64)]))
	if len(fields) < 4 {
		return 0
	}
	samples, err := strconv.ParseUint(fields[3], 16, 48)
	if err != nil {
		return 0
	}
	return samples
}

func (m *mp4File) track(id uint32) *mp4Track {
	for i := range m.tracks {
		if m.tracks[i].id == id {
			return &m.tracks[i]
		}
	}
	return nil
}
