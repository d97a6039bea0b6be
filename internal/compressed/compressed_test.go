package compressed

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

func TestNegotiate(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": "", "gzip": "gzip", "br": "br", "gzip, deflate, br, zstd": "br", "gzip, deflate": "gzip", "deflate": "", "identity": "", "*": "br",
		"br;q=0, gzip": "gzip", "br;q=0,gzip;q=0": "", "*;q=0": "", "*;q=0, gzip": "gzip", "gzip;q=1.0, br;q=0.5": "gzip", "GZIP; Q=0.2": "gzip", "x-gzip": "gzip",
		"identity;q=0": "", "identity;q=0, br": "br", "identity;q=0, *": "br", "identity, br;q=0.5": "", "identity;q=0.1, br;q=0.5": "br",
		"br;q=nan": "", "br;q=2": "", "br;q=": "", ",,;": "", "gzip;q=0.5;x=1": "",
	} {
		if got := negotiate([]string{header}); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
	if got := negotiate([]string{"gzip", "br"}); got != "br" {
		t.Errorf("two headers: %q", got)
	}
}

func decoded(t *testing.T, coding string, b []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	switch coding {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var text = strings.Repeat("The same line, again and again.\n", 100)

// site serves a text with a tag, one without, a picture, a short text and a refusal.
func site(c *Cache) http.Handler {
	return c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		answer := func(kind, tag, body string) {
			h.Set("Content-Type", kind)
			if tag != "" {
				h.Set("ETag", tag)
				if strings.Contains(r.Header.Get("If-None-Match"), tag) {
					w.WriteHeader(http.StatusNotModified)
					return
				}
			}
			h.Set("Content-Length", strconv.Itoa(len(body)))
			h.Set("Cache-Control", "no-cache")
			io.WriteString(w, body)
		}
		switch r.URL.Path {
		case "/tagged":
			answer("text/html; charset=utf-8", `"t"`, text)
		case "/untagged":
			answer("application/json", "", text)
		case "/ranged":
			h.Set("ETag", `"r"`)
			h.Set("Content-Type", "text/plain")
			http.ServeContent(w, r, "x.txt", time.Unix(1_700_000_000, 0), strings.NewReader(text))
		case "/picture":
			answer("image/png", `"p"`, text)
		case "/short":
			answer("text/plain", `"s"`, "short")
		default:
			h.Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, text)
		}
	}))
}

func TestHandler(t *testing.T) {
	t.Parallel()
	h := site(New(1 << 20))
	call := func(method, path string, head map[string]string) *http.Response {
		r := httptest.NewRequest(method, path, nil)
		for k, v := range head {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for _, c := range []struct {
		path, accept, coding, tag string
		varies                    bool
	}{
		{"/tagged", "", "", `"t"`, true},
		{"/tagged", "gzip, br", "br", `"t-br"`, true},
		{"/tagged", "gzip", "gzip", `"t-gzip"`, true},
		{"/tagged", "identity;q=0, br;q=0, gzip;q=0.1", "gzip", `"t-gzip"`, true},
		{"/tagged", "br;q=0", "", `"t"`, true},
		{"/tagged", "identity;q=0", "", `"t"`, true},
		{"/untagged", "br", "br", "*", true},
		{"/ranged", "br", "br", `"r-br"`, true},
		{"/picture", "br", "", `"p"`, false},
		{"/short", "br", "", `"s"`, true},
		{"/none", "br", "", "", false},
	} {
		head := map[string]string{}
		if c.accept != "" {
			head["Accept-Encoding"] = c.accept
		}
		name := fmt.Sprintf("%s %q", c.path, c.accept)
		get := call("GET", c.path, head)
		body, _ := io.ReadAll(get.Body)
		tag := get.Header.Get("ETag")
		if get.Header.Get("Content-Encoding") != c.coding || tag != c.tag && (c.tag != "*" || !strings.HasSuffix(tag, `-br"`)) || (get.Header.Get("Vary") == "Accept-Encoding") != c.varies {
			t.Errorf("%s: %v", name, get.Header)
		}
		want := text
		if c.path == "/short" {
			want = "short"
		}
		if got := decoded(t, c.coding, body); string(got) != want {
			t.Errorf("%s: another body", name)
		}
		if length := get.Header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(body)) || c.coding != "" && len(body) > len(text)/10 {
			t.Errorf("%s: length %s of %d", name, length, len(body))
		}
		if get.StatusCode != 200 {
			continue
		}
		if c.coding != "" {
			headed := call("HEAD", c.path, head)
			if b, _ := io.ReadAll(headed.Body); len(b) > 0 || headed.Header.Get("Content-Length") != get.Header.Get("Content-Length") || headed.Header.Get("ETag") != tag || headed.Header.Get("Content-Encoding") != c.coding {
				t.Errorf("%s: HEAD has %d bytes, %v", name, len(b), headed.Header)
			}
		}
		if tag != "" {
			head["If-None-Match"] = `"other", W/` + tag
			if c.coding == "" && c.accept == "" {
				head["If-None-Match"] = tag
			}
			again := call("GET", c.path, head)
			if b, _ := io.ReadAll(again.Body); again.StatusCode != 304 || len(b) > 0 || again.Header.Get("Content-Encoding") != "" || again.Header.Get("ETag") != tag && c.coding != "" {
				t.Errorf("%s: with its tag %d, %d bytes, %v", name, again.StatusCode, len(b), again.Header)
			}
			head["If-None-Match"] = `"another"`
			if again := call("GET", c.path, head); again.StatusCode != 200 {
				t.Errorf("%s: with another tag %d", name, again.StatusCode)
			}
		}
	}
	// A part is of the file as it is, and of nothing else.
	if part := call("GET", "/ranged", map[string]string{"Range": "bytes=0-9"}); part.StatusCode != 206 || part.Header.Get("Content-Encoding") != "" || part.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("%d %v", part.StatusCode, part.Header)
	}
	if whole := call("GET", "/ranged", map[string]string{"Range": "bytes=0-9", "Accept-Encoding": "br"}); whole.StatusCode != 200 || whole.Header.Get("Content-Encoding") != "br" || whole.Header.Get("Accept-Ranges") != "" {
		t.Errorf("%d %v", whole.StatusCode, whole.Header)
	}
}

// TestCache checks that a body compressed at build time is sent as it is. Any other body is
// compressed once for all requests, and the cache stays within its bound.
func TestCache(t *testing.T) {
	t.Parallel()
	c := New(1000)
	c.Add("br", []byte(text), []byte("made at build time"))
	if got := c.get("br", []byte(text)); string(got) != "made at build time" {
		t.Errorf("%q", got)
	}
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			body := []byte(fmt.Sprint(i%40) + text)
			if got := decoded(t, "gzip", c.get("gzip", body)); !bytes.Equal(got, body) {
				t.Errorf("%d: another body", i)
			}
		})
	}
	wg.Wait()
	total, entries := 0, 0
	for at := c.used.Front(); at != nil; at = at.Next() {
		total += at.Value.(*kept).size
		entries++
	}
	if total != c.size || total > 1000 || entries != len(c.known) || entries < 2 || entries > 20 {
		t.Errorf("%d bytes (said %d) in %d entries (known %d)", total, c.size, entries, len(c.known))
	}
	if got := c.get("br", []byte(text)); string(got) != "made at build time" {
		t.Error("it forgot what the binary has in any case")
	}
	if !bytes.Equal(Pack("br", []byte(text)), Pack("br", []byte(text))) || !bytes.Equal(Pack("gzip", []byte(text)), Pack("gzip", []byte(text))) {
		t.Error("not the same twice")
	}
}
