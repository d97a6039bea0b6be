// Package docsite serves the documentation under /docs/: the Markdown of folder
// docs as pages, a search in them, and the error catalogue for machines.
//
// It has the layout and the addresses of the pages. All content comes from the
// documents, the catalogue, and the description of the HTTP API that its caller gives. No
// page needs a script, and no page loads anything from other hosts.
package docsite

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"timbre.example/docs"
	"timbre.example/internal/fault"
)

// contents is the reading order of the pages, and the order of the menu. The decisions
// follow their index.
var contents = []struct {
	Title string
	names []string // of documents, without .md
}{
	{"Start", []string{"README", "tutorial", "quick-start", "console"}},
	{"Integrate", []string{"frameworks", "html", "react", "next", "vue", "svelte", "astro", "npm", "backends", "node", "python", "go-backend", "php", "ruby", "embedding", "authentication", "attributes", "events", "theming", "access-codes", "error-handling", "webhooks", "public-page", "widget", "browsers"}},
	{"Programs", []string{"typescript", "go", "organization-api", "register", "management-api"}},
	{"Look up", []string{"errors", "api", "formats", "glossary"}},
	{"Run it", []string{"deploy", "upgrading", "operating", "audit"}},
	{"Behind it", []string{"legal", "verify", "log", "evidence", "chain", "chain-proof", "certificate", "pdf", "privacy", "invariants", "performance", "capacity", "states", "adr/README"}},
}

//go:embed assets
var assets embed.FS

// asset is our own file. Its name has a hash of its content, so that browsers can cache
// it for ever.
type asset struct {
	url, kind string
	data      []byte
}

func newAsset(name, kind string) asset {
	data, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // impossible: the file is embedded
	}
	ext := path.Ext(name)
	return asset{"/docs/" + strings.TrimSuffix(name, ext) + "-" + fingerprint(data) + ext, kind, data}
}

// errorsURL is the path of the catalogue for machines.
const errorsURL = "/docs/errors.json"

var (
	style  = newAsset("docs.css", "text/css; charset=utf-8")
	script = newAsset("docs.js", "text/javascript; charset=utf-8")
	icon   = newAsset("mark.svg", "image/svg+xml")
	layout = template.Must(template.ParseFS(assets, "assets/page.html"))
)

func fingerprint(data []byte) string {
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%x", sum[:8])
}

// site is everything that the package serves, made once.
type site struct {
	pages    []*page // in reading order
	byURL    map[string]*page
	html     map[string][]byte // by URL
	menu     []part
	sections []section
	words    []spelt // of all sections, sorted
	errors   []byte  // the catalogue as JSON
	missing  []byte  // the page for unknown addresses
}

// part is a part of the menu.
type part struct {
	Title string
	Pages []*page
}

// view is the data of the layout.
type view struct {
	Title   string
	Style   string
	Script  string
	Icon    string
	Menu    []part
	Page    *page   // nil on pages that are not documents
	Choice  *choice // that the page belongs to
	Within  *choice // that the page has sections of
	Prev    *page
	Next    *page
	Query   string
	Meant   []string // words that replaced unknown ones in the search
	Results []result
	Missing bool
}

// build renders every document, and the reference of the API from its OpenAPI document. It
// fails on a broken link, and on a document that is not in the menu.
func build(description []byte) (*site, error) {
	s := &site{byURL: map[string]*page{}, html: map[string][]byte{}}
	for _, c := range contents {
		p := part{Title: c.Title}
		for _, name := range c.names {
			one, err := s.add(name)
			if err != nil {
				return nil, err
			}
			p.Pages = append(p.Pages, one)
			if name == "errors" {
				reference, err := referencePages(description)
				if err != nil {
					return nil, err
				}
				for _, one := range reference {
					s.keep(one)
				}
				p.Pages = append(p.Pages, reference[0])
			}
		}
		s.menu = append(s.menu, p)
	}
	decisions, err := fs.Glob(docs.Files, "adr/[0-9]*.md")
	if err != nil {
		return nil, err
	}
	for _, name := range decisions { // sorted
		if _, err := s.add(strings.TrimSuffix(name, ".md")); err != nil {
			return nil, err
		}
	}
	if err := s.checkLinks(); err != nil {
		return nil, err
	}
	s.words = vocabulary(s.sections)
	for i, p := range s.pages {
		v := s.view(p.Title)
		v.Page = p
		if v.Choice = choiceOf(p.name); v.Choice == nil {
			v.Within = choiceIn(p)
		}
		if i > 0 {
			v.Prev = s.pages[i-1]
		}
		if i < len(s.pages)-1 {
			v.Next = s.pages[i+1]
		}
		if s.html[p.URL], err = execute(v); err != nil {
			return nil, err
		}
	}
	v := s.view("Not found")
	v.Missing = true
	if s.missing, err = execute(v); err != nil {
		return nil, err
	}
	s.errors, err = json.Marshal(fault.All())
	return s, err
}

func (s *site) add(name string) (*page, error) {
	p, err := render(name)
	if err != nil {
		return nil, fmt.Errorf("docs/%s.md: %w", name, err)
	}
	c := choiceOf(name)
	p.Option = c != nil && c.Index.page != name
	s.keep(p)
	return p, nil
}

func (s *site) keep(p *page) {
	s.pages = append(s.pages, p)
	s.byURL[p.URL] = p
	s.sections = append(s.sections, p.sections...)
}

// checkLinks follows every link from one document to another.
func (s *site) checkLinks() error {
	for _, p := range s.pages {
		for _, link := range p.links {
			url, anchor, _ := strings.Cut(link, "#")
			if image, ok := strings.CutPrefix(url, "/docs/images/"); ok {
				if _, err := fs.Stat(docs.Files, "images/"+image); err != nil {
					return fmt.Errorf("docs/%s.md shows %s: %w", p.name, link, err)
				}
				continue
			}
			to := s.byURL[url]
			switch {
			case to == nil:
				return fmt.Errorf("the page %s links to %s, which is not a page", p.URL, link)
			case anchor != "" && !to.anchors[anchor]:
				return fmt.Errorf("the page %s links to %s, which that page does not have", p.URL, link)
			}
		}
	}
	return nil
}

// choiceIn returns the choice of which a page has two or more sections, and their options.
func choiceIn(p *page) *choice {
	for _, c := range choices {
		found := &choice{ID: c.ID, Title: c.Title}
		for _, o := range c.Options {
			if slices.ContainsFunc(p.Contents, func(e entry) bool { return e.has(o.Name) }) {
				found.Options = append(found.Options, o)
			}
		}
		if len(found.Options) > 1 {
			return found
		}
	}
	return nil
}

func (e entry) has(heading string) bool {
	return e.Text == heading || slices.ContainsFunc(e.Under, func(u entry) bool { return u.has(heading) })
}

func (s *site) view(title string) view {
	return view{Title: title, Style: style.url, Script: script.url, Icon: icon.url, Menu: s.menu}
}

func execute(v view) ([]byte, error) {
	var b bytes.Buffer
	err := layout.ExecuteTemplate(&b, "page", v)
	return b.Bytes(), err
}

// policy allows a page only files from this server, and nothing inline.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// New serves the documentation under /docs/. describe returns the OpenAPI document of the
// server; it is called once, at the first request. New passes common.not_found to refuse for
// an unknown path. A client that asks for HTML receives a page instead of that body.
func New(refuse func(http.ResponseWriter, *http.Request, error), describe func() ([]byte, error)) http.Handler {
	made := sync.OnceValues(func() (*site, error) { // on first use, so that it does not delay the start of the server
		description, err := describe()
		if err != nil {
			return nil, err
		}
		return build(description)
	})
	with := func(h func(*site, http.ResponseWriter, *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s, err := made()
			if err == nil {
				err = h(s, w, r)
			}
			switch {
			case err == nil:
			case s != nil && strings.Contains(r.Header.Get("Accept"), "text/html"):
				refuse(&readable{w, r, s.missing}, r, err)
			default:
				refuse(w, r, err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /docs/search", with((*site).serveSearch))
	mux.HandleFunc("GET /docs/search.json", with((*site).serveMatches))
	mux.HandleFunc("GET "+errorsURL, with(func(s *site, w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Access-Control-Allow-Origin", "*") // public data, which scripts of any page may read
		return send(w, r, "application/json", s.errors)
	}))
	mux.HandleFunc("GET /docs/images/{name}", with(func(_ *site, w http.ResponseWriter, r *http.Request) error {
		data, err := fs.ReadFile(docs.Files, "images/"+r.PathValue("name"))
		if err != nil {
			return fault.CommonNotFound().Because(err)
		}
		return send(w, r, "image/png", data)
	}))
	for _, a := range []asset{style, script, icon} {
		mux.HandleFunc("GET "+a.url, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_ = send(w, r, a.kind, a.data)
		})
	}
	mux.HandleFunc("GET /docs/", with((*site).servePage))
	mux.HandleFunc("/", with(func(*site, http.ResponseWriter, *http.Request) error { return fault.CommonNotFound() }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/docs" && (r.Method == "GET" || r.Method == "HEAD") {
			http.Redirect(w, r, "/docs/", http.StatusMovedPermanently)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// servePage serves a document as a page, or under its own name as Markdown.
func (s *site) servePage(w http.ResponseWriter, r *http.Request) error {
	if html, ok := s.html[r.URL.Path]; ok {
		head(w)
		return send(w, r, "text/html; charset=utf-8", html)
	}
	name := strings.TrimPrefix(r.URL.Path, "/docs/")
	if strings.HasSuffix(name, ".md") {
		if data, err := fs.ReadFile(docs.Files, name); err == nil {
			return send(w, r, "text/markdown; charset=utf-8", data)
		}
	}
	return fault.CommonNotFound()
}

func head(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
}

// send answers with data that does not change while this process runs. It cannot fail;
// it returns an error because handlers do.
func send(w http.ResponseWriter, r *http.Request, kind string, data []byte) error {
	h := w.Header()
	tag := `"` + fingerprint(data) + `"`
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

// readable is a response that shows an error to a person: status and headers are those
// of the API, but the body is a page.
type readable struct {
	http.ResponseWriter
	r    *http.Request
	page []byte
}

func (w *readable) WriteHeader(status int) {
	head(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.ResponseWriter.WriteHeader(status)
	if w.r.Method != http.MethodHead {
		w.ResponseWriter.Write(w.page)
	}
}

// Write drops the body of the API.
func (w *readable) Write(b []byte) (int, error) { return len(b), nil }

// serveMatches answers the script of the search field.
func (s *site) serveMatches(w http.ResponseWriter, r *http.Request) error {
	results, _ := s.search(r.URL.Query().Get("q")) // FormValue would read a body, too
	type match struct {
		Title string `json:"title"`
		Page  string `json:"page"`
		URL   string `json:"url"`
	}
	list := []match{}
	for _, one := range results[:min(len(results), 8)] {
		list = append(list, match{one.Heading, one.Page, one.URL})
	}
	b, err := json.Marshal(map[string]any{"count": len(results), "matches": list})
	if err != nil {
		return err
	}
	return send(w, r, "application/json", b)
}

func (s *site) serveSearch(w http.ResponseWriter, r *http.Request) error {
	v := s.view("Search")
	v.Query = strings.TrimSpace(r.URL.Query().Get("q"))
	v.Results, v.Meant = s.search(v.Query)
	html, err := execute(v)
	if err != nil {
		return err
	}
	head(w)
	return send(w, r, "text/html; charset=utf-8", html)
}
