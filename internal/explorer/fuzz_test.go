package explorer

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// FuzzHash: only the 64 digits of a hash are accepted as that hash.
func FuzzHash(f *testing.F) {
	digits := strings.Repeat("0123456789abcdef", 4)
	for _, s := range []string{digits, "0x" + digits, "0X" + strings.ToUpper(digits), "0x0X" + digits, digits + "0", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := parseHash(text)
		if ok && (!strings.EqualFold(hex.EncodeToString(h[:]), text[len(text)-64:]) || len(text) > 68) {
			t.Errorf("%q is read as %x", text, h)
		}
	})
}

// FuzzNumber: each number has only one accepted form.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "17", "007", "+1", "-0", "9223372036854775807", "9223372036854775808", "1_000", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, ok := parseNumber(text); ok && (n < 0 || fmt.Sprint(n) != text) {
			t.Errorf("%q is read as %d", text, n)
		}
	})
}
