package media

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"
	"time"

	"github.com/gabriel-vasile/mimetype"

	"timbre.example/internal/fault"
)

// Format is the usual name of a supported audio format.
type Format string

// The supported formats. The zero Format is never returned without an error.
const (
	WAV       Format = "WAV"        // RIFF, RIFX, RF64, BW64 or Wave64; PCM, float, A-law, µ-law, ADPCM, MP3 or MPEG layer II
	AIFF      Format = "AIFF"       // AIFF or AIFF-C; PCM, float, A-law, µ-law or IMA ADPCM
	FLAC      Format = "FLAC"       // native FLAC
	MP3       Format = "MP3"        // MPEG-1, 2 or 2.5 layer III
	MP2       Format = "MP2"        // MPEG-1 or 2 layer II
	AAC       Format = "AAC"        // AAC in ADTS frames
	M4A       Format = "M4A"        // AAC, ALAC, Opus, FLAC, PCM or AMR in an MP4, QuickTime or 3GP file
	CAF       Format = "CAF"        // PCM, ALAC, AAC, Opus, FLAC, IMA ADPCM, A-law or µ-law in Apple's Core Audio Format
	OggVorbis Format = "Ogg Vorbis" // Vorbis in Ogg
	OggFLAC   Format = "Ogg FLAC"   // FLAC in Ogg
	Opus      Format = "Opus"       // Opus in Ogg
	WebM      Format = "WebM"       // audio-only WebM
	Matroska  Format = "Matroska"   // audio-only Matroska
	DSF       Format = "DSF"        // DSD in Sony's container
	DFF       Format = "DFF"        // DSD or DST in Philips' DSDIFF
	WMA       Format = "WMA"        // Windows Media Audio in ASF
	AMR       Format = "AMR"        // AMR or AMR-WB frames
)

// kinds lists every format with its media type and its name for people, which includes
// its codecs. The most common formats come first.
var kinds = []struct {
	format    Format
	name, typ string
}{
	{WAV, "WAV", "audio/wav"},
	{AIFF, "AIFF", "audio/aiff"},
	{FLAC, "FLAC", "audio/flac"},
	{MP3, "MP3", "audio/mpeg"},
	{AAC, "AAC", "audio/aac"},
	{M4A, "M4A, MP4 and MOV (AAC, ALAC, Opus, FLAC, PCM)", "audio/mp4"},
	{CAF, "CAF", "audio/x-caf"},
	{OggVorbis, "Ogg Vorbis", "audio/ogg"},
	{OggFLAC, "Ogg FLAC", "audio/ogg"},
	{Opus, "Opus", "audio/ogg"},
	{WebM, "WebM", "audio/webm"},
	{Matroska, "Matroska", "audio/x-matroska"},
	{DSF, "DSF", "audio/x-dsf"},
	{DFF, "DFF", "audio/x-dff"},
	{MP2, "MP2", "audio/mpeg"},
	{WMA, "WMA", "audio/x-ms-wma"},
	{AMR, "AMR", "audio/amr"},
}

// Type returns the format's media type, "" for an unknown format.
func (f Format) Type() string {
	for _, k := range kinds {
		if k.format == f {
			return k.typ
		}
	}
	return ""
}

// Info is the result of one pass over a file.
type Info struct {
	SHA256     [32]byte      // of every byte of the file
	Size       int64         // in bytes
	Format     Format        // by the bytes, never by the name
	Duration   time.Duration // of the audio; 0 when unknown
	SampleRate int           // in hertz; 0 when unknown
	Channels   int           // 0 when unknown

	// IncompleteLastFrame: a stream of bare MPEG frames, which states no length,
	// ends inside a frame. More frames may be missing.
	IncompleteLastFrame bool
}

// Supported lists the accepted formats by their names for people. The caller owns the slice.
func Supported() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// Inspect reads r to its end and returns what it found. It reads in blocks of up
// to 1 MiB and checks ctx before each. It stops early when the bytes prove that
// the file is refused.
//
// An empty file is registration.audio_empty. A file that is not complete, supported audio is
// registration.invalid_audio_format. Inspect wraps the errors of r and of ctx.
func Inspect(ctx context.Context, r io.Reader) (Info, error) {
	s := newSource(ctx, r)
	defer s.release()

	if len(s.peek(1)) == 0 && s.failure() == nil {
		return Info{}, fault.RegistrationAudioEmpty()
	}
	info, no := read(s)
	if no == nil {
		s.drain()
	}
	// To the format readers a failed read looks like an early end of the file. So its
	// error replaces their result.
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

// headSize is the number of bytes that mimetype reads. It is more than any signature needs.
const headSize = 3072

// read finds the reader for the file by its signature and runs it.
func read(s *source) (Info, *refusal) {
	if no := skipTags(s); no != nil {
		return Info{}, no
	}
	if reader := readerOf(s.peek(headSize)); reader != nil {
		return reader(s)
	}
	reader, padding := frameReader(s)
	if reader == nil {
		if info, no, ok := readFLACFrames(s); ok {
			return info, no
		}
	}
	// After a tag with a wrong size follows the rest of the tag, or the file has
	// started inside it.
	if from := s.offset(); from > 0 && (reader == nil || padding > 0) {
		s.skipZeros()
		if known := readerOf(s.peek(headSize)); known != nil {
			return known(s)
		}
		if !s.rewind(0) {
			s.rewind(from)
		}
		if at := signature(s.peek(keepSize)); at > 0 {
			s.skip(int64(at))
			return readerOf(s.peek(headSize))(s)
		}
		if s.offset() == 0 {
			s.skip(from)
		}
	}
	// Frames may follow padding, so the file is searched for them. A file that is clearly
	// something else (an archive of songs, a script with one appended) is not searched.
	head := bytes.Clone(s.peek(headSize))
	named := detect(head)
	// Text after a tag is the rest of a tag with a wrong size.
	leftover := s.offset() > 0 && named == "text/plain"
	if !searchable(named) && !leftover {
		return Info{}, &refusal{detected: named, problem: unsupported}
	}
	if reader != nil {
		s.skip(int64(padding))
		return reader(s)
	}
	switch {
	case mpegLayer(head) == 1:
		return Info{}, &refusal{detected: mpegType + "; layer=1", problem: codec}
	case freeFormat(head):
		return Info{}, &refusal{detected: mpegFree, problem: codec}
	}
	return Info{}, &refusal{detected: named, problem: unsupported}
}

// frameReader returns the reader for the bare frames whose first row comes first in
// the file, and the number of padding bytes before it.
func frameReader(s *source) (reader func(*source) (Info, *refusal), padding int) {
	for _, c := range []struct {
		parse  frameParser
		reader func(*source) (Info, *refusal)
	}{{parseMP3, readMP3}, {parseADTS, readADTS}, {parseMP2, readMP2}} {
		if at := findFrames(s, c.parse); at >= 0 && (reader == nil || at < padding) {
			reader, padding = c.reader, at
		}
	}
	return reader, padding
}

// readerOf returns the reader for the container that begins with head, nil for an
// unknown container.
func readerOf(head []byte) func(*source) (Info, *refusal) {
	at := func(i int, sig string) bool {
		return len(head) >= i+len(sig) && string(head[i:i+len(sig)]) == sig
	}
	switch {
	case (at(0, "RIFF") || at(0, "RIFX") || at(0, "RF64") || at(0, "BW64")) && at(8, "WAVE"):
		return readWAV
	case at(0, w64Riff) && at(24, w64Wave):
		return readWave64
	case at(0, "FORM") && (at(8, "AIFF") || at(8, "AIFC")):
		return readAIFF
	case at(0, "fLaC"):
		return readFLAC
	case at(0, "OggS"):
		return readOgg
	case at(0, ebmlMagic):
		return readWebM
	case at(0, "caff\x00\x01"):
		return readCAF
	case at(0, "DSD \x1c\x00"):
		return readDSF
	case at(0, "FRM8") && at(12, "DSD "):
		return readDFF
	case at(0, asfHeader):
		return readASF
	case at(0, amrNarrow), at(0, amrWide):
		return readAMR
	// QuickTime files before 2001 lack the first of these boxes.
	case at(4, "ftyp"), at(4, "moov") && at(12, "mvhd"), at(4, "mdat") && head[0] == 0, at(4, "wide\x00"):
		if named := detect(head); !strings.HasPrefix(named, "image/") {
			return readMP4
		}
	}
	return nil
}

// signature returns where a file begins after a tag with a wrong size, 0
// if no file begins there.
func signature(w []byte) int {
	first := 0
	for _, c := range []struct {
		sig string
		at  int // of sig, in the file
	}{{"fLaC\x00\x00\x00\x22", 0}, {"OggS\x00\x02", 0}, {"WAVE", 8}, {"AIFF", 8}, {"AIFC", 8}, {"ftyp", 4}} {
		i := bytes.Index(w, []byte(c.sig)) - c.at
		if i > 0 && (first == 0 || i < first) && readerOf(w[i:min(len(w), i+headSize)]) != nil {
			first = i
		}
	}
	return first
}

// detect returns the media type of an unsupported file. A file that begins with text
// counts as text.
func detect(head []byte) string {
	const enough = 8 // characters that cannot be a coincidence
	text := head
	for i, c := range head {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c >= 0x7f {
			text = head[:i]
			break
		}
	}
	for _, other := range otherAudio {
		if len(head) >= other.at && bytes.HasPrefix(head[other.at:], []byte(other.sig)) {
			return other.name
		}
	}
	if len(head) > 1 && head[0] == 0x56 && head[1]&0xe0 == 0xe0 { // 11 bits of a sync word
		return "audio/x-latm"
	}
	name := mediaType(head)
	if searchable(name) && len(text) >= enough {
		name = mediaType(text)
	}
	return name
}

// otherAudio lists other files that people upload as audio, which mimetype does not
// know or takes for text.
var otherAudio = []struct {
	at        int
	sig, name string
}{
	{0, "caff", "audio/x-caf"}, {0, "wvpk", "audio/x-wavpack"}, {0, "DSD ", "audio/x-dsf"}, {0, "FRM8", "audio/x-dff"},
	{0, "TTA1", "audio/x-tta"}, {0, "tBaK", "audio/x-tak"}, {0, "MAC ", "audio/x-ape"}, {0, "MPCK", "audio/x-musepack"},
	{0, "MP+", "audio/x-musepack"}, {0, "OFR ", "audio/x-optimfrog"}, {0, "ajkg", "audio/x-shorten"},
	{0, "RIFX", "audio/x-rifx"}, {0, ".snd", "audio/basic"}, {0, ".ra\xfd", "audio/x-pn-realaudio"}, {0, ".RMF", "audio/x-pn-realaudio"},
	{0, "\x0b\x77", "audio/ac3"}, {0, "\x7f\xfe\x80\x01", "audio/vnd.dts"}, {0, "#!AMR", "audio/amr"},
	{0, "IMPM", "audio/x-it"}, {0, "Extended Module: ", "audio/x-xm"}, {44, "SCRM", "audio/x-s3m"},
	{1080, "M.K.", "audio/x-mod"}, {1080, "M!K!", "audio/x-mod"}, {1080, "4CHN", "audio/x-mod"}, {1080, "6CHN", "audio/x-mod"},
	{1080, "8CHN", "audio/x-mod"}, {1080, "FLT4", "audio/x-mod"}, {0, "MThd", "audio/midi"},
}

// mediaType returns the media type that mimetype detects, without parameters.
func mediaType(b []byte) string {
	name, _, _ := strings.Cut(mimetype.Detect(b).String(), ";")
	return name
}

// searchable reports whether a file with this detected type may be bare MPEG frames.
func searchable(named string) bool {
	switch named {
	case "application/octet-stream", "audio/mpeg", "audio/aac":
		return true
	}
	return false
}

// The problems of a refusal. The package documentation explains them.
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
	detected string // a media type, with the codec when the codec is the problem
	problem  string
	declared int64 // minimum size that the file declares, in bytes; 0 unknown
	hole     bool  // truncated: the sound is missing in the middle, not at the end
}

// fault returns the refusal as an error for the caller. Call it after the readers
// have stopped: then the end of a truncated file has been reached.
func (no *refusal) fault(s *source) error {
	s.endPart()
	f := fault.RegistrationInvalidAudioFormat(no.detected, Supported()).With("problem", no.problem).With("advice", no.advice())
	if no.problem == truncated && s.ended() {
		if no.declared > 0 {
			f = f.With("declared_bytes", no.declared)
		}
		f = f.With("actual_bytes", s.offset()+int64(len(s.buffered())))
	}
	return f
}

// advice tells a person what is wrong and what to do.
func (no *refusal) advice() string {
	switch {
	case no.problem == truncated && no.hole:
		return "Parts of the sound are missing in the middle of the file. The download or the copy did not finish, or the disk is damaged. Download or export the file again."
	case no.problem == truncated && no.detected == flacType:
		return "The file ends before its sound does. Upload the whole file. If it was cut with stream copy (ffmpeg -c copy), its header still states the old length: export it again."
	case no.problem == truncated:
		return "The file ends before its sound does. Upload the whole file, or export it again."
	case no.problem == malformed:
		return "The file begins like audio, but the rest is damaged or is not audio. Export it again."
	case no.problem == noAudio:
		return "The file contains no sound. Choose the file with the recording."
	case no.detected == mpegFree:
		return "The MP3 is in free format, with an unusual bit rate. Export it as WAV, FLAC, or MP3 with a usual bit rate."
	case no.problem == codec:
		return "The sound is stored in a codec that is not accepted. Export it as WAV, FLAC or MP3."
	case no.problem == video:
		return "The file is a video. Export only its sound, as WAV, FLAC or MP3."
	}
	return "The file is not audio in an accepted format. Export the recording as WAV, FLAC or MP3."
}

// duration returns n/rate seconds, or 0 (unknown) when that is not a plausible length.
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
// characters, or 0xA9, the copyright sign, which QuickTime uses.
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
