package account

import (
	"errors"
	"strings"
	"testing"

	"timbre.example/internal/fault"
)

func TestOriginsAreTested(t *testing.T) {
	t.Parallel()
	patterns := []string{"songs.example", "*.band.example", "https://shop.example:8443", "http://plain.example", "localhost:*", "*.amazonaws.com", "xn--mnchen-3ya.example", "[::1]"}
	for _, c := range []struct {
		typed, origin, shown, pattern string
		reason                        Mismatch // of the pattern named in of
		of                            string
		like                          string
	}{
		{typed: "https://songs.example", origin: "https://songs.example", pattern: "songs.example"},
		{typed: " Songs.Example/a/page?x=1#y ", origin: "https://songs.example", pattern: "songs.example"},
		{typed: "https://user:pw@songs.example:443/", origin: "https://songs.example", pattern: "songs.example"},
		{typed: `https://songs.example\evil.example`, origin: "https://songs.example", pattern: "songs.example"},
		{typed: "http://songs.example", origin: "http://songs.example", of: "songs.example", reason: OtherScheme},
		{typed: "https://songs.example:8443", origin: "https://songs.example:8443", of: "songs.example", reason: OtherPort},
		{typed: "https://www.songs.example", origin: "https://www.songs.example", of: "songs.example", reason: OtherHost},
		{typed: "band.example", origin: "https://band.example", of: "*.band.example", reason: ItsParent},
		{typed: "a.band.example", origin: "https://a.band.example", pattern: "*.band.example"},
		{typed: "shop.example", origin: "https://shop.example", of: "https://shop.example:8443", reason: OtherPort},
		{typed: "https://plain.example", origin: "https://plain.example", of: "http://plain.example", reason: OtherScheme},
		{typed: "localhost:3000", origin: "http://localhost:3000", pattern: "localhost:*"},
		{typed: "x.s3.amazonaws.com", origin: "https://x.s3.amazonaws.com", of: "*.amazonaws.com", reason: OtherOwner},
		{typed: "MÜNCHEN.example", origin: "https://xn--mnchen-3ya.example", shown: "https://münchen.example", pattern: "xn--mnchen-3ya.example"},
		{typed: "xn--mnchen-3ya.example:444", origin: "https://xn--mnchen-3ya.example:444", shown: "https://münchen.example:444", of: "xn--mnchen-3ya.example", reason: OtherPort},
		{typed: "[0:0:0:0:0:0:0:1]", origin: "http://[::1]", pattern: "[::1]"},
		{typed: "my_site.example", origin: "https://my_site.example", of: "songs.example", reason: OtherHost},
		// Cyrillic letters only, and between Latin ones.
		{typed: "аррӏе.example", origin: "https://xn--80ak6aa92e.example", shown: "https://аррӏе.example", of: "songs.example", reason: OtherHost, like: "apple"},
		{typed: "sоngs.example", origin: "https://xn--sngs-55d.example", shown: "https://sоngs.example", of: "songs.example", reason: OtherHost, like: "songs"},
		// Words of one language are not suspicious.
		{typed: "привет.example", origin: "https://xn--b1agh1afp.example", shown: "https://привет.example", of: "songs.example", reason: OtherHost},
		{typed: "東京タワー.example", origin: "https://xn--5ck2eqb538s34z.example", shown: "https://東京タワー.example", of: "songs.example", reason: OtherHost},
	} {
		got, err := testOrigin(patterns, c.typed)
		if err != nil {
			t.Errorf("%q: %v", c.typed, err)
			continue
		}
		if c.shown == "" {
			c.shown = c.origin
		}
		if got.Origin != c.origin || got.Shown != c.shown || got.Pattern != c.pattern || got.Allowed != (c.pattern != "") {
			t.Errorf("%q: %+v", c.typed, got)
		}
		like := ""
		for _, one := range got.LooksLike {
			like += one.Like
		}
		if like != c.like || (len(got.LooksLike) > 0) != (c.like != "") {
			t.Errorf("%q looks like %+v, want %q", c.typed, got.LooksLike, c.like)
		}
		if got.Allowed != Allowed(patterns, got.Origin) {
			t.Errorf("%q: the tester and a call differ on %s", c.typed, got.Origin)
		}
		if c.reason == "" {
			continue
		}
		if len(got.Refused) != len(patterns) {
			t.Errorf("%q: %d of %d patterns say why", c.typed, len(got.Refused), len(patterns))
		}
		for _, r := range got.Refused {
			if r.Message == "" || r.Pattern == c.of && r.Reason != c.reason {
				t.Errorf("%q: %+v, want %s", c.typed, r, c.reason)
			}
		}
	}
	for _, typed := range []string{"", " ", "null", "file:///a", "ftp://songs.example", "*.songs.example", "localhost:*", "https://", "https:///x", "so ngs.example", "songs..example", "songs.example:0", "songs.example:65536",
		"songs.example:x", "xn--a.example", "127.1", "1.2.3.4.5", "a\u202eb.example", "songs\x00.example", "\xff.example", strings.Repeat("a", 2001), "[::1", "::1", "[::ffff:1.2.3.4]"} {
		if got, err := testOrigin(patterns, typed); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Errorf("%q is read as %+v, %v", typed, got, err)
		}
	}
	// Letters of scripts that no language writes together.
	if got, err := testOrigin(nil, "songsпривет.example"); err != nil || len(got.LooksLike) != 1 || got.LooksLike[0].Like != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzTestOrigin: the tester says what a call would do.
func FuzzTestOrigin(f *testing.F) {
	for _, s := range []string{"https://songs.example", "songs.example:8443/x", "localhost:3000", "[::1]:80", "аррӏе.example", "http://user@127.0.0.1", "xn--mnchen-3ya.example", `a\b`} {
		f.Add(s)
	}
	patterns := []string{"songs.example", "*.songs.example:*", "localhost:*", "http://127.0.0.1"}
	f.Fuzz(func(t *testing.T, typed string) {
		got, err := testOrigin(patterns, typed)
		if err != nil {
			return
		}
		if got.Allowed != Allowed(patterns, got.Origin) {
			t.Fatalf("%q: the tester and a call differ on %q", typed, got.Origin)
		}
		again, err := testOrigin(patterns, got.Origin)
		if err != nil || again.Origin != got.Origin || again.Allowed != got.Allowed {
			t.Fatalf("%q is read as %q, which is read as %q, %v", typed, got.Origin, again.Origin, err)
		}
	})
}
