// Package compressed compresses responses with brotli or gzip, as the client accepts.
//
// It is for bodies that are the same for all clients: files, documents, public
// pages. Do not use it for an answer that contains a secret, because the length
// of compressed text reveals something about the text.
package compressed

import (
	"bytes"
	"compress/gzip"
	"container/list"
	"crypto/sha256"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

// Codings are the supported content codings by their HTTP names, the best first.
var Codings = []string{"br", "gzip"}

// Pack compresses a body as much as possible. The same input always gives the same
// output. It takes some 3 seconds for a megabyte, so use it only in builds.
func Pack(coding string, body []byte) []byte {
	return pack(coding, body, brotli.BestCompression)
}

// quickly is the quality of brotli during a request: some 30 ms for 100 KB. Its
// output is 3 percent longer than that of the best quality.
const quickly = 9

func pack(coding string, body []byte, quality int) []byte {
	var out bytes.Buffer
	switch coding {
	case "br":
		w := brotli.NewWriterLevel(&out, quality)
		_, _ = w.Write(body) // to memory
		_ = w.Close()
	case "gzip":
		w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err != nil {
			panic(err) // impossible: the level is valid
		}
		_, _ = w.Write(body)
		_ = w.Close()
	default:
		panic("compressed: no coding " + coding)
	}
	return out.Bytes()
}

// A Cache keeps compressed bodies, each made once. It is safe for concurrent use.
type Cache struct {
	limit int

	mu    sync.Mutex
	known map[key]*list.Element // of *kept
	used  list.List             // the last used first
	size  int
}

type key struct {
	coding string
	sum    [sha256.Size]byte // of the body
}

type kept struct {
	key    key
	pinned bool // made at build time: never removed, since it is in the binary anyway
	made   func() []byte
	size   int // in bytes; 0 before it is made
}

// New returns a cache for at most limit bytes. Bodies from Add do not count.
func New(limit int) *Cache {
	return &Cache{limit: limit, known: map[key]*list.Element{}}
}

// Add adds a body that was compressed at build time.
func (c *Cache) Add(coding string, body, packed []byte) {
	k := key{coding, sha256.Sum256(body)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[k] = c.used.PushFront(&kept{key: k, pinned: true, made: func() []byte { return packed }})
}

// get returns a body in a coding.
func (c *Cache) get(coding string, body []byte) []byte {
	k := key{coding, sha256.Sum256(body)}
	c.mu.Lock()
	at, ok := c.known[k]
	if ok {
		c.used.MoveToFront(at)
	} else {
		// The first of several requests compresses the body, once and outside the lock.
		at = c.used.PushFront(&kept{key: k, made: sync.OnceValue(func() []byte { return pack(coding, body, quickly) })})
		c.known[k] = at
	}
	one := at.Value.(*kept)
	made := one.made // another request may replace it meanwhile
	c.mu.Unlock()
	packed := made()
	if one.pinned {
		return packed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if one.size == 0 && c.known[k] == at {
		// The old function would keep the uncompressed body in memory.
		one.made = func() []byte { return packed }
		one.size = len(packed)
		c.size += one.size
	}
	for oldest := c.used.Back(); c.size > c.limit && oldest != nil; {
		before := oldest.Prev()
		if old := oldest.Value.(*kept); !old.pinned && old.size > 0 {
			c.used.Remove(oldest)
			delete(c.known, old.key)
			c.size -= old.size
		}
		oldest = before
	}
	return packed
}

// least is the minimum size of a body to compress, in bytes.
const least = 256

// Handler compresses the 200 answers of next to GET and HEAD when they are text and
// the client accepts a coding. Each coding has its own entity tag. Range requests
// return parts of the uncompressed file only.
func (c *Cache) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		coding := ""
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			coding = negotiate(r.Header.Values("Accept-Encoding"))
		}
		out := &writer{ResponseWriter: w, coding: coding}
		inner := r
		if coding != "" {
			inner = r.Clone(r.Context())
			inner.Method = http.MethodGet // a HEAD has the same Content-Length as a GET
			for _, conditional := range []string{"If-None-Match", "If-Modified-Since", "If-Range", "Range"} {
				inner.Header.Del(conditional)
			}
		}
		next.ServeHTTP(out, inner)
		out.finish(c, r)
	})
}

// writer holds back a body until it is complete, to compress it.
type writer struct {
	http.ResponseWriter
	coding  string // "" when the body is not compressed
	started bool
	held    bool
	body    bytes.Buffer
}

// Unwrap returns the inner writer, for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if w.started {
		return
	}
	h := w.Header()
	text := compressible(h.Get("Content-Type")) && h.Get("Content-Encoding") == ""
	if text && (status == http.StatusOK || status == http.StatusNotModified || status == http.StatusPartialContent) {
		h.Add("Vary", "Accept-Encoding")
	}
	w.started = status >= http.StatusOK
	// A body that is not text keeps its bytes and its ETag. The conditions were removed
	// from the inner request, so they are checked here.
	if w.held = w.coding != "" && status == http.StatusOK; !w.held {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *writer) Write(b []byte) (int, error) {
	if !w.started {
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", http.DetectContentType(b))
		}
		w.WriteHeader(http.StatusOK)
	}
	if w.held {
		return w.body.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

func (w *writer) finish(c *Cache, r *http.Request) {
	if !w.held {
		return
	}
	h := w.Header()
	body := w.body.Bytes()
	tag := h.Get("ETag")
	if compressible(h.Get("Content-Type")) && h.Get("Content-Encoding") == "" && len(body) >= least && !strings.HasPrefix(tag, "W/") {
		if tag == "" {
			tag = fmt.Sprintf(`"%x"`, sha256.Sum256(body))
		}
		if packed := c.get(w.coding, body); len(packed) < len(body) {
			body = packed
			tag = strings.TrimSuffix(tag, `"`) + "-" + w.coding + `"`
			h.Set("Content-Encoding", w.coding)
			h.Del("Accept-Ranges")
		}
		h.Set("ETag", tag)
	}
	if matches(r.Header.Values("If-None-Match"), tag) {
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding"} {
			h.Del(name)
		}
		w.ResponseWriter.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.ResponseWriter.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.ResponseWriter.Write(body)
	}
}

// matches reports whether If-None-Match names the tag.
func matches(header []string, tag string) bool {
	for _, one := range strings.Split(strings.Join(header, ","), ",") {
		one = strings.TrimSpace(one)
		if tag != "" && (one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/")) {
			return true
		}
	}
	return false
}

// compressible reports whether a media type is text.
func compressible(kind string) bool {
	kind, _, err := mime.ParseMediaType(kind)
	return err == nil && (strings.HasPrefix(kind, "text/") && kind != "text/event-stream" || strings.HasSuffix(kind, "+xml") || strings.HasSuffix(kind, "+json") ||
		slices.Contains([]string{"application/json", "application/javascript", "application/xml"}, kind))
}

// negotiate returns the coding that Accept-Encoding prefers, or "" for no coding. Among
// equals the first of Codings wins. A client that accepts no coding and not even the
// uncompressed body receives the uncompressed body, because an error would not help.
func negotiate(header []string) string {
	quality := map[string]float64{}
	for _, part := range strings.Split(strings.ToLower(strings.Join(header, ",")), ",") {
		name, parameter, _ := strings.Cut(part, ";")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.ReplaceAll(parameter, " ", ""), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(value, 64); err != nil || !(q >= 0 && q <= 1) {
				q = 0 // invalid: treat it as not accepted
			}
		}
		switch name = strings.TrimSpace(name); name {
		case "":
			continue
		case "x-gzip":
			name = "gzip"
		}
		quality[name] = q
	}
	of := func(name string, otherwise float64) float64 {
		if q, ok := quality[name]; ok {
			return q
		}
		if q, ok := quality["*"]; ok {
			return q
		}
		return otherwise
	}
	best, most := "", 0.0
	for _, coding := range Codings {
		if q := of(coding, 0); q > most {
			best, most = coding, q
		}
	}
	if plain, listed := quality["identity"]; listed && plain > most {
		return ""
	}
	return best
}
