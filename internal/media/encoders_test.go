package media

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tune returns a WAV file of 3 s, 44100 Hz, stereo. It has two sines and some noise, so
// that no encoder compresses it to almost nothing.
func tune() []byte {
	rng := rand.New(rand.NewPCG(5, 6))
	var pcm bytes.Buffer
	for n := range 3 * 44100 {
		t := float64(n) / 44100
		for _, hz := range []float64{220, 331} {
			v := int16(9000*math.Sin(2*math.Pi*hz*t)*math.Exp(-math.Mod(t, 0.5)) + float64(rng.IntN(600)-300))
			pcm.WriteByte(byte(v))
			pcm.WriteByte(byte(v >> 8))
		}
	}
	format := "\x01\x00\x02\x00\x44\xac\x00\x00\x10\xb1\x02\x00\x04\x00\x10\x00"
	return []byte(wav(chunk("fmt ", format), chunk("data", pcm.String())))
}

// An encoding is a file that a Debian program makes from the tune. In the
// command, $in is the tune, $flac the tune with a cover, $cover a picture.
type encoding struct {
	name, command string
	format        Format // "" refused
	problem       string // if refused
}

const ff = "ffmpeg -nostdin -hide_banner -loglevel error -y -i $in "

// encodings has one file of each kind that Debian's encoders can make.
var encodings = []encoding{
	{"s16.wav", ff + "-c:a pcm_s16le $out", WAV, ""},
	{"u8.wav", ff + "-c:a pcm_u8 $out", WAV, ""},
	{"s24.wav", ff + "-c:a pcm_s24le $out", WAV, ""},
	{"s32.wav", ff + "-c:a pcm_s32le $out", WAV, ""},
	{"f64.wav", ff + "-c:a pcm_f64le $out", WAV, ""},
	{"surround.wav", ff + "-ac 6 $out", WAV, ""},
	{"rf64.wav", ff + "-rf64 always $out", WAV, ""},
	{"ms.wav", ff + "-c:a adpcm_ms $out", WAV, ""},
	{"ima.wav", ff + "-c:a adpcm_ima_wav $out", WAV, ""},
	{"mp3.wav", ff + "-c:a libmp3lame $out", WAV, ""},
	{"two.wav", ff + "-c:a mp2 $out", WAV, ""},
	{"alaw.wav", ff + "-c:a pcm_alaw $out", WAV, ""},
	{"s64.wav", ff + "-c:a pcm_s64le -ar 768000 -t 0.5 $out", WAV, ""},
	{"rifx.wav", "sox -V1 $in -B $out", WAV, ""},
	{"pipe.wav", "sox -V1 $in -t wav - | cat >$out", WAV, ""},
	{"sox-ms.wav", "sox -V1 $in -e ms-adpcm $out", WAV, ""},
	{"sox-gsm.wav", "sox -V1 $in -r 8000 -c 1 -e gsm-full-rate $out", "", "codec audio/wav; codec=0x0031"},
	{"s24.w64", ff + "-c:a pcm_s24le $out", WAV, ""},
	{"ima.w64", ff + "-c:a adpcm_ima_wav $out", WAV, ""},
	{"s16.aiff", ff + "$out", AIFF, ""},
	{"sox.aifc", "sox -V1 $in -b 24 $out", AIFF, ""},
	{"f64.aifc", ff + "-c:a pcm_f64be -f aiff $out", AIFF, ""},
	{"ima.aifc", ff + "-c:a adpcm_ima_qt -f aiff $out", AIFF, ""},
	{"ulaw.aifc", ff + "-c:a pcm_mulaw -f aiff $out", AIFF, ""},
	{"ff.flac", ff + "$out", FLAC, ""},
	{"fixed.flac", "flac --silent -0 --no-padding -o $out $in", FLAC, ""},
	{"best.flac", "flac --silent -8 -b 1152 -o $out $in", FLAC, ""},
	{"pipe.flac", "flac --silent -c $in | cat >$out", FLAC, ""},
	{"sox.flac", "sox -V1 $in -r 96000 -b 24 $out", FLAC, ""},
	{"cover.flac", "cp $flac $out", FLAC, ""},
	{"cut-copy.flac", "ffmpeg -nostdin -loglevel error -y -i $flac -t 1.5 -c copy $out", "", "truncated audio/flac"},
	{"cbr.mp3", "lame --quiet --cbr -b 128 $in $out", MP3, ""},
	{"vbr.mp3", "lame --quiet -V 4 --add-id3v2 --tt Tune $in $out", MP3, ""},
	{"bare.mp3", "lame --quiet -t -b 64 --resample 22.05 $in $out", MP3, ""},
	{"mono8.mp3", "lame --quiet -m m --resample 8 -b 16 $in $out", MP3, ""},
	{"shine.mp3", ff + "-c:a libshine -b:a 128k $out", MP3, ""},
	{"cover.mp3", "ffmpeg -nostdin -loglevel error -y -i $flac -map 0 -c:v copy $out", MP3, ""},
	{"free.mp3", "lame --quiet --freeformat -b 400 $in $out", "", "codec audio/mpeg; bitrate=free"},
	{"two.mp2", "twolame --quiet -b 192 $in $out", MP2, ""},
	{"ff.mp2", ff + "-ar 24000 -b:a 64k $out", MP2, ""},
	{"three.aac", ff + "-ac 3 -c:a aac $out", AAC, ""},
	{"adts.aac", ff + "-c:a aac $out", AAC, ""},
	{"aac.m4a", ff + "-c:a aac $out", M4A, ""},
	{"seven.m4a", "sox -V1 $in -c 7 -t wav - | ffmpeg -nostdin -loglevel error -y -i - -c:a aac $out", M4A, ""},
	{"ima.mov", ff + "-c:a adpcm_ima_qt $out", M4A, ""},
	{"low.m4a", ff + "-c:a aac -ar 8000 -ac 1 $out", M4A, ""},
	{"alac.m4a", ff + "-c:a alac $out", M4A, ""},
	{"cover.m4a", "ffmpeg -nostdin -loglevel error -y -i $flac -map 0 -c:a aac -c:v copy -disposition:v attached_pic $out", M4A, ""},
	{"still.m4a", "ffmpeg -nostdin -loglevel error -y -i $flac -map 0 -c:a aac -c:v libx264 -pix_fmt yuv420p -frames:v 1 -disposition:v 0 -f mp4 $out", M4A, ""},
	{"still.mp4", "ffmpeg -nostdin -loglevel error -y -i $flac -map 0 -c:a aac -c:v mjpeg -pix_fmt yuvj420p -frames:v 1 -disposition:v 0 $out", M4A, ""},
	{"frag.mp4", ff + "-c:a aac -movflags empty_moov+default_base_moof -frag_duration 500000 $out", M4A, ""},
	{"opus.mp4", ff + "-c:a libopus $out", M4A, ""},
	{"flac.mp4", ff + "-c:a flac -strict -2 $out", M4A, ""},
	{"sowt.mov", ff + "-c:a pcm_s16le $out", M4A, ""},
	{"twos.mov", ff + "-c:a pcm_s16be $out", M4A, ""},
	{"in24.mov", ff + "-c:a pcm_s24le $out", M4A, ""},
	{"in32.mov", ff + "-c:a pcm_s32be $out", M4A, ""},
	{"fl32.mov", ff + "-c:a pcm_f32le $out", M4A, ""},
	{"fl64.mov", ff + "-c:a pcm_f64be $out", M4A, ""},
	{"hires.mov", ff + "-c:a pcm_s24le -ar 192000 $out", M4A, ""},
	{"ulaw.mov", ff + "-c:a pcm_mulaw $out", M4A, ""},
	{"aac.mov", ff + "-c:a aac $out", M4A, ""},
	{"ac3-aac.mp4", ff + "-map 0 -map 0 -c:a:0 ac3 -c:a:1 aac $out", M4A, ""},
	{"edited.m4a", ff + "-c:a aac -f adts - | ffmpeg -nostdin -loglevel error -y -ss 1.2 -i - -c copy $out", M4A, ""},
	{"ac3.mp4", ff + "-c:a ac3 $out", "", "codec audio/mp4; codecs=ac-3"},
	{"film.mp4", ff + "-f lavfi -i color=s=64x64:r=5:d=2 -c:a aac -c:v mpeg4 $out", "", "video video/mp4"},
	{"s16.caf", ff + "-c:a pcm_s16be $out", CAF, ""},
	{"f32.caf", ff + "-c:a pcm_f32le $out", CAF, ""},
	{"alac.caf", ff + "-c:a alac $out", CAF, ""},
	{"ima.caf", ff + "-c:a adpcm_ima_qt $out", CAF, ""},
	{"ulaw.caf", ff + "-c:a pcm_mulaw $out", CAF, ""},
	{"vorbis.ogg", "oggenc --quiet -o $out $in", OggVorbis, ""},
	{"ff.ogg", ff + "-c:a libvorbis $out", OggVorbis, ""},
	{"native.ogg", ff + "-c:a vorbis -strict -2 $out", OggVorbis, ""},
	{"still.ogg", "ffmpeg -nostdin -loglevel error -y -i $flac $out", OggVorbis, ""},
	{"flac.oga", "flac --silent --ogg -o $out $in", OggFLAC, ""},
	{"cut-copy.oga", "flac --silent --ogg -c $in | ffmpeg -nostdin -loglevel error -y -ss 1 -i - -c copy $out", OggFLAC, ""},
	{"enc.opus", "opusenc --quiet $in $out", Opus, ""},
	{"voice.opus", ff + "-c:a libopus -ar 16000 -ac 1 -b:a 16k -frame_duration 60 $out", Opus, ""},
	{"speex.spx", "speexenc --quiet $in $out", "", "codec audio/ogg; codecs=speex"},
	{"film.ogv", ff + "-f lavfi -i testsrc=s=64x64:r=5:d=2 -c:a libvorbis -c:v libtheora $out", "", "video video/ogg"},
	{"opus.webm", ff + "-c:a libopus -ar 16000 $out", WebM, ""},
	{"vorbis.webm", ff + "-c:a libvorbis $out", WebM, ""},
	{"still.webm", "ffmpeg -nostdin -loglevel error -y -i $flac -map 0 -c:a libopus -c:v libvpx-vp9 -frames:v 1 $out", WebM, ""},
	{"flac.mka", ff + "-c:a flac $out", Matroska, ""},
	{"aac.mka", ff + "-c:a aac $out", Matroska, ""},
	{"two.mka", ff + "-c:a mp2 $out", Matroska, ""},
	{"alaw.mka", ff + "-c:a pcm_alaw $out", Matroska, ""},
	{"ms.mka", ff + "-c:a adpcm_ms $out", Matroska, ""},
	{"mp3.mka", ff + "-c:a libmp3lame $out", Matroska, ""},
	{"s24.mka", ff + "-c:a pcm_s24le $out", Matroska, ""},
	{"still.mkv", "ffmpeg -nostdin -loglevel error -y -i $flac -map 0 -c:a flac -c:v libx264 -pix_fmt yuv420p -frames:v 1 $out", Matroska, ""},
	{"film.mkv", ff + "-f lavfi -i color=s=64x64:r=5:d=2 -c:a aac -c:v mpeg4 $out", "", "video video/x-matroska"},
	{"one.wma", ff + "-c:a wmav1 $out", WMA, ""},
	{"two.wma", ff + "-c:a wmav2 -b:a 128k $out", WMA, ""},
	{"sox.amr", "sox -V1 $in -r 8000 -c 1 -t amr-nb $out", AMR, ""},
	{"pack.wv", "wavpack -q $in -o $out", "", "unsupported audio/x-wavpack"},
	{"ff.tta", ff + "$out", "", "unsupported audio/x-tta"},
	{"ff.ac3", ff + "$out", "", "unsupported audio/ac3"},
	{"ff.dts", ff + "-c:a dca -strict -2 $out", "", "unsupported audio/vnd.dts"},
	{"latm.loas", ff + "-c:a aac -f latm $out", "", "unsupported audio/x-latm"},
	{"ff.au", ff + "$out", "", "unsupported audio/basic"},
}

// encode makes the files of encodings in a folder and returns their paths.
func encode(t testing.TB) map[string]string {
	t.Helper()
	for _, name := range []string{"ffmpeg", "ffprobe", "flac", "lame", "oggenc", "opusenc", "sox", "speexenc", "twolame", "wavpack"} {
		tool(t, name)
	}
	dir := t.TempDir()
	in, cover, flac := filepath.Join(dir, "in.wav"), filepath.Join(dir, "cover.png"), filepath.Join(dir, "cover-in.flac")
	if err := os.WriteFile(in, tune(), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := func(command, out string) error {
		cmd := exec.Command("bash", "-o", "pipefail", "-c", command)
		cmd.Env = append(os.Environ(), "in="+in, "cover="+cover, "flac="+flac, "out="+out)
		if b, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", command, err, b)
		}
		return nil
	}
	for _, command := range []string{
		"ffmpeg -nostdin -loglevel error -f lavfi -i testsrc=s=64x64 -frames:v 1 $cover",
		"ffmpeg -nostdin -loglevel error -i $in -i $cover -map 0 -map 1 -c:a flac -c:v copy -disposition:v attached_pic $flac",
	} {
		if err := sh(command, ""); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{}
	for _, e := range encodings {
		files[e.name] = filepath.Join(dir, e.name)
		if err := sh(e.command, files[e.name]); err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return files
}

// TestEncoders compares the results with libav's, for a file of every kind that Debian's
// encoders make. It does the same for each file with a third missing in the middle.
func TestEncoders(t *testing.T) {
	files := encode(t)
	var paths []string
	for _, e := range encodings {
		paths = append(paths, files[e.name])
	}
	rows := compareAll(t, paths)
	for n, e := range encodings {
		c := rows[n]
		switch {
		case e.format == "" && c.problem != e.problem:
			t.Errorf("%s: %q, want refused as %q", e.name, c.problem, e.problem)
		case e.format != "" && c.problem != "":
			t.Errorf("%s: refused: %s", e.name, c.problem)
		case c.info.Format != e.format:
			t.Errorf("%s: %s, want %s", e.name, c.info.Format, e.format)
		case e.format != "" && c.verdict != "":
			t.Errorf("%s: %s", e.name, c.verdict)
		}
		if e.format == "" || c.problem != "" {
			continue
		}
		b, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		third := len(b) / 3
		for what, bad := range map[string][]byte{
			"cut out": append(bytes.Clone(b[:third]), b[2*third:]...),
			"zeroed":  append(append(bytes.Clone(b[:third]), make([]byte, third)...), b[2*third:]...),
			"cut off": b[:2*third],
		} {
			info, err := inspect(bad)
			if err == nil && !unnoticed(e, what) && !info.IncompleteLastFrame {
				t.Errorf("%s, a third %s: accepted as %s of %v", e.name, what, info.Format, info.Duration)
			}
		}
	}
	table(t, rows)
}

// unnoticed reports whether a format cannot show the damage. Zeros are silence in
// samples, and a format without a stated length may be shorter.
func unnoticed(e encoding, what string) bool {
	pcm := e.format == WAV || e.format == AIFF || strings.Contains(e.name, ".mov") && e.name != "aac.mov" ||
		e.format == CAF && e.name != "alac.caf" || e.name == "s24.mka" || e.name == "alaw.mka" || e.name == "ms.mka"
	switch {
	case what == "zeroed":
		return pcm
	case e.name == "pipe.wav":
		return true
	}
	// The remaining parts fit together: the file is only shorter.
	return e.format == AAC || e.format == MP2 || e.format == AMR || e.name == "bare.mp3" || e.name == "mono8.mp3"
}
