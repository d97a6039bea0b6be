package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// languages are how each backend of the documentation is started, from the file
// that it is saved as.
var languages = map[string]struct{ file, tool, hint string }{
	"mjs": {"backend.mjs", "node", "nodejs"},
	"py":  {"backend.py", "python3", "python3"},
	"go":  {"backend.go", "go", "golang"},
}

// backend is one that runs.
type backend struct {
	url string

	mu   sync.Mutex
	said bytes.Buffer
	more chan struct{} // has a place for one who was not looking
}

// Write takes what it says on standard error.
func (b *backend) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
	return b.said.Write(text)
}

// names are how the backends begin a line of their log about a mint that failed.
var names = regexp.MustCompile(`(?m)(mint|^POST /my-backend/session): .`)

// tells waits until the log names the cause, in what it says after a place.
func (b *backend) tells(t *testing.T, after int) string {
	t.Helper()
	for late := time.After(browser.Timeout); ; {
		if said := b.log()[after:]; names.MatchString(said) {
			return said
		}
		select {
		case <-b.more:
		case <-late:
			t.Fatalf("the log says only %q", b.log()[after:])
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
	res, err := http.Post(b.url+"/my-backend/session", "", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.log())
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.Header.Get("Content-Type") != "application/json" {
		t.Fatal(err, res.Header)
	}
	return res.StatusCode, string(text)
}

// startBackend runs the backend of a document until the test ends, beside a page.
// Its timeout is one second instead of ten.
func startBackend(t *testing.T, document, language, ats, secret, page string) *backend {
	t.Helper()
	how := languages[language]
	tool, err := exec.LookPath(how.tool)
	if err != nil {
		browser.Missing(t, fmt.Sprintf("no %s in PATH: apt-get install %s", how.tool, how.hint))
	}
	code := ""
	for _, one := range listings(t, document, language) {
		if strings.Contains(one, how.file+"\n") {
			code = one
		}
	}
	patient := strings.NewReplacer("10_000", "1_000", "timeout=10", "timeout=1", "10 * time.Second", "time.Second")
	quick := patient.Replace(code)
	if quick == code {
		t.Fatalf("%s has no %s, or it waits for ever", document, how.file)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{how.file: quick, "index.html": page} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	args := []string{how.file}
	if language == "go" {
		if out, err := command(dir, tool, "build", "-o", "backend", how.file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		tool, args = filepath.Join(dir, "backend"), nil
	}
	b := &backend{url: fmt.Sprintf("http://localhost:%d", port), more: make(chan struct{}, 1)}
	cmd := command(dir, tool, args...)
	cmd.Env = append(cmd.Env, "ATS_URL="+ats, "ATS_SECRET_KEY="+secret, "SITE="+b.url, fmt.Sprint("PORT=", port))
	cmd.Stderr = b
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
		if c, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", port)); err == nil {
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

// command runs in a directory, with no proxy between it and this machine.
func command(dir, tool string, args ...string) *exec.Cmd {
	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost", "GOWORK=off")
	return cmd
}

// TestBackends runs each backend of the documentation: with a server that answers,
// one that refuses, and one that cannot be reached, does not answer, or is something
// else. It never ends for it.
func TestBackends(t *testing.T) {
	t.Parallel()
	one, other := listings(t, "quick-start.md", "mjs"), listings(t, "backends.md", "mjs")
	if len(one) != 1 || len(other) != 1 || one[0] != other[0] {
		t.Error("the quick start has another backend than docs/backends.md")
	}
	s := harness.Start(t, harness.Options{})
	there, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(there)
	for language := range languages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			today := "up"
			release := make(chan struct{})
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				now := today
				mu.Unlock()
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
			t.Cleanup(front.Close)
			t.Cleanup(func() { close(release) })
			b := startBackend(t, "backends.md", language, front.URL, s.SecretKey, "<title>Here</title>")
			for _, now := range []string{"up", "silent", "cut", "page", "up"} {
				mu.Lock()
				today = now
				mu.Unlock()
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
					continue
				}
				if status != 502 || answer.Error.Code != "common.service_unavailable" || answer.Error.Message == "" || answer.Token != "" {
					t.Errorf("%s: %d %s", now, status, body)
				}
				if said := b.tells(t, before); strings.Contains(said, s.SecretKey) {
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
			for _, wrong := range []string{"/my-backend", "/backend." + language, "/../index.html"} {
				if res, err = http.Get(b.url + wrong); err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != 404 {
					t.Errorf("%s: %d", wrong, res.StatusCode)
				}
			}
			// The backend passes on the server's refusal.
			refused := startBackend(t, "backends.md", language, s.URL, "csk_wrong", "")
			if status, body := refused.mint(t); status != 401 || !strings.Contains(body, `common.auth.invalid_api_key`) {
				t.Errorf("refused: %d %s", status, body)
			}
			// No server listens at all.
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			nobody := "http://" + l.Addr().String()
			l.Close()
			alone := startBackend(t, "backends.md", language, nobody, s.SecretKey, "")
			for range 2 {
				before := len(alone.log())
				if status, body := alone.mint(t); status != 502 {
					t.Errorf("nobody: %d %s", status, body)
				}
				alone.tells(t, before)
			}
		})
	}
}
