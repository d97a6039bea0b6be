package legible_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"timbre.example/internal/legible"
)

// The tests of the widget and of the page /verify read the same file.
func TestCases(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name, Text, Shown string
		Rule              legible.Kind
		At                int
		Blank             bool
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		kind, r, at := legible.First(c.Text)
		if kind != c.Rule || c.At != 0 && (at != c.At || r != []rune(c.Text)[at-1]) {
			t.Errorf("%s: %+q: %q, %U at %d; want %q at %d", c.Name, c.Text, kind, r, at, c.Rule, c.At)
		}
		if got := legible.Shown(c.Text); got != c.Shown {
			t.Errorf("%s: %+q is shown as %+q, want %+q", c.Name, c.Text, got, c.Shown)
		}
		if got := legible.Blank(c.Text); got != c.Blank {
			t.Errorf("%s: %+q is blank: %t", c.Name, c.Text, got)
		}
	}
}

// Texts from other people are shown, too, and may be of any size. Work that grows with the square of
// the size would exceed the timeout of the tests.
func TestLargeTexts(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"\u0301", "\u200d", "\U000e0061", "\ufe0f", "\u3164", "क्\u200d", "\U0001f3f4\U000e0061"} {
		if shown := legible.Shown(strings.Repeat(part, 1<<20/len(part))); shown == "" {
			t.Errorf("1 MB of %+q is nothing", part)
		}
	}
}
