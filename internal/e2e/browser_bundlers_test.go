package e2e_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// workersHeard counts the workers that brought the page a message.
const workersHeard = `{
  globalThis.heard = 0;
  const Real = Worker;
  globalThis.Worker = class extends Real {
    constructor(...all) { super(...all); this.addEventListener('message', () => { heard++; }, { once: true }); }
  };
}`

// TestBundlers builds one page with each bundler of docs/npm.md, from an empty folder and the packed widget. In Chromium the
// widget speaks a language that it loads later, and registers a song whose file stays on the device. Where docs/npm.md says so, a
// worker reads the file. The page calls keepSession() only after the widget was ready.
func TestBundlers(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			browser.Missing(t, "no "+tool+" in PATH: apt-get install nodejs npm")
		}
	}
	modules(t, "lit/package.json") // the package is built from it
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/bundlers")); err != nil {
		t.Fatal(err)
	}
	quietly := []string{"--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"}
	in(t, dir, nil, "npm", append([]string{"ci"}, quietly...)...)
	in(t, dir, nil, "npm", append([]string{"install", "--no-save", "--no-package-lock", harness.WidgetPackage(t)}, quietly...)...)

	bundlers := []struct {
		// name is that of build.mjs.
		name string
		// classic says that the bundler makes a script that is not a module.
		classic bool
		worker  bool
	}{
		{name: "vite", worker: true},
		{name: "webpack", classic: true, worker: true},
		{name: "rolldown"},
		{name: "rolldown-worker", worker: true},
		{name: "rollup"},
		{name: "rollup-worker", worker: true},
		{name: "esbuild"},
		{name: "esbuild-worker", worker: true},
	}
	t.Run("build", func(t *testing.T) {
		for _, b := range bundlers {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				in(t, dir, nil, "node", "build.mjs", b.name)
			})
		}
	})
	x := newSite(t, harness.Start(t, harness.Options{}))
	x.server.CLI(nil, "org", "set", x.org, "--asset-storage", "none")
	x.host.Policy(strings.Replace(strings.Split(x.host.StrictPolicy(), "; require-trusted-types-for")[0], "connect-src", "worker-src 'self'; connect-src 'self'", 1))
	p := browser.Open(t)
	p.BeforeScripts(workersHeard)
	for _, b := range bundlers {
		files := os.DirFS(filepath.Join(dir, "dist", b.name))
		err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, name)
			x.host.Page(path.Join(b.name, name), string(text))
			return err
		})
		if err != nil {
			t.Error(err)
			continue
		}
		kind := `type="module"`
		if b.classic {
			kind = "defer"
		}
		p.Goto(x.host.Page(b.name+"/page.html", fmt.Sprintf(`%s<script %s src="main.js"></script>`, x.element(`lang="fr"`), kind)))
		p.Wait("e2e.text('next') === 'Continuer'")
		// The question that the page missed is answered, before the widget needs the token.
		p.Wait("document.body.dataset.asked === 'allfeat:ready'")
		fill(p, 0, noise(t, b.name+".wav", 300_000), "Bundled by "+b.name)
		p.Wait(browser.Hook("confirm"))
		confirm(p, 0)
		if n := browser.Eval[int](p, "heard"); (n == 1) != b.worker {
			t.Errorf("%s: %d workers", b.name, n)
		}
		if len(p.Requests("PUT", "/blob/")) > 0 {
			t.Errorf("%s: the file was sent", b.name)
		}
		if b.worker {
			quiet(t, p)
		}
		p.ForgetProblems() // without its file, a worker cannot start
	}
}
