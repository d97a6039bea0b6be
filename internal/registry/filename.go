package registry

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"timbre.example/internal/media"
)

// ending is what people take for the kind of a file at the end of its name.
var ending = regexp.MustCompile(`^\.[A-Za-z0-9]{1,10}$`)

// recordingName is what a recording is downloaded as: the name that it was uploaded
// with, and the ending of what it is. A name is the uploader's word; what a file is
// was found in its bytes, and a computer that opens it goes by the ending.
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
