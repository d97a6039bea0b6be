package media

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

const (
	// slack is the number of bytes of declared audio that may be missing. It is less
	// than a millisecond; careless encoders write such wrong sizes.
	slack = 64
	// unseekable is the smallest size that means "unknown" when the file is shorter.
	// Encoders that write to a pipe use such values.
	unseekable = 0x7f000000
	// maxChunks is the maximum number of chunks: it limits the work for tiny chunks.
	maxChunks = 4096
)

// knownChunks may be before or after the audio of a WAV file. Other names are
// allowed, too, but only these prove that a chunk starts here.
var knownChunks = []string{
	"fmt ", "data", "LIST", "fact", "bext", "iXML", "JUNK", "junk", "FLLR", "PAD ", "cue ", "smpl", "inst",
	"PEAK", "id3 ", "ID3 ", "_PMX", "axml", "chna", "acid", "cart", "plst", "umid", "minf", "elm1", "regn", "DISP",
}

func knownChunk(id string) bool { return slices.Contains(knownChunks, id) }

// pcm is the layout of uncompressed samples.
type pcm struct {
	rate, channels, frameBytes int
}

// info returns the result for audio bytes of sound.
func (p pcm) info(f Format, audio int64) Info {
	frames := uint64(audio) / uint64(p.frameBytes)
	return Info{Format: f, SampleRate: p.rate, Channels: p.channels, Duration: duration(frames, uint64(p.rate))}
}

const wavType = "audio/wav"

// readWAV reads RIFF, RF64 and BW64 files, and RIFX, which is RIFF with big-endian
// numbers.
func readWAV(s *source) (Info, *refusal) {
	head := s.peek(12)
	order := binary.ByteOrder(binary.LittleEndian)
	if string(head[:4]) == "RIFX" {
		order = binary.BigEndian
	}
	riff := s.offset() + int64(order.Uint32(head[4:]))
	wide := string(head[:4]) == "RF64" || string(head[:4]) == "BW64"
	s.skip(12)

	var layout wavFormat
	var wideData int64
	for range maxChunks {
		h := s.peek(8)
		if len(h) < 8 {
			break
		}
		id, size := string(h[:4]), int64(order.Uint32(h[4:]))
		if !fourCC(h) {
			return Info{}, &refusal{detected: wavType, problem: malformed}
		}
		s.skip(8)
		start := s.offset()
		switch id {
		case "ds64":
			if b := s.peek(16); wide && len(b) == 16 {
				riff = int64(binary.LittleEndian.Uint64(b))
				wideData = int64(binary.LittleEndian.Uint64(b[8:]))
			}
		case "fmt ":
			if layout.rate != 0 {
				break // a second one would be ignored by players too
			}
			b := s.peek(int(min(size, 40)))
			if int64(len(b)) < min(size, 40) {
				return Info{}, &refusal{detected: wavType, problem: truncated, declared: start + size}
			}
			var no *refusal
			if layout, no = wavLayout(b, order); no != nil {
				return Info{}, no
			}
		case "fact":
			if b := s.peek(int(min(size, 4))); len(b) == 4 {
				layout.samples = int64(order.Uint32(b))
			}
		case "data":
			if layout.rate == 0 {
				return Info{}, &refusal{detected: wavType, problem: malformed}
			}
			// Some recorders also write an arbitrary value into the small field.
			if wide && (wideData > 0 || size == math.MaxUint32) {
				size = wideData
			}
			return wavData(s, layout, size, !wide)
		}
		if rest := start + size - s.offset(); s.skip(rest) < rest {
			if !knownChunk(id) {
				return Info{}, &refusal{detected: wavType, problem: malformed}
			}
			break
		}
		if size%2 == 1 && !knownChunk(string(s.peek(4))) {
			s.skip(1)
		}
	}
	if s.ended() && len(s.buffered()) < 8 && s.offset()+int64(len(s.buffered())) < riff {
		return Info{}, &refusal{detected: wavType, problem: truncated, declared: riff + 8}
	}
	return Info{}, &refusal{detected: wavType, problem: noAudio}
}

// wavData reads the audio itself. It ignores the bytes after it, but handles a 32-bit
// size that wrapped.
func wavData(s *source, layout wavFormat, size int64, wraps bool) (Info, *refusal) {
	switch layout.tag {
	case tagMP3:
		return wavFrames(s, size, layout.tag, parseMP3, readMP3)
	case tagMPEG:
		return wavFrames(s, size, layout.tag, parseMP2, readMP2)
	}
	start := s.offset()
	var audio int64
	switch {
	case size < 0 || size == 0 && !knownChunk(string(s.peek(4))):
		audio = s.drain()
	default:
		audio = s.skip(size)
		if missing := size - audio; missing > slack && size < unseekable {
			return Info{}, &refusal{detected: wavType, problem: truncated, declared: start + size}
		}
		if wraps {
			audio += s.drain() &^ (1<<32 - 1)
		}
	}
	if audio < int64(layout.frameBytes) {
		return Info{}, &refusal{detected: wavType, problem: noAudio}
	}
	return layout.info(audio), nil
}

// wavFrames reads the MPEG frames that are a file's audio.
func wavFrames(s *source, size int64, tag uint16, parse frameParser, reader func(*source) (Info, *refusal)) (Info, *refusal) {
	detected := wavType + "; codec=0x" + hex16(tag)
	start := s.offset()
	bounded := size > 0 && size < unseekable
	if bounded {
		s.part(size)
		defer s.endPart()
	}
	at := findFrames(s, parse)
	if at < 0 {
		return Info{}, &refusal{detected: detected, problem: malformed}
	}
	s.skip(int64(at))
	info, no := reader(s)
	if no != nil {
		no.detected = detected
		return Info{}, no
	}
	if bounded && s.offset() < start+size-slack {
		return Info{}, &refusal{detected: wavType, problem: truncated, declared: start + size}
	}
	info.Format, info.IncompleteLastFrame = WAV, false
	return info, nil
}

// The accepted tags of a format chunk: samples, and old codecs of dictaphones, games
// and radio stations.
const (
	tagPCM        = 0x0001
	tagMSADPCM    = 0x0002
	tagFloat      = 0x0003
	tagALaw       = 0x0006
	tagMuLaw      = 0x0007
	tagIMAADPCM   = 0x0011
	tagMPEG       = 0x0050 // layer II, of radio stations
	tagMP3        = 0x0055
	tagExtensible = 0xfffe
)

// A wavFormat has the values of a format chunk, and the number of samples from a fact
// chunk.
type wavFormat struct {
	pcm
	tag      uint16
	perBlock int64 // samples of each channel in a block of ADPCM
	samples  int64 // 0 unknown
}

// info returns the result for audio bytes of sound.
func (f wavFormat) info(audio int64) Info {
	if f.perBlock == 0 {
		return f.pcm.info(WAV, audio)
	}
	n := audio / int64(f.frameBytes) * f.perBlock
	// The last block may not be full.
	if f.samples > n-f.perBlock && f.samples < n {
		n = f.samples
	}
	return Info{Format: WAV, SampleRate: f.rate, Channels: f.channels, Duration: duration(uint64(n), uint64(f.rate))}
}

// wavSubformat is the rest of the sub-format of an extensible file, after the tag.
const wavSubformat = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

// wavLayout reads a format chunk.
func wavLayout(b []byte, order binary.ByteOrder) (wavFormat, *refusal) {
	bad := &refusal{detected: wavType, problem: malformed}
	if len(b) < 16 {
		return wavFormat{}, bad
	}
	f := wavFormat{tag: order.Uint16(b)}
	if f.tag == tagExtensible {
		if len(b) < 40 {
			return wavFormat{}, bad
		}
		f.tag = 0
		if string(b[26:40]) == wavSubformat {
			f.tag = order.Uint16(b[24:])
		}
	}
	f.channels = int(order.Uint16(b[2:]))
	f.rate = int(order.Uint32(b[4:]))
	f.frameBytes = int(order.Uint16(b[12:]))
	bits := int(order.Uint16(b[14:]))
	if f.channels == 0 || f.channels > 1024 || f.rate == 0 || f.rate > maxRate {
		return wavFormat{}, bad
	}
	switch f.tag {
	case tagPCM, tagFloat, tagALaw, tagMuLaw:
		if bits == 0 || bits > 64 {
			return wavFormat{}, bad
		}
		// Recorders often write a wrong block align, and players ignore it.
		f.frameBytes = f.channels * ((bits + 7) / 8)
	case tagMSADPCM:
		f.perBlock = int64(f.frameBytes-7*f.channels)*2/int64(f.channels) + 2
	case tagIMAADPCM:
		if bits != 3 {
			bits = 4
		}
		f.perBlock = int64(f.frameBytes-4*f.channels)*8/int64(bits*f.channels) + 1
	case tagMP3, tagMPEG:
		f.frameBytes = 1
	default:
		return wavFormat{}, &refusal{detected: wavType + "; codec=0x" + hex16(f.tag), problem: codec}
	}
	if f.perBlock < 0 || f.perBlock <= 2 && f.tag == tagMSADPCM || f.perBlock <= 1 && f.tag == tagIMAADPCM {
		return wavFormat{}, bad
	}
	return f, nil
}

// maxRate is the maximum sample rate, in hertz: far above any studio's.
const maxRate = 10_000_000

// sane reports whether the values are plausible, so that noise is not accepted as a
// header. The limits are far above any studio's.
func (p pcm) sane() bool {
	return p.channels > 0 && p.channels <= 1024 && p.rate > 0 && p.rate <= maxRate &&
		p.frameBytes > 0 && p.frameBytes/p.channels <= 8
}

func hex16(v uint16) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for shift := 12; shift >= 0; shift -= 4 {
		b.WriteByte(digits[v>>shift&15])
	}
	return b.String()
}

// The identifiers of Wave64 are GUIDs that begin with the RIFF names.
const (
	w64Riff = "riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
	w64Wave = "wave\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
	w64Fmt  = "fmt \xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
	w64Fact = "fact\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
	w64Data = "data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
)

// readWave64 reads Wave64, Sony's 64-bit form of WAV. Its 8-byte sizes include the
// 24-byte header, and chunks are aligned to 8 bytes.
func readWave64(s *source) (Info, *refusal) {
	s.skip(40)
	var layout wavFormat
	for range maxChunks {
		h := s.peek(24)
		if len(h) < 24 {
			return Info{}, &refusal{detected: wavType, problem: truncated}
		}
		id, size := string(h[:16]), int64(binary.LittleEndian.Uint64(h[16:]))-24
		s.skip(24)
		if id == w64Data && layout.rate != 0 {
			return wavData(s, layout, max(size, 0), false)
		}
		if size < 0 || size > math.MaxInt64-8 || !fourCC(h) {
			break
		}
		if id == w64Fmt {
			var no *refusal
			if layout, no = wavLayout(s.peek(int(min(size, 40))), binary.LittleEndian); no != nil {
				return Info{}, no
			}
		}
		if id == w64Fact && size >= 8 {
			if b := s.peek(8); len(b) == 8 {
				layout.samples = int64(binary.LittleEndian.Uint64(b))
			}
		}
		s.skip((size + 7) &^ 7)
	}
	return Info{}, &refusal{detected: wavType, problem: malformed}
}
