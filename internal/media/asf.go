package media

import (
	"encoding/binary"
	"math"
	"time"
)

const asfType = "audio/x-ms-wma"

// The objects of ASF are named by GUIDs.
const (
	asfHeader    = "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"
	asfData      = "\x36\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"
	asfFile      = "\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65"
	asfStream    = "\x91\x07\xdc\xb7\xb7\xa9\xcf\x11\x8e\xe6\x00\xc0\x0c\x20\x53\x65"
	asfEncrypted = "\xfb\xb3\x11\x22\x23\xbd\xd2\x11\xb4\xb7\x00\xa0\xc9\x55\xfc\x6e"
	asfAudio     = "\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b"
	asfVideo     = "\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b"
)

// An asfFormat has the values of the header.
type asfFormat struct {
	packets        uint64
	packet         uint64        // bytes; 0 when packets differ in size
	length         time.Duration // 0 unknown
	live           bool          // written without seeking back: the header does not have the totals
	tag            uint16
	rate, channels int
	video, locked  bool
}

// readASF reads the header of a Windows Media file, and checks that its packets exist.
func readASF(s *source) (Info, *refusal) {
	bad := &refusal{detected: asfType, problem: malformed}
	h := s.peek(30)
	if len(h) < 30 {
		return Info{}, &refusal{detected: asfType, problem: truncated}
	}
	size := binary.LittleEndian.Uint64(h[16:])
	if size < 30 || size > 1<<32 {
		return Info{}, bad
	}
	end := s.offset() + int64(size)
	s.skip(30)
	var f asfFormat
	for range maxChunks {
		if s.offset() >= end {
			break
		}
		h := s.peek(24)
		if len(h) < 24 {
			return Info{}, &refusal{detected: asfType, problem: truncated, declared: end}
		}
		id, size := string(h[:16]), binary.LittleEndian.Uint64(h[16:])
		if size < 24 || size > uint64(end-s.offset()) {
			return Info{}, bad
		}
		f.read(id, s.peek(int(min(size, 128))))
		s.skip(int64(size))
	}
	if no := f.verdict(); no != nil {
		return Info{}, no
	}
	return f.data(s)
}

// read reads one object of the header.
func (f *asfFormat) read(id string, b []byte) {
	switch {
	case id == asfFile && len(b) >= 104:
		f.packets = binary.LittleEndian.Uint64(b[56:])
		preroll := binary.LittleEndian.Uint64(b[80:])
		f.length = duration(binary.LittleEndian.Uint64(b[64:]), 10_000_000)
		f.length = max(f.length-duration(preroll, 1000), 0)
		f.live = b[88]&1 != 0
		if least := binary.LittleEndian.Uint32(b[92:]); least == binary.LittleEndian.Uint32(b[96:]) {
			f.packet = uint64(least)
		}
	case id == asfStream && len(b) >= 78+8 && string(b[24:40]) == asfAudio && f.rate == 0:
		f.tag = binary.LittleEndian.Uint16(b[78:])
		f.channels = int(binary.LittleEndian.Uint16(b[80:]))
		f.rate = int(binary.LittleEndian.Uint32(b[82:]))
	case id == asfStream && len(b) >= 40 && string(b[24:40]) == asfVideo:
		f.video = true
	case id == asfEncrypted:
		f.locked = true
	}
}

// verdict refuses a file whose header shows that it is not a song.
func (f *asfFormat) verdict() *refusal {
	switch {
	case f.video:
		return &refusal{detected: "video/x-ms-asf", problem: video}
	case f.rate == 0:
		return &refusal{detected: asfType, problem: noAudio}
	case f.channels == 0 || f.channels > 64 || f.rate > maxRate:
		return &refusal{detected: asfType, problem: malformed}
	case f.locked:
		return &refusal{detected: asfType + "; encrypted", problem: codec}
	}
	switch f.tag {
	case 0x160, 0x161, 0x162, 0x163, 0x00a: // WMA 1, 2, professional, lossless, voice
		return nil
	}
	return &refusal{detected: asfType + "; codec=0x" + hex16(f.tag), problem: codec}
}

// data reads the packets.
func (f *asfFormat) data(s *source) (Info, *refusal) {
	info := Info{Format: WMA, SampleRate: f.rate, Channels: f.channels, Duration: f.length}
	h := s.peek(50)
	if len(h) < 50 {
		return Info{}, &refusal{detected: asfType, problem: truncated}
	}
	size := binary.LittleEndian.Uint64(h[16:])
	if string(h[:16]) != asfData || size > math.MaxInt64/2 {
		return Info{}, &refusal{detected: asfType, problem: malformed}
	}
	start := s.offset()
	s.skip(50)
	left := int64(size) - 50
	switch {
	case f.live || left <= 0:
		left = math.MaxInt64
	case f.packet > 0 && f.packets < 1<<32:
		left = max(left, int64(f.packets*f.packet))
	}
	w, got := asfPackets{}, int64(0)
	if f.packet > 0 && f.packet <= keepSize {
		got = w.walk(s, left, int(f.packet))
	} else {
		got, w.blank = s.skipSound(left)
	}
	switch {
	case got == 0:
		return Info{}, &refusal{detected: asfType, problem: noAudio}
	case left < math.MaxInt64 && left-got > slack:
		return Info{}, &refusal{detected: asfType, problem: truncated, declared: start + 50 + left}
	case 10*w.strange > w.whole+w.strange || w.blank > got/10:
		return Info{}, &refusal{detected: asfType, problem: truncated, hole: true}
	}
	if f.live {
		info.Duration = w.length()
	}
	if w.short(info.Duration) {
		return Info{}, &refusal{detected: asfType, problem: truncated}
	}
	return info, nil
}

// asfPackets has the values in the packets of a file.
type asfPackets struct {
	whole, strange int64 // number that begin like packets, and number that do not
	first, end     uint64
	blank          int64 // bytes in long runs of zeros, when packets differ in size
}

// walk reads packets of one size.
func (p *asfPackets) walk(s *source, left int64, size int) (passed int64) {
	for passed < left {
		b := s.peek(size)
		if len(b) < size || int64(size) > left-passed {
			return passed + s.skip(min(int64(len(b)), left-passed))
		}
		at, length, ok := asfPacket(b)
		if ok {
			if p.whole++; p.whole == 1 {
				p.first = at
			}
			p.end = max(p.end, at+length)
		} else {
			p.strange++
		}
		passed += s.skip(int64(size))
	}
	return passed
}

// length returns the time from the first packet to the end of the last.
func (p *asfPackets) length() time.Duration { return duration(p.end-min(p.first, p.end), 1000) }

// short reports whether the packets are more than a tenth shorter than the header
// states. The time of only a few packets is too vague.
func (p *asfPackets) short(stated time.Duration) bool {
	missing, enough := stated-p.length(), p.whole >= 8
	return p.whole > 0 && missing > time.Second && (enough && missing > stated/10 || missing > stated/2)
}

// asfPacket reads a packet's time and length in milliseconds.
func asfPacket(b []byte) (at, length uint64, ok bool) {
	if len(b) < 24 || b[0] == 0 || b[0]&0x60 != 0 { // unknown kind of error correction
		return 0, 0, false
	}
	if b[0]&0x80 != 0 {
		b = b[1+b[0]&15:]
	}
	lengths, properties := b[0], b[1]
	if properties != 0x5d { // the standard fixes these lengths of fields
		return 0, 0, false
	}
	skip := 2
	for _, code := range []byte{lengths >> 5, lengths >> 1, lengths >> 3} {
		skip += [4]int{0, 1, 2, 4}[code&3]
	}
	if len(b) < skip+6 {
		return 0, 0, false
	}
	return uint64(binary.LittleEndian.Uint32(b[skip:])), uint64(binary.LittleEndian.Uint16(b[skip+4:])), true
}
