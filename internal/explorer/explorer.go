// Package explorer shows the built-in log to people. It shows a transaction, its
// block and the proof of both. It calls an entry verified only after it has checked
// the proof. For a work it shows the versions in the log.
//
// It has pages and their style. It never writes, never runs a script and loads
// nothing from other hosts. It shows no personal data, because the log has only
// numbers and hashes.
package explorer

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
)

//go:embed assets
var assets embed.FS

// perPage is the maximum number of rows of a list.
const perPage = 50

// styleURL and iconURL contain a hash of the file, so browsers can cache it for
// ever.
var (
	styleURL, style = embedded("style", ".css")
	iconURL, icon   = embedded("icon", ".svg")
)

func embedded(name, end string) (string, []byte) {
	data, err := assets.ReadFile("assets/" + name + end)
	if err != nil {
		panic(err) // impossible: the file is embedded
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("/explorer/%s-%x%s", name, sum[:8], end), data
}

var pages = func() map[string]*template.Template {
	funcs := template.FuncMap{
		"hex":   func(b [32]byte) string { return hex.EncodeToString(b[:]) },
		"hash":  func(h tlog.Hash) string { return hex.EncodeToString(h[:]) }, // its own String is base64
		"day":   day,
		"date":  func(t time.Time) string { return t.UTC().Format("2 January 2006") },
		"exact": func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") },
		"short": func(b [32]byte) string { return fmt.Sprintf("0x%x…%x", b[:6], b[28:]) },
		"count": count,
		"add":   func(a, b int64) int64 { return a + b },
	}
	m := map[string]*template.Template{}
	m["badge"] = template.Must(template.New("").Funcs(funcs).ParseFS(assets, "assets/badge.svg"))
	for _, name := range []string{"transaction", "block", "log", "work", "found", "missing"} {
		m[name] = template.Must(template.New("").Funcs(funcs).ParseFS(assets, "assets/layout.html", "assets/"+name+".html"))
	}
	return m
}()

// day returns a time to the second, with its zone.
func day(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

// count writes n with commas between groups of thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

type explorer struct{ logs map[network.Name]*log.Log }

// Pages are the pages about the logs. There is at least one log.
type Pages struct {
	http.Handler
	refuse func(http.ResponseWriter, *http.Request, error)
}

// Refuse answers with an error: a browser that prefers HTML receives a page, and a
// program the response of the refuse function of [New]. Status and headers are the same.
func (p *Pages) Refuse(w http.ResponseWriter, r *http.Request, err error) { p.refuse(w, r, err) }

// Icon serves the icon of every page, which browsers ask for under /favicon.ico.
func (p *Pages) Icon(w http.ResponseWriter, r *http.Request) { forEver(w, "image/svg+xml", icon) }

func forEver(w http.ResponseWriter, kind string, data []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(data)
}

// New serves the logs under /explorer/ and works under /w/. It passes every error to
// refuse: transaction.not_found for an unknown hash, work.not_found for an
// unknown work, common.not_found for any other unknown path, and other errors
// unchanged. Browsers receive a page instead of the body that refuse writes.
func New(logs map[network.Name]*log.Log, refuse func(http.ResponseWriter, *http.Request, error)) *Pages {
	x := &explorer{logs}
	refuse = x.readably(refuse)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+styleURL, func(w http.ResponseWriter, r *http.Request) { forEver(w, "text/css; charset=utf-8", style) })
	mux.HandleFunc("GET "+iconURL, func(w http.ResponseWriter, r *http.Request) { forEver(w, "image/svg+xml", icon) })
	for path, page := range map[string]func(http.ResponseWriter, *http.Request, *log.Log) error{
		"/explorer/{network}":                          x.log,
		"/explorer/{network}/tx/{hash}":                x.transaction,
		"/explorer/{network}/tx/{hash}/leaf.txt":       x.leafFile,
		"/explorer/{network}/tx/{hash}/proof.txt":      x.proofFile,
		"/explorer/{network}/block/{n}":                x.block,
		"/explorer/{network}/block/{n}/checkpoint.txt": x.checkpointFile,
		"/w/{network}/{ats_id}":                        x.work,
		"/w/{network}/{ats_id}/badge.svg":              x.badge,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			l, ok := x.logs[network.Name(r.PathValue("network"))]
			if !ok {
				refuse(w, r, fault.CommonNotFound())
				return
			}
			if err := page(w, r, l); err != nil {
				var f *fault.Error
				if errors.Is(err, log.ErrNotFound) && !errors.As(err, &f) {
					err = fault.CommonNotFound().Because(err)
				}
				refuse(w, r, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if to := x.nearest(r); to != "" {
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		refuse(w, r, fault.CommonNotFound())
	})
	return &Pages{mux, refuse}
}

// nearest returns the address to redirect to when a person shortened an address or
// added a slash at its end. It returns "" for programs and when no page is near.
func (x *explorer) nearest(r *http.Request) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !prefersHTML(r) {
		return ""
	}
	path := strings.TrimRight(r.URL.Path, "/")
	at := network.Mainnet
	if _, ok := x.logs[at]; !ok {
		at = names(x.logs)[0]
	}
	if under, ok := strings.CutPrefix(path, "/w/"); ok {
		if _, ok := x.logs[network.Name(under)]; ok {
			return "/explorer/" + under
		}
	}
	switch {
	case path == "/explorer" || path == "/w":
		return "/explorer/" + string(at)
	case path != r.URL.Path && !strings.Contains(path, "//"):
		return path
	}
	return ""
}

// base is the data of every page.
type base struct {
	Title    string
	Style    string
	Icon     string
	Test     bool // a test network
	Network  network.Name
	Networks []network.Name
	Origin   string
	Key      string
	Files    string // path of the log's own files
}

func (x *explorer) base(l *log.Log, title string) base {
	return base{Title: title, Style: styleURL, Icon: iconURL, Test: l.Name().Test(), Network: l.Name(), Networks: names(x.logs), Origin: l.Origin(), Key: l.VerifierKey(), Files: "/log/" + string(l.Name())}
}

func names(logs map[network.Name]*log.Log) []network.Name { return slices.Sorted(maps.Keys(logs)) }

func execute(page, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := pages[page].ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("explorer: %w", err)
	}
	return b.Bytes(), nil
}

func (x *explorer) render(w http.ResponseWriter, r *http.Request, page string, data any) error {
	b, err := execute(page, "layout", data)
	if err != nil {
		return err
	}
	protect(w.Header())
	return send(w, r, "text/html; charset=utf-8", b)
}

// protect sets headers that allow a page to load only its style.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
	h.Set("Referrer-Policy", "no-referrer")
}

// send answers with data, or with 304 when the client's copy is current. Browsers
// must revalidate a cached copy, unless the caller has set Cache-Control.
func send(w http.ResponseWriter, r *http.Request, kind string, data []byte) error {
	h := w.Header()
	sum := sha256.Sum256(data)
	tag := fmt.Sprintf(`"%x"`, sum[:8])
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data)
	return nil
}

// log shows the newest blocks. With a query it answers the search form.
func (x *explorer) log(w http.ResponseWriter, r *http.Request, l *log.Log) error {
	q := r.URL.Query()
	if search := strings.TrimSpace(q.Get("q")); search != "" {
		return x.answer(w, r, l, search)
	}
	newest := int64(1<<63 - 1)
	if s := q.Get("before"); s != "" {
		n, ok := parseNumber(s)
		if !ok {
			return fault.CommonNotFound()
		}
		newest = n - 1
	}
	blocks, err := l.Blocks(r.Context(), newest, perPage+1)
	if err != nil {
		return err
	}
	latest, err := l.Blocks(r.Context(), 1<<63-1, 1)
	if err != nil {
		return err
	}
	older := int64(0)
	if len(blocks) > perPage {
		blocks = blocks[:perPage]
		older = blocks[perPage-1].Number
	}
	// Hide block 0: it is the signed empty log.
	blocks = slices.DeleteFunc(blocks, func(b log.Block) bool { return b.Number == 0 })
	return x.render(w, r, "log", struct {
		base
		Blocks []log.Block
		Latest log.Block
		Older  int64
	}{x.base(l, "The public log"), blocks, latest[0], older})
}

func (x *explorer) find(r *http.Request, l *log.Log) (log.Entry, error) {
	hash, ok := parseHash(r.PathValue("hash"))
	if !ok {
		return log.Entry{}, fault.TransactionNotFound()
	}
	e, err := l.Entry(r.Context(), hash)
	if errors.Is(err, log.ErrNotFound) {
		err = fault.TransactionNotFound().Because(err)
	}
	return e, err
}

func (x *explorer) transaction(w http.ResponseWriter, r *http.Request, l *log.Log) error {
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	v, err := examine(r.Context(), l, e)
	if err != nil {
		return err
	}
	if v.Earlier, err = earlier(r.Context(), l, v); err != nil {
		return err
	}
	last := v.Version
	if v.Index >= 0 {
		if last, err = l.LastVersion(r.Context(), v.AtsID); err != nil {
			return err
		}
	}
	title := "Waiting for its block"
	switch {
	case v.Failure != "":
		title = "Refused"
	case v.Index >= 0:
		title = fmt.Sprintf("Registration number %d, version %d", v.AtsID, v.Version)
	}
	return x.render(w, r, "transaction", struct {
		base
		proven
		Last int64 // the newest version of the work
	}{x.base(l, title), v, last})
}

func (x *explorer) leafFile(w http.ResponseWriter, r *http.Request, l *log.Log) error {
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	if e.Index < 0 {
		return fault.CommonNotFound()
	}
	return text(w, r, string(e.Leaf))
}

func (x *explorer) proofFile(w http.ResponseWriter, r *http.Request, l *log.Log) error {
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	p, err := l.ProofFile(r.Context(), e)
	if err != nil {
		return err
	}
	return text(w, r, p)
}

func (x *explorer) findBlock(r *http.Request, l *log.Log) (log.Block, error) {
	n, ok := parseNumber(r.PathValue("n"))
	if !ok {
		return log.Block{}, fault.CommonNotFound()
	}
	return l.Block(r.Context(), n)
}

func (x *explorer) block(w http.ResponseWriter, r *http.Request, l *log.Log) error {
	b, err := x.findBlock(r, l)
	if err != nil {
		return err
	}
	from := b.First
	if s := r.URL.Query().Get("from"); s != "" {
		n, ok := parseNumber(s)
		if !ok || n < b.First || n >= b.Size {
			return fault.CommonNotFound()
		}
		from = n
	}
	to := min(b.Size, from+perPage)
	entries, err := l.Entries(r.Context(), from, to)
	if err != nil {
		return err
	}
	c, err := examineBlock(r.Context(), l, b)
	if err != nil {
		return err
	}
	latest, err := l.Blocks(r.Context(), 1<<63-1, 1)
	if err != nil {
		return err
	}
	more := int64(0)
	if to < b.Size {
		more = to
	}
	return x.render(w, r, "block", struct {
		base
		log.Block
		Checks  checks
		Entries []log.Entry
		More    int64
		Last    bool
	}{x.base(l, fmt.Sprintf("Block %s", count(b.Number))), b, c, entries, more, latest[0].Number == b.Number})
}

func (x *explorer) checkpointFile(w http.ResponseWriter, r *http.Request, l *log.Log) error {
	b, err := x.findBlock(r, l)
	if err != nil {
		return err
	}
	return text(w, r, b.Checkpoint)
}

func text(w http.ResponseWriter, r *http.Request, body string) error {
	return send(w, r, "text/plain; charset=utf-8", []byte(body))
}

// parseHash reads 64 hex digits, with or without 0x.
func parseHash(s string) (h [32]byte, ok bool) {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	if len(s) != 64 {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

// parseNumber reads a decimal number from 0, without sign or leading zeros.
func parseNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}
