package explorer

import (
	"net/http"
	"strings"

	"timbre.example/internal/network"
	"timbre.example/internal/paths"
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
	n := w.x.named(network.Name(w.r.PathValue("network")))
	if n == nil { // the pattern of the route has no network
		n = w.x.named(pathNetwork(w.r.URL.Path))
	}
	if n == nil { // the path names no network of this server
		n = w.x.first()
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
	}{w.x.base(n, title), strings.HasPrefix(w.r.URL.Path, paths.Works), strings.HasPrefix(w.r.URL.Path, paths.Explorer), missing, w.x.notFound(w.r, n.Name())})
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
