package media

import (
	"encoding/binary"
	"math"
)

const (
	mp4Type      = "audio/mp4"
	mp4MaxEntry  = 1 << 12 // bytes of a sample description that are looked at
	mp4MaxTracks = 64
)

// An mp4Track is what a track's boxes say.
type mp4Track struct {
	id             uint32
	handler        string // "soun", "vide", …
	codec          string // four characters of the sample description
	object         byte   // MPEG-4 object type within an mp4a description
	rate, channels int
	scale          uint32 // units of duration per second
	duration       uint64
	samples        uint64 // packets in the sample table
	perSample      uint32 // default duration of a fragment's samples
}

type mp4File struct {
	tracks     []mp4Track
	moov       bool
	fragmented bool
	media      int64             // bytes of audio boxes
	owed       bool              // a fragment's description came, its sound did not yet
	fragments  map[uint32]uint64 // duration of the fragments by track
}

// readMP4 walks the boxes of an MP4 or QuickTime file. The sample tables are
// passed over, never kept.
func readMP4(s *source) (Info, *refusal) {
	m := mp4File{fragments: map[uint32]uint64{}}
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
				break // junk behind a whole file
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
		}
		if size < 0 { // to the end of the file
			m.media += s.drain()
			break
		}
		rest := start + size - s.offset()
		got := s.skip(rest)
		if name == "mdat" {
			m.media += got
			m.owed = false
		}
		needed := name == "mdat" || name == "moov" || name == "moof"
		if got < rest && !needed && m.moov && m.media > 0 && !m.owed {
			break // tags or junk behind the sound
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
	return m.info()
}

// mp4Box passes a box header and returns the box's name and the size of what
// follows, -1 when it goes on to the end of the file. name is empty when no
// box can start here; whole is false when the file ends first.
func mp4Box(s *source) (name string, size int64, whole bool) {
	h := s.peek(16)
	if len(h) < 8 {
		return "", 0, false
	}
	if !fourCC(h[4:]) {
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

// children calls visit for each box within the next size bytes, and passes
// what visit leaves of it. It stops at the first that does not fit.
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
	defaults := map[uint32]uint32{}
	children(s, size, func(name string, size int64) {
		switch name {
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
					defaults[binary.BigEndian.Uint32(b[4:])] = binary.BigEndian.Uint32(b[12:])
				}
			})
		}
	})
	for i := range m.tracks {
		m.tracks[i].perSample = defaults[m.tracks[i].id]
	}
	return nil
}

// read fills in the track from the boxes it is spread over.
func (t *mp4Track) read(s *source, size int64) {
	depth := 0 // mdia, minf, stbl; boxes in boxes without end must not exhaust the stack
	var visit func(name string, size int64)
	visit = func(name string, size int64) {
		b := s.peek(int(min(size, 32)))
		version := byte(0)
		if len(b) > 0 {
			version = b[0]
		}
		switch name {
		case "mdia", "minf", "stbl":
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
			// Within minf stands a second one in QuickTime files, for the data.
			if len(b) >= 12 && t.handler == "" {
				t.handler = string(b[8:12])
			}
		case "stsd":
			t.describe(s.peek(int(min(size, mp4MaxEntry))))
		case "stsz", "stz2":
			if len(b) >= 12 {
				t.samples = uint64(binary.BigEndian.Uint32(b[8:]))
			}
		}
	}
	children(s, size, visit)
}

// describe reads the first sample description.
func (t *mp4Track) describe(b []byte) {
	if len(b) < 16 {
		return
	}
	b = b[8:]
	t.codec = string(b[4:8])
	if t.handler != "soun" && t.handler != "" || len(b) < 36 {
		return
	}
	t.channels = int(binary.BigEndian.Uint16(b[24:]))
	t.rate = int(binary.BigEndian.Uint16(b[32:])) // the whole part of 16.16
	skip := 36
	switch binary.BigEndian.Uint16(b[16:]) { // QuickTime's longer descriptions
	case 1:
		skip += 16
	case 2:
		skip += 36
	}
	if size := int(binary.BigEndian.Uint32(b)); size >= 36 && size < len(b) {
		b = b[:size]
	}
	if skip < len(b) {
		t.extend(b[skip:], 2)
	}
}

// extend reads the boxes in a sample description, which know better than its
// fixed fields.
func (t *mp4Track) extend(b []byte, depth int) {
	for len(b) >= 8 {
		size := int(binary.BigEndian.Uint32(b))
		if size < 8 || size > len(b) {
			return
		}
		body := b[8:size]
		switch string(b[4:8]) {
		case "wave":
			if depth > 0 {
				t.extend(body, depth-1)
			}
		case "alac":
			if len(body) >= 28 {
				t.channels = int(body[13])
				t.rate = int(binary.BigEndian.Uint32(body[24:]))
			}
		case "esds":
			if len(body) > 4 {
				t.elementary(body[4:])
			}
		}
		b = b[size:]
	}
}

// elementary reads an MPEG-4 elementary stream descriptor: nested records of
// a tag, a length in groups of 7 bits, and a body.
func (t *mp4Track) elementary(b []byte) {
	for len(b) >= 2 {
		tag := b[0]
		n, at := 0, 1
		for at < len(b) && at <= 4 {
			n = n<<7 | int(b[at]&0x7f)
			at++
			if b[at-1]&0x80 == 0 {
				break
			}
		}
		b = b[at:]
		switch tag {
		case 3: // the stream: id, flags, and what they announce
			if len(b) < 3 {
				return
			}
			skip, flags := 3, b[2]
			if flags&0x80 != 0 {
				skip += 2
			}
			if flags&0x40 != 0 && len(b) > skip {
				skip += 1 + int(b[skip])
			}
			if flags&0x20 != 0 {
				skip += 2
			}
			b = b[min(skip, len(b)):]
		case 4: // its decoder
			if len(b) < 13 {
				return
			}
			t.object = b[0]
			b = b[13:]
		case 5: // what the decoder must know
			t.audioConfig(b[:min(n, len(b))])
			return
		default:
			b = b[min(n, len(b)):]
		}
	}
}

// audioConfig reads the start of an AudioSpecificConfig.
func (t *mp4Track) audioConfig(b []byte) {
	at := 0
	take := func(n int) (v int) {
		for range n {
			v <<= 1
			if at/8 < len(b) {
				v |= int(b[at/8]>>(7-at%8)) & 1
			}
			at++
		}
		return v
	}
	object := func() int {
		if v := take(5); v != 31 {
			return v
		}
		return 32 + take(6)
	}
	rate := func() int {
		i := take(4)
		if i == 15 {
			return take(24)
		}
		if i < len(aacRates) {
			return aacRates[i]
		}
		return 0
	}
	if len(b) < 2 {
		return
	}
	kind := object()
	hz, channels := rate(), aacChannels(take(4))
	if kind == 5 || kind == 29 { // spectral band replication: the true rate follows
		if full := rate(); full > 0 {
			hz = full
		}
	}
	if hz > 0 && t.object != 0x6b && t.object != 0x69 {
		t.rate = hz
		if channels > 0 {
			t.channels = channels
		}
	}
}

// fragment reads a moof box and adds up its durations.
func (m *mp4File) fragment(s *source, size int64) {
	children(s, size, func(name string, size int64) {
		if name != "traf" {
			return
		}
		var track uint32
		var perSample uint32
		children(s, size, func(name string, size int64) {
			b := s.peek(int(min(size, 32)))
			if len(b) < 8 {
				return
			}
			flags := binary.BigEndian.Uint32(b) & 0xffffff
			switch name {
			case "tfhd":
				track = binary.BigEndian.Uint32(b[4:])
				for i := range m.tracks {
					if m.tracks[i].id == track {
						perSample = m.tracks[i].perSample
					}
				}
				at := 8
				if flags&1 != 0 {
					at += 8
				}
				if flags&2 != 0 {
					at += 4
				}
				if flags&8 != 0 && len(b) >= at+4 {
					perSample = binary.BigEndian.Uint32(b[at:])
				}
			case "trun":
				if d := mp4Run(s, size, flags, perSample); len(m.fragments) < mp4MaxTracks || m.fragments[track] > 0 {
					m.fragments[track] += d
				}
			}
		})
	})
}

// mp4Run is the duration of the samples that a trun box lists.
func mp4Run(s *source, size int64, flags, perSample uint32) (total uint64) {
	count := int64(binary.BigEndian.Uint32(s.peek(8)[4:]))
	head, each := int64(8), int64(0)
	for _, bit := range []uint32{0x1, 0x4} {
		if flags&bit != 0 {
			head += 4
		}
	}
	for _, bit := range []uint32{0x100, 0x200, 0x400, 0x800} {
		if flags&bit != 0 {
			each += 4
		}
	}
	if flags&0x100 == 0 {
		return uint64(count) * uint64(perSample)
	}
	count = min(count, (size-head)/each)
	s.skip(head)
	for range count {
		b := s.peek(int(each))
		if len(b) < 4 {
			break
		}
		total += uint64(binary.BigEndian.Uint32(b))
		s.skip(each)
	}
	return total
}

// verdict refuses what the tracks show is no song.
func (m *mp4File) verdict() *refusal {
	if len(m.tracks) == 0 {
		return &refusal{detected: mp4Type, problem: noAudio}
	}
	for _, t := range m.tracks {
		// A track of still pictures is cover art or chapter marks.
		if t.handler == "vide" && t.codec != "jpeg" && t.codec != "png " && t.codec != "mjpa" {
			return &refusal{detected: "video/mp4", problem: video}
		}
	}
	t := m.audio()
	if t == nil {
		return &refusal{detected: mp4Type, problem: noAudio}
	}
	aac := t.codec == "mp4a" && (t.object == 0 || t.object == 0x40 || t.object >= 0x66 && t.object <= 0x68)
	// Opus is what some browsers' recorders put into MP4.
	if !aac && t.codec != "alac" && t.codec != "Opus" {
		name := t.codec
		if !fourCC([]byte(name)) {
			return &refusal{detected: mp4Type, problem: malformed}
		}
		if name == "mp4a" {
			name += "." + hex16(uint16(t.object))[2:]
		}
		return &refusal{detected: mp4Type + "; codecs=" + name, problem: codec}
	}
	if t.samples == 0 && !m.fragmented {
		return &refusal{detected: mp4Type, problem: noAudio}
	}
	return nil
}

// audio is the first track of sound.
func (m *mp4File) audio() *mp4Track {
	for i := range m.tracks {
		if m.tracks[i].handler == "soun" {
			return &m.tracks[i]
		}
	}
	return nil
}

func (m *mp4File) info() (Info, *refusal) {
	t := m.audio()
	length := t.duration
	if f := m.fragments[t.id]; m.fragmented && f > 0 {
		length = f
		if t.samples > 0 {
			length += t.duration
		}
	}
	if m.media == 0 {
		if m.fragmented {
			return Info{}, &refusal{detected: mp4Type, problem: noAudio}
		}
		return Info{}, &refusal{detected: mp4Type, problem: truncated}
	}
	rate := t.rate
	if rate == 0 {
		rate = int(t.scale)
	}
	return Info{Format: M4A, SampleRate: rate, Channels: t.channels, Duration: duration(length, uint64(t.scale))}, nil
}
