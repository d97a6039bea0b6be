package docsite

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"timbre.example/docs"
	"timbre.example/internal/api"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
	"timbre.example/internal/registry"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
	"timbre.example/widget"
)

// refuse replaces the API's renderer.
func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	f := fault.From(err)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", "req_TEST")
	w.WriteHeader(f.Status())
	w.Write(f.MarshalEnvelope("req_TEST"))
}

// described is the description of a server with every route.
func described(t testing.TB) []byte {
	t.Helper()
	r := web.New(web.Config{PublicURL: "https://timbre.example", Version: "test", Limits: &limit.Limits{}, Metrics: metrics.New("test")}, nil)
	api.New(api.Config{Web: r, Sessions: &session.Service{Tokens: &session.Tokens{}}, Registry: &registry.Registry{}, Limits: r.Limits})
	d, err := r.Description()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func get(t *testing.T, h http.Handler, method, path string, head ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Every document of the folder is a page, and every link between documents leads to an
// existing heading. build reports broken links.
func TestEveryDocumentIsAPage(t *testing.T) {
	t.Parallel()
	s, err := build(described(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"*.md", "adr/*.md"} {
		names, err := fs.Glob(docs.Files, pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			if s.byURL[urlOf(strings.TrimSuffix(name, ".md"))] == nil {
				t.Errorf("docs/%s is not a page: add it to contents", name)
			}
		}
	}
	for _, p := range s.pages {
		if strings.Contains(string(p.HTML), "raw HTML omitted") {
			t.Errorf("%s leaves something out", p.URL)
		}
	}
	for _, e := range fault.All() {
		if !s.byURL["/docs/errors"].anchors[string(e.Code)] {
			t.Errorf("/docs/errors has no anchor %s", e.Code)
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	h := New(refuse, func() ([]byte, error) { return described(t), nil })
	for path, want := range map[string]string{
		"/docs/": "text/html; charset=utf-8", "/docs/errors": "text/html; charset=utf-8", "/docs/adr/": "text/html; charset=utf-8", "/docs/adr/0001-module-path": "text/html; charset=utf-8",
		"/docs/errors.md": "text/markdown; charset=utf-8", "/docs/README.md": "text/markdown; charset=utf-8", "/docs/errors.json": "application/json", "/docs/search?q=token": "text/html; charset=utf-8",
		"/docs/search.json?q=token": "application/json", "/docs/images/widget.png": "image/png", style.url: "text/css; charset=utf-8", script.url: "text/javascript; charset=utf-8", icon.url: "image/svg+xml",
	} {
		w := get(t, h, "GET", path)
		if w.Code != 200 || w.Header().Get("Content-Type") != want || w.Body.Len() == 0 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if html := strings.HasPrefix(want, "text/html"); html != (w.Header().Get("Content-Security-Policy") == policy) {
			t.Errorf("%s: policy %q", path, w.Header().Get("Content-Security-Policy"))
		}
		if again := get(t, h, "GET", path, "If-None-Match", w.Header().Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s again: %d, %d bytes", path, again.Code, again.Body.Len())
		}
	}
	if w := get(t, h, "GET", "/docs"); w.Code != 301 || w.Header().Get("Location") != "/docs/" {
		t.Errorf("/docs: %d %v", w.Code, w.Header())
	}
}

// For an unknown path, a program receives the usual body, and a person a page.
func TestMissing(t *testing.T) {
	t.Parallel()
	h := New(refuse, func() ([]byte, error) { return described(t), nil })
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, c := range []struct{ method, path string }{
		{"GET", "/docs/nope"}, {"GET", "/docs/errors/"}, {"GET", "/docs/README"}, {"GET", "/docs/nope.md"}, {"GET", "/docs/embed.go"}, {"GET", "/docs/images/nope.png"},
		{"GET", "/docs/images/"}, {"GET", "/docs/adr"}, {"GET", "/docs/..%2ffault"}, {"POST", "/docs/"}, {"DELETE", "/docs/errors.json"}, {"POST", "/docs"},
	} {
		w := get(t, h, c.method, c.path)
		var e fault.Envelope
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != 404 || e.Error.Code != fault.CodeCommonNotFound {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		w = get(t, h, c.method, c.path, "Accept", browser)
		if w.Code != 404 || w.Header().Get("X-Request-Id") != "req_TEST" || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Content-Security-Policy") != policy ||
			!strings.Contains(w.Body.String(), "<h1>Page not found</h1>") || strings.Contains(w.Body.String(), "req_TEST") {
			t.Errorf("%s %s for a person: %d %v %.200s", c.method, c.path, w.Code, w.Header(), w.Body)
		}
	}
	if w := get(t, h, "HEAD", "/docs/nope", "Accept", browser); w.Code != 404 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", w.Code, w.Body.Len())
	}
}

// Pages have no inline script or style, and load nothing from other hosts.
func TestNothingInline(t *testing.T) {
	t.Parallel()
	s, err := build(described(t))
	if err != nil {
		t.Fatal(err)
	}
	bad := regexp.MustCompile(`<style|<script[^>]*>[^<]| style=| on[a-z]+=|<script>|(?:src|action)="(?:https?:)?//|<link[^>]*href="(?:https?:)?//`)
	code := regexp.MustCompile(`(?s)<code>.*?</code>`)
	for url, html := range s.html {
		if m := bad.FindString(code.ReplaceAllString(string(html), "")); m != "" {
			t.Errorf("%s has %q", url, m)
		}
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s, err := build(described(t))
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"session.invalid_token":  "/docs/errors#session.invalid_token",
		"duplicate_title":        "/docs/errors#registration.duplicate_title",
		"TRANSACTION.EXPIRED":    "/docs/errors#transaction.expired",
		"rehearsal":              "/docs/authentication#rehearsal",
		"--ats-primary":          "/docs/theming",
		"quick start":            "/docs/quick-start",
		"max-file-size property": "/docs/attributes#attributes",
	} {
		results, _ := s.search(query)
		if len(results) == 0 || results[0].URL != want {
			t.Errorf("%q leads to %+v, want %s", query, results[:min(len(results), 2)], want)
		}
	}
	for _, query := range []string{"", "  ", "zzyzx", "token zzyzx", strings.Repeat("ü", 300), strings.Repeat("zq ", 300), "\x00\xff<script>"} {
		if r, _ := s.search(query); len(r) != 0 {
			t.Errorf("%.20q leads to %d places", query, len(r))
		}
	}
	w := get(t, New(refuse, func() ([]byte, error) { return described(t), nil }), "GET", "/docs/search?q=%3Cscript%3Ealert(1)%3C/script%3E+token")
	if strings.Contains(w.Body.String(), "<script>alert") {
		t.Error("a query is not escaped")
	}
	w = get(t, New(refuse, func() ([]byte, error) { return described(t), nil }), "GET", "/docs/search?q=setToken")
	if !strings.Contains(w.Body.String(), "<mark>setToken</mark>") {
		t.Error("the match is not marked")
	}
}

// Searches find pages for words as people type them: with typing errors, in the plural,
// as synonyms, and with filler words around them.
func TestSearchNear(t *testing.T) {
	t.Parallel()
	s, err := build(described(t))
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"registration.duplicate_titel":  "/docs/errors#registration.duplicate_title",
		"registration.duplicate_tit":    "/docs/errors#registration.duplicate_title",
		"sesion.invalid_tokne":          "/docs/errors#session.invalid_token",
		"rehersal":                      "/docs/authentication#rehearsal",
		"commitments":                   "/docs/glossary#commitment",
		"checkpoints":                   "/docs/glossary#checkpoint",
		"commitmant":                    "/docs/glossary#commitment",
		"csp":                           "/docs/embedding#content-security-policy-csp",
		"CSP?":                          "/docs/embedding#content-security-policy-csp",
		"iframe":                        "/docs/embedding#in-an-iframe",
		"how do I use it in an iframe?": "/docs/embedding#in-an-iframe",
		"dialog":                        "/docs/embedding#in-a-dialog",
		"modal":                         "/docs/embedding#in-a-dialog",
		"python":                        "/docs/python",
		"php":                           "/docs/php",
		"ruby":                          "/docs/ruby",
		"fastapi":                       "/docs/python#fastapi",
		"react 19":                      "/docs/frameworks#react-19",
		"svelte":                        "/docs/frameworks#svelte-5",
		"typescript":                    "/docs/frameworks",
		"gdpr":                          "/docs/legal#personal-data-gdpr",
		"refund":                        "/docs/legal#credits-prices-and-refunds",
		"refunds":                       "/docs/legal#credits-prices-and-refunds",
		"copyright":                     "/docs/legal#copyright",
		"timezone":                      "/docs/legal#dates-and-time-zones",
		"time zone":                     "/docs/legal#dates-and-time-zones",
		"blockchain":                    "/docs/legal#no-blockchain",
		"eidas":                         "/docs/legal#electronic-time-stamps-eidas",
		"witness":                       "/docs/glossary#witness",
		"anchor":                        "/docs/glossary#anchor",
		"deposit":                       "/docs/glossary#deposit",
	} {
		results, _ := s.search(query)
		if len(results) == 0 || results[0].URL != want {
			var urls []string
			for _, r := range results[:min(len(results), 3)] {
				urls = append(urls, r.URL)
			}
			t.Errorf("%q leads to %q, want %s", query, urls, want)
		}
	}
	// These must have results, on any page.
	for _, query := range []string{
		"docker", "systemd", "nginx", "upgrade", "kubernetes", "legal", "noscript", "placeholder", "ats id", "ATS", "block", "mint", "quote", "credit", "evidence", "vue", "angular", "jsx", "sandbox", "colors", "rtl", "login", "throttle", "certifcate",
	} {
		if results, _ := s.search(query); len(results) == 0 {
			t.Errorf("%q leads nowhere", query)
		}
	}
	// The page shows the words that were searched instead.
	w := get(t, New(refuse, func() ([]byte, error) { return described(t), nil }), "GET", "/docs/search?q=rehersal")
	if !strings.Contains(w.Body.String(), `Did you mean: <a href="/docs/search?q=rehearsal">rehearsal</a>`) {
		t.Error("the page does not show the corrected word")
	}
	if w := get(t, New(refuse, func() ([]byte, error) { return described(t), nil }), "GET", "/docs/search?q=rehearsal"); strings.Contains(w.Body.String(), "Did you mean:") {
		t.Error("a known word was replaced by another")
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b       string
		most, want int
	}{
		{"title", "title", 2, 0}, {"titel", "title", 2, 1}, {"tile", "title", 2, 1}, {"titlee", "title", 2, 1}, {"tytle", "title", 2, 1},
		{"title", "turtle", 2, 2}, {"abcd", "wxyz", 2, 3}, {"", "ab", 2, 2}, {"", "abc", 2, 3}, {"é", "e", 1, 1}, {"ab", "ba", 1, 1},
	} {
		if got := distance([]rune(c.a), []rune(c.b), c.most); got != c.want {
			t.Errorf("%s to %s is %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance([]rune(c.b), []rune(c.a), c.most); got != c.want {
			t.Errorf("%s to %s is %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

// BenchmarkSearch runs the most costly query: the maximum number of long, unknown words.
func BenchmarkSearch(b *testing.B) {
	s, err := build(described(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.search("transactionx certificatex commitmentx registratixn evidencex authenticatixn expirexd")
	}
}

// A terminal listing is copied without prompts and output.
func TestConsole(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	console(w, "$ timbre demo \\\n>   --addr <it>\nTimbre demo: http://x\n$ curl x \\\n    -d 1\n  > not a prompt\n")
	w.Flush()
	want := `<span class="prompt">$ </span>timbre demo \` + "\n" + `<span class="prompt">&gt; </span>  --addr &lt;it&gt;` + "\n" + `<span class="out">Timbre demo: http://x` + "\n" + `</span><span class="prompt">$ </span>curl x \` + "\n    -d 1\n" + `<span class="out">  &gt; not a prompt` + "\n</span>"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func FuzzSearch(f *testing.F) {
	s, err := build(described(f))
	if err != nil {
		f.Fatal(err)
	}
	for _, q := range []string{"token", "a b", "é", "İ", "\xff", "session. _token"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		results, _ := s.search(q)
		for _, r := range results {
			if r.URL == "" || r.Heading == "" {
				t.Errorf("%q: %+v", q, r)
			}
		}
	})
}

func TestCatalogueAsJSON(t *testing.T) {
	t.Parallel()
	w := get(t, New(refuse, func() ([]byte, error) { return described(t), nil }), "GET", "/docs/errors.json")
	if w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Error("scripts of other sites cannot read it")
	}
	var rows []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	all := fault.All()
	if len(rows) != len(all) {
		t.Fatalf("%d rows, want %d", len(rows), len(all))
	}
	page, err := fs.ReadFile(docs.Files, "error-handling.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## For machines")
	table, _, _ = strings.Cut(table, "\n```")
	for i, r := range rows {
		if r["code"] != string(all[i].Code) || r["url"] != "/docs/errors#"+string(all[i].Code) {
			t.Errorf("row %d is %v", i, r)
		}
		if inBrowser := all[i].Status == 0; inBrowser != (r["status"] == nil) || inBrowser != (r["example_body"] == nil) {
			t.Errorf("%s: status %v, body %v", all[i].Code, r["status"], r["example_body"])
		}
		for name := range r {
			if !strings.Contains(table, "`"+name+"`") {
				t.Errorf("docs/error-handling.md does not mention %s", name)
			}
		}
	}
}

// The guides name every attribute, event, method and part of the widget.
func TestGuidesAreWhole(t *testing.T) {
	t.Parallel()
	raw, err := fs.ReadFile(widget.Files, "custom-elements.json")
	if err != nil {
		t.Fatal(err)
	}
	type named struct {
		Name string
		Kind string
	}
	var manifest struct {
		Modules []struct {
			Declarations []struct {
				TagName                                              string
				Attributes, Members, Events, CSSProperties, CSSParts []named
			}
		}
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range manifest.Modules {
		for _, d := range m.Declarations {
			for guide, names := range map[string][]named{"attributes.md": append(d.Attributes, d.Members...), "events.md": d.Events, "theming.md": append(d.CSSProperties, d.CSSParts...)} {
				text, err := fs.ReadFile(docs.Files, guide)
				if err != nil {
					t.Fatal(err)
				}
				for _, one := range names {
					n++
					if !regexp.MustCompile("`"+regexp.QuoteMeta(one.Name)+"[`(]").Match(text) && !light(one.Name, string(text)) {
						t.Errorf("docs/%s does not name %s", guide, one.Name)
					}
				}
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d names were looked for", n)
	}
}

// light reports whether the text "each with …-light" documents a property.
func light(name, text string) bool {
	base, ok := strings.CutSuffix(name, "-light")
	return ok && strings.Contains(text, "`"+base+"`") && strings.Contains(text, "each with `…-light`")
}
