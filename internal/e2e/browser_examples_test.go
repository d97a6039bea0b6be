package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/docs"
	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/engine"
	"timbre.example/internal/e2e/harness"
)

// frontEnd is an example of a page, in its folder of examples/.
type frontEnd struct {
	name string
	// steps are the scripts of its package.json that come before its start.
	steps []string
	// start is the command of its server, which listens on PORT.
	start []string
	// backend says that it has none of its own, and needs one beside it.
	backend bool
	// register is the path of the page with the widget.
	register string
	// routes says that the page has another route without it.
	routes bool
	// rendered says that the server draws the tag.
	rendered bool
	// webhooks says that its server receives webhooks, and uses the client.
	webhooks bool
	// firefox says that it is used in Firefox, too.
	firefox bool
}

var frontEnds = []frontEnd{
	{name: "html", start: []string{"node", "server.mjs"}, register: "/"},
	{name: "react", steps: []string{"check", "build"}, start: vitePreview, backend: true, register: "/#register", routes: true, firefox: true},
	{name: "vue", steps: []string{"check", "build"}, start: vitePreview, backend: true, register: "/#register", routes: true},
	{name: "svelte", steps: []string{"check", "build"}, start: []string{"node", "build"}, register: "/register", routes: true, rendered: true},
	// Its build checks the types itself.
	{name: "next", steps: []string{"build"}, start: []string{"node_modules/.bin/next", "start", "--hostname", "localhost", "--port", "PORT"}, register: "/register", routes: true, rendered: true, webhooks: true},
	{name: "astro", steps: []string{"check", "build"}, start: []string{"node", "dist/server/entry.mjs"}, register: "/register", routes: true, rendered: true},
}

// vitePreview serves what vite build made. It is the program itself: a child of npx would outlive it.
var vitePreview = []string{"node_modules/.bin/vite", "preview", "--host", "localhost", "--strictPort", "--port", "PORT"}

// copyExample copies the files of an example, but not what building it left there.
func copyExample(t *testing.T, name string) string {
	t.Helper()
	from, dir := filepath.Join("../../examples", name), t.TempDir()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if d.IsDir() {
			switch d.Name() {
			case "node_modules", "dist", "build", ".next", ".svelte-kit", ".astro":
				return fs.SkipDir
			}
			return os.MkdirAll(to, 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// served is a program that listens.
type served struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (s *served) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(text)
}

func (s *served) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// startProgram starts a program until the test ends, and waits until it accepts connections on the port.
func startProgram(t *testing.T, cmd *exec.Cmd, port string) *served {
	t.Helper()
	s := &served{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = s, s, browser.Timeout
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
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%v ended: %v\n%s", cmd.Args, err, s)
		case <-late:
			t.Fatalf("%v does not listen\n%s", cmd.Args, s)
		case <-look.C:
		}
	}
}

// freePort finds one that stays free.
func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(harness.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// must runs a command to its end.
func must(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// shownFile is a listing of a page with the path of its file in the example.
var shownFile = regexp.MustCompile("(?ms)^`([^`\n]+)`:\n\n```[a-z]+\n(.*?)^```$")

// TestFrontEndPages compares the listings of each example's page with its files. All pages have the same sections.
func TestFrontEndPages(t *testing.T) {
	t.Parallel()
	sections := []string{"Install", "The files", "Sessions", "Events", "Errors", "Server rendering", "The page's policy", "Common mistakes"}
	headings := regexp.MustCompile(`(?m)^## (.+)$`)
	for _, e := range frontEnds {
		text, err := fs.ReadFile(docs.Files, e.name+".md")
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, m := range headings.FindAllStringSubmatch(string(text), -1) {
			found = append(found, m[1])
		}
		if !slices.Equal(found, sections) {
			t.Errorf("%s.md has the sections %q", e.name, found)
		}
		shown := shownFile.FindAllStringSubmatch(string(text), -1)
		commands := len(listings(t, e.name+".md", "console"))
		if all := len(listing.FindAllString(string(text), -1)); len(shown) < 3 || len(shown)+commands != all {
			t.Errorf("%s.md: %d of %d listings are files, and %d are commands", e.name, len(shown), all, commands)
		}
		for _, m := range shown {
			file, err := os.ReadFile(filepath.Join("../../examples", e.name, filepath.FromSlash(m[1])))
			if err != nil {
				t.Errorf("%s.md: %v", e.name, err)
			} else if string(file) != m[2] {
				t.Errorf("%s.md shows another %s than examples/%s has", e.name, m[1], e.name)
			}
		}
	}
}

// TestFrontEnds installs and builds each example in an empty folder, starts it, and registers a song in
// a narrow window.
func TestFrontEnds(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			browser.Missing(t, "no "+tool+" in PATH: apt-get install nodejs npm")
		}
	}
	s := harness.Start(t, harness.Options{})
	key := hooksOf(t, s).token
	for _, e := range frontEnds {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			dir := copyExample(t, e.name)
			port := freePort(t)
			site := "http://localhost:" + port
			env := []string{
				"ATS_URL=" + s.URL, "ATS_SITE_KEY=" + s.SiteKey, "ATS_SECRET_KEY=" + s.SecretKey, "SITE=" + site, "PORT=" + port, "HOST=localhost", "ORIGIN=" + site,
				"VITE_ATS_URL=" + s.URL, "VITE_ATS_SITE_KEY=" + s.SiteKey, "NEXT_TELEMETRY_DISABLED=1", "ASTRO_TELEMETRY_DISABLED=1", "CI=1", "NO_COLOR=1",
			}
			var hook frontEndHook
			if e.webhooks {
				hook = newFrontEndHook(t, hooks{t, s, key}, dir)
				env = append(env, "WEBHOOK_SECRET="+strings.Join(hook.secrets, " "))
			}
			if e.backend {
				backendPort := freePort(t)
				env = append(env, "BACKEND_URL=http://localhost:"+backendPort)
				code := listings(t, "quick-start.md", "mjs")[0]
				beside := t.TempDir()
				if err := os.WriteFile(filepath.Join(beside, "backend.mjs"), []byte(code), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := command(beside, "node", "backend.mjs")
				cmd.Env = append(append(cmd.Env, env...), "PORT="+backendPort)
				startProgram(t, cmd, backendPort)
			}
			run := func(tool string, args ...string) *exec.Cmd {
				cmd := command(dir, tool, args...)
				cmd.Env = append(cmd.Env, env...)
				return cmd
			}
			if e.name == "html" {
				page := filepath.Join(dir, "index.html")
				text, err := os.ReadFile(page)
				if err != nil {
					t.Fatal(err)
				}
				filled := strings.NewReplacer("https://ats.example", s.URL, "cpk_…", s.SiteKey).Replace(string(text))
				if err := os.WriteFile(page, []byte(filled), 0o600); err != nil {
					t.Fatal(err)
				}
			} else {
				began := time.Now()
				install := []string{"install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error", harness.WidgetPackage(t)}
				if e.webhooks {
					install = append(install, clientPackage(t, s.URL))
				}
				must(t, run("npm", install...))
				t.Logf("installed in %v", time.Since(began).Round(time.Millisecond))
			}
			for _, step := range e.steps {
				began := time.Now()
				must(t, run("npm", "run", step))
				t.Logf("%s in %v", step, time.Since(began).Round(time.Millisecond))
			}
			args := make([]string, len(e.start))
			for i, a := range e.start {
				args[i] = strings.ReplaceAll(a, "PORT", port)
			}
			tool, err := exec.LookPath(args[0])
			if err != nil {
				tool = filepath.Join(dir, args[0])
			}
			said := startProgram(t, run(tool, args[1:]...), port)
			if e.webhooks {
				hook.taps.sendTo(&backend{url: site})
			}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the server of the page:\n%s", said)
				}
			})
			if e.rendered {
				if text := markupOf(t, site+e.register); !strings.Contains(text, "<ats-widget") || !strings.Contains(text, s.SiteKey) {
					t.Errorf("the server does not draw the tag: %s", text)
				}
			}
			// One after the other: each gives its browser back.
			t.Run("Chromium", func(t *testing.T) { followFrontEnd(t, e, site) })
			if e.webhooks {
				hook.receives(t, site, said)
			}
			if e.firefox {
				t.Run("Firefox", func(t *testing.T) { followInFirefox(t, e, site) })
			}
		})
	}
}

// frontEndHook is an endpoint for the webhooks of a front end. The server signs with both secrets.
type frontEndHook struct {
	taps    *hookTap
	secrets []string
}

// newFrontEndHook makes an endpoint, and adds a route to the example that parses the body before it verifies it.
func newFrontEndHook(t *testing.T, at hooks, dir string) frontEndHook {
	t.Helper()
	route, err := os.ReadFile(filepath.Join(dir, "app/my-backend/webhook/route.ts"))
	if err != nil {
		t.Fatal(err)
	}
	parsed := strings.Replace(string(route), "await request.arrayBuffer()", "await request.json()", 1)
	if parsed == string(route) {
		t.Fatal("the route of webhooks reads the body in another way")
	}
	if err := os.MkdirAll(filepath.Join(dir, "app/parsed/my-backend/webhook"), 0o755); err != nil {
		t.Fatal(err)
	}
	saveIn(t, filepath.Join(dir, "app/parsed/my-backend/webhook"), "route.ts", parsed)
	h := frontEndHook{taps: &hookTap{}}
	receiver := httptest.NewServer(h.taps)
	t.Cleanup(receiver.Close)
	endpoint := at.call("POST", "", map[string]any{"url": receiver.URL})
	rotated := at.call("POST", "/"+endpoint.ID+"/rotate-secret", map[string]any{"overlap_seconds": 3600})
	h.secrets = []string{rotated.Secret, endpoint.Secret}
	return h
}

// receives checks what the server has sent to the page's server, and what others send.
func (h frontEndHook) receives(t *testing.T, site string, said *served) {
	t.Helper()
	b := &backend{url: site}
	if d := h.taps.first(t, `"event":"work_registered"`); d.status != 200 {
		t.Errorf("%d for %s", d.status, d.body)
	}
	now := time.Now()
	const body = `{"event": "test",  "ats_id": 424242}`
	good := func(secrets ...string) http.Header { return signedWith(t, "msg-1", now, body, secrets...) }
	without := good(h.secrets...)
	without.Del("Webhook-Id")
	for _, c := range []struct {
		name string
		h    http.Header
		body string
		want int
	}{
		{"the new secret", good(h.secrets[0]), body, 200},
		{"the old secret, and the same delivery", good(h.secrets[1]), body, 200},
		{"one byte more", good(h.secrets...), body + " ", 400},
		{"parsed and written again", good(h.secrets...), `{"event":"test","ats_id":424242}`, 400},
		{"no id", without, body, 400},
		{"an old timestamp", signedWith(t, "msg-2", now.Add(-6*time.Minute), body, h.secrets...), body, 400},
		{"the largest body", signedWith(t, "msg-3", now, padded(64<<10), h.secrets...), padded(64 << 10), 200},
		{"a larger body", signedWith(t, "msg-4", now, padded(64<<10+1), h.secrets...), padded(64<<10 + 1), 413},
	} {
		if status, text := b.hook(t, c.h, c.body); status != c.want {
			t.Errorf("%s: %d %s", c.name, status, text)
		}
	}
	parsed := &backend{url: site + "/parsed"}
	if status, text := parsed.hook(t, good(h.secrets...), body); status != 500 || !strings.Contains(text, "the raw body") {
		t.Errorf("parsed: %d %s", status, text)
	}
	log := said.String()
	if n := strings.Count(log, "webhook: test 424242"); n != 1 {
		t.Errorf("an event was acted on %d times\n%s", n, log)
	}
	for _, secret := range h.secrets {
		if strings.Contains(log, secret) || strings.Contains(log, "atc_") {
			t.Errorf("the log has a secret\n%s", log)
		}
	}
}

// markupOf returns the body of a page.
func markupOf(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %d %v", url, res.StatusCode, err)
	}
	return string(body)
}

// followFrontEnd goes through the page as a songwriter does.
func followFrontEnd(t *testing.T, e frontEnd, site string) {
	t.Helper()
	pictures := browser.Pictures(t)
	p := browser.Open(t)
	says := func(text string) string { return fmt.Sprintf("document.body.innerText.includes(%q)", text) }
	link := func(text string) string {
		return fmt.Sprintf("[...document.querySelectorAll('nav a')].find((a) => a.textContent === %q)", text)
	}
	fits := func(where string) {
		t.Helper()
		for _, line := range p.Overflow() {
			t.Errorf("%s: %s", where, line)
		}
	}
	// look sets the window. shoot takes the page in each window and colour scheme, where pictures are wanted.
	look := func(width int64, dark bool) {
		p.Dark(dark)
		p.Size(width, tall)
	}
	shoot := func(name string) {
		for _, width := range []int64{320, 1280} {
			for scheme, dark := range map[string]bool{"light": false, "dark": true} {
				if pictures == "" {
					return
				}
				look(width, dark)
				p.Screenshot(pictures, fmt.Sprintf("%s-%d-%s", name, width, scheme))
			}
		}
	}
	look(320, true)
	p.BeforeScripts(workersHeard)
	p.Goto(site + e.register)
	p.Wait(browser.Hook("form-song"))
	// The page hears the first event, which is why it mints before the song is sent.
	p.Wait("performance.getEntriesByType('resource').some((r) => r.name.endsWith('/my-backend/session'))")
	fits("the form")
	shoot("form")
	look(320, true)
	fill(p, 0, noise(t, e.name+".wav", 20_000), "A song of "+e.name)
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	p.Wait(says(fmt.Sprintf("Registered as number %d.", stateOf(p, 0).AtsID)))
	fits("the end")
	shoot("complete")
	look(320, true)
	events := p.Events()
	checkShapes(t, events)
	if got := course(events); got != fullCourse {
		t.Errorf("events %s", got)
	}

	// Another route takes the widget away, and draws it again.
	p.Run("e2e.widget().reset()") // otherwise the access code, which was not saved, comes back
	if e.routes {
		p.Click(link("Songs"))
		p.Wait("!e2e.widget()")
		p.Wait("document.querySelector('h1').textContent === 'Songs'")
		p.Click(link("Register a song"))
		p.Wait(browser.Hook("form-song"))
	}
	quiet(t, p)

	// The page tells what its backend refuses.
	look(1280, false)
	p.Goto("about:blank") // a page with the same address but another fragment would stay
	hold := p.Hold("POST", "/my-backend/session")
	refuse := func() {
		hold.Await().Answer(401, `{"error":{"code":"common.auth.invalid_api_key","message":"The key is unknown.","request_id":"req_01J9Z3NDEKTSV4RRFFQ69G5FAV"}}`)
	}
	p.Goto(site + e.register)
	refuse() // when the widget is ready
	fillSong(p, 0, noise(t, "refused.wav", 20_000), "Refused")
	fillCreator(p, 0)
	refuse() // when it needs the token
	p.Wait(says("The song is not registered. Our support needs this reference:"))
	shoot("failed")
	hold.Release()

	// Where a recording stays on the device, the worker of the build reads it. A script of another origin has no worker, and
	// Next.js makes its worker of a blob:, which the example's policy refuses: see docs/npm.md.
	if e.name == "html" || e.name == "next" {
		return
	}
	p.Run("e2e.widget().reset()")
	p.Goto("about:blank")
	hold = p.Hold("POST", "/v1/works/init")
	p.Goto(site + e.register)
	fill(p, 0, noise(t, "hashed.wav", 20_000), "Hashed by "+e.name)
	hold.Await().Answer(201, `{"job_id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","upload":"none"}`)
	p.Wait("heard === 1")
	hold.Release()
}

// followInFirefox registers a song, and the page says so. The widget loads its parts as the bundler has named them.
func followInFirefox(t *testing.T, e frontEnd, site string) {
	t.Helper()
	p := engine.Open(t, "Firefox", engine.Options{})
	p.Goto(site + e.register)
	fill(p, 0, noise(t, e.name+"-firefox.wav", 20_000), "A song of "+e.name+" in Firefox")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	p.Wait("document.body.innerText.includes(`Registered as number ${e2e.state().atsId}.`)")
	if v := engine.Eval[[]string](p, "e2e.violations"); len(v) > 0 {
		t.Errorf("policy violated: %q", v)
	}
}
