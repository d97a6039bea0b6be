// Command build makes verify/dist/verify.html, the page that checks evidence, out of its sources.
// The page is one file that contains its script, its worker and its style, and loads nothing. The
// command uses esbuild's Go API and needs no Node; the unit tests (-test) do. It does not
// type-check: that is tsc's work.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"timbre.example/internal/compressed"
	"timbre.example/web/i18n"
)

// budget is the largest size of the page, in bytes after brotli, which browsers receive over
// HTTPS.
const budget = 74_000

func main() {
	check := flag.Bool("check", false, "write nothing; fail when verify/dist is stale")
	test := flag.Bool("test", false, "run the unit tests under Node instead of building")
	flag.Parse()
	if err := run(*check, *test); err != nil {
		fmt.Fprintln(os.Stderr, "verify/build:", err)
		os.Exit(1)
	}
}

func run(check, test bool) error {
	dir, err := verifyDir()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "..", "node_modules", "@noble", "curves")); err != nil {
		return errors.New("@noble/curves is not installed: run `npm ci`")
	}
	if test {
		return runTests(dir)
	}
	page, err := build(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "dist", "verify.html")
	if !check {
		return os.WriteFile(path, page, 0o644)
	}
	if is, err := os.ReadFile(path); err != nil || !bytes.Equal(is, page) {
		return errors.New("verify/dist is stale; run `go run ./verify/build`")
	}
	return nil
}

// verifyDir finds verify/ from the repository's root, from verify/ itself, or from verify/build.
func verifyDir() (string, error) {
	for _, d := range []string{"verify", ".", ".."} {
		if _, err := os.Stat(filepath.Join(d, "src", "hash.worker.ts")); err == nil {
			return filepath.Abs(d)
		}
	}
	return "", errors.New("run it in the repository's root: go run ./verify/build")
}

// policy allows the page its own scripts and style, by their hashes. It also allows the worker that
// the script makes of a part of itself, and WebAssembly in the worker. The page cannot fetch or
// send anything, nor submit a form.
func policy(needs, script, style string) string {
	return fmt.Sprintf("default-src 'none'; script-src %s %s 'wasm-unsafe-eval'; style-src %s; worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types verify",
		source(needs), source(script), source(style))
}

// source is the policy's source expression for an inline text.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func build(dir string) ([]byte, error) {
	page, err := os.ReadFile(filepath.Join(dir, "src", "page.html"))
	if err != nil {
		return nil, err
	}
	script, err := bundle(dir, "main.ts")
	if err != nil {
		return nil, err
	}
	needs, err := needs(dir)
	if err != nil {
		return nil, err
	}
	css, err := os.ReadFile(filepath.Join(dir, "src", "styles.css"))
	if err != nil {
		return nil, err
	}
	r := api.Transform(string(css), api.TransformOptions{Loader: api.LoaderCSS, MinifyWhitespace: true, MinifySyntax: true, Charset: api.CharsetUTF8})
	if len(r.Errors)+len(r.Warnings) > 0 {
		return nil, fmt.Errorf("styles.css: %s", append(r.Errors, r.Warnings...)[0].Text)
	}
	style := strings.TrimSpace(string(r.Code))
	licences, err := licences(dir)
	if err != nil {
		return nil, err
	}
	version, err := version(dir, needs+script+style)
	if err != nil {
		return nil, err
	}
	out := strings.NewReplacer("{{licences}}", licences, "{{version}}", version, "{{needs}}", needs, "{{policy}}", policy(needs, script, style), "{{style}}", style, "{{script}}", script).Replace(string(page))
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
	_, _ = w.Write([]byte(out)) // to memory
	_ = w.Close()
	packed := len(compressed.Pack("br", []byte(out)))
	fmt.Printf("verify.html %d bytes, %d after gzip, %d after brotli\n", len(out), z.Len(), packed)
	if packed > budget {
		return nil, fmt.Errorf("it weighs %d bytes after brotli, more than %d", packed, budget)
	}
	return []byte(out), nil
}

// version is the page's version: a version number, and the first digits of the SHA-256 of its
// script and style.
func version(dir, does string) (string, error) {
	var about struct{ Version string }
	if err := readJSON(filepath.Join(dir, "package.json"), &about); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%.4x)", about.Version, sha256.Sum256([]byte(does))), nil
}

// needs is the script that reports when a browser is too old. needs.json is the one list of the
// features that the page needs; a test compares docs/verify.md with it.
func needs(dir string) (string, error) {
	src := filepath.Join(dir, "src")
	text, err := os.ReadFile(filepath.Join(src, "needs.js"))
	if err != nil {
		return "", err
	}
	var list struct {
		Browsers map[string]string
		Features []struct{ Name string }
	}
	if err := readJSON(filepath.Join(src, "needs.json"), &list); err != nil {
		return "", err
	}
	languages, err := i18n.Read(filepath.Dir(dir))
	if err != nil {
		return "", err
	}
	words := map[string][]string{}
	for _, l := range languages {
		t := l.Texts(i18n.Verify, i18n.TooOld)
		words[l.Tag] = []string{t["heading"], t["tooOldText"], t["tooOldNeeds"], t["tooOldLacks"], l.Dir}
	}
	var features, browsers []string
	for _, f := range list.Features {
		features = append(features, f.Name)
	}
	for _, b := range slices.Sorted(maps.Keys(list.Browsers)) {
		browsers = append(browsers, b+" "+list.Browsers[b])
	}
	value := func(v any) string {
		b, _ := json.Marshal(v) // texts only
		return string(b)
	}
	js := strings.NewReplacer("FEATURES", value(features), "BROWSERS", value(strings.Join(browsers, ", ")), "WORDS", value(words)).Replace(string(text))
	r := api.Transform(js, api.TransformOptions{Loader: api.LoaderJS, Target: api.ES5, MinifyWhitespace: true, MinifyIdentifiers: true, Charset: api.CharsetUTF8})
	if len(r.Errors)+len(r.Warnings) > 0 {
		return "", fmt.Errorf("needs.js: %s", append(r.Errors, r.Warnings...)[0].Text)
	}
	return strings.TrimSpace(string(r.Code)), nil
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// libraries are the libraries in the page.
var libraries = []string{"@noble/hashes", "@noble/curves", "hash-wasm"}

// licences are the licence texts of the libraries in the page. The licences require them in every
// copy.
func licences(dir string) (string, error) {
	var out strings.Builder
	for _, name := range libraries {
		text, err := os.ReadFile(filepath.Join(dir, "..", "node_modules", name, "LICENSE"))
		if err != nil {
			return "", err
		}
		if bytes.Contains(text, []byte("--")) {
			return "", fmt.Errorf("the licence of %s would end its comment", name)
		}
		fmt.Fprintf(&out, "This page contains %s.\n%s\n\n", name, bytes.TrimSpace(text))
	}
	return strings.TrimSpace(out.String()), nil
}

func options(dir string) api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir: dir,
		Bundle:        true,
		Format:        api.FormatIIFE,
		Target:        api.ES2022,
		Charset:       api.CharsetUTF8,
		LegalComments: api.LegalCommentsNone, // see licences
		Plugins:       []api.Plugin{workers(dir), i18n.Plugin(filepath.Dir(dir))},
		LogLevel:      api.LogLevelWarning,
		Outfile:       filepath.Join(dir, "dist", "out.js"),
	}
}

// bundle is a script of src with all its imports. esbuild escapes text that would end the script
// element.
func bundle(dir, name string) (string, error) {
	o := options(dir)
	o.EntryPoints = []string{filepath.Join(dir, "src", name)}
	o.MinifyWhitespace, o.MinifyIdentifiers, o.MinifySyntax = true, true, true
	r := api.Build(o)
	if len(r.Errors) > 0 {
		return "", errors.New(r.Errors[0].Text)
	}
	return strings.TrimSpace(string(r.OutputFiles[0].Contents)), nil
}

// workers makes a worker's bundle importable as text: a page saved as one file has no second file
// to load the worker from.
func workers(dir string) api.Plugin {
	return api.Plugin{Name: "workers", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^worker:`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: strings.TrimPrefix(a.Path, "worker:"), Namespace: "worker"}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "worker"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			text, err := bundle(dir, a.Path)
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderText}, err
		})
	}}
}

// runTests bundles each test separately, and passes all bundles to Node's test runner.
func runTests(dir string) error {
	built, err := forNode(dir, filepath.Join(dir, ".test"), filepath.Join(dir, "test", "*.test.ts"))
	if err != nil {
		return err
	}
	cmd := exec.Command("node", append([]string{"--enable-source-maps", "--test"}, built...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	return cmd.Run()
}

// forNode bundles the sources that match into modules for Node, in the folder out.
func forNode(dir, out, pattern string) ([]string, error) {
	sources, err := filepath.Glob(pattern)
	if err != nil || len(sources) == 0 {
		return nil, fmt.Errorf("no file matches %s: %w", pattern, err)
	}
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	o := options(dir)
	o.EntryPoints = sources
	o.Outfile, o.Outdir = "", out
	o.Write = true
	o.Platform, o.Format = api.PlatformNode, api.FormatESModule
	o.OutExtension = map[string]string{".js": ".mjs"}
	o.Sourcemap = api.SourceMapInline
	if r := api.Build(o); len(r.Errors) > 0 {
		return nil, errors.New(r.Errors[0].Text)
	}
	return filepath.Glob(filepath.Join(out, "*.mjs"))
}
