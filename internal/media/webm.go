package media

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	ebmlMagic = "\x1a\x45\xdf\xa3"
	webmType  = "audio/webm"
)

// The Matroska elements that this package reads.
const (
	idEBML        = 0x1a45dfa3
	idDocType     = 0x4282
	idVoid        = 0xec
	idSegment     = 0x18538067
	idInfo        = 0x1549a966
	idScale       = 0x2ad7b1
	idDuration    = 0x4489
	idTracks      = 0x1654ae6b
	idTrack       = 0xae
	idTrackNumber = 0xd7
	idPrivate     = 0x63a2
	idTrackType   = 0x83
	idCodec       = 0x86
	idAudio       = 0xe1
	idRate        = 0xb5
	idOutputRate  = 0x78b5
	idChannels    = 0x9f
	idCluster     = 0x1f43b675
	idTimestamp   = 0xe7
	idSimpleBlock = 0xa3
	idBlockGroup  = 0xa0
	idBlock       = 0xa1
)

// webmCodecs are the codecs accepted in WebM or Matroska, by prefix.
var webmCodecs = []string{"A_OPUS", "A_VORBIS", "A_FLAC", "A_AAC", "A_ALAC", "A_MPEG/L3", "A_MPEG/L2", "A_PCM/"}

type webmTrack struct {
	number         uint64
	kind           uint64 // 1 is video, 2 audio
	codec          string
	riff           bool // the codec is one that WAV files may have
	rate, channels int
	blocks         int64
	first          uint64 // time of the first block
	last           uint64 // and of the latest
	lastGap        uint64 // time between the last two blocks, used as the length of the last
	pauses         uint64 // total of the times between blocks that are too long for a block
}

// accepted reports whether the track is sound in a supported codec.
func (t *webmTrack) accepted() bool {
	return t.kind == 2 && (t.riff || slices.ContainsFunc(webmCodecs, func(prefix string) bool { return strings.HasPrefix(t.codec, prefix) }))
}

type webmFile struct {
	scale   uint64  // nanoseconds per unit of time
	stated  float64 // duration in units; 0 unknown
	doc     string
	tracks  []webmTrack
	segment bool
	open    bool  // the segment's size is unknown
	end     int64 // end of the segment, if its size is known
	cluster uint64
	others  int // elements that are not blocks, minus the allowance of the blocks
}

// A file may have this many elements besides its blocks, plus this many for each
// block. Empty elements take far more time for each byte than sound.
const (
	webmOthers    = 1 << 16
	webmWithBlock = 16
)

// readWebM reads the elements of a WebM or Matroska file. It enters segments, clusters
// and track lists and does not skip them, so their sizes may be unknown: each element
// is recognised by its name.
func readWebM(s *source) (Info, *refusal) {
	w := webmFile{scale: uint64(time.Millisecond)}
	begin := s.offset()
	header := int64(0) // end of the EBML header
	for {
		if w.segment && !w.open && s.offset() >= w.end {
			break // complete; bytes after it do not belong to the file
		}
		at := s.offset()
		id, size, known, n := ebmlElement(s.peek(12))
		if n == 0 {
			if rest := len(s.buffered()); rest == 0 {
				break
			} else if s.ended() && rest < 12 {
				return Info{}, w.refuse(truncated, 0)
			}
			return Info{}, w.refuse(malformed, 0)
		}
		s.skip(int64(n))
		if !known && id != idSegment && id != idCluster {
			return Info{}, w.refuse(malformed, 0)
		}
		switch {
		case at == begin:
			if size > 1<<12 {
				return Info{}, w.refuse(malformed, 0)
			}
			header = s.offset() + size
		case !w.segment && at >= header && id != idSegment && id != idVoid:
			return Info{}, w.refuse(malformed, 0)
		}
		enter, no := w.element(s, id, size, known)
		if no != nil {
			return Info{}, no
		}
		if enter {
			continue
		}
		if s.skip(size) < size {
			return Info{}, w.refuse(truncated, max(at+int64(n)+size, w.end))
		}
	}
	if w.segment && !w.open && s.offset() < w.end {
		return Info{}, w.refuse(truncated, w.end)
	}
	return w.info()
}

// refuse returns a refusal with the type that is known so far.
func (w *webmFile) refuse(problem string, declared int64) *refusal {
	return &refusal{detected: w.mediaType(), problem: problem, declared: declared}
}

func (w *webmFile) mediaType() string {
	if w.doc == "matroska" {
		return "audio/x-matroska"
	}
	return webmType
}

// element handles one element, and reports whether to enter it.
func (w *webmFile) element(s *source, id uint64, size int64, known bool) (enter bool, no *refusal) {
	value := func(most int64) []byte { return s.peek(int(min(size, most))) }
	if id == idSimpleBlock || id == idBlock {
		w.others = max(w.others-webmWithBlock, 0)
	} else if w.others++; w.others > webmOthers {
		return false, w.refuse(malformed, 0)
	}
	switch id {
	case idEBML, idInfo, idBlockGroup, idAudio:
		return true, nil
	case idTracks:
		return true, nil
	case idSegment:
		if w.doc != "webm" && w.doc != "matroska" {
			return false, w.refuse(malformed, 0)
		}
		w.segment, w.open, w.end = true, !known, s.offset()+size
		return true, nil
	case idCluster:
		// All tracks come before the first cluster, so the verdict is possible now.
		return true, w.verdict()
	case idDocType:
		w.doc = strings.TrimRight(string(value(16)), "\x00")
	case idScale:
		if v := ebmlUint(value(8)); v > 0 {
			w.scale = v
		}
	case idDuration:
		w.stated = ebmlFloat(value(8))
	case idTrack:
		if len(w.tracks) == 64 {
			return false, w.refuse(malformed, 0)
		}
		w.tracks = append(w.tracks, webmTrack{channels: 1, rate: 8000})
		return true, nil
	case idTrackNumber, idTrackType, idCodec, idPrivate, idRate, idOutputRate, idChannels:
		if len(w.tracks) > 0 {
			w.tracks[len(w.tracks)-1].set(id, value(64))
		}
	case idTimestamp:
		w.cluster = ebmlUint(value(8))
	case idSimpleBlock, idBlock:
		b := value(12)
		if track, n := ebmlNumber(b); n > 0 && len(b) >= n+2 {
			relative := int64(int16(binary.BigEndian.Uint16(b[n:])))
			return false, w.block(track, uint64(max(0, int64(min(w.cluster, math.MaxInt64/2))+relative)))
		}
	}
	return false, nil
}

// set sets a field of the track.
func (t *webmTrack) set(id uint64, b []byte) {
	switch id {
	case idTrackNumber:
		t.number = ebmlUint(b)
	case idTrackType:
		t.kind = ebmlUint(b)
	case idPrivate:
		// Here a format chunk of WAV names the codec. The chunk, if present,
		// comes after the codec's name.
		if t.codec == "A_MS/ACM" {
			_, no := wavLayout(b, binary.LittleEndian)
			t.riff = no == nil
		}
		if hz, channels := audioConfig(b); strings.HasPrefix(t.codec, "A_AAC") && hz > 0 {
			t.rate, t.channels = hz, max(channels, 1)
		}
	case idCodec:
		t.codec = strings.TrimRight(string(b), "\x00")
	case idRate, idOutputRate:
		if v := ebmlFloat(b); v >= 1 && v <= 10_000_000 {
			t.rate = int(math.Round(v))
		}
	case idChannels:
		if v := ebmlUint(b); v > 0 && v <= 1024 {
			t.channels = int(v)
		}
	}
}

// block records the time of a block. One block of video is a cover.
func (w *webmFile) block(track, at uint64) *refusal {
	for i := range w.tracks {
		t := &w.tracks[i]
		if t.number != track {
			continue
		}
		if t.blocks++; t.blocks == 1 {
			t.first, t.last = at, at
		}
		if t.kind == 1 && t.blocks > 1 {
			return &refusal{detected: strings.Replace(w.mediaType(), "audio", "video", 1), problem: video}
		}
		if at > t.last {
			t.lastGap = at - t.last
			if longest := uint64(2*time.Second) / w.scale; t.lastGap > longest {
				t.pauses += t.lastGap
			}
			t.last = at
		}
	}
	return nil
}

// audio returns the first supported track of sound, or else the first track of sound.
func (w *webmFile) audio() (first *webmTrack) {
	for i := range w.tracks {
		t := &w.tracks[i]
		if t.accepted() {
			return t
		}
		if first == nil && t.kind == 2 {
			first = t
		}
	}
	return first
}

// tail returns an estimate of the length of the last block: the length of the block
// before it, or the average if there was a pause between them.
func (t *webmTrack) tail() uint64 {
	if t.blocks < 3 {
		return t.lastGap
	}
	if average := (t.last - t.first) / uint64(t.blocks-1); t.lastGap > 2*average+1 {
		return average
	}
	return t.lastGap
}

// longest returns the length of the longest track of sound, in units.
func (w *webmFile) longest() (units float64) {
	for _, t := range w.tracks {
		if t.kind == 2 && t.blocks > 0 {
			units = max(units, float64(t.last-t.first+t.tail()))
		}
	}
	return units
}

// verdict refuses a file whose tracks show that it is not a song.
func (w *webmFile) verdict() *refusal {
	t := w.audio()
	switch {
	case t == nil && slices.ContainsFunc(w.tracks, func(t webmTrack) bool { return t.kind == 1 }):
		return &refusal{detected: strings.Replace(w.mediaType(), "audio", "video", 1), problem: video}
	case t == nil:
		return w.refuse(noAudio, 0)
	case !t.accepted():
		return &refusal{detected: w.mediaType() + "; codecs=" + printable(t.codec), problem: codec}
	}
	return nil
}

func (w *webmFile) info() (Info, *refusal) {
	if !w.segment {
		return Info{}, w.refuse(truncated, 0)
	}
	if no := w.verdict(); no != nil {
		return Info{}, no
	}
	t := w.audio()
	if t.blocks == 0 {
		return Info{}, w.refuse(noAudio, 0)
	}
	there := float64(t.last - t.first + t.tail())
	units := w.stated
	if !(units > 0) || w.longest() > there && w.longest() >= units*0.9 {
		// The stated duration is that of the longest track.
		units = there
	} else if t.blocks > 1 && there < units*0.9 && (units-there)*float64(w.scale) > float64(2*time.Second) {
		return Info{}, w.refuse(truncated, 0)
	}
	if float64(t.pauses) > units/10 {
		no := w.refuse(truncated, 0)
		no.hole = true
		return Info{}, no
	}
	length := units * float64(w.scale)
	if !(length < math.MaxInt64) {
		length = 0
	}
	info := Info{Format: WebM, SampleRate: t.rate, Channels: t.channels, Duration: time.Duration(length)}
	if w.doc == "matroska" {
		info.Format = Matroska
	}
	if strings.HasPrefix(t.codec, "A_OPUS") {
		info.SampleRate = 48000 // Opus always plays at this rate
	}
	return info, nil
}

// ebmlElement reads an element's header. It returns the name, the size of the content,
// whether that size is known, and the header's own length, 0 if b has no header.
func ebmlElement(b []byte) (id uint64, size int64, known bool, n int) {
	if len(b) == 0 || b[0] < 0x10 {
		return 0, 0, false, 0
	}
	length := ebmlLength(b[0])
	if len(b) < length {
		return 0, 0, false, 0
	}
	id = ebmlUint(b[:length])
	v, m := ebmlNumber(b[length:])
	if m == 0 {
		return 0, 0, false, 0
	}
	if v == 1<<(7*m)-1 {
		return id, 0, false, length + m
	}
	return id, int64(v), true, length + m
}

// ebmlNumber reads a number whose leading zero bits state its length. n is 0 if b has
// no such number.
func ebmlNumber(b []byte) (v uint64, n int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	n = ebmlLength(b[0])
	if len(b) < n {
		return 0, 0
	}
	return ebmlUint(b[:n]) &^ (1 << (7 * n)), n
}

func ebmlLength(lead byte) int {
	n := 1
	for mask := byte(0x80); lead&mask == 0; mask >>= 1 {
		n++
	}
	return n
}

func ebmlUint(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func ebmlFloat(b []byte) float64 {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

// printable makes a name from a file safe for a message.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r <= 0x20 || r > 0x7e {
			return -1
		}
		return r
	}, name)
}
