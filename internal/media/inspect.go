package media

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"timbre.example/internal/fault"
)

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
