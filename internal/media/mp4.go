package media

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
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
	object         byte   // MPEG-4 object type within an mp4a or mp4v description
	rate, channels int
	scale          uint32 // units of duration per second
	duration       uint64
	samples        uint64 // packets in the sample table
	bytes          uint64 // that these packets have
	frame          int    // bytes of an uncompressed sample of all channels; 0 unknown
	edits          []mp4Edit

	// Of fragments:
	perSample, perSize uint32 // defaults of duration and size
	added              uint64 // duration
	begun              uint64 // time at which the first began
	missing            uint64 // time between them in which there is nothing
	pieces             uint64 // packets
}

// An mp4Edit is a stretch of the track that is played.
type mp4Edit struct {
	length uint64 // in the movie's units; 0 is all that is left
	from   int64  // in the track's units; -1 is a pause
}

type mp4File struct {
	tracks     []mp4Track
	scale      uint32 // the movie's units per second
	gapless    uint64 // samples without the encoder's padding, as iTunes notes them; 0 unknown
	moov       bool
	fragmented bool
	media      int64 // bytes of audio boxes
	blank      int64 // of those in long runs of zeros
	owed       bool  // a fragment's description came, its sound did not yet
}

// readMP4 walks the boxes of an MP4 or QuickTime file. The sample tables are
// passed over, never kept.
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
				// Junk behind a whole file; of fragments, more may be behind it.
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

// pass passes an audio box, and notes where nothing was written: download
// managers and torrents set a file's size first.
func (m *mp4File) pass(s *source, size int64) (got int64) {
	for got < size {
		w := s.peek(int(min(size-got, int64(len(zeros)))))
		if len(w) == 0 {
			break
		}
		const block = 1 << 10
		for b := w; len(b) >= block; b = b[block:] {
			if bytes.Equal(b[:block], zeros[:block]) {
				m.blank += block
			}
		}
		got += s.skip(int64(len(w)))
	}
	m.media += got
	return got
}

// mp4Box passes a box header and returns the box's name and the size of what
// follows, -1 when it goes on to the end of the file. name is empty when no
// box can start here; whole is false when the file ends first.
func mp4Box(s *source) (name string, size int64, whole bool) {
	h := s.peek(16)
	if len(h) < 8 {
		return "", 0, false
	}
	// A file of empty boxes is none: those of the smallest fragments have three times
	// as many bytes.
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

// parseGapless finds iTunes' note in the tags: delay, padding and length in
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

// read fills in the track from the boxes it is spread over.
func (t *mp4Track) read(s *source, size int64) {
	depth := 0 // edts, mdia, minf, stbl; boxes in boxes without end must not exhaust the stack
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
			// Within minf stands a second one in QuickTime files, for the data.
			if len(b) >= 12 && t.handler == "" {
				t.handler = string(b[8:12])
			}
		case "stsd":
			t.describe(s.peek(int(min(size, mp4MaxEntry))))
		case "elst":
			t.edit(s, size, version)
		case "stsz", "stz2":
			t.sizes(s, size, name == "stz2")
		}
	}
	children(s, size, visit)
}

// maxEdits is far more cuts than a recording has.
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

// sizes reads the table of the packets' sizes: their number, and their sum.
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

// length is how long the track plays, of so many of its own units.
func (t *mp4Track) length(units uint64, movie uint32) time.Duration {
	all := duration(units, uint64(t.scale))
	var played time.Duration
	sound := false
	for _, e := range t.edits {
		if e.from < 0 {
			continue // a pause before the recording is none of it
		}
		sound = true
		rest := max(all-duration(uint64(e.from), uint64(t.scale)), 0)
		if n := duration(e.length, uint64(movie)); n > 0 {
			rest = min(rest, n)
		}
		played += rest
	}
	if !sound || played <= 0 {
		return all
	}
	return played
}

// describe reads the sample descriptions; the first counts.
func (t *mp4Track) describe(b []byte) {
	if len(b) < 16 {
		return
	}
	b = b[8:]
	t.codec = string(b[4:8])
	if t.handler == "vide" && t.codec == "mp4v" && len(b) > 86 {
		t.extend(b[86:], 0)
	}
	if t.handler != "soun" && t.handler != "" || len(b) < 36 {
		return
	}
	t.channels = int(binary.BigEndian.Uint16(b[24:]))
	t.rate = int(binary.BigEndian.Uint16(b[32:])) // the whole part of 16.16
	width := (int(binary.BigEndian.Uint16(b[26:])) + 7) / 8
	switch t.codec {
	case "ulaw", "alaw":
		width = 1
	case "in24":
		width = 3
	case "in32", "fl32":
		width = 4
	case "fl64":
		width = 8
	}
	skip := 36
	switch binary.BigEndian.Uint16(b[16:]) { // QuickTime's longer descriptions
	case 1:
		skip += 16
	case 2:
		skip += 36
		if len(b) >= 60 {
			if v := math.Float64frombits(binary.BigEndian.Uint64(b[40:])); v >= 1 && v <= 10_000_000 {
				t.rate = int(math.Round(v))
			}
			if n := binary.BigEndian.Uint32(b[48:]); n > 0 && n <= 1024 {
				t.channels = int(n)
			}
			width = (int(binary.BigEndian.Uint32(b[56:])&0xffff) + 7) / 8
		}
	}
	switch t.codec {
	case "samr": // the fields say something else, as the standard wants it
		t.rate, t.channels = 8000, 1
	case "sawb":
		t.rate, t.channels = 16000, 1
	}
	t.frame = t.channels * width
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
		case "dOps":
			if len(body) >= 2 {
				t.channels, t.rate = int(body[1]), 48000 // whatever was recorded
			}
		case "dfLa":
			if len(body) >= 8+34 {
				if si, ok := parseStreamInfo(body[8:]); ok {
					t.channels, t.rate = si.channels, si.rate
				}
			}
		case "srat":
			if len(body) >= 8 {
				t.rate = int(binary.BigEndian.Uint32(body[4:]))
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
			if hz, channels := audioConfig(b[:min(n, len(b))]); hz > 0 && t.object != 0x6b && t.object != 0x69 {
				t.rate = hz
				if channels > 0 {
					t.channels = channels
				}
			}
			return
		default:
			b = b[min(n, len(b)):]
		}
	}
}

// fragment reads a moof box and adds up what it lists.
func (m *mp4File) fragment(s *source, size int64) {
	children(s, size, func(name string, size int64) {
		if name != "traf" {
			return
		}
		var t *mp4Track
		var perSample, perSize uint32
		children(s, size, func(name string, size int64) {
			b := s.peek(int(min(size, 32)))
			if len(b) < 8 {
				return
			}
			flags := binary.BigEndian.Uint32(b) & 0xffffff
			switch name {
			case "tfhd":
				if t = m.track(binary.BigEndian.Uint32(b[4:])); t == nil {
					return
				}
				perSample, perSize = t.perSample, t.perSize
				at := 8
				if flags&1 != 0 {
					at += 8
				}
				if flags&2 != 0 {
					at += 4
				}
				if flags&8 != 0 && len(b) >= at+4 {
					perSample = binary.BigEndian.Uint32(b[at:])
					at += 4
				}
				if flags&16 != 0 && len(b) >= at+4 {
					perSize = binary.BigEndian.Uint32(b[at:])
				}
			case "tfdt":
				if t == nil {
					return
				}
				at := uint64(binary.BigEndian.Uint32(b[4:]))
				if b[0] == 1 && len(b) >= 12 {
					at = binary.BigEndian.Uint64(b[4:])
				}
				if t.pieces == 0 {
					t.begun = at
				} else if due := t.begun + t.added + t.missing; at > due {
					t.missing += at - due
				}
			case "trun":
				if t != nil {
					t.run(s, size, flags, perSample, perSize)
				}
			}
		})
	})
}

// run adds the packets that a trun box lists.
func (t *mp4Track) run(s *source, size int64, flags, perSample, perSize uint32) {
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
	if each > 0 {
		count = min(count, max(size-head, 0)/each)
	}
	t.pieces += uint64(count)
	if flags&0x100 == 0 {
		t.added += uint64(count) * uint64(perSample)
	}
	if flags&0x200 == 0 {
		t.bytes += uint64(count) * uint64(perSize)
	}
	if flags&0x300 == 0 {
		return
	}
	s.skip(head)
	for range count {
		b := s.peek(int(each))
		if len(b) < int(each) {
			return
		}
		if flags&0x100 != 0 {
			t.added += uint64(binary.BigEndian.Uint32(b))
			b = b[4:]
		}
		if flags&0x200 != 0 {
			t.bytes += uint64(binary.BigEndian.Uint32(b))
		}
		s.skip(each)
	}
}

// verdict refuses what the tracks show is no song.
func (m *mp4File) verdict() *refusal {
	if len(m.tracks) == 0 {
		return &refusal{detected: mp4Type, problem: noAudio}
	}
	for _, t := range m.tracks {
		if t.handler == "vide" && !t.stills() {
			return &refusal{detected: "video/mp4", problem: video}
		}
	}
	t := m.audio()
	if t == nil {
		return &refusal{detected: mp4Type, problem: noAudio}
	}
	if !t.supported() {
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

// stills reports whether a track of pictures is cover art (one picture,
// whatever its codec) or chapter marks (photographs, seconds apart).
func (t *mp4Track) stills() bool {
	pictures := t.samples + t.pieces
	if pictures <= 1 {
		return true
	}
	switch t.codec {
	case "jpeg", "png ", "mjpa", "mjpb":
	case "mp4v":
		if t.object != 0x6c && t.object != 0x6d { // JPEG, PNG
			return false
		}
	default:
		return false
	}
	return pictures <= uint64(duration(t.duration+t.added, uint64(t.scale))/time.Second)+1
}

// supported reports whether the track is sound in a codec that is accepted.
func (t *mp4Track) supported() bool {
	switch t.codec {
	case "mp4a": // AAC, in QuickTime files without saying so
		return t.object == 0 || t.object == 0x40 || t.object >= 0x66 && t.object <= 0x68
	case "alac", "Opus", "fLaC", "samr", "sawb":
		return true
	}
	return t.pcm()
}

// pcm reports whether the track is uncompressed sound.
func (t *mp4Track) pcm() bool {
	switch t.codec {
	case "lpcm", "ipcm", "fpcm", "sowt", "twos", "raw ", "NONE", "in24", "in32", "fl32", "fl64", "ulaw", "alaw":
		return true
	}
	return false
}

// audio is the first track of sound that is supported, else the first.
func (m *mp4File) audio() (first *mp4Track) {
	for i := range m.tracks {
		t := &m.tracks[i]
		if t.handler != "soun" {
			continue
		}
		if t.supported() {
			return t
		}
		if first == nil {
			first = t
		}
	}
	return first
}

// needed is how many bytes the packets of all tracks have; of the sound alone
// where that is more than there is, since some tracks' media are elsewhere.
func (m *mp4File) needed() (all uint64) {
	for i := range m.tracks {
		all += m.tracks[i].bytes
	}
	if all > uint64(m.media) {
		all = m.audio().bytes
	}
	return all
}

func (m *mp4File) info() (Info, *refusal) {
	if no := m.verdict(); no != nil {
		return Info{}, no
	}
	t := m.audio()
	units := t.duration
	if m.fragmented && t.added > 0 {
		units = t.added
		if t.samples > 0 {
			units += t.duration
		}
	}
	if m.media == 0 {
		if m.fragmented {
			return Info{}, &refusal{detected: mp4Type, problem: noAudio}
		}
		return Info{}, &refusal{detected: mp4Type, problem: truncated}
	}
	needed := t.bytes
	if t.pcm() && t.bytes == t.samples { // QuickTime's table gives every sample the size of 1
		needed *= uint64(t.frame)
	}
	if uint64(m.media)+slack < needed {
		return Info{}, &refusal{detected: mp4Type, problem: truncated}
	}
	// Compressed sound has no long runs of zeros, and no other track has.
	if all := m.needed(); !t.pcm() && uint64(m.media-m.blank)+needed/10 < all {
		return Info{}, &refusal{detected: mp4Type, problem: truncated, hole: true}
	}
	if t.missing > (t.added+t.missing)/10+uint64(t.scale) {
		return Info{}, &refusal{detected: mp4Type, problem: truncated, hole: true}
	}
	rate := t.rate
	if rate == 0 {
		rate = int(t.scale)
	}
	length := t.length(units, m.scale)
	// The note may be left over from before the file was cut.
	if n := duration(m.gapless, uint64(rate)); len(t.edits) == 0 && n < length && length-n < time.Second/4 {
		length = n
	}
	return Info{Format: M4A, SampleRate: rate, Channels: t.channels, Duration: length}, nil
}
