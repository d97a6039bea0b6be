package media

import (
	"bytes"
	"encoding/binary"
)

const (
	oggType    = "audio/ogg"
	oggMaxPage = 27 + 255 + 255*255
	// oggMaxStreams bounds the tracks that play at once; music has one or two.
	oggMaxStreams = 16
)

// An oggStream is one logical stream of an Ogg file: a track, between its
// first page and its last.
type oggStream struct {
	serial         uint32
	format         Format // empty for what is no sound, such as Skeleton's index
	rate, channels int
	preSkip        uint64 // samples to drop at the start
	total          uint64 // samples by the stream's own header; 0 unknown
	first, last    uint64 // positions stated by pages with sound, in samples
	sound          bool
}

// joined reports whether the recording began within a running stream: its
// first page states a position that one page hardly reaches by itself.
func (t *oggStream) joined() bool { return t.first > 60*uint64(t.rate) }

// length is the stream's duration in samples.
func (t *oggStream) length() uint64 {
	from := t.preSkip
	if t.joined() {
		from = t.first
	}
	if t.last < from {
		return 0
	}
	return t.last - from
}

// An oggFile gathers the streams of a file: those of a group play together,
// groups play one after the other.
type oggFile struct {
	info    Info
	group   []oggStream
	started bool // the group has sound: a new first page begins another group
}

// readOgg reads every page of an Ogg file.
func readOgg(s *source) (Info, *refusal) {
	var o oggFile
	for {
		h := s.peek(27)
		if len(h) == 0 {
			break
		}
		if len(h) < 27 && bytes.HasPrefix(h, []byte("OggS")[:min(4, len(h))]) {
			return Info{}, &refusal{detected: oggType, problem: truncated}
		}
		if len(h) < 27 || string(h[:4]) != "OggS" || h[4] != 0 {
			if s.offset() == 0 {
				return Info{}, &refusal{detected: oggType, problem: malformed}
			}
			if !findPage(s) {
				break // junk behind the last page
			}
			continue
		}
		size := 27 + int(h[26])
		h = s.peek(size)
		body := 0
		if len(h) == size {
			for _, n := range h[27:] {
				body += int(n)
			}
		}
		if page := s.peek(size + body); len(h) < size || len(page) < size+body {
			return Info{}, &refusal{detected: oggType, problem: truncated, declared: s.offset() + int64(size+body)}
		} else if no := o.page(page, page[size:]); no != nil {
			return Info{}, no
		}
		s.skip(int64(size + body))
	}
	if no := o.close(); no != nil {
		return Info{}, no
	}
	if o.info.Format == "" {
		return Info{}, &refusal{detected: oggType, problem: noAudio}
	}
	return o.info, nil
}

// findPage passes junk up to the next page, and reports whether there is one.
func findPage(s *source) bool {
	s.skip(1)
	for {
		w := s.peek(oggMaxPage)
		if i := bytes.Index(w, []byte("OggS")); i >= 0 {
			s.skip(int64(i))
			return true
		}
		if len(w) < oggMaxPage {
			return false
		}
		s.skip(int64(len(w) - 3))
	}
}

// page takes one page.
func (o *oggFile) page(page, body []byte) *refusal {
	flags, granule := page[5], binary.LittleEndian.Uint64(page[6:])
	serial := binary.LittleEndian.Uint32(page[14:])
	if flags&2 == 0 && len(o.group) == 0 && o.info.Format == "" {
		return &refusal{detected: oggType, problem: malformed}
	}
	if flags&2 != 0 { // first page of its stream
		if oggChecksum(page) != binary.LittleEndian.Uint32(page[22:]) {
			return &refusal{detected: oggType, problem: malformed}
		}
		if o.started {
			if no := o.close(); no != nil {
				return no
			}
		}
		if len(o.group) == oggMaxStreams {
			return &refusal{detected: oggType, problem: malformed}
		}
		t, no := oggHeader(body)
		if no != nil {
			return no
		}
		t.serial = serial
		o.group = append(o.group, t)
		return nil
	}
	for i := range o.group {
		t := &o.group[i]
		if t.serial != serial || t.format == "" {
			continue
		}
		// Header pages state position 0; -1 is a page in which no packet ends.
		if granule == 0 || granule > 1<<62 || len(body) == 0 && t.sound && granule < t.last {
			continue
		}
		if !t.sound {
			t.first, t.sound, o.started = granule, true, true
		}
		t.last = max(t.last, granule)
	}
	return nil
}

// close ends a group: its longest stream counts.
func (o *oggFile) close() *refusal {
	var longest Info
	for i := range o.group {
		t := &o.group[i]
		if !t.sound {
			continue
		}
		n := t.length()
		if t.total > n && !t.joined() {
			return &refusal{detected: oggType, problem: truncated}
		}
		if d := duration(n, uint64(t.rate)); longest.Format == "" || d > longest.Duration {
			longest = Info{Format: t.format, SampleRate: t.rate, Channels: t.channels, Duration: d}
		}
	}
	o.group, o.started = o.group[:0], false
	if o.info.Format == "" {
		o.info = longest
	} else if longest.Duration > 0 && o.info.Duration+longest.Duration > 0 {
		o.info.Duration += longest.Duration
	}
	return nil
}

// oggHeader reads the packet that a stream begins with, which names its codec.
func oggHeader(b []byte) (oggStream, *refusal) {
	has := func(sig string, size int) bool { return len(b) >= size && string(b[:len(sig)]) == sig }
	var t oggStream
	switch {
	case has("\x01vorbis", 30):
		t.format = OggVorbis
		t.channels = int(b[11])
		t.rate = int(binary.LittleEndian.Uint32(b[12:]))
	case has("OpusHead", 19):
		t.format = Opus
		t.channels = int(b[9])
		t.preSkip = uint64(binary.LittleEndian.Uint16(b[10:]))
		t.rate = 48000 // whatever was recorded, positions and decoders use this
	case has("\x7fFLAC", 9+4+4+34) && string(b[9:13]) == "fLaC":
		si, ok := parseStreamInfo(b[17:])
		if !ok {
			return t, &refusal{detected: oggType, problem: malformed}
		}
		t.format, t.channels, t.rate, t.total = OggFLAC, si.channels, si.rate, si.total
	case has("fishead\x00", 8):
		return t, nil
	case has("\x80theora", 7), has("BBCD\x00", 5), has("OVP80", 5), has("\x80daala", 6):
		return t, &refusal{detected: "video/ogg", problem: video}
	case has("Speex   ", 8):
		return t, &refusal{detected: oggType + "; codecs=speex", problem: codec}
	default:
		return t, nil // lyrics or the like; alone, it is no song
	}
	if t.channels == 0 || t.rate <= 0 || t.rate > 10_000_000 {
		return t, &refusal{detected: oggType, problem: malformed}
	}
	return t, nil
}

// oggChecksum is a page's CRC-32 (polynomial 0x04c11db7, most significant bit
// first), with its own four bytes taken as zero.
func oggChecksum(page []byte) uint32 {
	var crc uint32
	for i, v := range page {
		if i >= 22 && i < 26 {
			v = 0
		}
		crc = crc<<8 ^ oggCRC[byte(crc>>24)^v]
	}
	return crc
}

var oggCRC = func() (t [256]uint32) {
	for i := range t {
		v := uint32(i) << 24
		for range 8 {
			v = v<<1 ^ 0x04c11db7*(v>>31)
		}
		t[i] = v
	}
	return t
}()
