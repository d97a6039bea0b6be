package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// A file that is fetched later uses modules that are on the page. It receives the names that it uses
// as a list, whose order only the build knows. So no code and no state is on a page twice. One run makes all
// files, with one version, which is compared before use.

// given is one name that a file passes on.
type given struct {
	module string // its absolute path
	name   string
}

// listed replaces the source NAME.ts of src/parts, which exports the empty list NAME, by the list of
// values.
func listed(name string, uses []given) api.Plugin {
	var list strings.Builder
	for i, u := range uses {
		fmt.Fprintf(&list, "import {%s as $%d} from %q;\n", u.name, i, u.module)
	}
	fmt.Fprintf(&list, "export const %s = [", name)
	for i := range uses {
		fmt.Fprintf(&list, "$%d,", i)
	}
	list.WriteString("];\n")
	text := list.String()
	return api.Plugin{Name: name, Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: `[\\/]src[\\/]parts[\\/]` + name + `\.ts$`}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderTS, ResolveDir: filepath.Dir(a.Path)}, nil
		})
	}}
}

// file is a file that is fetched later.
type file struct {
	dir, version string
	entry        string   // its source, below src
	modules      []string // the modules that are on the page before it
	exports      map[string][]string
	plugins      []api.Plugin
	worker       bool // the file is also the script of a worker, which has no modules
}

// uses returns the names that remain of the modules after tree shaking.
func (f file) uses() ([]given, error) {
	draft, err := f.build(options(f.dir), mark)
	if err != nil {
		return nil, err
	}
	var uses []given
	for _, m := range f.modules {
		for _, name := range f.exports[m] {
			if g := (given{m, name}); strings.Contains(string(draft), mark(g)) {
				uses = append(uses, g)
			}
		}
	}
	slices.SortFunc(uses, func(a, b given) int { return strings.Compare(a.module+" "+a.name, b.module+" "+b.name) })
	return slices.Compact(uses), nil
}

func mark(g given) string { return fmt.Sprintf("__given(%q, %q)", filepath.ToSlash(g.module), g.name) }

// make returns the file. It exports its version and use(list), which returns the exports of its
// entry.
func (f file) make(list []given) ([]byte, error) {
	o := options(f.dir)
	o.MinifyWhitespace, o.MinifyIdentifiers = true, true
	o.Banner = map[string]string{"js": fmt.Sprintf(`const __HERE__=import.meta.url;export const version=%q;export function use(given){let part;`, f.version)}
	o.Footer = map[string]string{"js": `return part}`}
	if f.worker {
		o.Footer["js"] += `typeof document>"u"&&use([]);`
	}
	return f.build(o, func(g given) string {
		i := slices.Index(list, g)
		if i < 0 {
			return "undefined" // the file does not use it
		}
		return fmt.Sprintf("given[%d]", i)
	})
}

// build calls value for each name of the modules, from several goroutines at once.
func (f file) build(o api.BuildOptions, value func(given) string) ([]byte, error) {
	entry := filepath.Join(f.dir, "src", f.entry)
	all := strings.Join(f.exports[entry], ",")
	o.Stdin = &api.StdinOptions{Contents: fmt.Sprintf("import {%s} from %q; part={%s};", all, entry, all), ResolveDir: f.dir, Loader: api.LoaderJS}
	o.Format, o.Inject = api.FormatESModule, nil
	o.Define = map[string]string{"__VERSION__": fmt.Sprintf("%q", f.version), "import.meta.url": "__HERE__"}
	o.MinifySyntax = true
	o.Plugins = slices.Concat(f.plugins, []api.Plugin{{Name: "on-the-page", Setup: func(b api.PluginBuild) {
		for _, m := range f.modules {
			b.OnLoad(api.OnLoadOptions{Filter: "^" + regexp.QuoteMeta(m) + "$"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
				var text strings.Builder
				for _, name := range f.exports[m] {
					fmt.Fprintf(&text, "export const %s = /* @__PURE__ */ %s;\n", name, value(given{m, name}))
				}
				out := text.String()
				return api.OnLoadResult{Contents: &out, Loader: api.LoaderJS}, nil
			})
		}
	}}}, o.Plugins)
	return bundle(o)
}

// exports returns the names that each module exports.
func exports(dir string, modules []string) (map[string][]string, error) {
	o := options(dir)
	o.EntryPoints, o.Outfile, o.Outdir = modules, "", filepath.Join(dir, "dist")
	o.Format, o.Metafile, o.Inject = api.FormatESModule, true, nil
	r := api.Build(o)
	if len(r.Errors) > 0 {
		return nil, errors.New(r.Errors[0].Text)
	}
	meta, err := metafile(r)
	if err != nil {
		return nil, err
	}
	names := map[string][]string{}
	for _, out := range meta.Outputs {
		names[filepath.Join(dir, filepath.FromSlash(out.EntryPoint))] = out.Exports
	}
	return names, nil
}

// inputs returns the absolute paths of the modules that an entry needs.
func inputs(dir, entry string) ([]string, error) {
	o := options(dir)
	o.Format, o.Metafile, o.EntryPoints = api.FormatESModule, true, []string{filepath.Join(dir, "src", entry)}
	r := api.Build(o)
	if len(r.Errors) > 0 {
		return nil, errors.New(r.Errors[0].Text)
	}
	meta, err := metafile(r)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, out := range meta.Outputs {
		for path, in := range out.Inputs {
			if in.BytesInOutput > 0 && regexp.MustCompile(`\.[jt]s$`).MatchString(path) {
				found = append(found, filepath.Join(dir, filepath.FromSlash(path)))
			}
		}
	}
	slices.Sort(found)
	return found, nil
}
