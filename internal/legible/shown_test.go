package legible

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzShown: a shown text has no character that changes how the rest is shown. A text
// without such characters is shown unchanged.
func FuzzShown(f *testing.F) {
	for _, s := range []string{"Zoë", "\u202egnirts\u202c", "a\nb", "\u2066x\u2069", "\u2028", "⟨U+202E⟩", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown := Shown(text)
		for _, r := range shown {
			if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
				t.Fatalf("%q is drawn as %q", text, shown)
			}
		}
		if again := Shown(shown); again != shown {
			t.Errorf("%q is shown as %q, and that as %q", text, shown, again)
		}
		if !strings.Contains(shown, "⟨U+") && shown != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Errorf("%q is drawn as %q", text, shown)
		}
	})
}
