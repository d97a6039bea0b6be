package e2e_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"timbre.example/docs"
	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/packages"
)

// backendKind is how a backend of folder examples runs.
type backendKind struct {
	// run is its command. "PORT" in it stands for the port.
	run []string
	// has is a command that fails when Debian's package is missing.
	has    []string
	debian string
	// build is done once, in a copy of the folder.
	build []string
	// wrong changes a file so that the backend verifies another body than the raw one.
	wrong bodyChange
	// forgets changes a file so that the backend remembers three ids only.
	forgets bodyChange
	// advice is in the answer of the wrong backend.
	advice string
	// client says that it takes the TypeScript client from the server.
	client bool
	// strict says that a wrong secret of webhooks ends it when it starts.
	strict bool
}

type bodyChange = struct{ file, from, to string }

// backendKinds are the backends, by their folder.
var backendKinds = map[string]backendKind{
	"node": {
		run: []string{"node", "backend.mjs"}, debian: "nodejs", client: true, strict: true,
		wrong: bodyChange{"backend.mjs", "receive(request.headers, body)", "receive(request.headers, JSON.parse(body))"}, advice: "express.raw(",
		forgets: bodyChange{"webhook.mjs", "REMEMBERED = 10_000", "REMEMBERED = 3"},
	},
	"node/express": {
		run: []string{"node", "backend.mjs"}, debian: "nodejs", client: true, strict: true,
		wrong: bodyChange{"backend.mjs", "// This route needs", "app.use(express.json());\n// This route needs"}, advice: "express.raw(",
	},
	"node/fastify": {
		run: []string{"node", "backend.mjs"}, debian: "nodejs", client: true, strict: true,
		wrong:  bodyChange{"backend.mjs", "  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body));\n", ""},
		advice: `parseAs: "buffer"`,
	},
	"python": {
		run: []string{"python3", "backend.py"}, debian: "python3",
		wrong: bodyChange{"backend.py", "webhook.receive(self.headers, body)", "webhook.receive(self.headers, json.loads(body))"}, advice: "request.body",
		forgets: bodyChange{"webhook.py", "REMEMBERED = 10_000", "REMEMBERED = 3"},
	},
	"python/fastapi": {
		run: []string{"/usr/bin/python3", "backend.py"}, has: []string{"/usr/bin/python3", "-c", "import fastapi, uvicorn"}, debian: "python3-fastapi python3-uvicorn",
		wrong: bodyChange{"backend.py", "    body = b\"\"\n    async for piece in request.stream():\n        body += piece\n        if len(body) > webhook.LARGEST:\n            return PlainTextResponse(\"The body is too large.\", 413)\n", "    body = await request.json()\n"}, advice: "request.stream()",
	},
	"go": {
		run: []string{"./backend"}, build: []string{"go", "build", "-o", "backend", "."}, debian: "golang", strict: true,
		wrong: bodyChange{"webhook.go", "event, err := client.ReadWebhook(", "_ = r.ParseMultipartForm(1 << 20)\n\tevent, err := client.ReadWebhook("}, advice: "before anything parses it",
		forgets: bodyChange{"webhook.go", "remembered = 10_000", "remembered = 3"},
	},
	"php": {
		run: []string{"php", "-S", "localhost:PORT", "backend.php"}, has: []string{"php", "-r", "exit(extension_loaded('curl') ? 0 : 1);"}, debian: "php-cli php-curl",
		wrong: bodyChange{"backend.php", "receive($_SERVER, $body)", "receive($_SERVER, json_decode($body, true))"}, advice: "php://input",
		forgets: bodyChange{"webhook.php", "random_int(1, 100)", "random_int(1, 1)"},
	},
	"ruby": {
		run: []string{"rackup", "-o", "localhost", "-p", "PORT"}, has: []string{"ruby", "-e", "require 'rack'; require 'webrick'"}, debian: "ruby ruby-rack ruby-webrick",
		wrong: bodyChange{"config.ru", "receive(env, body)", "receive(env, JSON.parse(body))"}, advice: "rack.input",
		forgets: bodyChange{"webhook.rb", "REMEMBERED = 10_000", "REMEMBERED = 3"},
	},
}

// clientPackage is the documented address of the TypeScript client that a server has.
func clientPackage(t *testing.T, server string) string {
	t.Helper()
	for _, p := range packages.All() {
		if p.Name == "@timbre/client" {
			return server + "/packages/" + p.Versioned()
		}
	}
	t.Fatal("the server has no client")
	return ""
}

// inHaste makes the timeout of a backend one second instead of ten.
var inHaste = strings.NewReplacer("timeout(10_000)", "timeout(1_000)", "timeout: 10_000", "timeout: 1_000", "timeout=10", "timeout=1", "10 * time.Second", "time.Second", "10*time.Second", "time.Second", "CURLOPT_TIMEOUT => 10", "CURLOPT_TIMEOUT => 1", "Timeout.timeout(10)", "Timeout.timeout(1)")

// needs skips the test where a language is missing.
func (e backendKind) needs(t *testing.T) {
	t.Helper()
	hint := ": apt-get install " + e.debian
	for _, one := range [][]string{e.build, e.run} {
		if len(one) > 0 && !strings.HasPrefix(one[0], "./") {
			if _, err := exec.LookPath(one[0]); err != nil {
				browser.Missing(t, "no "+one[0]+" in PATH"+hint)
			}
		}
	}
	if len(e.has) > 0 {
		if out, err := exec.CommandContext(t.Context(), e.has[0], e.has[1:]...).CombinedOutput(); err != nil {
			browser.Missing(t, fmt.Sprintf("%s: %s%s", strings.Join(e.has, " "), out, hint))
		}
	}
}

// folder is an empty folder with the files of an example, ready to run.
func (e backendKind) folder(t *testing.T, name string, change bodyChange) string {
	t.Helper()
	from, dir := filepath.Join("..", "..", "examples", name), t.TempDir()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	patient, changed := true, change.file == ""
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text := inHaste.Replace(string(data))
		patient = patient && text == string(data)
		if f.Name() == change.file {
			changed = strings.Count(text, change.from) == 1
			text = strings.Replace(text, change.from, change.to, 1)
		}
		saveIn(t, dir, f.Name(), text)
	}
	if !changed {
		t.Fatalf("%s of %s has no %q", change.file, name, change.from)
	}
	if patient {
		t.Fatalf("%s waits for ever, or for another time than ten seconds", name)
	}
	saveIn(t, dir, "index.html", "<title>Here</title>")
	if name == "go" { // as docs/go.md says
		module, err := filepath.Abs(filepath.Join("..", "..", "client"))
		if err != nil {
			t.Fatal(err)
		}
		must(t, command(dir, "go", "mod", "edit", "-replace", "timbre.example/client="+module))
	}
	if len(e.build) > 0 {
		if out, err := command(dir, e.build[0], e.build[1:]...).CombinedOutput(); err != nil && e.client {
			browser.Missing(t, fmt.Sprintf("npm cannot install the packages of %s: %v: %s", name, err, out))
		} else if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return dir
}

func saveIn(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// backend is one that runs.
type backend struct {
	url string
	dir string // where it runs

	mu   sync.Mutex
	said bytes.Buffer
	more chan struct{} // has a place for one who was not looking
}

// Write takes what it says.
func (b *backend) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
	return b.said.Write(text)
}

// failures are how the backends begin a line of their log about a mint that failed.
var failures = regexp.MustCompile(`(?m)(mint|^POST /my-backend/session): .`)

// tells waits until the log has a line, in what it says after a place.
func (b *backend) tells(t *testing.T, after int, line *regexp.Regexp) string {
	t.Helper()
	for late := time.After(browser.Timeout); ; {
		if said := b.log()[after:]; line.MatchString(said) {
			return said
		}
		select {
		case <-b.more:
		case <-late:
			t.Fatalf("the log has no %s: %q", line, b.log()[after:])
		}
	}
}

func (b *backend) log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.String()
}

// mint asks as the page does.
func (b *backend) mint(t *testing.T) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/my-backend/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.log())
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); err != nil || kind != "application/json" {
		t.Fatal(err, res.Header)
	}
	return res.StatusCode, string(text)
}

// hook sends a delivery.
func (b *backend) hook(t *testing.T, h http.Header, body string) (status int, text string) {
	t.Helper()
	// A server that refuses a body before it has read all of it may end the connection before its answer is read.
	const tries = 10
	var res *http.Response
	for n := 1; res == nil; n++ {
		var err error
		if res, err = b.deliver(t, h, body); err != nil && (n == tries || !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET)) {
			t.Fatalf("%v\n%s", err, b.log())
		}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

func (b *backend) deliver(t *testing.T, h http.Header, body string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/my-backend/webhook", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Content-Type", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		if h.Get(name) != "" {
			req.Header.Set(name, h.Get(name))
		}
	}
	return http.DefaultClient.Do(req)
}

// startBackend runs the backend of the quick start until the test ends, beside a page.
func startBackend(t *testing.T, document, language, ats, secret, page string) *backend {
	t.Helper()
	e := backendKinds["node"]
	e.needs(t)
	code := listings(t, document, language)
	if len(code) != 1 || inHaste.Replace(code[0]) == code[0] {
		t.Fatalf("%s has %d listings, or one that waits for ever", document, len(code))
	}
	dir := t.TempDir()
	saveIn(t, dir, "backend.mjs", inHaste.Replace(code[0]))
	saveIn(t, dir, "index.html", page)
	return e.start(t, dir, "ATS_URL="+ats, "ATS_SECRET_KEY="+secret)
}

// start runs a backend until the test ends.
func (e backendKind) start(t *testing.T, dir string, settings ...string) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	b := &backend{url: "http://localhost:" + port, dir: dir, more: make(chan struct{}, 1)}
	var args []string
	for _, one := range e.run {
		args = append(args, strings.Replace(one, "PORT", port, 1))
	}
	cmd := command(dir, args[0], args[1:]...)
	cmd.Env = append(append(cmd.Env, "SITE="+b.url, "PORT="+port), settings...)
	cmd.Stdout, cmd.Stderr = b, b
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for late := time.After(browser.Timeout); ; {
		if c, err := net.Dial("tcp", "localhost:"+port); err == nil {
			c.Close()
			return b
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("it ended: %v\n%s", err, b.log())
		case <-late:
			t.Fatalf("it does not listen\n%s", b.log())
		case <-look.C:
		}
	}
}

// refuses checks that a backend ends at once, and says that the secret of webhooks is wrong.
func (e backendKind) refuses(t *testing.T, dir string, settings ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browser.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.run[0], e.run[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), settings...)
	if strings.HasPrefix(e.run[0], "./") {
		cmd.Path = filepath.Join(dir, e.run[0])
	}
	if out, err := cmd.CombinedOutput(); err == nil || ctx.Err() != nil || !strings.Contains(string(out), "WEBHOOK_SECRET needs whsec_") {
		t.Errorf("%s: %v: %s", settings[len(settings)-1], err, out)
	}
}

// command runs in a directory, with no proxy between it and this machine.
func command(dir, tool string, args ...string) *exec.Cmd {
	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost", "GOWORK=off")
	return cmd
}

// backendFront stands between a backend and the server.
type backendFront struct {
	*httptest.Server
	mu      sync.Mutex
	today   string
	release func() // ends what is silent
}

func (f *backendFront) is(today string) {
	f.mu.Lock()
	f.today = today
	f.mu.Unlock()
	if today == "gone" {
		f.release()
		f.Close()
	}
}

func newBackendFront(t *testing.T, ats string) *backendFront {
	t.Helper()
	there, err := url.Parse(ats)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(there)
	release := make(chan struct{})
	f := &backendFront{today: "up", release: sync.OnceFunc(func() { close(release) })}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		now := f.today
		f.mu.Unlock()
		switch now {
		case "up":
			proxy.ServeHTTP(w, r)
		case "silent":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "cut":
			panic(http.ErrAbortHandler)
		case "page":
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, "<h1>Bad gateway</h1>")
		}
	}))
	t.Cleanup(f.Close)
	t.Cleanup(f.release)
	return f
}

// mints asks a backend for tokens while the server answers, is silent, cuts the connection, is
// something else, and is gone. The last token is returned.
func (b *backend) mints(t *testing.T, f *backendFront, secret string) (token string) {
	t.Helper()
	for _, now := range []string{"up", "silent", "cut", "page", "up", "gone", "gone"} {
		f.is(now)
		before := len(b.log())
		status, body := b.mint(t)
		var answer struct {
			Token string
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Errorf("%s: %v: %s", now, err, body)
		}
		if now == "up" {
			if status != 200 || !strings.HasPrefix(answer.Token, "eyJ") {
				t.Errorf("%s: %d %s\n%s", now, status, body, b.log())
			}
			token = answer.Token
			continue
		}
		if status != 502 || answer.Error.Code != "common.service_unavailable" || answer.Error.Message == "" || answer.Token != "" {
			t.Errorf("%s: %d %s", now, status, body)
		}
		if said := b.tells(t, before, failures); strings.Contains(said, secret) {
			t.Errorf("%s: the log says %q", now, said)
		}
	}
	res, err := http.Get(b.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != 200 || string(page) != "<title>Here</title>" {
		t.Errorf("the page: %d %s, %v", res.StatusCode, page, err)
	}
	// Without the page it answers something else, or nothing, and continues.
	if err := os.Remove(filepath.Join(b.dir, "index.html")); err != nil {
		t.Fatal(err)
	}
	if res, err = http.Get(b.url + "/"); err == nil {
		res.Body.Close()
		if res.StatusCode < 400 {
			t.Errorf("without the page: %d", res.StatusCode)
		}
	}
	for _, wrong := range []string{"/my-backend", "/backend.mjs", "/webhook.py", "/webhook.php", "/seen", "/config.ru", "/../index.html"} {
		if res, err = http.Get(b.url + wrong); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 404 && res.StatusCode != 400 { // WEBrick refuses ".."
			t.Errorf("%s: %d", wrong, res.StatusCode)
		}
	}
	return token
}

// hookTap stands between the server and the webhook of a backend, and keeps what passes.
type hookTap struct {
	mu   sync.Mutex
	to   *backend // nil: it is not there yet
	kept []hookDelivery
}

type hookDelivery struct {
	header http.Header
	body   string
	status int
}

func (p *hookTap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || p.to == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, p.to.url+"/my-backend/webhook", bytes.NewReader(body))
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	req.Header = r.Header.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return
	}
	p.kept = append(p.kept, hookDelivery{r.Header.Clone(), string(body), res.StatusCode})
	w.WriteHeader(res.StatusCode)
	w.Write(text)
}

func (p *hookTap) sendTo(b *backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = b
}

// first waits for the first delivery whose body has a text.
func (p *hookTap) first(t *testing.T, text string) (d hookDelivery) {
	t.Helper()
	if !harness.Eventually(func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, one := range p.kept {
			if strings.Contains(one.body, text) {
				d = one
				return true
			}
		}
		return false
	}) {
		t.Fatalf("no delivery with %s", text)
	}
	return d
}

// signedWith are the headers of a delivery. Before the signatures of the secrets stand some that match nothing.
func signedWith(t *testing.T, id string, at time.Time, body string, secrets ...string) http.Header {
	t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	signatures := "v1,AAAA v2,x " + strings.Repeat("v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))+" ", 2)
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + stamp + "." + body))
		signatures += "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + " "
	}
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", strings.TrimSpace(signatures))
	return h
}

// backendPages are the documents of the backends, and the files that their listings show.
var backendPages = map[string][]string{
	"node.md":       {"node/backend.mjs", "node/webhook.mjs", "node/express/backend.mjs", "node/fastify/backend.mjs"},
	"python.md":     {"python/backend.py", "python/webhook.py", "python/fastapi/backend.py"},
	"go-backend.md": {"go/backend.go", "go/webhook.go"},
	"php.md":        {"php/backend.php", "php/webhook.php"},
	"ruby.md":       {"ruby/config.ru", "ruby/webhook.rb"},
}

// The listings of the documents are the files of the examples, and each page has the same
// sections in the same order. A file of several folders is the same in each.
func TestBackendPages(t *testing.T) {
	t.Parallel()
	sections := regexp.MustCompile(`(?m)^## .*$`)
	want := "## Mint a session,## Receive webhooks,## Run it,## Frameworks,## In production"
	shown := map[string]bool{}
	for page, files := range backendPages {
		text, err := fs.ReadFile(docs.Files, page)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(sections.FindAllString(string(text), -1), ","); got != want {
			t.Errorf("%s has the sections %s", page, got)
		}
		var blocks []string
		for _, m := range listing.FindAllStringSubmatch(string(text), -1) {
			if m[1] != "console" {
				blocks = append(blocks, m[2])
			}
		}
		if len(blocks) != len(files) {
			t.Errorf("%s has %d listings of %d files", page, len(blocks), len(files))
			continue
		}
		for i, name := range files {
			shown[name] = true
			data, err := os.ReadFile(filepath.Join("..", "..", "examples", filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(string(data)) != strings.TrimSpace(blocks[i]) {
				t.Errorf("listing %d of %s is not examples/%s", i+1, page, name)
			}
		}
	}
	for name := range backendKinds {
		files, err := filepath.Glob(filepath.Join("..", "..", "examples", filepath.FromSlash(name), "*.*"))
		if err != nil || len(files) == 0 {
			t.Fatal(name, err)
		}
		for _, path := range files {
			switch filepath.Ext(path) {
			case ".mjs", ".js", ".py", ".go", ".php", ".rb", ".ru":
			default:
				continue
			}
			language, _, nested := strings.Cut(name, "/")
			if base := filepath.Base(path); nested && strings.HasPrefix(base, "webhook.") {
				one, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				other, err := os.ReadFile(filepath.Join("..", "..", "examples", language, base))
				if err != nil || !bytes.Equal(one, other) {
					t.Errorf("%s is not that of folder %s: %v", path, language, err)
				}
			} else if !shown[name+"/"+base] {
				t.Errorf("no page shows %s", path)
			}
		}
	}
}

// TestBackends runs the backends of folder examples, and that of the quick start. Each mints with
// a server that answers, one that refuses, and one that cannot be reached, does not answer, or is
// something else. It never ends for it. Each receives webhooks: what the server sends, and what
// others send, changed, late, twice and too large. A song is registered with a minted token.
func TestBackends(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	key := hooksOf(t, s).token
	t.Run("quick-start", func(t *testing.T) {
		t.Parallel()
		f := newBackendFront(t, s.URL)
		startBackend(t, "quick-start.md", "mjs", f.URL, s.SecretKey, "<title>Here</title>").mints(t, f, s.SecretKey)
	})
	seed := 0
	for name, e := range backendKinds {
		seed++
		audio := harness.WAV(seed)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e.needs(t)
			if e.client {
				e.build = []string{"npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error", clientPackage(t, s.URL)}
			}
			dir := e.folder(t, name, bodyChange{})

			// The server signs with both secrets, and the backend knows both.
			at := hooks{t, s, key}
			taps := &hookTap{}
			receiver := httptest.NewServer(taps)
			t.Cleanup(receiver.Close)
			endpoint := at.call("POST", "", map[string]any{"url": receiver.URL})
			rotated := at.call("POST", "/"+endpoint.ID+"/rotate-secret", map[string]any{"overlap_seconds": 3600})
			f := newBackendFront(t, s.URL)
			b := e.start(t, dir, "ATS_URL="+f.URL, "ATS_SECRET_KEY="+s.SecretKey, "WEBHOOK_SECRET="+rotated.Secret+" "+endpoint.Secret)
			taps.sendTo(b)

			song := &harness.Song{Server: s, Title: "Minted in " + name, Audio: audio}
			song.Token = b.mints(t, f, s.SecretKey)
			for _, step := range []func(context.Context) error{song.Init, song.Put, song.Prepare, song.Confirm, song.Follow} {
				if err := step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			at.call("POST", "/"+endpoint.ID+"/test", nil)
			arrives(t, b, taps, song, []string{endpoint.Secret, rotated.Secret})

			// Another process has a wrong secret key, and no secret of webhooks.
			bare := e.start(t, dir, "ATS_URL="+s.URL, "ATS_SECRET_KEY=csk_wrong")
			if status, body := bare.mint(t); status != 401 || !strings.Contains(body, `common.auth.invalid_api_key`) {
				t.Errorf("refused: %d %s", status, body)
			}
			const body = `{"event":"test"}`
			if status, text := bare.hook(t, signedWith(t, "msg-bare", time.Now(), body, ""), body); status != 500 || !strings.Contains(strings.ToLower(text), "secret") {
				t.Errorf("without a secret: %d %s", status, text)
			}
			if e.strict {
				bare.tells(t, 0, regexp.MustCompile(`WEBHOOK_SECRET is not set`))
				for _, wrong := range []string{"", " ", "secret", endpoint.Secret + " ", s.SecretKey} {
					e.refuses(t, dir, "ATS_URL="+s.URL, "ATS_SECRET_KEY="+s.SecretKey, "SITE=http://localhost:3000", "PORT=0", "WEBHOOK_SECRET="+wrong)
				}
			}

			// A third one parses the body before it verifies it. It says so, there and to the server.
			again := e
			if e.client { // the packages are there
				again.build = []string{"ln", "-s", filepath.Join(dir, "node_modules"), "node_modules"}
			}
			parsed := e.start(t, again.folder(t, name, e.wrong), "ATS_URL="+s.URL, "ATS_SECRET_KEY="+s.SecretKey, "WEBHOOK_SECRET="+endpoint.Secret)
			status, text := parsed.hook(t, signedWith(t, "msg-parsed", time.Now(), body, endpoint.Secret), body)
			if status != 500 || !strings.Contains(text, "the raw body") || !strings.Contains(text, e.advice) {
				t.Errorf("parsed: %d %s", status, text)
			}
			parsed.tells(t, 0, regexp.MustCompile(`webhook: .*the raw body`))
			if e.forgets.file != "" {
				forgets(t, e, again.folder(t, name, e.forgets), endpoint.Secret)
			}
		})
	}
}

// forgets checks that a backend keeps a bounded number of ids, the newest ones: three in memory, or
// in files those of 30 days.
func forgets(t *testing.T, e backendKind, dir, secret string) {
	t.Helper()
	files := filepath.Join(dir, "seen")
	old := filepath.Join(files, "0123")
	if e.run[0] == "php" {
		if err := os.Mkdir(files, 0o700); err != nil {
			t.Fatal(err)
		}
		saveIn(t, files, "0123", "")
		long := time.Now().AddDate(0, 0, -31)
		if err := os.Chtimes(old, long, long); err != nil {
			t.Fatal(err)
		}
	}
	b := e.start(t, dir, "ATS_URL=http://localhost:1", "ATS_SECRET_KEY=csk_none", "WEBHOOK_SECRET="+secret)
	for _, number := range []string{"101", "102", "103", "104", "104", "102", "101"} {
		body := `{"event":"test","ats_id":` + number + `}`
		if status, text := b.hook(t, signedWith(t, "msg-"+number, time.Now(), body, secret), body); status != 200 {
			t.Errorf("%d %s", status, text)
		}
	}
	b.hook(t, signedWith(t, "msg-last", time.Now(), `{"event":"last"}`, secret), `{"event":"last"}`)
	said, first := b.tells(t, 0, regexp.MustCompile(`webhook: last *\n`)), 2
	if e.run[0] == "php" {
		first = 1
		if _, err := os.Stat(old); !os.IsNotExist(err) {
			t.Errorf("the file of an old id: %v", err)
		}
		if kept, err := os.ReadDir(files); err != nil || len(kept) != 5 {
			t.Errorf("%d files of five ids, %v", len(kept), err)
		}
	}
	for number, want := range map[string]int{"101": first, "102": 1, "103": 1, "104": 1} {
		if n := strings.Count(said, "webhook: test "+number); n != want {
			t.Errorf("%s was acted on %d times, want %d\n%s", number, n, want, said)
		}
	}
}

// arrives checks the deliveries of the server at a backend, and those of others.
func arrives(t *testing.T, b *backend, taps *hookTap, song *harness.Song, secrets []string) {
	t.Helper()
	number := fmt.Sprintf("webhook: work_registered %d\n", song.Result.AtsID)
	registered := taps.first(t, song.TransactionID)
	test := taps.first(t, `"event":"test"`)
	for _, d := range []hookDelivery{registered, test} {
		if d.status != 200 {
			t.Errorf("%d for %s\n%s", d.status, d.body, b.log())
		}
		if strings.Count(d.header.Get("Webhook-Signature"), "v1,") != 2 {
			t.Errorf("%v", d.header)
		}
	}
	b.tells(t, 0, regexp.MustCompile(regexp.QuoteMeta(strings.TrimSpace(number))))
	b.tells(t, 0, regexp.MustCompile(`webhook: test *\n`))
	wrong := "whsec_" + rand.Text() + rand.Text()[:22]
	now := time.Now()
	const body = `{"event": "test",  "ats_id": 424242}`
	once := func(id string) {
		t.Helper()
		for range 2 {
			if status, text := b.hook(t, signedWith(t, id, now, body, secrets[0]), body); status != 200 {
				t.Errorf("%d %s", status, text)
			}
		}
	}
	once("msg-1")
	b.tells(t, 0, regexp.MustCompile(`webhook: test 424242`))
	without := func(name string) http.Header {
		h := signedWith(t, "msg-2", now, body, secrets...)
		h.Del(name)
		return h
	}
	changed := []byte(registered.body)
	changed[len(changed)/2] ^= 1
	for _, c := range []struct {
		name string
		h    http.Header
		body string
		want int
	}{
		{"the same delivery again", registered.header, registered.body, 200},
		{"one byte is another", registered.header, string(changed), 400},
		{"one byte more", registered.header, registered.body + " ", 400},
		{"the id of another", func() http.Header { h := registered.header.Clone(); h.Set("Webhook-Id", "msg-2"); return h }(), registered.body, 400},
		{"another secret", signedWith(t, "msg-2", now, body, wrong), body, 400},
		{"an old timestamp", signedWith(t, "msg-2", now.Add(-6*time.Minute), body, secrets...), body, 400},
		{"a timestamp of tomorrow", signedWith(t, "msg-2", now.Add(24*time.Hour), body, secrets...), body, 400},
		{"no id", without("Webhook-Id"), body, 400},
		{"no timestamp", without("Webhook-Timestamp"), body, 400},
		{"no signature", without("Webhook-Signature"), body, 400},
		{"parsed and written again", signedWith(t, "msg-2", now, body, secrets...), `{"event":"test","ats_id":424242}`, 400},
		{"the largest body", signedWith(t, "msg-3", now, padded(64<<10), secrets...), padded(64 << 10), 200},
		{"a larger body", signedWith(t, "msg-4", now, padded(64<<10+1), secrets...), padded(64<<10 + 1), 413},
	} {
		if status, text := b.hook(t, c.h, c.body); status != c.want {
			t.Errorf("%s: %d %s\n%s", c.name, status, text, b.log())
		}
	}
	for i, secret := range secrets {
		id := fmt.Sprint("msg-secret-", i)
		if status, text := b.hook(t, signedWith(t, id, now, body, secret), body); status != 200 {
			t.Errorf("secret %d: %d %s", i, status, text)
		}
	}
	// The log has each event once, in the order of their arrival: what came after is there, so what came before is.
	b.hook(t, signedWith(t, "msg-last", now, `{"event":"last"}`, secrets...), `{"event":"last"}`)
	said := b.tells(t, 0, regexp.MustCompile(`webhook: last *\n`))
	if n := strings.Count(said, number); n != 1 {
		t.Errorf("the registration was acted on %d times\n%s", n, said)
	}
	if n := strings.Count(said, "webhook: test 424242"); n != 3 {
		t.Errorf("three events were acted on %d times\n%s", n, said)
	}
	for name, secret := range map[string]string{"a secret": secrets[0], "another secret": secrets[1], "the secret key": song.Server.SecretKey, "an access code": song.AccessCode, "a token": song.Token} {
		if secret == "" || strings.Contains(said, secret) {
			t.Errorf("the log has %s, or there is none\n%s", name, said)
		}
	}
}

// padded is the body of an event with a number of bytes.
func padded(size int) string {
	const event = `{"event":"padded"`
	return event + strings.Repeat(" ", size-len(event)-1) + "}"
}
