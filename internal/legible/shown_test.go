package legible

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzShown: what is drawn of a text has nothing that steers how the rest is
// read, and a text without such is drawn as it is.
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
			t.Errorf("%q is drawn as %q, and that as %q", text, shown, again)
		}
		if !strings.Contains(shown, "⟨U+") && shown != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Errorf("%q is drawn as %q", text, shown)
		}
	})
}
