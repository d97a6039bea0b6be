package blob

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func testSigner(tb testing.TB) *signer {
	tb.Helper()
	s, err := newSigner("https://store.example/some/blob/", []byte("sixteen bytes or"))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func mustParse(tb interface{ Fatal(...any) }, raw string) *url.URL {
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// The form of a URL is a promise: URLs from before an upgrade work after it. These
// signatures were computed without this code, with another HMAC implementation.
func TestSignedURLIsStable(t *testing.T) {
	s := testSigner(t)
	for _, c := range []struct {
		g    grant
		want string
	}{
		{grant{method: "PUT", key: "uploads/a-1", expires: 1800000000, max: 500},
			"https://store.example/some/blob/uploads/a-1?expires=1800000000&max=500&sig=2a235862a207e0a29ed0a16f63ae1c84a6d7f36623d5b119a0923763a3f60f64"},
		{grant{method: "GET", key: "a", expires: 1800000000, filename: "É x.wav"},
			"https://store.example/some/blob/a?expires=1800000000&filename=%C3%89+x.wav&sig=926f91a46e38e08acc64574f28bfaa263a300e2f7b71b67b23729e3d97fbbb0b"},
		{grant{method: "GET", key: "a", expires: 1800000000, filename: "É x.wav", mediaType: "audio/wav"},
			"https://store.example/some/blob/a?expires=1800000000&filename=%C3%89+x.wav&sig=6539dc2a165b4d590067349d5193763a32eba112b92c0f9d9161f4a0528d8912&type=audio%2Fwav"},
	} {
		if got := s.url(c.g); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestSignedURLsCheckOut(t *testing.T) {
	s := testSigner(t)
	rapid.Check(t, func(t *rapid.T) {
		g := grant{
			key:     rapid.StringMatching(`[a-z0-9-]{1,20}(/[a-z0-9-]{1,20}){0,3}`).Draw(t, "key"),
			expires: rapid.Int64Min(0).Draw(t, "expires"),
		}
		g.method = rapid.SampledFrom([]string{http.MethodPut, http.MethodGet}).Draw(t, "method")
		as := g.method
		if g.method == http.MethodPut {
			g.max = rapid.Int64Min(1).Draw(t, "max")
		} else {
			g.filename = safeFilename(rapid.String().Draw(t, "filename"))
			g.mediaType = rapid.SampledFrom([]string{"", "audio/wav", "application/pdf"}).Draw(t, "type")
			as = rapid.SampledFrom([]string{http.MethodGet, http.MethodHead}).Draw(t, "as")
		}
		got, ok := s.check(as, mustParse(t, s.url(g)))
		if !ok || got != g {
			t.Fatalf("got %+v %v, want %+v", got, ok, g)
		}
	})
}

func TestAnotherKeySignsOtherwise(t *testing.T) {
	other, err := newSigner("https://store.example/some/blob", []byte("sixteen bytes OR"))
	if err != nil {
		t.Fatal(err)
	}
	g := grant{method: "PUT", key: "a", expires: 1, max: 1}
	if _, ok := testSigner(t).check("PUT", mustParse(t, other.url(g))); ok {
		t.Error("accepted")
	}
}

// Every accepted URL is exactly one that we would make, in each byte of each value.
func FuzzCheck(f *testing.F) {
	s := testSigner(f)
	put := s.url(grant{method: "PUT", key: "uploads/a", expires: 1800000000, max: 500})
	get := s.url(grant{method: "GET", key: "a", expires: 1800000000, filename: "É x.wav"})
	f.Add("PUT", put)
	f.Add("GET", get)
	f.Add("HEAD", get)
	f.Add("PUT", strings.Replace(put, "uploads/a", "uploads/%61", 1))
	f.Add("PUT", put+"&max=1")
	f.Add("GET", "https://store.example/some/blob/../../etc?expires=1&filename=&sig=")
	f.Fuzz(func(t *testing.T, method, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		g, ok := s.check(method, u)
		if !ok {
			return
		}
		if err := validKey(g.key); err != nil {
			t.Fatal(err)
		}
		made := mustParse(t, s.url(g))
		if diff := cmp.Diff(made.Query(), u.Query()); diff != "" || made.Path != u.Path {
			t.Fatalf("%s: path %s, query %s", raw, u.Path, diff)
		}
	})
}

func TestSafeFilename(t *testing.T) {
	for in, want := range map[string]string{
		"song.wav":                              "song.wav",
		"":                                      "download",
		"...":                                   "download",
		" . ":                                   "download",
		"\x00\r\n":                              "download",
		".htaccess":                             "htaccess",
		"../../etc/passwd":                      "_.._etc_passwd",
		`C:\a\b.wav`:                            "C__a_b.wav",
		"a\"b.wav":                              "a_b.wav",
		"a\r\nX: y.wav":                         "aX_ y.wav",
		"gnp\u202evaw.exe":                      "gnpvaw.exe",
		"日本\u3000語.flac":                        "日本 語.flac",
		"\xff\xfe.wav":                          "wav",
		strings.Repeat("x", 300) + ".wav":       strings.Repeat("x", 196) + ".wav",
		strings.Repeat("é", 150) + ".wav":       strings.Repeat("é", 98) + ".wav",
		"a." + strings.Repeat("longextens", 30): ("a." + strings.Repeat("longextens", 30))[:200],
	} {
		if got := safeFilename(in); got != want {
			t.Errorf("safeFilename(%q) = %q, want %q", in, got, want)
		}
	}
}

// A file name survives the header unchanged, and cannot break out of it.
func FuzzDisposition(f *testing.F) {
	for _, name := range []string{"song.wav", "É \"x\".wav", "a\r\nSet-Cookie: b", "100%.wav", "日本.flac", "\xff", strings.Repeat("é", 200)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name := safeFilename(in)
		if name == "" || len(name) > maxFilenameBytes || !utf8.ValidString(name) || strings.ContainsAny(name, "/\\\r\n\x00") || safeFilename(name) != name {
			t.Fatalf("unsafe or unstable name %q of %q", name, in)
		}
		h := disposition(name)
		for _, c := range []byte(h) {
			if c < 0x20 || c > 0x7e {
				t.Fatalf("byte %#x in header %q", c, h)
			}
		}
		kind, params, err := mime.ParseMediaType(strings.Replace(h, ` filename="`, ` plain="`, 1))
		if err != nil || kind != "attachment" || params["filename"] != name {
			t.Fatalf("%q reads as %q %q (%v), want %q", h, kind, params["filename"], err, name)
		}
	})
}
