package compressed

import (
	"slices"
	"strings"
	"testing"
)

// FuzzNegotiate: only what is offered is chosen, never what the header does not
// name or refuses, and its capitals do not matter.
func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"gzip, br", "br;q=0.5, gzip;q=1", "*", "*;q=0", "identity", "gzip;q=0, *", "x-gzip", "br;q=2", "br;q=NaN", "gzip ; q = 0.1", ";q=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := negotiate([]string{header})
		if got != "" && !slices.Contains(Codings, got) {
			t.Fatalf("%q: %q is not offered", header, got)
		}
		lower := strings.ToLower(header)
		if got != "" && !strings.Contains(lower, got) && !strings.Contains(lower, "*") {
			t.Errorf("%q: %q was not asked for", header, got)
		}
		if again := negotiate([]string{lower}); again != got {
			t.Errorf("%q: %q, and in small letters %q", header, got, again)
		}
		if again := negotiate([]string{header, "br;q=0", "gzip;q=0", "*;q=0"}); again != "" {
			t.Errorf("%q: %q is refused in the end", header, again)
		}
		if again := negotiate(strings.Split(header, ",")); again != got {
			t.Errorf("%q: %q in one line, %q in several", header, got, again)
		}
	})
}
