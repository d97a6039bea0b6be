// Package verify holds the page that checks evidence in a browser, and serves it
// under /verify. The page is one file: who saved it needs neither the server nor
// a network.
//
// The package adds to the page which registry it is from and the keys of its
// logs, and nothing else; it never sees what is checked. The page itself is
// TypeScript (verify/src), and built by `go run ./verify/build`.
package verify

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

//go:embed dist/verify.html
var built string

// place is what the keys stand before.
const place = "<title>"

// policy is the page's own, and that nobody may frame it: that cannot be said in
// a page.
var policy = func() string {
	_, rest, found := strings.Cut(built, `http-equiv="Content-Security-Policy" content="`)
	own, _, _ := strings.Cut(rest, `"`)
	if !found || !strings.Contains(built, place) {
		panic("verify: built without its page")
	}
	return own + "; frame-ancestors 'none'"
}()

// Page is the page as a registry at the URL gives it out, with the verifier keys
// of its logs.
func Page(registry string, keys []string) []byte {
	var head strings.Builder
	meta := func(name, content string) {
		fmt.Fprintf(&head, "<meta name=%q content=\"%s\">\n", name, html.EscapeString(content))
	}
	meta("timbre-registry", registry)
	for _, k := range keys {
		meta("timbre-log-key", k)
	}
	return []byte(strings.Replace(built, place, head.String()+place, 1))
}

// New serves the page at /verify. Everything else goes to missing.
func New(registry string, keys []string, missing http.HandlerFunc) http.Handler {
	page := Page(registry, keys)
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(page))
	mux := http.NewServeMux()
	mux.HandleFunc("/", missing)
	mux.HandleFunc("GET /verify", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		if strings.Contains(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(len(page)))
		w.Write(page)
	})
	return mux
}
