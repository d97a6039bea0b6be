package account

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, canonical string
		yes, no            []string
	}{
		{"https://songs.example", "https://songs.example",
			[]string{"https://songs.example", "https://SONGS.example", "https://songs.example:443"},
			[]string{"http://songs.example", "https://songs.example:8443", "https://a.songs.example", "https://songs.example.evil.example", "https://songs.example@evil.example",
				"https://evil.example/songs.example", "https://songs.example?", "https://songs.example#x", "https://songs.example.", "null", "", "songs.example", "//songs.example", "ftp://songs.example", "https://songs.example/path"}},
		{" HTTPS://Songs.Example:443/ ", "https://songs.example", []string{"https://songs.example"}, []string{"http://songs.example:443"}},
		{"songs.example", "songs.example", []string{"https://songs.example"}, []string{"http://songs.example", "https://songs.example:444"}},
		{"http://songs.example", "http://songs.example", []string{"http://songs.example", "http://songs.example:80"}, []string{"https://songs.example"}},
		{"songs.example:8443", "songs.example:8443", []string{"https://songs.example:8443"}, []string{"https://songs.example", "http://songs.example:8443"}},
		{"*.songs.example", "*.songs.example",
			[]string{"https://a.songs.example", "https://a.b.songs.example"},
			[]string{"https://songs.example", "https://evilsongs.example", "http://a.songs.example", "https://.songs.example", "https://a..songs.example"}},
		{"https://*.songs.example:*", "https://*.songs.example:*", []string{"https://a.songs.example:1", "https://a.songs.example"}, []string{"http://a.songs.example:1"}},
		{"localhost:*", "localhost:*", []string{"http://localhost", "http://localhost:3000", "https://localhost:3000"}, []string{"http://localhost.evil.example:3000"}},
		{"localhost", "localhost", []string{"http://localhost", "https://localhost"}, []string{"http://localhost:3000"}},
		{"*.localhost:*", "*.localhost:*", []string{"http://shop.localhost:3000"}, []string{"http://localhost:3000"}},
		{"127.0.0.1:*", "127.0.0.1:*", []string{"http://127.0.0.1:8080"}, []string{"http://127.0.0.2:8080"}},
		{"10.0.0.1", "10.0.0.1", []string{"https://10.0.0.1"}, []string{"http://10.0.0.1"}},
		{"[::1]:*", "[::1]:*", []string{"http://[::1]:8080"}, []string{"http://[::2]:8080"}},
		{"[0:0:0:0:0:0:0:1]", "[::1]", []string{"http://[::1]"}, nil},
		{"*.München.example", "*.xn--mnchen-3ya.example", []string{"https://www.xn--mnchen-3ya.example"}, []string{"https://www.munchen.example"}},
		{"https://MÜNCHEN.example:8443", "https://xn--mnchen-3ya.example:8443", []string{"https://xn--mnchen-3ya.example:8443"}, nil},
		{"songs。example", "songs.example", []string{"https://songs.example"}, nil},
		{"*.songs.co.uk", "*.songs.co.uk", []string{"https://www.songs.co.uk"}, []string{"https://songs.co.uk", "https://evil.co.uk"}},
		{"*.band.github.io", "*.band.github.io", []string{"https://a.band.github.io"}, []string{"https://evil.github.io"}},
		{"co.uk", "co.uk", []string{"https://co.uk"}, []string{"https://evil.co.uk"}},
		{"*.amazonaws.com", "*.amazonaws.com", []string{"https://console.amazonaws.com"}, []string{"https://evil.s3.amazonaws.com", "https://s3.amazonaws.com", "https://x.eu-west-1.compute.amazonaws.com"}},
		{"*.songs.internal", "*.songs.internal", []string{"https://a.songs.internal"}, nil},
		{"xn--mnchen-3ya.example", "xn--mnchen-3ya.example", []string{"https://xn--mnchen-3ya.example"}, []string{"https://münchen.example"}},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if p.String() != c.canonical {
			t.Errorf("%q is written %q, want %q", c.pattern, p, c.canonical)
		}
		if again, err := ParsePattern(p.String()); err != nil || again != p {
			t.Errorf("%q: its canonical form reads as %q, %v", c.pattern, again, err)
		}
		for _, o := range c.yes {
			if !p.Match(o) {
				t.Errorf("%q does not match %q", c.pattern, o)
			}
		}
		for _, o := range c.no {
			if p.Match(o) {
				t.Errorf("%q matches %q", c.pattern, o)
			}
		}
	}
}

func TestPatternRefused(t *testing.T) {
	for _, text := range []string{
		"", "*", "https://", "https://*", "*.com", "*.", "*.*.songs.example", "songs.*", "a*.songs.example", "ftp://songs.example", "null",
		"songs.example:0", "songs.example:65536", "songs.example:080", "songs.example:", "songs.example:8080x", "songs.example/path", "songs.example//",
		"user@songs.example", "songs..example", "songs.example.", "songs example", "[::1", "[songs.example]", "[127.0.0.1]", "[::1]x", "::1",
		"*.co.uk", "https://*.co.uk", "*.CO.UK:*", "*.co。uk", "*.github.io", "*.GitHub.io:8443", "http://*.github.io", "*.herokuapp.com", "*.s3.amazonaws.com", "*.compute.amazonaws.com",
		"*.xn--55qx5d.cn", "*.公司.cn", "*.ck", "*.foo.ck", "*.co.uk.", "*。co.uk",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]:*", "[::ffff:10.0.0.1]", "*.0.0.1", "*.1", "*.x.0x7f", "0x7f000001", "a.0x", "xn--a.example", "xn--zzzzzz--.example",
		"*.127.0.0.1", "127.1", "1.2.3.4.5", "a.7", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "example", "songs.example?x", "songs.example#x",
	} {
		if p, err := ParsePattern(text); err == nil {
			t.Errorf("%q is taken, as %q", text, p)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"https://songs.example", "*.songs.example:*", "localhost:3000", "[::1]:*", "http://[::ffff:1.2.3.4]:80", "https://a:443/", "127.0.0.1", "xn--a.example", "*.a.b:1"} {
		f.Add(s, "https://songs.example")
	}
	f.Fuzz(func(t *testing.T, text, origin string) {
		p, err := ParsePattern(text)
		if err != nil {
			return
		}
		again, err := ParsePattern(p.String())
		if err != nil || again != p {
			t.Fatalf("%q is written %q, which reads as %q, %v", text, p, again, err)
		}
		if again.String() != p.String() {
			t.Fatalf("%q has two forms: %q and %q", text, p, again)
		}
		if p.Match(origin) != again.Match(origin) {
			t.Fatalf("%q and its canonical form %q differ on %q", text, p, origin)
		}
		if own := p.Example(); !p.Match(own) && len(p.host) < 250 { // one more label must fit
			t.Fatalf("%q does not match its own example %q", text, own)
		}
	})
}
