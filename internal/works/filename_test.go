package works

import (
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"timbre.example/internal/media"
)

func TestRecordingName(t *testing.T) {
	for _, c := range []struct {
		name   string
		format media.Format
		want   string
	}{
		{"song.wav", media.WAV, "song.wav"}, {"Song.WAV", media.WAV, "Song.WAV"}, {"song.wave", media.WAV, "song.wave"}, {"song", media.FLAC, "song.flac"},
		{"song.html", media.WAV, "song.wav"}, {"song.exe", media.MP3, "song.mp3"}, {"song.HTML", media.MP3, "song.mp3"}, {"song.wav.exe", media.WAV, "song.wav"}, {"song.exe.", media.WAV, "song.wav"},
		{"song.exe ", media.WAV, "song.wav"}, {"song.wav", media.MP3, "song.mp3"}, {"song.m4a", media.MP3, "song.mp3"}, {"mix.mov", media.M4A, "mix.mov"}, {"a.webarchive", media.WAV, "a.wav"},
		{"No. 1", media.WAV, "No. 1.wav"}, {"Op.9", media.WAV, "Op.9.wav"}, {"Mr. Smith", media.OggVorbis, "Mr. Smith.ogg"}, {".htaccess", media.WAV, ".htaccess.wav"}, {"a.tar.gz", media.WAV, "a.tar.wav"},
		{"चिट्ठी.html", media.Opus, "चिट्ठी.opus"}, {"x.h\u200btml", media.WAV, "x.h\u200btml.wav"}, {"x.lnk\u202e", media.WAV, "x.lnk\u202e.wav"}, {"song.xyz", "", "song.xyz.bin"}, {"...", media.WAV, ".wav"},
	} {
		if got := recordingName(c.name, c.format); got != c.want {
			t.Errorf("%q of %s: %q, want %q", c.name, c.format, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // for every uploaded name, the extension is one of the format's
		name := recordingName(rapid.String().Draw(t, "name"), media.WAV)
		if !slices.Contains(media.WAV.Extensions(), strings.ToLower(path.Ext(name))) {
			t.Fatalf("%q", name)
		}
	})
}
