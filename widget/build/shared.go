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

// rest.ts receives the names that it uses of the first file's modules as a list, whose order only
// the build knows. So no code and no state is on a page twice. One run makes both files, with one
// version, which is compared before use.

// given is one name that the first file passes to rest.ts.
type given struct {
	module string // its absolute path
	name   string
}

// first makes the bundle of an entry, which exports the names that rest.ts uses.
func first(o api.BuildOptions, uses []given) ([]byte, error) {
	var list strings.Builder
	for i, u := range uses {
		fmt.Fprintf(&list, "import {%s as $%d} from %q;\n", u.name, i, u.module)
	}
	list.WriteString("export const shared = [")
	for i := range uses {
		fmt.Fprintf(&list, "$%d,", i)
	}
	list.WriteString("];\n")
	text := list.String()
	o.Plugins = append([]api.Plugin{{Name: "shared", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: `[\\/]src[\\/]shared\.ts$`}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			dir := filepath.Dir(a.Path)
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderTS, ResolveDir: dir}, nil
		})
	}}}, o.Plugins...)
	return bundle(o)
}

// rest makes ats-widget-rest.js, and returns the names that it uses of modules, the modules of the
// first file. The file exports its version and use(shared).
func rest(dir, version string, modules []string) ([]byte, []given, error) {
	build := func(o api.BuildOptions, value func(given) string) ([]byte, error) {
		o.Format, o.GlobalName, o.Inject = api.FormatIIFE, "rest", nil
		o.Define = map[string]string{"__VERSION__": fmt.Sprintf("%q", version), "__HERE__": "undefined"}
		o.EntryPoints = []string{filepath.Join(dir, "src", "rest.ts")}
		o.MinifySyntax = true
		names, err := exports(dir, modules)
		if err != nil {
			return nil, err
		}
		o.Plugins = append([]api.Plugin{{Name: "from-first", Setup: func(b api.PluginBuild) {
			for _, m := range modules {
				b.OnLoad(api.OnLoadOptions{Filter: "^" + regexp.QuoteMeta(m) + "$"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
					var text strings.Builder
					for _, name := range names[m] {
						fmt.Fprintf(&text, "export const %s = /* @__PURE__ */ %s;\n", name, value(given{m, name}))
					}
					out := text.String()
					return api.OnLoadResult{Contents: &out, Loader: api.LoaderJS}, nil
				})
			}
		}}}, o.Plugins...)
		return bundle(o)
	}
	// The first build finds the names that remain after tree shaking; the second reads them from the
	// list.
	var all []given
	draft, err := build(options(dir), func(g given) string {
		all = append(all, g)
		return fmt.Sprintf("__given(%q, %q)", filepath.ToSlash(g.module), g.name)
	})
	if err != nil {
		return nil, nil, err
	}
	uses := slices.DeleteFunc(all, func(g given) bool {
		return !strings.Contains(string(draft), fmt.Sprintf("__given(%q, %q)", filepath.ToSlash(g.module), g.name))
	})
	slices.SortFunc(uses, func(a, b given) int { return strings.Compare(a.module+" "+a.name, b.module+" "+b.name) })
	uses = slices.Compact(uses)
	o := options(dir)
	o.MinifyWhitespace, o.MinifyIdentifiers = true, true
	o.Banner = map[string]string{"js": fmt.Sprintf(`export const version=%q;export function use(shared){`, version)}
	o.Footer = map[string]string{"js": `return rest}`}
	out, err := build(o, func(g given) string {
		i := slices.Index(uses, g)
		if i < 0 {
			return "undefined"
		}
		return fmt.Sprintf("shared[%d]", i)
	})
	return out, uses, err
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

// inputs returns the absolute paths of the sources of a bundle.
func inputs(dir string, o api.BuildOptions) ([]string, error) {
	o.Metafile = true
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
