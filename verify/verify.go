// Package verify holds the page that checks evidence in a browser, and serves it under /verify. The
// page is one file: a saved copy needs neither the server nor a network.
//
// The package adds to the page the registry that serves it and the keys of the registry's logs, and
// nothing else. The package never receives the checked files. The page itself is TypeScript
// (verify/src), built by `go run ./verify/build`.
package verify

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

//go:embed dist/verify.html
var built string

// place is the marker in the page before which the keys are inserted.
const place = "<title>"

// policy is the page's own policy, and forbids framing. A page itself cannot forbid framing.
var policy = func() string {
	_, rest, found := strings.Cut(built, `http-equiv="Content-Security-Policy" content="`)
	own, _, _ := strings.Cut(rest, `"`)
	if !found || !strings.Contains(built, place) {
		panic("verify: built without its page")
	}
	return own + "; frame-ancestors 'none'"
}()

// Page returns the page as the registry at the URL serves it, with the verifier keys of its logs.
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

// New serves the page at /verify. keys returns the verifier keys of all logs, in order: the
// page follows when a log has another key. missing answers every other path.
func New(registry string, keys func(context.Context) []string, missing http.HandlerFunc) http.Handler {
	var newest atomic.Pointer[made]
	mux := http.NewServeMux()
	mux.HandleFunc("/", missing)
	mux.HandleFunc("GET /verify", func(w http.ResponseWriter, r *http.Request) {
		now, m := keys(r.Context()), newest.Load()
		if m == nil || !slices.Equal(m.keys, now) {
			page := Page(registry, now)
			m = &made{now, page, fmt.Sprintf(`"%x"`, sha256.Sum256(page))}
			newest.Store(m)
		}
		page, tag := m.page, m.tag
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

// made is a page and the keys in it.
type made struct {
	keys []string
	page []byte
	tag  string
}
