package certificate

import (
	"testing"
	"unicode"

	"github.com/go-text/typesetting/font"

	"timbre.example/internal/legible"
)

// A name is never shown as less than it is: a page has no character that draws nothing in its
// font, but white space, and what acts on its neighbours.
func TestWhatDrawsNothingIsNamed(t *testing.T) {
	t.Parallel()
	for i, s := range sources {
		name := s.name
		f, err := fontCache[i]()
		if err != nil {
			t.Fatal(err)
		}
		face := font.NewFace(f)
		checked := 0
		for r := rune(' '); r <= 0xe01ef; r++ {
			if r == 0x40000 {
				r = 0xe0000 // nothing is assigned between
			}
			id, ok := face.NominalGlyph(r)
			if !ok || unicode.IsSpace(r) {
				continue
			}
			checked++
			if data, ok := face.GlyphData(id).(font.GlyphOutline); ok && len(data.Segments) == 0 && legible.Shown(string(r)) == string(r) {
				t.Errorf("%s: %U draws nothing, and is shown as itself", name, r)
			}
		}
		if checked == 0 {
			t.Errorf("%s: no character", name)
		}
	}
}
