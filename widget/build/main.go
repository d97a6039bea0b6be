// Command build makes the files of widget/dist and their compressed copies in widget/packed out of
// the TypeScript sources, with esbuild's Go API. Node makes the type declarations and the manifest out of
// the same sources (types.mjs), and runs the unit tests (-test). With -pack it makes the npm package.
// It does not type-check: that is tsc's work.
package main

import (
	"bytes"
	"crypto/sha512"
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
	"sort"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"timbre.example/internal/compressed"
)

// budget is the weight of a first file: the element and its first screen.
var budget = weight{13_500, 12_288}

// restBudget is the weight of the file that is fetched when a person starts. The rules for visible
// characters take 1,000 bytes of it, and the indentation of the templates 300.
var restBudget = weight{30_000, 27_000}

// more are the files that are fetched when they are needed: src/NAME/NAME.ts, and the weight of
// each.
var more = []struct {
	name   string
	budget weight
}{
	{"works", weight{9_000, 8_000}},
	{"file", weight{3_000, 2_700}},
	{"hash", weight{4_200, 3_800}},
	{"large", weight{3_600, 3_200}},
}

func main() {
	check := flag.Bool("check", false, "write nothing; fail when widget/dist is stale")
	test := flag.Bool("test", false, "run the unit tests under Node instead of building")
	packed := flag.String("pack", "", "write the npm package into this new `folder`, for npm pack")
	out := flag.String("watch", "", "build into this `folder`, and again after each change, for timbre demo --widget-dir")
	flag.Parse()
	err := func() error {
		dir, err := widgetDir()
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(dir, "..", "node_modules", "lit", "package.json")); err != nil {
			return errors.New("lit is not installed: run `npm ci`")
		}
		if *test {
			return runTests(dir)
		}
		if *packed != "" {
			files, err := pack(dir)
			if err != nil {
				return err
			}
			_, err = update(*packed, files)
			return err
		}
		if *out != "" {
			return watch(dir, *out, func(line string) { fmt.Println(line) })
		}
		files, err := build(dir)
		if err != nil {
			return err
		}
		if *check {
			return compare(filepath.Join(dir, "dist"), files)
		}
		return write(filepath.Join(dir, "dist"), files)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "widget/build:", err)
		os.Exit(1)
	}
}

// widgetDir finds widget/ from the repository's root, from widget/ itself, or from widget/build.
func widgetDir() (string, error) {
	for _, d := range []string{"widget", ".", ".."} {
		if _, err := os.Stat(filepath.Join(d, "src", "element.ts")); err == nil {
			return filepath.Abs(d)
		}
	}
	return "", errors.New("run it in the repository's root: go run ./widget/build")
}

// bundles returns the content of every file of dist by its name, and the weight that each may have. described are the
// files that describe returns.
func bundles(dir string, described map[string][]byte) (map[string][]byte, map[string]weight, error) {
	version, err := versionOf(dir)
	if err != nil {
		return nil, nil, err
	}
	files := map[string][]byte{}
	budgets := map[string]weight{"ats-widget.esm.js": budget, "ats-widget.iife.js": budget, "ats-widget-rest.js": restBudget}
	first, err := inputs(dir, "define.ts")
	if err != nil {
		return nil, nil, err
	}
	after, err := inputs(dir, "rest.ts")
	if err != nil {
		return nil, nil, err
	}
	page := slices.Compact(slices.Sorted(slices.Values(slices.Concat(first, after))))
	entries := []string{"rest.ts"}
	for _, m := range more {
		entries = append(entries, filepath.Join(m.name, m.name+".ts"))
	}
	all := slices.Clone(page)
	for _, e := range entries {
		all = append(all, filepath.Join(dir, "src", e))
	}
	names, err := exports(dir, slices.Compact(slices.Sorted(slices.Values(all))))
	if err != nil {
		return nil, nil, err
	}
	rest := file{dir: dir, version: version, entry: entries[0], modules: first, exports: names}
	var parts []file
	var list []given // what all parts use
	for i, m := range more {
		f := file{dir: dir, version: version, entry: entries[i+1], modules: page, exports: names, worker: m.name == "hash"}
		uses, err := f.uses()
		if err != nil {
			return nil, nil, err
		}
		parts, list = append(parts, f), append(list, uses...)
	}
	for i, m := range more {
		name := "ats-widget-" + m.name + ".js"
		if files[name], err = parts[i].make(list); err != nil {
			return nil, nil, err
		}
		budgets[name] = m.budget
	}
	rest.plugins = []api.Plugin{listed("given", list)}
	uses, err := rest.uses()
	if err != nil {
		return nil, nil, err
	}
	if files["ats-widget-rest.js"], err = rest.make(uses); err != nil {
		return nil, nil, err
	}
	for name, format := range map[string]api.Format{
		"ats-widget.esm.js":  api.FormatESModule,
		"ats-widget.iife.js": api.FormatIIFE,
	} {
		o := options(dir)
		o.Format = format
		o.Define = map[string]string{"__VERSION__": fmt.Sprintf("%q", version)}
		// The URL of the file; a classic script knows it only while it starts.
		o.Banner = map[string]string{"js": "const __HERE__=import.meta.url;"}
		o.EntryPoints = []string{filepath.Join(dir, "src", "define.ts")}
		o.MinifyWhitespace, o.MinifyIdentifiers, o.MinifySyntax = true, true, true
		if format == api.FormatIIFE {
			// A classic script that is loaded twice must stop before it runs a second time.
			o.Banner = map[string]string{"js": `globalThis.customElements?.get("ats-widget")||(()=>{const __HERE__=globalThis.document?.currentScript?.src;`}
			o.Footer = map[string]string{"js": `})();`}
			o.EntryPoints = []string{filepath.Join(dir, "src", "classic.ts")}
		}
		o.Plugins = append([]api.Plugin{listed("shared", uses)}, o.Plugins...)
		out, err := bundle(o)
		if err != nil {
			return nil, nil, err
		}
		if format == api.FormatIIFE {
			// A browser reads a classic script without a charset in the encoding of its page. A byte order
			// mark makes it UTF-8.
			out = append([]byte("\ufeff"), out...)
		}
		files[name] = out
	}
	for _, name := range types {
		if files[name], err = os.ReadFile(filepath.Join(dir, "types", name)); err != nil {
			return nil, nil, err
		}
	}
	maps.Copy(files, described)
	texts, err := catalogues(dir)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(files, texts)
	integrity := map[string]string{"version": version}
	for name, b := range files {
		sum := sha512.Sum384(b)
		integrity[name] = "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
	}
	b, err := json.MarshalIndent(integrity, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	files["integrity.json"] = append(b, '\n')
	return files, budgets, nil
}

// build returns the content of every file of dist by its name, and of widget/packed, which has the
// compressed copies, by the path from there.
func build(dir string) (map[string][]byte, error) {
	described, err := describe(dir)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(described, func(name string, _ []byte) bool { return strings.HasPrefix(name, "npm/") })
	files, budgets, err := bundles(dir, described)
	if err != nil {
		return nil, err
	}
	packed := map[string][]byte{}
	for name, b := range files {
		for ext, coding := range map[string]string{".br": "br", ".gz": "gzip"} {
			packed["../packed/"+name+ext] = compressed.Pack(coding, b)
		}
	}
	weighed := map[string][]byte{}
	for name := range budgets {
		weighed[name] = files[name]
	}
	if weighed["./react"], err = component(dir); err != nil {
		return nil, err
	}
	budgets["./react"] = componentBudget
	for _, name := range slices.Sorted(maps.Keys(budgets)) {
		got := weight{len(compressed.Pack("gzip", weighed[name])), len(compressed.Pack("br", weighed[name]))}
		fmt.Printf("%-20s %6d bytes, %5d after gzip, %5d after brotli\n", name, len(weighed[name]), got.gzip, got.brotli)
		if most := budgets[name]; got.gzip > most.gzip || got.brotli > most.brotli {
			return nil, fmt.Errorf("%s weighs %d bytes after gzip and %d after brotli; at most %d and %d", name, got.gzip, got.brotli, most.gzip, most.brotli)
		}
	}
	maps.Copy(files, packed)
	return files, nil
}

// made lists the sources of a bundle.
type made struct {
	Outputs map[string]struct {
		EntryPoint string
		Exports    []string
		Inputs     map[string]struct{ BytesInOutput int }
	}
}

func metafile(r api.BuildResult) (m made, err error) {
	return m, json.Unmarshal([]byte(r.Metafile), &m)
}

func write(dist string, files map[string][]byte) error {
	for _, dir := range []string{"locale", "../packed/locale"} {
		if err := os.MkdirAll(filepath.Join(dist, dir), 0o755); err != nil {
			return err
		}
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dist, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func compare(dist string, files map[string][]byte) error {
	var stale []string
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(dist, name)); err != nil || !bytes.Equal(got, want) {
			stale = append(stale, name)
		}
	}
	if len(stale) > 0 {
		sort.Strings(stale)
		return fmt.Errorf("stale in widget/dist: %s; run `go run ./widget/build`", strings.Join(stale, ", "))
	}
	return nil
}

// runTests bundles each test separately, and passes all bundles to Node's test runner.
func runTests(dir string) error {
	tests, err := filepath.Glob(filepath.Join(dir, "test", "*.test.ts"))
	if err != nil {
		return err
	}
	out := filepath.Join(dir, ".test")
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	o := options(dir)
	o.EntryPoints = tests
	o.Outfile, o.Outdir = "", out
	o.Write = true
	o.Platform, o.Format = api.PlatformNode, api.FormatESModule
	o.Conditions = []string{"default"}
	o.OutExtension = map[string]string{".js": ".mjs"}
	o.Sourcemap = api.SourceMapInline
	o.Define = map[string]string{"__VERSION__": `"test"`, "__HERE__": "undefined"}
	if r := api.Build(o); len(r.Errors) > 0 {
		return errors.New(r.Errors[0].Text)
	}
	built, err := filepath.Glob(filepath.Join(out, "*.mjs"))
	if err != nil {
		return err
	}
	cmd := exec.Command("node", append([]string{"--enable-source-maps", "--test"}, built...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	return cmd.Run()
}
