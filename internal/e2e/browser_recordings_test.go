package e2e_test

import (
	"os"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestRecordings chooses files that are not complete recordings. The page shows the
// problem of each. For a file that may only be incomplete, the review shows a warning.
func TestRecordings(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	v := newViewer(t, p)
	p.Goto(x.plain())
	v.load()
	part := func(name string, of, parts int) string {
		whole, err := os.ReadFile(fixtures + name)
		if err != nil {
			t.Fatal(err)
		}
		return write(t, name, whole[:len(whole)*of/parts])
	}
	first := true
	for _, c := range []struct{ file, text string }{
		{part("stereo.flac", 1, 2), "Part of the sound is missing from this file. Upload the whole file, or export the song again from your music program."},
		{fixtures + "refused-video.mp4", "This file is a video. Export the sound alone, as WAV, FLAC or MP3."},
		{fixtures + "refused-speex.spx", "We cannot read the kind of sound in this file. Export the song as WAV, FLAC or MP3."},
		{write(t, "song.wav", []byte("RIFF\x24\x00\x00\x00WAVE\x01\x02\x03\x04\x05\x06\x07\x08")), "This file is damaged. Export the song again from your music program."},
		{write(t, "song.aiff", []byte("FORM\x00\x00\x00\x04AIFF")), "This file has no sound. Choose the file with the recording."},
	} {
		if first {
			fillSong(p, 0, c.file, "Whole")
			fillCreator(p, 0)
			first = false
		} else {
			p.SetFile(browser.Hook("file"), c.file)
			p.Wait("!" + browser.Hook("error-file"))
			p.Click(browser.Hook("next"))
			p.Click(browser.Hook("submit"))
		}
		p.Wait(browser.Hook("error-file"))
		if text := browser.Eval[string](p, "e2e.text('error-file')"); text != c.text {
			t.Errorf("%s: %q, want %q", c.file, text, c.text)
		}
		checkField(t, p, c.file, "file")
		if c.text[0] == 'P' {
			v.see("cut")
		}
	}

	p.SetFile(browser.Hook("file"), part("bare-cbr.mp3", 9, 10))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	p.Wait(browser.Hook("cut-end"))
	v.see("review")
	confirm(p, 0)
	v.done()
}
