package media

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"timbre.example/internal/fault"
)

// fixtures are the accepted files of testdata. Their values come from the tools of
// their encoders.
var fixtures = []struct {
	name     string
	format   Format
	duration time.Duration // to within a microsecond
	rate     int
	channels int
}{
	{"pcm16.wav", WAV, time.Second, 8000, 1},
	{"pcm8.wav", WAV, time.Second, 8000, 1},
	{"pcm24-extensible.wav", WAV, 250 * time.Millisecond, 16000, 2},
	{"float.wav", WAV, time.Second, 8000, 1},
	{"mulaw.wav", WAV, time.Second, 8000, 1},
	{"alaw.wav", WAV, time.Second, 8000, 1},
	{"rf64.wav", WAV, time.Second, 8000, 1},
	{"wave64.w64", WAV, time.Second, 8000, 1},
	{"bext-list.wav", WAV, time.Second, 8000, 1},
	{"streamed.wav", WAV, time.Second, 8000, 1},
	{"streamed-sox.wav", WAV, time.Second, 8000, 1},
	{"adpcm.wav", WAV, 1020500 * time.Microsecond, 8000, 1},
	{"pcm16.aiff", AIFF, time.Second, 8000, 1},
	{"pcm24.aiff", AIFF, time.Second, 8000, 1},
	{"sowt.aifc", AIFF, time.Second, 8000, 1},
	{"float.aifc", AIFF, time.Second, 8000, 1},
	{"mulaw.aifc", AIFF, time.Second, 8000, 1},
	{"streamed.aiff", AIFF, 500 * time.Millisecond, 8000, 1},
	{"streamed-sox.aiff", AIFF, 500 * time.Millisecond, 8000, 1},
	{"stereo.flac", FLAC, 1250 * time.Millisecond, 44100, 2},
	{"mono8k.flac", FLAC, time.Second, 8000, 1},
	{"streamed.flac", FLAC, time.Second, 8000, 1},
	{"picture.flac", FLAC, time.Second, 8000, 1},
	{"id3.flac", FLAC, time.Second, 8000, 1},
	{"xing-cbr.mp3", MP3, 1250 * time.Millisecond, 44100, 2},
	{"vbr-id3v2.mp3", MP3, 1250 * time.Millisecond, 44100, 2},
	{"bare-cbr.mp3", MP3, 1018775 * time.Microsecond, 44100, 1},
	{"padded.mp3", MP3, 1018775 * time.Microsecond, 44100, 1},
	{"mpeg2-id3v1.mp3", MP3, time.Second, 16000, 2},
	{"mpeg25.mp3", MP3, time.Second, 8000, 1},
	{"picture.mp3", MP3, time.Second, 44100, 1},
	{"layer2.mp2", MP2, 1253877 * time.Microsecond, 44100, 2},
	{"stereo.aac", AAC, 1277097 * time.Microsecond, 44100, 2},
	{"moov-end.m4a", M4A, time.Second, 44100, 1},
	{"moov-front.m4a", M4A, time.Second, 44100, 1},
	{"cover.m4a", M4A, time.Second, 44100, 1},
	{"fragmented.m4a", M4A, 1023219 * time.Microsecond, 44100, 1},
	{"aac.mov", M4A, time.Second, 44100, 1},
	{"alac.m4a", M4A, time.Second, 16000, 2},
	{"vorbis.ogg", OggVorbis, 1250 * time.Millisecond, 44100, 2},
	{"opusenc.opus", Opus, 1250 * time.Millisecond, 48000, 1},
	{"ffmpeg.opus", Opus, 1250 * time.Millisecond, 48000, 2},
	{"chained.opus", Opus, 2500 * time.Millisecond, 48000, 1},
	{"flac.oga", OggFLAC, time.Second, 8000, 1},
	{"opus.webm", WebM, 1258 * time.Millisecond, 48000, 1},
	{"vorbis.webm", WebM, 1253 * time.Millisecond, 44100, 2},
	{"live.webm", WebM, 1261 * time.Millisecond, 48000, 1},
	{"chromium.m4a", M4A, 582979 * time.Microsecond, 48000, 2},
	{"chromium.webm", WebM, 660 * time.Millisecond, 48000, 2},
	{"flac.mka", Matroska, time.Second, 8000, 1},
	{"matroska.mka", Matroska, 250 * time.Millisecond, 8000, 1},
	{"cover.webm", WebM, 1258 * time.Millisecond, 48000, 1},
	{"cover.ogg", OggVorbis, 1250 * time.Millisecond, 44100, 2},
	{"adpcm-ms.wav", WAV, 1018 * time.Millisecond, 8000, 1},
	{"mp3.wav", WAV, 548571 * time.Microsecond, 44100, 1},
	{"flac.mp4", M4A, time.Second, 8000, 1},
	{"pcm16.mov", M4A, 250 * time.Millisecond, 8000, 1},
	{"pcm24.mov", M4A, 250 * time.Millisecond, 8000, 1},
	{"ac3-aac.mp4", M4A, time.Second, 44100, 1},
	{"pcm16.caf", CAF, 250 * time.Millisecond, 8000, 1},
	{"ima.caf", CAF, time.Second, 8000, 1},
	{"alac.caf", CAF, 1024 * time.Millisecond, 16000, 2},
	{"tune.wma", WMA, 1024 * time.Millisecond, 8000, 1},
	{"tune.amr", AMR, time.Second, 8000, 1},
}

// noTotal marks the fixtures that state no total: a cut between two frames, pages or
// blocks cannot be detected.
var noTotal = map[string]bool{
	"streamed.flac": true, "bare-cbr.mp3": true, "padded.mp3": true, "layer2.mp2": true, "tune.amr": true, "cover.ogg": true, "stereo.aac": true, "fragmented.m4a": true,
	"vorbis.ogg": true, "opusenc.opus": true, "ffmpeg.opus": true, "chained.opus": true, "live.webm": true, "chromium.m4a": true, "chromium.webm": true,
}

// streamed reports whether all bytes after the header are the audio.
func streamed(name string) bool {
	return strings.HasPrefix(name, "streamed") && !strings.HasSuffix(name, ".flac")
}

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func inspect(b []byte) (Info, error) { return Inspect(context.Background(), bytes.NewReader(b)) }

// refused returns the details of an invalid_audio_format error.
func refused(t testing.TB, err error) map[string]any {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.CodeRegistrationInvalidAudioFormat {
		t.Fatalf("error %v, want %s", err, fault.CodeRegistrationInvalidAudioFormat)
	}
	if diff := cmp.Diff(Supported(), f.Details["supported"]); diff != "" {
		t.Errorf("supported (-want +got):\n%s", diff)
	}
	if f.Details["detected"] == "" {
		t.Error("nothing detected")
	}
	return f.Details
}

func TestFixtures(t *testing.T) {
	listed := map[string]bool{"README": true}
	for _, f := range fixtures {
		listed[f.name] = true
		t.Run(f.name, func(t *testing.T) {
			b := load(t, f.name)
			got, err := inspect(b)
			if err != nil {
				t.Fatalf("refused: %v %v", err, refused(t, err))
			}
			exact := got
			got.Duration = got.Duration.Truncate(time.Microsecond)
			want := Info{SHA256: sha256.Sum256(b), Size: int64(len(b)), Format: f.format, Duration: f.duration, SampleRate: f.rate, Channels: f.channels}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// The result does not depend on the sizes of the reads.
			for how, r := range map[string]io.Reader{
				"one byte at a time": iotest.OneByteReader(bytes.NewReader(b)),
				"end with the data":  iotest.DataErrReader(bytes.NewReader(b)),
			} {
				if again, err := Inspect(context.Background(), r); err != nil || again != exact {
					t.Errorf("%s: %+v, %v", how, again, err)
				}
			}
		})
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.IsDir() && !listed[f.Name()] && !strings.HasPrefix(f.Name(), "refused-") {
			t.Errorf("testdata/%s is in no table", f.Name())
		}
	}
}

func TestRefusedFixtures(t *testing.T) {
	for _, c := range []struct{ name, detected, problem string }{
		{"refused-video.mp4", "video/mp4", video},
		{"refused-mp3.mp4", "audio/mp4; codecs=mp4a.6b", codec},
		{"refused-video.ogv", "video/ogg", video},
		{"refused-speex.spx", "audio/ogg; codecs=speex", codec},
		{"refused-video.webm", "video/webm", video},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := inspect(load(t, c.name))
			d := refused(t, err)
			if d["detected"] != c.detected || d["problem"] != c.problem {
				t.Errorf("detected %q, problem %q; want %q, %q", d["detected"], d["problem"], c.detected, c.problem)
			}
		})
	}
}

// TestNotAudio has files that people upload instead of a song, with any name.
func TestNotAudio(t *testing.T) {
	song := load(t, "xing-cbr.mp3")
	noise := make([]byte, 300_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	shell := "#!/bin/sh\necho 'not a song'\n"
	python := "#!/usr/bin/env python3\nimport sys\nprint('not a song')\n"
	for _, c := range []struct{ name, bytes, detected, problem string }{
		{"shell", shell, "text/x-shellscript", unsupported},
		{"python", python, "text/x-python", unsupported},
		{"html", "<!DOCTYPE html><html><body>song.mp3</body></html>", "text/html", unsupported},
		{"text", "la la la", "text/plain", unsupported},
		{"pdf", "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf", unsupported},
		{"png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png", unsupported},
		{"zip of a song", string(zipped(t, "song.mp3", song)), "application/zip", unsupported},
		{"script and a song", shell + string(song), "text/x-shellscript", unsupported},
		{"one byte", "\x00", "application/octet-stream", unsupported},
		{"zeros", strings.Repeat("\x00", 100_000), "application/octet-stream", unsupported},
		{"noise", string(noise), "application/octet-stream", unsupported},
		{"padding, then noise", strings.Repeat("\x00", 5000) + string(noise), "application/octet-stream", unsupported},
		{"ID3, then noise", "ID3\x03\x00\x00\x00\x00\x00\x00" + string(noise), "application/octet-stream", unsupported},
		{"ID3, then a script", "ID3\x03\x00\x00\x00\x00\x00\x00" + shell, "text/x-shellscript", unsupported},
		{"one MP3 frame, then text", string(song[:208]) + strings.Repeat("text ", 1000), "audio/mpeg", unsupported},
		{"WAV header and script", "RIFF\xff\x00\x00\x00WAVE" + python, "audio/wav", malformed},
		{"WAV header, binary chunks", "RIFF\xff\x00\x00\x00WAVE\x01\x02\x03\x04\x00\x00\x00\x00", "audio/wav", malformed},
		{"WAV without audio", string(load(t, "pcm16.wav")[:36]), "audio/wav", truncated},
		{"WAV of zero length", wav(chunk("fmt ", pcmFormat), chunk("data", "")), "audio/wav", noAudio},
		{"WAV of zero length, tags", wav(chunk("fmt ", pcmFormat), chunk("data", ""), chunk("LIST", "INFO")), "audio/wav", noAudio},
		{"WAV, data before format", wav(chunk("data", tone), chunk("fmt ", pcmFormat)), "audio/wav", malformed},
		{"WAV, no channels", wav(chunk("fmt ", "\x01\x00\x00\x00"+pcmFormat[4:]), chunk("data", tone)), "audio/wav", malformed},
		{"AVI", "RIFF\xff\x00\x00\x00AVI LIST\x00\x00\x00\x00hdrl", "video/x-msvideo", unsupported},
		{"AIFF of garbage", "FORM\x00\x00\x10\x00AIFF" + shell, "audio/aiff", malformed},
		{"FLAC of garbage", "fLaC" + strings.Repeat(shell, 5), "audio/flac", malformed},
		{"Ogg of garbage", "OggS" + strings.Repeat("\x00", 100), "audio/ogg", malformed},
		{"WebM of garbage", ebmlMagic + shell, "audio/webm", malformed},
		{"MP4 of garbage", "\x00\x00\x00\x14ftypM4A \x00\x00\x00\x00M4A \x01\x02\x03\x04\x05\x06\x07\x08", "audio/mp4", malformed},
		{"CAF", "caff\x00\x01\x00\x00desc", "audio/x-caf", truncated},
		{"Ogg of lyrics", oggPage("kate", 2, 0, "\x80kate\x00\x00\x00\x00"), "audio/ogg", noAudio},
		{"HEIC picture", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1", "image/heic", unsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := inspect([]byte(c.bytes))
			d := refused(t, err)
			if d["detected"] != c.detected || d["problem"] != c.problem {
				t.Errorf("detected %q, problem %q; want %q, %q", d["detected"], d["problem"], c.detected, c.problem)
			}
		})
	}
}

// zipped returns an archive with the uncompressed file.
func zipped(t *testing.T, name string, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestEmpty(t *testing.T) {
	_, err := inspect(nil)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.CodeRegistrationAudioEmpty {
		t.Errorf("error %v, want %s", err, fault.CodeRegistrationAudioEmpty)
	}
}

// TestCut cuts every fixture at the places where uploads often stop, and then
// at many others. There only the cases in doc.go may be accepted.
func TestCut(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			b := load(t, f.name)
			for _, percent := range []int{1, 10, 25, 33, 50, 67, 75, 90, 97} {
				part := b[:len(b)*percent/100]
				info, err := inspect(part)
				if (streamed(f.name) || info.IncompleteLastFrame) && err == nil {
					continue
				}
				if _, between := parseMP2(b[len(part):]); between && f.format == MP2 {
					continue // between two frames
				}
				if err == nil {
					t.Errorf("%d %%: accepted as %+v", percent, info)
					continue
				}
				d := refused(t, err)
				if n, ok := d["actual_bytes"]; d["problem"] == truncated && (!ok || n != int64(len(part))) {
					t.Errorf("%d %%: actual size %v of %d", percent, n, len(part))
				}
				if n, ok := d["declared_bytes"].(int64); ok && n <= int64(len(part)) {
					t.Errorf("%d %%: declared size %d of %d", percent, n, len(part))
				}
				if percent >= 50 && d["problem"] != truncated {
					t.Errorf("%d %%: problem %v", percent, d["problem"])
				}
			}
			passed := 0
			step := max(1, len(b)/997)
			for n := 1; n < len(b); n += step {
				info, err := inspect(b[:n])
				if err != nil {
					refused(t, err)
					continue
				}
				if info.IncompleteLastFrame {
					continue // reported by IncompleteLastFrame
				}
				missing := len(b) - n
				tolerated := streamed(f.name) || missing <= slack+1 || noTotal[f.name] ||
					f.format == MP3 && missing < 600 || strings.HasPrefix(f.name, "bext") && missing < 700
				if !tolerated {
					t.Errorf("cut to %d of %d bytes: accepted as %+v", n, len(b), info)
				}
				passed++
			}
			if total := len(b) / step; noTotal[f.name] && passed > total/30 && f.format != AMR { // its frames have 13 bytes
				t.Errorf("%d of %d cuts passed", passed, total)
			}
		})
	}
}

// TestFlips changes random bytes of every fixture. Nothing panics, and every accepted
// file has plausible values.
func TestFlips(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, f := range fixtures {
		b := load(t, f.name)
		for range 300 {
			bad := bytes.Clone(b)
			span := len(bad)
			if rng.IntN(2) == 0 {
				span = min(span, 600) // headers matter most
			}
			for range 1 + rng.IntN(8) {
				bad[rng.IntN(span)] = byte(rng.Uint32())
			}
			check(t, bad)
		}
	}
}

// check checks the rules that hold for every result.
func check(t *testing.T, b []byte) {
	t.Helper()
	info, err := inspect(b)
	if err != nil {
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatalf("error %v is not a refusal", err)
		}
		if info != (Info{}) {
			t.Fatalf("refused, and %+v", info)
		}
		return
	}
	if info.Size != int64(len(b)) || info.SHA256 != sha256.Sum256(b) {
		t.Fatalf("size %d of %d, hash %x", info.Size, len(b), info.SHA256)
	}
	if info.Duration < 0 || info.SampleRate < 0 || info.Channels < 0 || info.Format == "" {
		t.Fatalf("implausible result: %+v", info)
	}
}

// TestReadErrors: the caller receives the reader's error.
func TestReadErrors(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, f := range fixtures {
		b := load(t, f.name)
		for _, n := range []int{0, 1, len(b) / 2, len(b)} {
			r := io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken))
			if _, err := Inspect(context.Background(), r); !errors.Is(err, broken) {
				t.Errorf("%s, broken at %d: error %v", f.name, n, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Inspect(ctx, bytes.NewReader(load(t, "pcm16.wav"))); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	if _, err := Inspect(context.Background(), idle{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("reader that never returns anything: error %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// TestStopsEarly: an endless file that is not audio is not read for ever.
func TestStopsEarly(t *testing.T) {
	for name, head := range map[string]string{
		"script":   "#!/bin/sh\n",
		"zeros":    "\x00\x00",
		"not MP4":  "\x00\x00\x00\x14ftypM4A \x00\x00\x00\x00M4A \x01\x02\x03\x04\x05\x06\x07\x08",
		"not FLAC": "fLaC\x00\x00\x00\x22",
	} {
		r := &counted{r: io.MultiReader(strings.NewReader(head), endless{})}
		_, err := Inspect(context.Background(), r)
		refused(t, err)
		if r.n > 2<<20 {
			t.Errorf("%s: %d bytes read before giving up", name, r.n)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bigWAV returns a WAV file with size bytes of silence. Only its header is in memory.
func bigWAV(size int64) io.Reader {
	head := wav(chunk("fmt ", pcmFormat)) + "data" + le32(uint32(size))
	return io.MultiReader(strings.NewReader(head), io.LimitReader(endless{}, size))
}

const big = 500_000_000

// TestMemory: half a gigabyte needs only a little more memory than the buffer.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	info, err := Inspect(context.Background(), bigWAV(big))
	runtime.ReadMemStats(&after)
	if err != nil || info.Size < big || info.Duration != big/16000*time.Second {
		t.Fatalf("%+v, %v", info, err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

// TestSource compares the buffered source with plain slices, for reads, peeks and skips
// of any size.
func TestSource(t *testing.T) {
	data := make([]byte, 5<<20)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	rapid.Check(t, func(t *rapid.T) {
		all := data[:rapid.IntRange(0, len(data)).Draw(t, "size")]
		most := rapid.SampledFrom([]int{1 << 10, 1 << 16, 1<<20 + 7, 1 << 30}).Draw(t, "read size")
		s := newSource(context.Background(), &limited{bytes.NewReader(all), most})
		defer s.release()
		at := 0
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			n := rapid.IntRange(0, keepSize).Draw(t, "peek")
			if want := all[at:min(at+n, len(all))]; !bytes.Equal(s.peek(n), want) {
				t.Fatalf("peek %d at %d", n, at)
			}
			n = rapid.IntRange(0, 400_000).Draw(t, "skip")
			want := min(n, len(all)-at)
			if got := s.skip(int64(n)); got != int64(want) {
				t.Fatalf("skip %d at %d: %d, want %d", n, at, got, want)
			}
			at += want
			if s.offset() != int64(at) {
				t.Fatalf("offset %d, want %d", s.offset(), at)
			}
			back := max(0, at-keepSize)
			if b := s.since(int64(back)); b == nil || !bytes.HasPrefix(all[back:], b) || len(b) < at-back {
				t.Fatalf("since %d at %d: %d bytes", back, at, len(b))
			}
		}
		s.drain()
		if want := sha256.Sum256(all); !bytes.Equal(s.hash.Sum(nil), want[:]) || s.offset() != int64(len(all)) {
			t.Fatalf("hash or size differs after %d bytes", s.offset())
		}
	})
}

type limited struct {
	r    io.Reader
	most int
}

func (l *limited) Read(p []byte) (int, error) { return l.r.Read(p[:min(len(p), l.most)]) }

func TestSupportedIsACopy(t *testing.T) {
	Supported()[0] = "changed"
	if Supported()[0] != "WAV" {
		t.Error("a caller can change the list")
	}
}

// junkAfter are the starts of files that junk follows. junkOf are the bytes that the
// junk repeats; "" is noise.
var (
	junkAfter = []string{"bare-cbr.mp3", "layer2.mp2", "stereo.aac", "streamed.flac", "opusenc.opus", "tune.amr"}
	junkOf    = []string{"\xff\xfb\x90\x64\xff\xf3\x18\xc0", "\xff\xf8\xff\xfb\x90\x64", "\xff\xf9\x50\x80\x01\x5f\xfc", "ID3\x03\x00\x00\x00\x00\x00\x00", "\x00", "\xff", "\xff\xfb\x90\x00", "\xff\xfd\x90\x00", "\xff\xf1\x50\x80", "\xff\xf8", "\xff\xf8\xc9\x18", "fLaC", "TAG", "ID3", "APETAGEX", "OggS", "OggS\x00", ""}
)

// junk fills a buffer.
func junk(of string, b []byte) {
	if of == "" {
		rand.NewChaCha8([32]byte{}).Read(b)
		return
	}
	for n := copy(b, of); n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// Junk full of frame starts costs more time for each byte than sound. The reader stops
// in it before it has more bytes than the sound.
func TestCostlyJunkStopsTheReader(t *testing.T) {
	t.Parallel()
	long := func(name string) []byte {
		head := load(t, name)
		return bytes.Repeat(head, 1+(8<<20)/len(head))
	}
	body := make([]byte, 32<<20)
	for _, c := range []struct {
		name string
		head []byte
		of   []string
	}{
		{"MP3", long("bare-cbr.mp3"), []string{"\xff\xfb\x90\x64\xff\xf3\x18\xc0", "\xff\xf8\xff\xfb\x90\x64", "\xff\xf1\x50\x80", "ID3\x03\x00\x00\x00\x00\x00\x00"}},
		{"MP2", long("layer2.mp2"), []string{"\xff\xfb\x90\x64\xff\xf3\x18\xc0", "\xff\xfb\xe0"}},
		{"AAC", long("stereo.aac"), []string{"\xff\xf1\x50\x80", "\xff\xfb\x90\x64"}},
		{"M4A", []byte("\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42"), []string{"\x00\x00\x00\x08free", "\x00\x00\x00\x08mdat", "\x00\x00\x00\x08trak"}},
	} {
		for _, of := range c.of {
			junk(of, body)
			r := &counted{r: io.MultiReader(bytes.NewReader(c.head), bytes.NewReader(body))}
			if _, err := Inspect(t.Context(), r); !errors.Is(err, fault.CodeRegistrationInvalidAudioFormat) {
				t.Errorf("%s and %x: %v", c.name, of, err)
			}
			if behind := r.n - int64(len(c.head)); behind > 5<<20 {
				t.Errorf("%s: %d bytes of %x were read", c.name, behind, of)
			}
		}
	}
}

// BenchmarkInspect compares each kind of reader with the hash alone, which is
// the floor. repeat makes a long file from the frames of a short one.
func BenchmarkInspect(b *testing.B) {
	const size = 64 << 20
	b.Run("floor-sha256", func(b *testing.B) {
		b.SetBytes(size)
		block := make([]byte, 1<<20)
		for b.Loop() {
			h := sha256.New()
			for range size / len(block) {
				h.Write(block)
			}
		}
	})
	b.Run("wav", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Inspect(context.Background(), bigWAV(size)); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, c := range []struct {
		name   string
		repeat string
	}{
		{"mp3", string(load(b, "bare-cbr.mp3"))},
		{"aac", string(load(b, "stereo.aac"))},
		{"opus", string(load(b, "opusenc.opus"))},
	} {
		b.Run(c.name, func(b *testing.B) {
			whole := []byte(strings.Repeat(c.repeat, size/len(c.repeat)))
			b.SetBytes(int64(len(whole)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := inspect(whole); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// Junk is at least a third as quick as WAV, because the reader stops early.
	body := make([]byte, size)
	for _, name := range junkAfter {
		head := load(b, name)
		for _, of := range junkOf {
			junk(of, body)
			b.Run(fmt.Sprintf("%s-junk-%x", name, of), func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					Inspect(context.Background(), io.MultiReader(bytes.NewReader(head), bytes.NewReader(body)))
				}
			})
		}
	}
	b.Run("flac", func(b *testing.B) {
		// Noise after a first frame: the search for the next frame costs the same.
		head := load(b, "streamed.flac")
		whole := make([]byte, size)
		rand.NewChaCha8([32]byte{}).Read(whole)
		copy(whole, head)
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := inspect(whole); err == nil {
				b.Fatal("noise accepted")
			}
		}
	})
}
