package media

import (
	"math"
	"math/bits"
	"time"

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

// The problems of a refusal. The package documentation explains them.
const (
	unsupported = "unsupported"
	malformed   = "malformed"
	noAudio     = "no_audio"
	codec       = "codec"
	video       = "video"
	truncated   = "truncated"
)

// Media types that several readers report.
const (
	flacType = "audio/flac"
	mpegType = "audio/mpeg"
	mpegFree = mpegType + "; bitrate=free" // MP3 without a bit rate in its header
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
