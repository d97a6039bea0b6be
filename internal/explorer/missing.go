package explorer

import (
	"net/http"
	"strings"

	"timbre.example/internal/network"
)

// readably returns a refuse function that answers people with a page instead of the
// body that refuse writes for programs. Status and headers stay the same.
func (x *explorer) readably(refuse func(http.ResponseWriter, *http.Request, error)) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if prefersHTML(r) {
			w = &readable{w, r, x}
		}
		refuse(w, r, err)
	}
}

type readable struct {
	http.ResponseWriter
	r *http.Request
	x *explorer
}

func (w *readable) WriteHeader(status int) {
	at := network.Name(w.r.PathValue("network"))
	if _, ok := w.x.logs[at]; !ok { // the path names no known network
		at = names(w.x.logs)[0]
		if other := pathNetwork(w.r.URL.Path); w.x.logs[other] != nil {
			at = other
		}
	}
	missing := status == http.StatusNotFound
	title := "Not available right now"
	if missing {
		title = "Not found"
	}
	page, err := execute("missing", "layout", struct {
		base
		Work     bool
		Explorer bool
		Missing  bool
		Searched searched
	}{w.x.base(w.x.logs[at], title), strings.HasPrefix(w.r.URL.Path, "/w/"), strings.HasPrefix(w.r.URL.Path, "/explorer/"), missing, w.x.notFound(w.r, at)})
	if err == nil {
		protect(w.Header())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Del("Content-Length") // it is the length of the replaced body
		w.Header().Add("Vary", "Accept")
	}
	w.ResponseWriter.WriteHeader(status)
	if w.r.Method != http.MethodHead {
		w.ResponseWriter.Write(page)
	}
}

// Write drops the body that refuse writes.
func (w *readable) Write(b []byte) (int, error) { return len(b), nil }

// pathNetwork returns the network in a log's path: its second part.
func pathNetwork(path string) network.Name {
	parts := strings.Split(path, "/")
	if len(parts) < 3 {
		return ""
	}
	return network.Name(parts[2])
}
