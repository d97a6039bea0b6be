package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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

// watchful counts what the scripts of a site have begun and not ended: timers, sockets, and listeners of the page.
const watchful = `(() => {
  const mine = () => new Error().stack.includes(location.origin + '/');
  const left = (globalThis.left = { timers: new Map(), sockets: new Set(), listeners: new Map() });
  const { setTimeout: set, clearTimeout: clear, setInterval: every, clearInterval: stop } = globalThis;
  globalThis.setTimeout = (f, ms, ...more) => {
    const id = set((...all) => { left.timers.delete(id); f(...all); }, ms, ...more);
    if (mine()) left.timers.set(id, ms);
    return id;
  };
  globalThis.setInterval = (f, ms, ...more) => { const id = every(f, ms, ...more); if (mine()) left.timers.set(id, ms); return id; };
  globalThis.clearTimeout = (id) => { left.timers.delete(id); clear(id); };
  globalThis.clearInterval = (id) => { left.timers.delete(id); stop(id); };
  globalThis.WebSocket = class extends WebSocket {
    constructor(...all) { super(...all); left.sockets.add(this); this.addEventListener('close', () => left.sockets.delete(this)); }
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
  left.none = () => !left.timers.size && !left.sockets.size && ![...left.listeners].some(([name, n]) => n && name !== 'document selectionchange');
  left.said = () => JSON.stringify([[...left.timers], left.sockets.size, [...left.listeners].filter(([, n]) => n)]);
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
	t.Run("browser", func(t *testing.T) {
		t.Parallel()
		inBrowser(t, dir)
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

func inBrowser(t *testing.T, dir string) {
	x := newSite(t, harness.Start(t, harness.Options{}))
	publish(t, x, dir, "dist", "dist-18")
	var drawn map[string]string
	if err := json.Unmarshal([]byte(in(t, dir, development, "node", "server/server.js", x.siteKey, x.server.URL)), &drawn); err != nil {
		t.Fatal(err)
	}
	if drawn["version"] != widget.Version {
		t.Errorf("the package is of version %s", drawn["version"])
	}
	p := browser.Open(t)
	p.BeforeScripts(watchful)
	x.host.Policy(strings.Replace(x.host.StrictPolicy(), "connect-src", "worker-src 'self'; connect-src 'self'", 1))
	number := 0
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
		number++
		p.Wait(fmt.Sprintf("document.querySelector('#app').textContent.includes('one is number %d')", number))
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
		number++
	}
	p.Wait(fmt.Sprintf("document.querySelector('#app').textContent.includes('two is number %d, on COMPLETE')", number))
	quiet(t, p)
}
