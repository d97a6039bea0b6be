package media

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFormatsAreDocumented: docs/formats.md lists every format with its media type,
// and every problem of a refusal.
func TestFormatsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	var formats []string
	for _, row := range regexp.MustCompile("(?m)^\\| ([A-Z][^|]*) \\| `([^`]*)` \\|").FindAllStringSubmatch(string(page), -1) {
		formats = append(formats, row[1])
		if typ := Format(row[1]).Type(); typ != row[2] {
			t.Errorf("%s is documented as %s, but its type is %q", row[1], row[2], typ)
		}
	}
	var want []string
	for _, k := range kinds {
		want = append(want, string(k.format))
	}
	if !slices.Equal(formats, want) {
		t.Errorf("the documented formats are %v, want %v", formats, want)
	}
	for _, problem := range []string{unsupported, malformed, noAudio, codec, video, truncated} {
		if !strings.Contains(string(page), "\n| `"+problem+"` |") {
			t.Errorf("%s is not documented", problem)
		}
	}
}
