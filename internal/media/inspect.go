package media

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/gabriel-vasile/mimetype"

	"timbre.example/fault"
)

// Format names a supported audio format, as people write it.
type Format string

// The supported formats. The zero Format is never returned without an error.
const (
	WAV       Format = "WAV"        // RIFF, RF64, BW64 or Wave64; PCM, float, A-law or µ-law
	AIFF      Format = "AIFF"       // AIFF or uncompressed AIFF-C
	FLAC      Format = "FLAC"       // native FLAC
	MP3       Format = "MP3"        // MPEG-1, 2 or 2.5 layer III
	AAC       Format = "AAC"        // AAC in ADTS frames
	M4A       Format = "M4A"        // AAC, ALAC or Opus in an MP4 or QuickTime file
	OggVorbis Format = "Ogg Vorbis" // Vorbis in Ogg
	OggFLAC   Format = "Ogg FLAC"   // FLAC in Ogg
	Opus      Format = "Opus"       // Opus in Ogg
	WebM      Format = "WebM"       // audio-only WebM or Matroska
)

// Type is the format's media type, "" for a format that is none of ours.
func (f Format) Type() string {
	switch f {
	case WAV:
		return "audio/wav"
	case AIFF:
		return "audio/aiff"
	case FLAC:
		return "audio/flac"
	case MP3:
		return "audio/mpeg"
	case AAC:
		return "audio/aac"
	case M4A:
		return "audio/mp4"
	case OggVorbis, OggFLAC, Opus:
		return "audio/ogg"
	case WebM:
		return "audio/webm"
	}
	return ""
}

// Info is what one pass over a file tells.
type Info struct {
	SHA256     [32]byte      // of every byte of the file
	Size       int64         // in bytes
	Format     Format        // by the bytes, never by the name
	Duration   time.Duration // of the audio; 0 when the file does not tell
	SampleRate int           // in hertz; 0 when the file does not tell
	Channels   int           // 0 when the file does not tell
}

// supported is in the order people look for formats.
var supported = []string{
	"WAV", "AIFF", "FLAC", "MP3", "AAC", "M4A (AAC, ALAC, Opus)", "Ogg Vorbis", "Ogg FLAC", "Opus", "WebM",
}

// Supported lists the accepted formats for people to read. The caller owns the slice.
func Supported() []string { return slices.Clone(supported) }

// Inspect reads r to its end and says what it holds. It reads in blocks of up
// to 1 MiB, checks ctx before each, and stops early once the bytes prove that
// the file is refused.
//
// Its errors are registration.audio_empty for no bytes at all,
// registration.invalid_audio_format for anything that is not whole, supported
// audio, and otherwise the error of r or of ctx, wrapped.
func Inspect(ctx context.Context, r io.Reader) (Info, error) {
	s := newSource(ctx, r)
	defer s.release()

	head := bytes.Clone(s.peek(headSize))
	if len(head) == 0 && s.failure() == nil {
		return Info{}, fault.RegistrationAudioEmpty()
	}
	info, no := read(s, head)
	if no == nil {
		s.drain()
	}
	// A failed read looks like an early end to the format readers, so it
	// outranks whatever they concluded.
	if err := s.failure(); err != nil {
		return Info{}, fmt.Errorf("read media: %w", err)
	}
	if no != nil {
		return Info{}, no.fault(s)
	}
	info.Size = s.offset()
	s.hash.Sum(info.SHA256[:0])
	return info, nil
}

// headSize is what mimetype looks at, and more than any signature needs.
const headSize = 3072

// read finds the reader for the file by its signature and runs it.
func read(s *source, head []byte) (Info, *refusal) {
	at := func(i int, sig string) bool {
		return len(head) >= i+len(sig) && string(head[i:i+len(sig)]) == sig
	}
	switch {
	case (at(0, "RIFF") || at(0, "RF64") || at(0, "BW64")) && at(8, "WAVE"):
		return readWAV(s)
	case at(0, w64Riff) && at(24, w64Wave):
		return readWave64(s)
	case at(0, "FORM") && (at(8, "AIFF") || at(8, "AIFC")):
		return readAIFF(s)
	case at(0, "OggS"):
		return readOgg(s)
	case at(0, ebmlMagic):
		return readWebM(s)
	case at(4, "ftyp"):
		if named := detect(head); strings.HasPrefix(named, "image/") {
			return Info{}, &refusal{detected: named, problem: unsupported}
		}
		return readMP4(s)
	}

	if no := skipID3(s); no != nil {
		return Info{}, no
	}
	if string(s.peek(4)) == "fLaC" {
		return readFLAC(s)
	}
	// Frames may hide behind padding, so a file that is plainly something else
	// (an archive of songs, a script with one appended) must not be searched.
	head = bytes.Clone(s.peek(headSize))
	named := detect(head)
	// Behind a tag, text is what a wrong size of the tag left over.
	leftover := s.offset() > 0 && named == "text/plain"
	if !searchable(named) && !leftover {
		return Info{}, &refusal{detected: named, problem: unsupported}
	}
	if info, no, ok := readMP3(s); ok {
		return info, no
	}
	if info, no, ok := readADTS(s); ok {
		return info, no
	}
	if layer := mpegLayer(head); layer == 1 || layer == 2 {
		return Info{}, &refusal{detected: fmt.Sprintf("%s; layer=%d", mpegType, layer), problem: codec}
	}
	return Info{}, &refusal{detected: named, problem: unsupported}
}

// detect names a file that is none of ours, as a media type. Text with
// anything behind it is named by the text.
func detect(head []byte) string {
	const enough = 8 // characters that are no coincidence
	text := head
	for i, c := range head {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c >= 0x7f {
			text = head[:i]
			break
		}
	}
	if len(head) >= 4 {
		if name, ok := otherAudio[string(head[:4])]; ok {
			return name
		}
	}
	name := mediaType(head)
	if searchable(name) && len(text) >= enough {
		name = mediaType(text)
	}
	return name
}

// otherAudio is audio that is not supported and that mimetype does not know.
var otherAudio = map[string]string{
	"caff": "audio/x-caf", "wvpk": "audio/x-wavpack", "DSD ": "audio/x-dsf", "FRM8": "audio/x-dff", "TTA1": "audio/x-tta",
}

// mediaType is mimetype's opinion, without parameters.
func mediaType(b []byte) string {
	name, _, _ := strings.Cut(mimetype.Detect(b).String(), ";")
	return name
}

// searchable reports whether a file of this name may be bare MPEG frames.
func searchable(named string) bool {
	switch named {
	case "application/octet-stream", "audio/mpeg", "audio/aac":
		return true
	}
	return false
}

// The problems a refusal can have; package documentation says what each means.
const (
	unsupported = "unsupported"
	malformed   = "malformed"
	noAudio     = "no_audio"
	codec       = "codec"
	video       = "video"
	truncated   = "truncated"
)

// A refusal says why a file is not accepted.
type refusal struct {
	detected string // a media type, with the codec where that is the matter
	problem  string
	declared int64 // bytes the file should at least have; 0 unknown
	hole     bool  // truncated: the sound is missing in the middle, not at the end
}

// fault is the refusal as the caller and the person see it. It comes after the
// readers stopped, so that a truncated file's end has been reached.
func (no *refusal) fault(s *source) error {
	f := fault.RegistrationInvalidAudioFormat(no.detected, Supported()).With("problem", no.problem)
	if no.problem == truncated && s.ended() {
		if no.declared > 0 {
			f = f.With("declared_bytes", no.declared)
		}
		f = f.With("actual_bytes", s.offset()+int64(len(s.buffered())))
	}
	return f
}

// duration is n/rate seconds, or 0 (unknown) where that is no sensible length.
func duration(n, rate uint64) time.Duration {
	if rate == 0 {
		return 0
	}
	hi, lo := bits.Mul64(n, uint64(time.Second))
	if hi >= rate {
		return 0
	}
	q, _ := bits.Div64(hi, lo, rate)
	if q > math.MaxInt64 {
		return 0
	}
	return time.Duration(q)
}

// fourCC reports whether b can be the identifier of a chunk: four printable
// characters (0xA9, the copyright sign, occurs in QuickTime's).
func fourCC(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	for _, c := range b[:4] {
		if (c < 0x20 || c > 0x7e) && c != 0xa9 {
			return false
		}
	}
	return true
}
