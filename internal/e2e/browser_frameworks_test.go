package e2e_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/widget"
)

// modules is the folder of packages that npm ci has filled.
func modules(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs("../../node_modules")
	if err == nil {
		_, err = os.Stat(filepath.Join(path, file))
	}
	if err != nil {
		browser.Missing(t, "run npm ci: "+err.Error())
	}
	return path
}

// project is a folder as an integrator has it: the served types, the examples of
// docs/frameworks.md under the names that they say, and the packages.
func project(t *testing.T, react string, only ...string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	types, err := fs.Glob(widget.Files, "*.d.ts")
	if err != nil || len(types) != 4 {
		t.Fatal(types, err)
	}
	for _, name := range types {
		text, err := fs.ReadFile(widget.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		put(name, string(text))
	}
	put("session.ts", listings(t, "frameworks.md", "ts")[0])
	tsx := listings(t, "frameworks.md", "tsx")
	if len(tsx) != 2 {
		t.Fatalf("%d examples for React", len(tsx))
	}
	put("RegisterSong.tsx", tsx[map[string]int{"19": 0, "18": 1}[react]])
	put("RegisterSong.vue", listings(t, "frameworks.md", "vue")[0])
	put("RegisterSong.svelte", listings(t, "frameworks.md", "svelte")[0])
	packages := modules(t, "react/package.json")
	link := func(from, to string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, "node_modules", to)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(packages, from), filepath.Join(dir, "node_modules", to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range only {
		link(name, name)
	}
	if react == "18" {
		link("@types/react-18", "@types/react")
	} else {
		link("@types/react", "@types/react")
	}
	return dir
}

// typescript is the compiler of integrators: the newest, which the linter of the workspace cannot use yet.
func typescript(t *testing.T) string {
	t.Helper()
	tsc, err := filepath.Abs("node_modules/.bin/tsc")
	if err == nil {
		_, err = os.Stat(tsc)
	}
	if err != nil {
		browser.Missing(t, "TypeScript is not installed: run npm ci")
	}
	return tsc
}

// compile reports what TypeScript says of some files of a project.
func compile(t *testing.T, dir, jsx string, files ...string) (string, bool) {
	t.Helper()
	cmd := exec.Command(typescript(t), append([]string{"--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2022,dom", "--jsx", jsx}, files...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// errorAt reports whether the compiler found something wrong in a line, and said
// this of it.
func errorAt(said, file string, line int, because string) bool {
	start := fmt.Sprintf("%s(%d,", file, line)
	in := false
	for _, l := range strings.Split(said, "\n") {
		if !strings.HasPrefix(l, " ") {
			in = strings.HasPrefix(l, start)
		}
		if in && strings.Contains(l, because) {
			return true
		}
	}
	return false
}

// TestFrameworkTypes compiles the examples for React with the types of each version, in
// both forms of JSX. It also compiles uses of the element with the types of Vue and Svelte.
// Every wrong use must be an error.
func TestFrameworkTypes(t *testing.T) {
	t.Parallel()
	type wrong struct{ code, because string }
	everywhere := []wrong{
		{`<ats-widget site-key="cpk_1" />`, "ats-url"},
		{`<ats-widget site-key="cpk_1" ats-url="https://ats.example" network="tetsnet" />`, "tetsnet"},
		{`<ats-widget site-key="cpk_1" ats-url="https://ats.example" mode="upload" />`, "upload"},
		{`<ats-widget site-key="cpk_1" ats-url="https://ats.example" max-file-size="5 MB" />`, "5 MB"},
	}
	versions := map[string][]wrong{
		"19": {{`<ats-widget site-key="cpk_1" ats-url="https://ats.example" onallfeat:complete={(e) => e.detail.number} />`, "number"}},
		// It would never be called.
		"18": {{`<ats-widget site-key="cpk_1" ats-url="https://ats.example" onallfeat:complete={() => {}} />`, "undefined"}},
	}
	for version, more := range versions {
		for _, jsx := range []string{"react-jsx", "react"} {
			t.Run("react-"+version+"-"+jsx, func(t *testing.T) {
				dir := project(t, version)
				put := func(code string) {
					if err := os.WriteFile(filepath.Join(dir, "more.tsx"), []byte("import * as React from 'react';\nexport const one = "+code+";\nvoid React;\n"), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				example := "RegisterSong.tsx"
				if jsx == "react" { // which wants React in scope
					text, err := os.ReadFile(filepath.Join(dir, example))
					if err != nil {
						t.Fatal(err)
					}
					example = "Classic.tsx"
					if err := os.WriteFile(filepath.Join(dir, example), []byte("import * as React from 'react';\n"+string(text)), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				put(`<ats-widget site-key="cpk_1" ats-url="https://ats.example" mode="update" max-file-size={5} lang="fr" id="it" class="wide" style={{ width: 9 }} aria-label="Register" data-x="1" />`)
				if said, ok := compile(t, dir, jsx, "ats-widget-react.d.ts", example, "more.tsx"); !ok {
					t.Error(said)
				}
				wrongs := append(slices.Clone(everywhere), more...)
				var all strings.Builder
				for i, w := range wrongs {
					fmt.Fprintf(&all, "%s;\nexport const w%d = ", w.code, i)
				}
				put(all.String() + "1")
				said, _ := compile(t, dir, jsx, "ats-widget-react.d.ts", "more.tsx")
				for i, w := range wrongs {
					if !errorAt(said, "more.tsx", i+2, w.because) {
						t.Errorf("%s: %s", w.code, said)
					}
				}
			})
		}
	}
	// The checkers of templates, vue-tsc and svelte-check, ask these types.
	for name, c := range map[string]struct {
		packages    []string
		head, right string
		wrong       []wrong
	}{
		"vue": {
			[]string{"vue", "@vue"}, "import type { GlobalComponents } from 'vue';\ntype Props = InstanceType<GlobalComponents['ats-widget']>['$props'];\n",
			`{ siteKey: 'cpk_1', atsUrl: 'https://ats.example', class: 'wide', key: 1, 'onAllfeat:tokenExpired': (e) => e.detail.pendingAction.length, 'onAllfeat:complete': (e) => e.detail.atsId.toFixed() }`,
			[]wrong{
				{`{ siteKey: 'cpk_1' }`, "atsUrl"},
				{`{ siteKey: 'cpk_1', atsUrl: 'https://ats.example', network: 'tetsnet' }`, "tetsnet"},
				{`{ siteKey: 'cpk_1', atsUrl: 'https://ats.example', 'onAllfeat:ready': (e) => e.detail.nothing }`, "nothing"},
			},
		},
		"svelte": {
			[]string{"svelte"}, "import type { SvelteHTMLElements } from 'svelte/elements';\ntype Props = SvelteHTMLElements['ats-widget'] & svelteHTML.IntrinsicElements['ats-widget'];\n",
			`{ 'site-key': 'cpk_1', 'ats-url': 'https://ats.example', class: 'wide', 'onallfeat:token-expired': (e) => e.detail.pendingAction.length, 'on:allfeat:complete': (e) => e.detail.atsId.toFixed() }`,
			[]wrong{
				{`{ 'site-key': 'cpk_1' }`, "ats-url"},
				{`{ 'site-key': 'cpk_1', 'ats-url': 'https://ats.example', network: 'tetsnet' }`, "tetsnet"},
				{`{ 'site-key': 'cpk_1', 'ats-url': 'https://ats.example', 'onallfeat:ready': (e) => e.detail.nothing }`, "nothing"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, "19", c.packages...)
			try := func(props string) (string, bool) {
				if err := os.WriteFile(filepath.Join(dir, "props.ts"), []byte("/// <reference path=\"./ats-widget-"+name+".d.ts\" />\n"+c.head+"export const props: Props = "+props+";\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return compile(t, dir, "preserve", "props.ts")
			}
			if said, ok := try(c.right); !ok {
				t.Error(said)
			}
			var all strings.Builder
			for i, w := range c.wrong {
				fmt.Fprintf(&all, "%s;\nexport const w%d: Props = ", w.code, i)
			}
			said, _ := try(all.String() + c.right)
			for i, w := range c.wrong {
				if !errorAt(said, "props.ts", i+4, w.because) {
					t.Errorf("%s: %s", w.code, said)
				}
			}
		})
	}
}

// entries mount the example of each framework, and give the page a way to take
// it away again.
var entries = map[string]string{
	"react": `import { StrictMode, createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { RegisterSong } from './RegisterSong';
export function mount(app, siteKey) {
  const root = createRoot(app);
  root.render(createElement(StrictMode, null, createElement(RegisterSong, { siteKey })));
  return () => root.unmount();
}`,
	"vue": `import { createApp } from 'vue';
import RegisterSong from './RegisterSong.vue';
export function mount(app, siteKey) {
  const one = createApp(RegisterSong, { siteKey });
  one.mount(app);
  return () => one.unmount();
}`,
	"svelte": `import { mount as draw, unmount } from 'svelte';
import RegisterSong from './RegisterSong.svelte';
export function mount(app, siteKey) {
  const one = draw(RegisterSong, { target: app, props: { siteKey } });
  return () => unmount(one);
}`,
}

// compilers turn a single-file component into JavaScript, under Node.js, with the
// framework's own compiler and the settings that docs/frameworks.md names.
var compilers = map[string]string{
	"vue": `import { compileScript, parse } from 'vue/compiler-sfc';
const { descriptor } = parse(source, { filename: 'RegisterSong.vue' });
const out = compileScript(descriptor, { id: 'song', inlineTemplate: true, templateOptions: { compilerOptions: { isCustomElement: (tag) => tag === 'ats-widget' } } }).content;`,
	"svelte": `import { compile } from 'svelte/compiler';
const { js, warnings } = compile(source, { filename: 'RegisterSong.svelte', generate: 'client' });
if (warnings.length) throw new Error(warnings[0].message);
const out = js.code;`,
}

// bundle makes a page's script of an example.
func bundle(t *testing.T, framework, react string) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		browser.Missing(t, "no Node.js in PATH: apt-get install nodejs")
	}
	dir := project(t, react)
	packages := modules(t, framework+"/package.json")
	compiled := api.Plugin{Name: "components", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: `\.(vue|svelte)$`}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			script := "import { readFileSync } from 'node:fs';\nconst source = readFileSync(process.argv[2], 'utf8');\n" + compilers[framework] + "\nprocess.stdout.write(out);\n"
			// Node looks for packages beside the script that asks.
			file, err := os.CreateTemp(packages, ".compile-*.mjs")
			if err != nil {
				return api.OnLoadResult{}, err
			}
			defer os.Remove(file.Name())
			_, err = file.WriteString(script)
			if err := file.Close(); err != nil {
				return api.OnLoadResult{}, err
			}
			if err != nil {
				return api.OnLoadResult{}, err
			}
			cmd := exec.Command(node, file.Name(), a.Path)
			var said strings.Builder
			cmd.Stderr = &said
			out, err := cmd.Output()
			if err != nil {
				return api.OnLoadResult{}, fmt.Errorf("%w: %s", err, said.String())
			}
			text := string(out)
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderTS, ResolveDir: dir}, nil
		})
	}}
	r := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: entries[framework] + "\nglobalThis.mountSong = mount;", ResolveDir: dir, Sourcefile: "entry.js"},
		Bundle: true, Format: api.FormatIIFE, Target: api.ES2022, JSX: api.JSXAutomatic, NodePaths: []string{packages}, Plugins: []api.Plugin{compiled},
		Define: map[string]string{"process.env.NODE_ENV": `"development"`, "__VUE_OPTIONS_API__": "true", "__VUE_PROD_DEVTOOLS__": "false", "__VUE_PROD_HYDRATION_MISMATCH_DETAILS__": "false"},
	})
	if len(r.Errors) > 0 {
		t.Fatalf("%s: %s", framework, r.Errors[0].Text)
	}
	return string(r.OutputFiles[0].Contents)
}

// TestFrameworks registers a song with the example of each framework, takes the
// component away, and draws it again.
func TestFrameworks(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	markup := strings.ReplaceAll(listings(t, "frameworks.md", "html")[0], "https://ats.example", x.server.URL)
	for i, c := range []struct{ name, framework, react string }{{"react-19", "react", "19"}, {"react-18", "react", "18"}, {"vue", "vue", "19"}, {"svelte", "svelte", "19"}} {
		script := strings.ReplaceAll(bundle(t, c.framework, c.react), "https://ats.example", x.server.URL)
		mount := fmt.Sprintf("globalThis.leave = mountSong(document.getElementById('app'), %q);", x.siteKey)
		x.host.Page(c.name+".js", script+"\n"+mount)
		mine := `<script src="/` + c.name + `.js" defer></script>`

		p.Goto(x.host.Page(c.name+".html", `<div id="app"></div>`+markup+mine))
		fill(p, 0, noise(t, c.name+".wav", 20_000), c.name)
		p.Wait(browser.Hook("confirm"))
		confirm(p, 0)
		p.Wait(fmt.Sprintf("document.querySelector('#app').textContent.includes('Registered as number %d.')", i+1))
		if got := len(named(p.Events(), "ready")); got != 1 {
			t.Errorf("%s: %d times ready", c.name, got)
		}
		p.Run("e2e.widget().reset()") // otherwise the access code, which was not saved, comes back
		p.Run("leave()")
		p.Wait("!e2e.widget()")
		p.Run(strings.Replace(mount, "document.getElementById('app')", "document.getElementById('app').appendChild(document.createElement('div'))", 1))
		p.Wait(browser.Hook("form-song"))

		// The script may come after the framework, too.
		p.Goto(x.host.Page(c.name+"-late.html", `<div id="app"></div>`+mine+markup))
		p.Wait(browser.Hook("form-song"))
		p.Wait("performance.getEntriesByType('resource').some((r) => r.name.endsWith('/my-backend/session'))") // its handler of ready was called
		quiet(t, p)
		p.ForgetProblems()
	}
}
