package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/widget"
)

// npmApp is a copy of testdata/npm, an app of an integrator, in an empty folder, with the widget's package installed.
func npmApp(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			browser.Missing(t, "no "+tool+" in PATH: apt-get install nodejs npm")
		}
	}
	modules(t, "lit/package.json") // the package is built from it
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/npm")); err != nil {
		t.Fatal(err)
	}
	quietly := []string{"--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"}
	for _, folder := range []string{dir, filepath.Join(dir, "react-18")} {
		in(t, folder, nil, "npm", append([]string{"ci"}, quietly...)...)
	}
	in(t, dir, nil, "npm", append([]string{"install", "--no-save", "--no-package-lock", harness.WidgetPackage(t)}, quietly...)...)
	return dir
}

// in runs a command in a folder, and returns what it printed.
func in(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), append([]string{"NO_COLOR=1", "CI=1"}, env...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, said.String())
	}
	return string(out)
}

// watchful counts what the scripts of a site have begun and not ended: timers, requests, workers, sockets, and listeners
// of the page. With left.hurry, the five seconds for which a removed widget waits pass at once, and left.waited counts
// them. With left.silent, a socket brings nothing; with left.refuse, none can be opened.
const watchful = `(() => {
  const mine = () => new Error().stack.includes(location.origin + '/');
  const left = (globalThis.left = { timers: new Map(), requests: new Set(), workers: new Set(), sockets: new Set(), listeners: new Map(), waited: 0 });
  const { setTimeout: set, clearTimeout: clear, setInterval: every, clearInterval: stop, fetch: get } = globalThis;
  globalThis.setTimeout = (f, ms, ...more) => {
    const grace = ms === 5000;
    const id = set((...all) => { left.timers.delete(id); f(...all); left.waited += grace; }, grace && left.hurry ? 1 : ms, ...more);
    if (mine()) left.timers.set(id, ms);
    return id;
  };
  globalThis.setInterval = (f, ms, ...more) => { const id = every(f, ms, ...more); if (mine()) left.timers.set(id, ms); return id; };
  globalThis.clearTimeout = (id) => { left.timers.delete(id); clear(id); };
  globalThis.clearInterval = (id) => { left.timers.delete(id); stop(id); };
  const begin = (url) => {
    const one = { url: String(url) };
    // What the page itself asks its own backend is not the widget's.
    if (!one.url.includes('/my-backend/')) left.requests.add(one);
    return () => left.requests.delete(one);
  };
  globalThis.fetch = (url, init) => { const end = begin(url); const answer = get(url, init); answer.then(end, end); return answer; };
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, url, ...more) { this.to = url; return open.call(this, method, url, ...more); };
  XMLHttpRequest.prototype.send = function (body) { this.addEventListener('loadend', begin(this.to)); return send.call(this, body); };
  globalThis.Worker = class extends Worker {
    constructor(...all) { super(...all); left.workers.add(this); }
    terminate() { left.workers.delete(this); super.terminate(); }
  };
  globalThis.WebSocket = class extends WebSocket {
    constructor(...all) {
      if (left.refuse) throw new DOMException('refused', 'SecurityError');
      super(...all);
      left.sockets.add(this);
      this.addEventListener('close', () => left.sockets.delete(this));
      if (left.silent) this.addEventListener('message', (e) => e.stopImmediatePropagation());
    }
    close(...all) { left.sockets.delete(this); super.close(...all); }
  };
  for (const [name, target] of [['window', window], ['document', document]]) {
    const { addEventListener: add, removeEventListener: remove } = target;
    const count = (type, n) => left.listeners.set(name + ' ' + type, (left.listeners.get(name + ' ' + type) ?? 0) + n);
    target.addEventListener = function (type, f, o) {
      if (mine()) { count(type, 1); o?.signal?.addEventListener('abort', () => count(type, -1)); }
      return add.call(this, type, f, o);
    };
    target.removeEventListener = function (type, f, o) { if (mine()) count(type, -1); return remove.call(this, type, f, o); };
  }
  // React's own listener stays on a document.
  const heard = () => [...left.listeners].filter(([name, n]) => n && name !== 'document selectionchange');
  left.said = () => JSON.stringify([[...left.timers.values()], [...left.requests].map((r) => r.url), left.workers.size, left.sockets.size, heard()]);
  left.none = () => left.said() === '[[],[],0,0,[]]';
})();`

// TestPackage installs the npm package in an empty folder beside React, Vue and Svelte, as an integrator does. The
// checkers of each framework find no error in the apps, and miss none. Each app is drawn on a server, continues in the
// browser, and registers a song, under a strict policy with Trusted Types. React warns of nothing.
func TestPackage(t *testing.T) {
	t.Parallel()
	dir := npmApp(t)
	for name, command := range map[string]string{
		"react":    "tsc -p tsconfig.json",
		"react-18": "tsc -p tsconfig.react-18.json",
		"vue":      "vue-tsc -p tsconfig.vue.json",
		"svelte":   "svelte-check --tsconfig tsconfig.svelte.json --fail-on-warnings",
	} {
		t.Run("types-"+name, func(t *testing.T) {
			t.Parallel()
			in(t, dir, nil, "npx", append([]string{"--no-install"}, strings.Fields(command)...)...)
		})
	}
	for _, args := range []string{"", "--config vite.react-18.config.ts", "--ssr src/server.ts --outDir server"} {
		in(t, dir, development, "npx", append(strings.Fields("--no-install vite build --mode development --logLevel error"), strings.Fields(args)...)...)
	}
	x := newSite(t, harness.Start(t, harness.Options{}))
	publish(t, x, dir, "dist", "dist-18")
	x.host.Policy(strings.Replace(x.host.StrictPolicy(), "connect-src", "worker-src 'self'; connect-src 'self'", 1))
	t.Run("browser", func(t *testing.T) {
		t.Parallel()
		inBrowser(t, x, dir)
	})
	t.Run("removed", func(t *testing.T) {
		t.Parallel()
		removedInBrowser(t, x)
	})
}

// development is the environment in which React, Vue and Svelte warn.
var development = []string{"NODE_ENV=development"}

// publish puts built scripts on a site.
func publish(t *testing.T, x *site, dir string, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		files := os.DirFS(filepath.Join(dir, folder))
		names, err := fs.Glob(files, "*.js")
		if err != nil || len(names) < 10 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			x.host.Page(name, string(text))
		}
	}
}

// app is a page with one of the apps of testdata/npm. inside is what a server has drawn.
func (x *site) app(app, name, more, inside string) string {
	return x.host.Page(name+"-page.html", fmt.Sprintf(`<div id="app" data-site-key=%q data-ats-url=%q %s>%s</div><script type="module" src="/%s.js"></script>`, x.siteKey, x.server.URL, more, inside, app))
}

func inBrowser(t *testing.T, x *site, dir string) {
	var drawn map[string]string
	if err := json.Unmarshal([]byte(in(t, dir, development, "node", "server/server.js", x.siteKey, x.server.URL)), &drawn); err != nil {
		t.Fatal(err)
	}
	if drawn["version"] != widget.Version {
		t.Errorf("the package is of version %s", drawn["version"])
	}
	p := browser.Open(t)
	p.BeforeScripts(watchful)
	for _, c := range []struct{ app, markup string }{{"react", drawn["react"]}, {"react-18", drawn["react"]}, {"vue", drawn["vue"]}, {"svelte", drawn["svelte"]}} {
		if !strings.Contains(c.markup, "<ats-widget") || !strings.Contains(c.markup, fmt.Sprintf("site-key=%q", x.siteKey)) {
			t.Fatalf("%s draws %s", c.app, c.markup)
		}
		p.Goto(x.app(c.app, c.app, "", c.markup))
		// The handler of the first event was called, although the tag was there before the script.
		p.Wait("document.querySelector('section')?.dataset.ready === '1'")
		fill(p, 0, noise(t, c.app+".wav", 20_000), "Packed with "+c.app)
		p.Wait(browser.Hook("confirm"))
		confirm(p, 0)
		p.Wait(fmt.Sprintf("document.querySelector('#app').textContent.includes('one is number %d')", stateOf(p, 0).AtsID))
		if got := course(p.Events()); got != "ready upload-start upload-progress upload-complete confirmed step complete" {
			t.Errorf("%s: events %s", c.app, got)
		}
		p.Run("leave()")
		p.Wait("!e2e.widget() && left.none()")
		quiet(t, p)
		p.ForgetProblems()
	}

	// Two components in one page: each has its own session, and both reach the end.
	p.Goto(x.app("react", "two", `data-ids="one two"`, ""))
	for i := range 2 {
		p.Wait(browser.HookIn(i, "form-song"))
		fill(p, i, noise(t, fmt.Sprintf("two-%d.wav", i), 20_000), fmt.Sprintf("One of two, %d", i))
		p.Wait(browser.HookIn(i, "confirm"))
		confirm(p, i)
	}
	p.Wait(fmt.Sprintf("document.querySelector('#app').textContent.includes('two is number %d, on COMPLETE')", stateOf(p, 1).AtsID))
	quiet(t, p)
}

// removedInBrowser removes the React component, under StrictMode, while it waits for each thing that it can wait for. Five
// seconds later nothing of it is left, except an order whose answer is on its way.
func removedInBrowser(t *testing.T, x *site) {
	p := browser.Open(t)
	p.BeforeScripts(watchful)
	// So long that it is not read to its end here; most of it takes no room on the disk.
	long := noise(t, "long.wav", 20_000)
	if err := os.Truncate(long, 500<<20); err != nil {
		t.Fatal(err)
	}
	// Large enough for parts.
	large := noise(t, "large.wav", 20_000)
	if err := os.Truncate(large, 40<<20); err != nil {
		t.Fatal(err)
	}
	empty := func() {
		p.Goto(x.app("react", "removed", "", ""))
		p.Wait(browser.Hook("form-song"))
	}
	songs := 0
	sent := func() {
		empty()
		songs++
		fill(p, 0, noise(t, fmt.Sprintf("removed-%d.wav", songs), 20_000), fmt.Sprintf("Removed %d", songs))
	}
	priced := func() {
		sent()
		p.Wait(browser.Hook("confirm"))
	}
	for _, m := range []struct {
		what string
		// method and part are of the requests that are held.
		method, part string
		// until brings the widget to what it waits for.
		until func(h *browser.Hold)
		// over is what comes after the removal, while gone is the removed element.
		over func(h *browser.Hold)
	}{
		{what: "the limits, on the first screen", method: "GET", part: "/v1/stats", until: func(h *browser.Hold) {
			empty()
			h.Await()
		}},
		{what: "the limits, on the form", method: "GET", part: "/v1/stats", until: func(h *browser.Hold) {
			empty()
			fillSong(p, 0, noise(t, "form.wav", 20_000), "Removed")
			for range 2 {
				h.Await()
			}
			p.Wait(browser.Hook("creator-0-email"))
		}},
		{what: "a token", method: "POST", part: "/my-backend/session", until: func(h *browser.Hold) {
			sent()
			h.Await()
			p.Wait("left.timers.size")
		}},
		{what: "the hash of a file", method: "POST", part: "/v1/works/init", until: func(h *browser.Hold) {
			empty()
			fill(p, 0, long, "Removed")
			h.Await().Answer(201, `{"job_id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","upload":"none"}`)
			p.Wait("left.workers.size")
		}},
		{what: "an upload", until: func(*browser.Hold) {
			empty()
			fillSong(p, 0, noise(t, "slow.wav", 400_000), "Removed")
			p.Slow(20_000)
			fillCreator(p, 0)
			p.Wait("e2e.events.some((e) => e.name === 'upload-progress' && e.detail.progress > 0 && e.detail.progress < 60)")
		}, over: func(*browser.Hold) { p.Slow(0) }},
		{what: "an upload that is held", method: "PUT", part: "/blob/", until: func(h *browser.Hold) {
			sent()
			h.Await()
		}},
		{what: "the addresses of parts", method: "POST", part: "/parts", until: func(h *browser.Hold) {
			empty()
			fill(p, 0, large, "Removed in parts")
			h.Await()
		}},
		{what: "parts that are held", method: "PUT", part: "/blob/", until: func(h *browser.Hold) {
			empty()
			fill(p, 0, large, "Removed in parts")
			for range 2 {
				h.Await()
			}
		}},
		{what: "the price", method: "POST", part: "/v1/works/prepare", until: func(h *browser.Hold) {
			sent()
			h.Await()
		}},
		{what: "an agreement", until: func(*browser.Hold) {
			priced()
			// A component that is moved is not removed.
			p.Run("left.hurry = true; document.body.append(document.getElementById('app'))")
			p.Wait(browser.Hook("confirm"))
			if n := browser.Eval[int](p, "left.waited"); n != 0 {
				t.Error("the component that was moved was given up")
			}
		}, over: func(*browser.Hold) {
			// The element itself continues when it is put back.
			p.Run("document.querySelector('main').append(gone)")
			p.Wait(browser.Hook("confirm") + " && left.timers.size === 1")
			confirm(p, 0)
		}},
		{what: "an order", method: "POST", part: "/v1/works/confirm", until: func(h *browser.Hold) {
			priced()
			p.Click(browser.Hook("confirm"))
			h.Await()
		}, over: func(h *browser.Hold) {
			h.Release()
			p.Wait("left.none()")
			p.Run("enter()")
			p.Wait(onScreen(0, "COMPLETE"))
		}},
		{what: "the queue", until: func(*browser.Hold) {
			priced()
			p.Run("left.silent = true")
			p.Click(browser.Hook("confirm"))
			p.Wait("left.sockets.size")
		}, over: func(*browser.Hold) {
			// Another component follows the song.
			p.Run("left.silent = false; enter()")
			p.Wait(onScreen(0, "COMPLETE"))
		}},
		{what: "the steps", method: "GET", part: "/v1/transactions/", until: func(h *browser.Hold) {
			priced()
			p.Run("left.refuse = true")
			p.Click(browser.Hook("confirm"))
			h.Await()
		}},
		{what: "a certificate, after the code was saved", method: "GET", part: "/download/certificate", until: func(h *browser.Hold) {
			priced()
			confirm(p, 0)
			p.Click(browser.Hook("save-access-code"))
			p.Click(browser.Hook("certificate"))
			h.Await()
		}},
		{what: "Retry", method: "POST", part: "/v1/works/init", until: func(h *browser.Hold) {
			sent()
			h.Await().Answer(402, `{"error":{"code":"registration.insufficient_credits","message":"No credits.","request_id":"req_01J9Z3NDEKTSV4RRFFQ69G5FAV"}}`)
			p.Wait(onScreen(0, "FAILED"))
		}},
		{what: "the work of an access code", method: "GET", part: "/v1/access/", until: func(h *browser.Hold) {
			empty()
			p.Run("e2e.widget().mode = 'update'")
			open(p, "atc_"+strings.Repeat("c0de", 16))
			h.Await()
		}},
		{what: "the songs of an end-user", method: "GET", part: "/v1/works?", until: func(h *browser.Hold) {
			empty()
			p.Run("void Object.assign(e2e.widget(), { externalUserId: 'ada', mode: 'download' })")
			h.Await()
		}},
	} {
		var h *browser.Hold
		if m.part != "" {
			h = p.Hold(m.method, m.part)
		}
		m.until(h)
		if m.what != "Retry" && browser.Eval[bool](p, "left.none()") {
			t.Errorf("nothing waits for %s", m.what)
		}
		p.Run("globalThis.gone = e2e.widget(); left.hurry = true; leave()")
		p.Wait("!e2e.widget() && left.waited + left.none()")
		if m.what == "an order" {
			if got := browser.Eval[string](p, "left.said()"); !regexp.MustCompile(`^\[\[120000\],\["http[^"]*/v1/works/confirm"\],0,0,\[\]\]$`).MatchString(got) {
				t.Errorf("while it waits for %s, this is left: %s", m.what, got)
			}
		} else if got := browser.Eval[string](p, "left.said()"); got != "[[],[],0,0,[]]" {
			t.Errorf("removed while it waits for %s, it leaves %s", m.what, got)
		}
		if m.over != nil {
			m.over(h)
		}
		if h != nil && m.what != "an order" {
			h.Release()
		}
		p.Run("sessionStorage.clear()")
		p.ForgetProblems() // what was given up, and what was refused
	}
}
