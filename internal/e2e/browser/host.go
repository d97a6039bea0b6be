package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"timbre.example/widget"
)

// Host is a site that embeds the widget: another origin than the API's, with
// its own copy of the bundle and a backend that mints sessions.
type Host struct {
	URL string // scheme://host:port, the origin

	mu     sync.Mutex
	api    string
	secret string
	policy string
	pages  map[string]string
	tokens []string
}

// hostScript is the integration: a fresh token when the widget is ready and
// whenever it asks. It listens at the document, wherever the widget stands.
const hostScript = `const fresh = async (mode, user) => (await import('/token.js?' + new URLSearchParams({ mode, user, once: crypto.randomUUID() }))).default;
for (const name of ['ready', 'token-expired']) {
  document.addEventListener('allfeat:' + name, async (e) => {
    const widget = e.composedPath()[0];
    widget.setToken(await fresh(widget.mode, widget.externalUserId));
  });
}
`

const hostStyle = `body { margin: 0; padding: 8px; font-family: sans-serif; background: light-dark(#fff, #111); color: light-dark(#111, #eee); }
h1 { font-size: 1rem; }
.side { display: grid; grid-template-columns: 1fr 1fr; align-items: start; }
`

// NewHost serves until the test ends, besides its pages: /host.js, which brings
// tokens, /token.js, a module with a fresh one, /e2e.js, the ears of the tests, and the bundles. It needs Connect before it can mint.
func NewHost(t testing.TB) *Host {
	t.Helper()
	h := &Host{pages: map[string]string{"host.js": hostScript, "host.css": hostStyle}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{file...}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		if b, err := fs.ReadFile(widget.Files, name); err == nil {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			w.Write(b)
			return
		}
		h.serve(w, r, name)
	})
	// For browsers that cannot be given the script before a page's own.
	mux.HandleFunc("GET /e2e.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		io.WriteString(w, Script)
	})
	// The backend of the documentation's examples.
	mux.HandleFunc("POST /my-backend/{what}", func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]string{}
		if r.PathValue("what") == "session" {
			token, err := h.mint("register", "")
			if err != nil {
				t.Error(err)
			}
			answer["token"] = token
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	})
	// Browsers ask for it by themselves; that it is missing would count as an error of the page.
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /token.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Write(h.tokenScript(r.FormValue("mode"), r.FormValue("user")))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	h.URL = s.URL
	return h
}

// Connect names the API and the secret key that the backend mints with.
func (h *Host) Connect(api, secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.api, h.secret = api, secret
}

// API is where the backend mints.
func (h *Host) API() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.api
}

// Policy sets the Content-Security-Policy of all pages; "" removes it.
func (h *Host) Policy(p string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.policy = p
}

// StrictPolicy allows scripts and styles of the host, connections to the API
// and its socket, and nothing else.
func (h *Host) StrictPolicy() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("default-src 'none'; script-src 'self'; style-src 'self'; connect-src %s %s; require-trusted-types-for 'script'", h.api, "ws"+strings.TrimPrefix(h.api, "http"))
}

// Page puts a file on the site, in a folder if the name has one, and returns its address. HTML files get a
// document around them.
func (h *Host) Page(name, content string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.HasSuffix(name, ".html") {
		content = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>A label</title>" +
			"<link rel=\"stylesheet\" href=\"/host.css\"></head>\n<body><main><h1>A label</h1>\n" + content + "\n</main></body></html>"
	}
	h.pages[name] = content
	return h.URL + "/" + name
}

func (h *Host) serve(w http.ResponseWriter, r *http.Request, name string) {
	h.mu.Lock()
	content, ok := h.pages[name]
	policy := h.policy
	h.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if policy != "" {
		w.Header().Set("Content-Security-Policy", policy)
	}
	kind := "text/html; charset=utf-8"
	switch {
	case strings.HasSuffix(name, ".js"):
		kind = "text/javascript; charset=utf-8"
	case strings.HasSuffix(name, ".css"):
		kind = "text/css; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	io.WriteString(w, content)
}

// tokenScript is a module with a fresh token: a page whose policy lets it
// connect to nothing but the API gets it as a script of its own site.
func (h *Host) tokenScript(mode, user string) []byte {
	token, err := h.mint(mode, user)
	if err != nil {
		return fmt.Appendf(nil, "throw new Error(%q);\n", err.Error())
	}
	return fmt.Appendf(nil, "export default %q;\n", token)
}

// mint requests a session for this site from the API: for a widget in this mode, and
// for the end-user, if any.
func (h *Host) mint(mode, user string) (token string, err error) {
	action := map[string]string{"update": "update_version", "download": "access"}[mode]
	if action == "" {
		action = "register"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ask := map[string]string{"secret_key": h.secret, "action_type": action, "allowed_network": "testnet"}
	if user != "" {
		ask["external_user_ref"] = user
	}
	question, err := json.Marshal(ask)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest("POST", h.api+"/v1/sessions", bytes.NewReader(question))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", h.URL)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("no session: %s", body)
	}
	h.tokens = append(h.tokens, answer.Token)
	return answer.Token, nil
}

// Tokens are all that were minted so far.
func (h *Host) Tokens() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.tokens...)
}
