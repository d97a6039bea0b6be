package media

import (
	"bytes"
	"encoding/binary"
)

const (
	oggType    = "audio/ogg"
	oggMaxPage = 27 + 255 + 255*255
	// oggMaxStreams is the maximum number of tracks that play at once; music has one or two.
	oggMaxStreams = 16
)

// An oggStream is one logical stream of an Ogg file: a track, between its
// first page and its last.
type oggStream struct {
	serial         uint32
	format         Format // empty for a stream without sound, such as Skeleton's index
	rate, channels int
	preSkip        uint64 // samples to drop at the start
	packet         uint64 // maximum number of samples in one packet
	total          uint64 // samples by the stream's own header; 0 unknown
	first, last    uint64 // positions stated by pages with sound, in samples
	missing        uint64 // samples of missing pages
	sequence       uint32 // number of the latest page
	packets        uint64 // packets that ended since the last stated position
	lost           uint32 // missing pages since then
	sound          bool
	ended          bool // the latest page is marked as the last
	damaged        bool // the latest page that names this stream has a wrong CRC
	picture        bool // a stream of video
	pictures       int  // number of pictures; one is a cover
}

// joined reports whether the recording started inside a running stream: the position
// of its first page is too large for one page.
func (t *oggStream) joined() bool { return t.first > 60*uint64(t.rate) }

// length returns the stream's duration in samples.
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

// page handles a page after the stream's first one. It receives the page's position,
// its number, and the number of packets that end in it.
func (t *oggStream) page(granule uint64, sequence uint32, packets int, empty bool) {
	if gap := sequence - t.sequence - 1; gap < 1<<30 {
		t.lost += gap
	}
	t.sequence, t.damaged = sequence, false
	t.packets += uint64(packets)
	// Header pages state position 0; -1 is a page in which no packet ends.
	if granule == 0 || granule > 1<<62 || empty && t.sound && granule < t.last {
		if !t.sound {
			t.packets = 0
		}
		return
	}
	from := t.last
	if !t.sound {
		t.first, t.sound = granule, true
	}
	if granule > from && !(from == 0 && t.joined()) {
		passed, pages := granule-from, uint64(t.lost)
		// The samples since the last position belong to this page and the missing
		// ones. No page has more samples than its packets can hold.
		missing := passed - passed/(pages+1)
		if most := t.packets * t.packet; most > 0 && passed > most {
			missing = max(missing, passed-most)
		}
		t.missing += missing
	}
	t.last, t.packets, t.lost = granule, 0, 0
}

// An oggFile collects the streams of a file. The streams of a group play together;
// groups play one after the other.
type oggFile struct {
	info    Info
	group   []oggStream
	started bool // the group has sound: a new first page begins another group
	tail    bool // more than a tenth of the file is after its last complete page
}

// readOgg reads every page of an Ogg file.
func readOgg(s *source) (Info, *refusal) {
	var o oggFile
	var wasted int64                                       // bytes that looked like pages but were not
	start, sound, good := s.offset(), int64(0), s.offset() // good is the end of the last complete page
	for {
		h := s.peek(27)
		if len(h) == 0 {
			break
		}
		if len(h) < 27 && bytes.HasPrefix(h, []byte("OggS")[:min(4, len(h))]) {
			return Info{}, &refusal{detected: oggType, problem: truncated}
		}
		if len(h) < 27 || string(h[:4]) != "OggS" || h[4] != 0 {
			if s.offset() == start {
				return Info{}, &refusal{detected: oggType, problem: malformed}
			}
			if !findPage(s) {
				break // junk after the last page
			}
			if s.offset()-start > 2*sound+maxBehind {
				break // mostly not pages
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
		} else if oggChecksum(page) != binary.LittleEndian.Uint32(page[22:]) {
			if s.offset() == start {
				return Info{}, &refusal{detected: oggType, problem: malformed}
			}
			// Players skip a damaged page. Its header may be damaged, too, so the
			// search for the next page starts right after its capture pattern.
			o.damaged(binary.LittleEndian.Uint32(page[14:]))
			if wasted += int64(size + body); wasted > 2*sound+maxBehind/2 {
				return Info{}, &refusal{detected: oggType, problem: truncated, hole: true}
			}
			if !findPage(s) {
				break
			}
			continue
		} else if no := o.page(page, page[size:]); no != nil {
			return Info{}, no
		}
		sound += int64(size + body)
		s.skip(int64(size + body))
		good = s.offset()
	}
	o.tail = s.offset()+int64(len(s.buffered()))-good > sound/10
	if no := o.close(); no != nil {
		return Info{}, no
	}
	if o.info.Format == "" {
		return Info{}, &refusal{detected: oggType, problem: noAudio}
	}
	return o.info, nil
}

// findPage skips junk up to the next page. It returns false when no page follows.
func findPage(s *source) bool {
	s.skip(1)
	for {
		w := s.peek(oggMaxPage)
		if i := bytes.Index(w, []byte("OggS\x00")); i >= 0 {
			s.skip(int64(i))
			return true
		}
		if len(w) < oggMaxPage {
			return false
		}
		s.skip(int64(len(w) - 4))
	}
}

// damaged records a page with a wrong CRC.
func (o *oggFile) damaged(serial uint32) {
	for i := range o.group {
		if o.group[i].serial == serial {
			o.group[i].damaged = true
		}
	}
}

// page handles one page with a correct CRC.
func (o *oggFile) page(page, body []byte) *refusal {
	flags, granule := page[5], binary.LittleEndian.Uint64(page[6:])
	serial, sequence := binary.LittleEndian.Uint32(page[14:]), binary.LittleEndian.Uint32(page[18:])
	lacing := page[27 : 27+int(page[26])]
	if flags&2 == 0 && len(o.group) == 0 && o.info.Format == "" {
		return &refusal{detected: oggType, problem: malformed}
	}
	if flags&2 != 0 { // first page of its stream
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
		t.serial, t.sequence = serial, sequence
		o.group = append(o.group, t)
		return nil
	}
	for i := range o.group {
		t := &o.group[i]
		switch {
		case t.serial != serial:
		case t.picture:
			if len(body) == 0 && len(lacing) <= 1 && flags&4 != 0 {
				break // an empty page that ends the stream
			}
			t.pictures += oggPictures(lacing, body, flags&1 != 0)
			if t.pictures > 1 {
				return &refusal{detected: "video/ogg", problem: video}
			}
		case t.format != "":
			packets := 0
			for _, n := range lacing {
				if n < 255 {
					packets++
				}
			}
			t.page(granule, sequence, packets, len(body) == 0)
			t.ended = flags&4 != 0
			o.started = o.started || t.sound
		}
	}
	return nil
}

// oggPictures counts the packets that begin in a page of video, without
// headers. An empty packet repeats the picture: the video shows a still.
func oggPictures(lacing, body []byte, continued bool) (n int) {
	begins := !continued
	for _, size := range lacing {
		if begins && (size == 0 || body[0]&0x80 == 0) && !bytes.HasPrefix(body, []byte("OVP80")) && !bytes.HasPrefix(body, []byte("BBCD")) {
			n++
		}
		body = body[size:]
		begins = size < 255
	}
	return n
}

// close ends a group and adds the length of its longest stream.
func (o *oggFile) close() *refusal {
	var longest Info
	for i := range o.group {
		t := &o.group[i]
		if !t.sound {
			continue
		}
		n := t.length()
		// A copied part of a file has the length of the whole file in its header, and
		// a page that is marked as the last.
		if t.damaged && o.tail || t.total > n && !t.joined() && !t.ended {
			return &refusal{detected: oggType, problem: truncated}
		}
		if t.missing > n/10 {
			return &refusal{detected: oggType, problem: truncated, hole: true}
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

// oggHeader reads the first packet of a stream, which names its codec.
func oggHeader(b []byte) (oggStream, *refusal) {
	has := func(sig string, size int) bool { return len(b) >= size && string(b[:len(sig)]) == sig }
	var t oggStream
	switch {
	case has("\x01vorbis", 30):
		t.format = OggVorbis
		t.channels = int(b[11])
		t.rate = int(binary.LittleEndian.Uint32(b[12:]))
		t.packet = 1 << (b[28] >> 4) // a long block; half of it is new samples
	case has("OpusHead", 19):
		t.format = Opus
		t.channels = int(b[9])
		t.preSkip = uint64(binary.LittleEndian.Uint16(b[10:]))
		t.packet = 5760
		t.rate = 48000 // Opus positions and decoders always use this rate
	case has("\x7fFLAC", 9+4+4+34) && string(b[9:13]) == "fLaC":
		si, ok := parseStreamInfo(b[17:])
		if !ok {
			return t, &refusal{detected: oggType, problem: malformed}
		}
		t.format, t.channels, t.rate, t.total, t.packet = OggFLAC, si.channels, si.rate, si.total, uint64(si.maxBlock)
	case has("fishead\x00", 8):
		return t, nil
	case has("\x80theora", 7), has("BBCD\x00", 5), has("OVP80", 5), has("\x80daala", 6):
		t.picture = true
		return t, nil
	case has("Speex   ", 8):
		return t, &refusal{detected: oggType + "; codecs=speex", problem: codec}
	default:
		return t, nil // lyrics, for example; not a song without another stream
	}
	if t.channels == 0 || t.rate <= 0 || t.rate > 10_000_000 {
		return t, &refusal{detected: oggType, problem: malformed}
	}
	return t, nil
}

// oggChecksum is a page's CRC-32 (polynomial 0x04c11db7, most significant bit
// first), with its own four bytes taken as zero.
func oggChecksum(page []byte) uint32 {
	crc := oggSum(0, page[:22])
	crc = oggSum(crc, zeros[:4])
	return oggSum(crc, page[26:])
}

// oggSum continues a checksum.
func oggSum(crc uint32, b []byte) uint32 {
	for len(b) >= 8 {
		crc ^= binary.BigEndian.Uint32(b)
		crc = oggCRC[7][crc>>24] ^ oggCRC[6][byte(crc>>16)] ^ oggCRC[5][byte(crc>>8)] ^ oggCRC[4][byte(crc)] ^
			oggCRC[3][b[4]] ^ oggCRC[2][b[5]] ^ oggCRC[1][b[6]] ^ oggCRC[0][b[7]]
		b = b[8:]
	}
	for _, v := range b {
		crc = crc<<8 ^ oggCRC[0][byte(crc>>24)^v]
	}
	return crc
}

// oggCRC[n] is the table for a byte with n more bytes after it. So the loop handles
// eight bytes at once.
var oggCRC = func() (t [8][256]uint32) {
	for i := range t[0] {
		v := uint32(i) << 24
		for range 8 {
			v = v<<1 ^ 0x04c11db7*(v>>31)
		}
		t[0][i] = v
	}
	for n := 1; n < 8; n++ {
		for i, v := range t[n-1] {
			t[n][i] = v<<8 ^ t[0][v>>24]
		}
	}
	return t
}()
