package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/fault"
	"timbre.example/internal/media"
)

const (
	secret     = "csk_2222222222222222222222222222222222222222222222222222222222222222"
	testSecret = "csk_test_3333333333333333333333333333333333333333333333333333333333333333"
)

// refuse renders an error as the API does.
func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	f, ok := err.(*fault.Error)
	if !ok {
		f = fault.CommonInternal()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status())
	json.NewEncoder(w).Encode(f.Envelope("req_TEST"))
}

// mintAPI replaces POST /v1/sessions. It checks its caller as the real route
// does. It answers each call with the next token, or with refuse when it is set.
type mintAPI struct {
	t      *testing.T
	calls  int
	refuse *fault.Error
	want   map[string]any // the expected body, if it is not an ordinary one
}

func (m *mintAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.calls++
	if r.Method != http.MethodPost || r.URL.String() != "/v1/sessions" {
		m.t.Errorf("mint called as %s %s", r.Method, r.URL)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		m.t.Errorf("mint called with Content-Type %q", got)
	}
	if got := r.Header.Get("Origin"); got != "http://demo.test" {
		m.t.Errorf("mint called with Origin %q", got)
	}
	for _, name := range []string{"Cookie", "Authorization"} {
		if r.Header.Get(name) != "" {
			m.t.Errorf("mint called with the visitor's %s", name)
		}
	}
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		m.t.Error(err)
	}
	want := m.want
	if want == nil {
		want = map[string]any{"secret_key": secret, "action_type": "register", "allowed_network": "testnet"}
	}
	if d := cmp.Diff(want, body); d != "" {
		m.t.Errorf("mint body (-want +got):\n%s", d)
	}
	w.Header().Set("X-Request-Id", "req_MINT")
	w.Header().Set("Set-Cookie", "of=theirs")
	if m.refuse != nil {
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Link", "<https://ats.example/docs/errors#x>; rel=\"help\"")
		refuse(w, r, m.refuse)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"token":"token-%d","expires_in":300}`, m.calls)
}

func newDemo(t *testing.T) (http.Handler, *mintAPI) {
	m := &mintAPI{t: t}
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return New(Config{APIURL: s.URL, SiteKey: "cpk_11", SecretKey: secret, TestSiteKey: "cpk_test_11", TestSecretKey: testSecret, RenderError: refuse}), m
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func post(h http.Handler, body string, header ...string) *httptest.ResponseRecorder {
	return postTo(h, "/demo/session", body, header...)
}

func postTo(h http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://demo.test"+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	h := New(Config{APIURL: "https://timbre.test", SiteKey: "cpk_11", SecretKey: secret, RenderError: refuse})
	w := get(h, "/demo")
	if w.Code != http.StatusMovedPermanently || w.Header().Get("Location") != "/demo/" {
		t.Errorf("/demo answered %d to %q", w.Code, w.Header().Get("Location"))
	}
	w = get(h, "/demo/")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("/demo/ answered %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	want := "default-src 'none'; script-src 'self' https://timbre.test; style-src 'self'; img-src 'self'; media-src 'self'; " +
		"connect-src 'self' https://timbre.test wss://timbre.test; require-trusted-types-for 'script'; " +
		"base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
	if d := cmp.Diff(want, w.Header().Get("Content-Security-Policy")); d != "" {
		t.Errorf("policy (-want +got):\n%s", d)
	}
	// If uploads go to another origin, the page may connect to it, too.
	policy := get(New(Config{APIURL: "https://timbre.test", UploadOrigin: "https://store.test", RenderError: refuse}), "/demo/").Header().Get("Content-Security-Policy")
	if want := "connect-src 'self' https://timbre.test wss://timbre.test https://store.test;"; !strings.Contains(policy, want) {
		t.Errorf("policy %q, want %q in it", policy, want)
	}
	page := w.Body.String()
	for _, part := range []string{
		`<ats-widget site-key="cpk_11" ats-url="https://timbre.test" network="testnet"`,
		`<script defer src="https://timbre.test/widget/v1/ats-widget.iife.js"></script>`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	for _, part := range []string{" style=", "<style", "<script>", " onclick=", "javascript:", "ZgotmplZ"} {
		if strings.Contains(page, part) {
			t.Errorf("the page holds %s, which its own policy forbids", part)
		}
	}
	// Every file in the page exists.
	for _, p := range strings.Split(page, `"/demo/`)[1:] {
		p = "/demo/" + p[:strings.IndexByte(p, '"')]
		if got := get(h, p); got.Code != 200 {
			t.Errorf("%s answered %d", p, got.Code)
		}
	}
	if w := get(h, "/demo/", "If-None-Match", w.Header().Get("ETag")); w.Code != http.StatusNotModified {
		t.Errorf("the page that a browser has was sent again: %d", w.Code)
	}
}

func TestNotFound(t *testing.T) {
	h, _ := newDemo(t)
	for _, p := range []string{
		"/demo/nothing", "/demo/assets/", "/demo/assets/index.html", "/demo/assets/nothing.js", "/demo/assets/samples", "/demo/assets/..%2fsession.go",
		"/demo/session", "/demo/samples/nothing.wav", "/demo/samples/..%2findex.html", "/demo/samples/README.md",
		"/demo/samples/porch-light.wav?take=12345678901234567", "/demo/samples/porch-light.wav?take=%00", "/demo/samples/first-snow.ogg?take=AB",
	} {
		w := get(h, p)
		if w.Code != 404 || !strings.Contains(w.Body.String(), `"common.not_found"`) {
			t.Errorf("%s answered %d %s", p, w.Code, w.Body)
		}
	}
}

func TestSession(t *testing.T) {
	h, m := newDemo(t)
	const body = `{"action_type":"register","network":"testnet","secret_key":"csk_of_the_visitor"}`
	for i := 1; i <= 2; i++ { // a new token for each call
		w := post(h, body, "Origin", "http://demo.test", "Sec-Fetch-Site", "same-origin", "Content-Type", "application/json", "Cookie", "a=b", "Authorization", "Bearer x")
		want := fmt.Sprintf(`{"token":"token-%d","expires_in":300}`, i)
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("minted %d %s, want %s", w.Code, w.Body, want)
		}
		got := w.Header()
		if got.Get("Cache-Control") != "no-store" || got.Get("X-Request-Id") != "req_MINT" || got.Get("Set-Cookie") != "" {
			t.Errorf("minted with headers %v", got)
		}
	}
	if m.calls != 2 {
		t.Errorf("the API was asked %d times", m.calls)
	}
}

// The session belongs to the signed-in user. A user name from the page is ignored.
func TestSessionOfUser(t *testing.T) {
	h, m := newDemo(t)
	m.want = map[string]any{"secret_key": secret, "action_type": "access", "allowed_network": "testnet", "external_user_ref": "ada-1"}
	if w := post(h, `{"action_type":"access","network":"testnet","external_user_ref":"ben-1"}`, "Origin", "http://demo.test", "Cookie", "demo_user=ada-1"); w.Code != 200 {
		t.Errorf("minted %d %s", w.Code, w.Body)
	}
}

// The test key is used only at its own route. Only there the member rehearse is passed
// on, and only when it is set.
func TestRehearsal(t *testing.T) {
	h, m := newDemo(t)
	m.want = map[string]any{"secret_key": testSecret, "action_type": "update_version", "allowed_network": "testnet", "rehearse": "access_code.expired"}
	if w := postTo(h, "/demo/session/test", `{"action_type":"update_version","network":"testnet","rehearse":"access_code.expired"}`, "Origin", "http://demo.test"); w.Code != 200 {
		t.Errorf("minted %d %s", w.Code, w.Body)
	}
	delete(m.want, "rehearse")
	if w := postTo(h, "/demo/session/test", `{"action_type":"update_version","network":"testnet"}`, "Origin", "http://demo.test"); w.Code != 200 {
		t.Errorf("minted %d %s", w.Code, w.Body)
	}
	if w := postTo(h, "/demo/session/test", `{}`, "Origin", "http://evil.test"); w.Code != 403 || m.calls != 2 {
		t.Errorf("another origin: %d %s", w.Code, w.Body)
	}
	page := get(h, "/demo/").Body.String()
	for _, e := range fault.All() {
		want := 1
		if e.Rehearse == "" {
			want = 0
		}
		if n := strings.Count(page, fmt.Sprintf(`<option value="%s"`, e.Code)); n != want {
			t.Errorf("the page offers %s %d times, want %d", e.Code, n, want)
		}
	}
}

func TestSessionRefusedByTheAPI(t *testing.T) {
	for _, f := range []*fault.Error{fault.SessionOriginNotAllowed(), fault.SessionRateLimited(7e9), fault.SessionKeyInactive(), fault.CommonInternal()} {
		h, m := newDemo(t)
		m.refuse = f
		w := post(h, `{"action_type":"register","network":"testnet"}`, "Origin", "http://demo.test")
		want := httptest.NewRecorder()
		refuse(want, nil, f)
		if w.Code != want.Code || w.Body.String() != want.Body.String() {
			t.Errorf("%s was passed on as %d %s", f.Code, w.Code, w.Body)
		}
		if w.Header().Get("Retry-After") != "7" || w.Header().Get("Link") == "" || w.Header().Get("X-Request-Id") != "req_MINT" {
			t.Errorf("%s lost its headers: %v", f.Code, w.Header())
		}
	}
}

func TestSessionRefusedHere(t *testing.T) {
	const good = `{"action_type":"register","network":"testnet"}`
	cases := []struct {
		name   string
		body   string
		header []string
		code   fault.Code
	}{
		{"no origin", good, nil, fault.CodeSessionOriginNotAllowed},
		{"opaque origin", good, []string{"Origin", "null"}, fault.CodeSessionOriginNotAllowed},
		{"other host", good, []string{"Origin", "http://evil.test"}, fault.CodeSessionOriginNotAllowed},
		{"other port", good, []string{"Origin", "http://demo.test:81"}, fault.CodeSessionOriginNotAllowed},
		{"host as prefix", good, []string{"Origin", "http://demo.test.evil.test"}, fault.CodeSessionOriginNotAllowed},
		{"same site only", good, []string{"Origin", "http://demo.test", "Sec-Fetch-Site", "same-site"}, fault.CodeSessionOriginNotAllowed},
		{"cross site", good, []string{"Origin", "http://demo.test", "Sec-Fetch-Site", "cross-site"}, fault.CodeSessionOriginNotAllowed},
		{"no JSON", "hello", []string{"Origin", "http://demo.test"}, fault.CodeCommonValidationFailed},
		{"nothing", "", []string{"Origin", "http://demo.test"}, fault.CodeCommonValidationFailed},
		{"too much", `{"network":"` + strings.Repeat("a", 5<<10) + `"}`, []string{"Origin", "http://demo.test"}, fault.CodeCommonValidationFailed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, m := newDemo(t)
			w := post(h, c.body, c.header...)
			if !strings.Contains(w.Body.String(), `"`+string(c.code)+`"`) || w.Code/100 != 4 {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if m.calls != 0 {
				t.Error("the API was asked")
			}
		})
	}
}

func TestSessionWithoutAPI(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	h := New(Config{APIURL: s.URL, SecretKey: secret, RenderError: refuse})
	w := post(h, `{"action_type":"register","network":"testnet"}`, "Origin", "http://demo.test")
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"common.service_unavailable"`) {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}

// No answer to any request contains the secret key.
func TestSecretStays(t *testing.T) {
	h, m := newDemo(t)
	paths := []string{"/demo/", "/demo", "/demo/session", "/demo/nothing"}
	err := fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		paths = append(paths, "/demo/"+p, "/demo/samples/"+path.Base(p))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]*httptest.ResponseRecorder{}
	for _, p := range paths {
		answers[p] = get(h, p)
	}
	answers["mint"] = post(h, `{"action_type":"register","network":"testnet"}`, "Origin", "http://demo.test")
	m.refuse = fault.SessionKeyInactive()
	answers["refused mint"] = post(h, `{"action_type":"register","network":"testnet"}`, "Origin", "http://demo.test")
	for p, w := range answers {
		for _, key := range []string{secret, testSecret} {
			if strings.Contains(fmt.Sprint(w.Header()), key) || bytes.Contains(w.Body.Bytes(), []byte(key)) {
				t.Errorf("%s holds a secret key", p)
			}
		}
	}
}

// The published snippets must run unchanged, so that the code of existing
// integrations works, too.
func TestErrorHandlingIsUnchanged(t *testing.T) {
	b, err := files.ReadFile("assets/error-handling.js")
	if err != nil {
		t.Fatal(err)
	}
	const want = "8c852b82b9a4c77da405a62e76564c9c7ff26ab6474b170558e8391575ecce5f"
	if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want {
		t.Errorf("error-handling.js differs from the published text: %s", got)
	}
}

// The page shows integrators exactly the code that runs.
func TestListings(t *testing.T) {
	h, _ := newDemo(t)
	page := get(h, "/demo/").Body.String()
	unescape := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&#43;", "+", "&amp;", "&")
	shown := unescape.Replace(page)
	for _, name := range []string{"assets/quickstart.js", "assets/error-handling.js", "session.go"} {
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(shown, strings.TrimSpace(string(b))) {
			t.Errorf("%s is not shown unchanged", name)
		}
	}
}

func TestSamples(t *testing.T) {
	h, _ := newDemo(t)
	formats := map[string]media.Format{".wav": media.WAV, ".mp3": media.MP3, ".flac": media.FLAC, ".ogg": media.OggVorbis}
	total := 0
	for _, s := range samples {
		t.Run(s.File, func(t *testing.T) {
			seen := map[[32]byte]string{}
			var first media.Info
			for i, take := range []string{"", "1", "2", "zzzzzzzzzzzzzzzz", "0123456789abcdef"} {
				w := get(h, "/demo/samples/"+s.File+"?take="+take)
				if w.Code != 200 || w.Header().Get("Content-Type") != s.Type() {
					t.Fatalf("take %q answered %d, %s", take, w.Code, w.Header().Get("Content-Type"))
				}
				info, err := media.Inspect(t.Context(), bytes.NewReader(w.Body.Bytes()))
				if err != nil {
					t.Fatalf("take %q: %v", take, err)
				}
				if info.Format != formats[path.Ext(s.File)] || info.Duration.Seconds() < 5 || info.Duration.Seconds() > 12 {
					t.Errorf("take %q is %s of %s", take, info.Format, info.Duration)
				}
				if other, ok := seen[info.SHA256]; ok {
					t.Errorf("takes %q and %q are the same file", take, other)
				}
				seen[info.SHA256] = take
				info.SHA256 = [32]byte{}
				if i == 0 {
					first = info
					total += int(info.Size)
				} else if d := cmp.Diff(first, info); d != "" {
					t.Errorf("take %q is other music (-first +this):\n%s", take, d)
				}
			}
		})
	}
	if total > 3<<19 {
		t.Errorf("the samples are %d bytes, more than 1.5 MB", total)
	}
}

// The seam between take and audio: only the tag, and in Ogg its page's
// checksum, may differ.
func TestTakeChangesOnlyTheTag(t *testing.T) {
	for _, s := range samples {
		whole, err := sample(s.File, "")
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(whole, []byte(takeTag)); n != 1 {
			t.Errorf("%s holds the tag %d times", s.File, n)
		}
		same, err := sample(s.File, strings.Repeat("0", 16))
		if err != nil || !bytes.Equal(whole, same) {
			t.Errorf("%s: take 0 is not the file itself (%v): a checksum is wrong", s.File, err)
		}
		take, err := sample(s.File, "7")
		if err != nil {
			t.Fatal(err)
		}
		changed := 0
		for i := range whole {
			if whole[i] != take[i] {
				changed++
			}
		}
		if limit := map[bool]int{false: 1, true: 5}[path.Ext(s.File) == ".ogg"]; len(take) != len(whole) || changed == 0 || changed > limit {
			t.Errorf("%s: %d bytes differ", s.File, changed)
		}
	}
}

// A redirect could carry the secret key to another host.
func TestMintFollowsNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the mint was redirected") }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	h := New(Config{APIURL: s.URL, SecretKey: secret, RenderError: refuse})
	w := post(h, `{"action_type":"register","network":"testnet"}`, "Origin", "http://demo.test")
	if w.Code != http.StatusTemporaryRedirect || w.Header().Get("Location") != "" {
		t.Errorf("answered %d %v", w.Code, w.Header())
	}
}

func TestCaching(t *testing.T) {
	h, _ := newDemo(t)
	named, err := assetURL("demo.css")
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		named: "public, max-age=31536000, immutable", "/demo/assets/demo.css": "no-cache", "/demo/assets/demo.css?other": "no-cache", "/demo/": "no-cache",
	} {
		if got := get(h, target).Header().Get("Cache-Control"); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

func TestSampleRanges(t *testing.T) {
	h, _ := newDemo(t)
	w := get(h, "/demo/samples/porch-light.wav", "Range", "bytes=0-3") // browsers seek
	b, _ := io.ReadAll(w.Body)
	if w.Code != http.StatusPartialContent || string(b) != "RIFF" {
		t.Errorf("answered %d %q", w.Code, b)
	}
	// Invalid conditions and ranges are ignored, so every error has an envelope.
	for _, head := range [][2]string{{"Range", "bytes=99999999-"}, {"Range", "bytes=5-2"}, {"Range", "lines=1"}, {"Range", "bytes=0-1,4-5"}, {"If-Match", `"x"`}, {"If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT"}} {
		for _, path := range []string{"/demo/samples/porch-light.wav", "/demo/"} {
			if w := get(h, path, head[0], head[1]); w.Code != http.StatusOK {
				t.Errorf("%s with %v: %d %q", path, head, w.Code, w.Body)
			}
		}
	}
}
