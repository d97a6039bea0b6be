package works

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"timbre.example/internal/media"
)

// ending matches the part of a file name that people read as its type.
var ending = regexp.MustCompile(`^\.[A-Za-z0-9]{1,10}$`)

// recordingName returns the file name of a download: the name of the upload, with the
// extension of the detected format. The uploader chose the name, while the format was
// detected from the bytes. The computer that opens the file uses the extension.
func recordingName(name string, format media.Format) string {
	known := format.Extensions()
	if len(known) == 0 {
		return name + ".bin"
	}
	name = strings.TrimRight(name, ". ")
	if slices.Contains(known, strings.ToLower(path.Ext(name))) {
		return name
	}
	if stem, last := strings.TrimSuffix(name, path.Ext(name)), path.Ext(name); ending.MatchString(last) && strings.ContainsFunc(last[1:], letter) && stem != "" {
		name = strings.TrimRight(stem, ". ")
	}
	if slices.Contains(known, strings.ToLower(path.Ext(name))) { // song.wav.exe
		return name
	}
	return name + known[0]
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
