package intake

import (
	"encoding/hex"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"timbre.example/internal/network"
	"timbre.example/proof/commitment"
)

// FuzzLanguage: every header gives one of Languages, each of Languages is found by its own
// tag, and a header that is too long is not read.
func FuzzLanguage(f *testing.F) {
	for _, s := range []string{"fr-CA,fr;q=0.9,en;q=0.8", "zh, *;q=0", "pt-BR", "ja;q=0", "de;q=1.5", "x", "", "ar-u-nu-latn", "sgn-x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		if got := Language(accept); !slices.Contains(Languages, got) {
			t.Fatalf("%q: %q is not a language of certificates", accept, got)
		}
		for _, l := range Languages {
			if got := Language(l); got != l {
				t.Fatalf("%q gives %q", l, got)
			}
		}
		if len(accept) > maxAccept && Language(accept) != Languages[0] {
			t.Errorf("%d bytes are read", len(accept))
		}
	})
}

// FuzzDeclaredHash: an accepted hash has 32 bytes, and is written back as the same hash.
func FuzzDeclaredHash(f *testing.F) {
	digits := strings.Repeat("0123456789abcdef", 4)
	for _, s := range []string{digits, "0x" + digits, "0x0x" + digits, "0X" + digits, digits[1:], ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err == nil && (len(h) != 32 || !strings.EqualFold(hex.EncodeToString(h), strings.TrimPrefix(text, "0x"))) {
			t.Errorf("%q is read as %x", text, h)
		}
	})
}

// FuzzDescribe: an accepted description is accepted again in its stored form, and its
// creators have a canonical form.
func FuzzDescribe(f *testing.F) {
	f.Add("A song", "Zoë Åström", "zoe@songs.example", "00123456789", "000000012146438X", "C:\\songs\\take 3.wav")
	f.Add(" \u00a0x ", "e\u0301", "a@b", "1", "", "a/b\u202e/c")
	f.Add("\u200bx", "\xff", "@", "x", "0", "..")
	f.Add("0", "\x81", "a@b", "1", "", "take.wav")
	f.Fuzz(func(t *testing.T, title, name, email, ipi, isni, filename string) {
		in := Description{Title: title, Filename: filename, Creators: []Creator{{FullName: name, Email: email, Roles: []commitment.Role{commitment.Composer}, IPI: ipi, ISNI: isni}}}
		kept, err := describe(in, network.Testnet)
		if err != nil {
			return
		}
		for _, s := range []string{kept.title, kept.filename, kept.creators[0].FullName, kept.creators[0].Email} {
			if !utf8.ValidString(s) || s == "" || strings.TrimSpace(s) != s || utf8.RuneCountInString(s) > MaxName {
				t.Errorf("%q is kept", s)
			}
		}
		c := kept.creators[0]
		if err := c.Validate(); err != nil || !slices.IsSorted(c.Roles) || len(slices.Compact(slices.Clone(c.Roles))) != len(c.Roles) {
			t.Fatalf("%+v is not in the form that the commitment covers: %v", c, err)
		}
		again := Description{Title: kept.title, Filename: kept.filename, Creators: []Creator{{FullName: c.FullName, Email: c.Email, Roles: c.Roles}}}
		if c.IPI != nil {
			again.Creators[0].IPI = *c.IPI
		}
		if c.ISNI != nil {
			again.Creators[0].ISNI = *c.ISNI
		}
		if second, err := describe(again, network.Testnet); err != nil || !reflect.DeepEqual(second, kept) {
			t.Errorf("kept as %+v, and that as %+v: %v", kept, second, err)
		}
	})
}
