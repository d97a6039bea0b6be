package accesscode

import (
	"strings"
	"testing"
)

// FuzzAccessCode: a code is accepted in either case, and has one canonical form.
func FuzzAccessCode(f *testing.F) {
	code := "atc_" + strings.Repeat("0123456789abcdef", 4)
	for _, s := range []string{code, strings.ToUpper(code), code + "\n", " " + code, strings.Replace(code, "a", "K", 1), ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got, err := Canonical(typed)
		if err != nil {
			return
		}
		if again, err := Canonical(got); err != nil || again != got || len(got) != 68 || len(typed) != 68 || !strings.EqualFold(got, typed) {
			t.Errorf("%q is read as %q, and that as %q: %v", typed, got, again, err)
		}
	})
}
