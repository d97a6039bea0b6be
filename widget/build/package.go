package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// The npm package has the same modules as the served files. Bundlers must find what is loaded on
// demand, so it is loaded by import(), and three modules of src have another one in their place.

// replaced are the modules of src that have another one in npm/src in their place.
var replaced = map[string]string{
	"src/parts/files.ts":  "npm/src/parts.ts",
	"src/hash/script.ts":  "npm/src/script.ts",
	"src/i18n/fetched.ts": "npm/src/texts.ts",
}

// entries are the files of the package by their name, and their sources in npm/src.
var entries = []struct{ name, source string }{
	{"index", "index.ts"},
	{"define", "define.ts"},
	{"react", "react.ts"},
	{"vue", "vue.ts"},
	{"svelte", "svelte.ts"},
}

// componentBudget is the weight of what ./react adds to a page that has the element.
var componentBudget = weight{1_500, 1_400}

// component returns ./react as a bundler leaves it, without React and the element.
func component(dir string) ([]byte, error) {
	o := options(dir)
	o.Format, o.Inject = api.FormatESModule, nil
	o.External = []string{"react"}
	o.EntryPoints = []string{filepath.Join(dir, "npm", "src", "react.ts")}
	o.MinifyWhitespace, o.MinifyIdentifiers, o.MinifySyntax = true, true, true
	o.Plugins = []api.Plugin{{Name: "element-apart", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^\.\./\.\./src/`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: "./element.js", External: true}, nil
		})
	}}}
	return bundle(o)
}

// pack returns the content of every file of the npm package by its path.
func pack(dir string) (map[string][]byte, error) {
	version, err := versionOf(dir)
	if err != nil {
		return nil, err
	}
	texts, err := catalogues(dir)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	o := options(dir)
	o.Outfile, o.Outdir = "", filepath.Join(dir, "package", "dist")
	o.Format, o.Splitting, o.ChunkNames = api.FormatESModule, true, "parts/[name]-[hash]"
	o.Define = map[string]string{"__VERSION__": fmt.Sprintf("%q", version), "__HERE__": "undefined"}
	o.External = []string{"react"}
	for _, e := range entries {
		o.EntryPointsAdvanced = append(o.EntryPointsAdvanced, api.EntryPoint{InputPath: filepath.Join(dir, "npm", "src", e.source), OutputPath: e.name})
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) { // the order is part of the names of the parts
		o.EntryPointsAdvanced = append(o.EntryPointsAdvanced, api.EntryPoint{InputPath: "locale:" + name, OutputPath: strings.TrimSuffix(name, ".json")})
	}
	o.Plugins = append([]api.Plugin{inPackage(dir), textsApart(), localeFiles(texts)}, o.Plugins...)
	made, err := outputs(o)
	if err != nil {
		return nil, err
	}
	// A worker imports nothing: its one file may have any address.
	o = options(dir)
	o.Outfile, o.Outdir = "", filepath.Join(dir, "package", "dist")
	o.Format, o.Inject = api.FormatESModule, nil
	o.EntryPointsAdvanced = []api.EntryPoint{{InputPath: filepath.Join(dir, "npm", "src", "worker.ts"), OutputPath: "hash-worker"}}
	worker, err := outputs(o)
	if err != nil {
		return nil, err
	}
	for _, f := range append(made, worker...) {
		name, err := filepath.Rel(filepath.Join(dir, "package"), f.Path)
		if err != nil {
			return nil, err
		}
		files[filepath.ToSlash(name)] = f.Contents
	}
	// The worker's address is written for the folder of the entries.
	for name, text := range files {
		if strings.HasPrefix(name, "dist/parts/") {
			files[name] = bytes.ReplaceAll(text, []byte(`"./hash-worker.js"`), []byte(`"../hash-worker.js"`))
		}
	}
	// React's own mark of a file that needs a browser: Next.js renders it on the server, too.
	files["dist/react.js"] = append([]byte("'use client';\n"), files["dist/react.js"]...)
	if err := declarations(dir, files); err != nil {
		return nil, err
	}
	manifest, err := packageJSON(dir, version)
	if err != nil {
		return nil, err
	}
	files["package.json"] = manifest
	if files["THIRD-PARTY.txt"], err = licences(dir); err != nil {
		return nil, err
	}
	for name, from := range map[string]string{"LICENSE": "../LICENSE", "README.md": "npm/README.md", "CHANGELOG.md": "npm/CHANGELOG.md"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(from))); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// inPackage puts the modules of npm/src in the place of those that replaced names.
func inPackage(dir string) api.Plugin {
	return api.Plugin{Name: "in-package", Setup: func(b api.PluginBuild) {
		for from, to := range replaced {
			b.OnLoad(api.OnLoadOptions{Filter: "^" + regexp.QuoteMeta(filepath.Join(dir, filepath.FromSlash(from))) + "$"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
				path := filepath.Join(dir, filepath.FromSlash(to))
				text, err := os.ReadFile(path)
				contents := string(text)
				return api.OnLoadResult{Contents: &contents, Loader: api.LoaderTS, ResolveDir: filepath.Dir(path)}, err
			})
		}
	}}
}

// textsApart gives each module that imports the English texts a copy of its own, from which only its texts remain.
// Otherwise the first file would have the texts of all screens.
func textsApart() api.Plugin {
	return api.Plugin{Name: "texts-apart", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `/locales/en\.json$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: filepath.Join(a.ResolveDir, filepath.FromSlash(a.Path)), Suffix: "?" + filepath.Base(a.Importer)}, nil
		})
	}}
}

// localeFiles makes a module of each catalogue, and the module that lists them.
func localeFiles(texts map[string][]byte) api.Plugin {
	return api.Plugin{Name: "locale-files", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^locales:files$`}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: "files", Namespace: "locale"}, nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: `^locale:`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: strings.TrimPrefix(a.Path, "locale:"), Namespace: "locale"}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "locale"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			contents := "export default {\n"
			if a.Path != "files" {
				contents = "export default " + string(texts[a.Path])
				return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
			}
			for _, name := range slices.Sorted(maps.Keys(texts)) {
				contents += fmt.Sprintf("%q: () => import(%q),\n", strings.TrimSuffix(strings.TrimPrefix(name, "locale/"), ".json"), "locale:"+name)
			}
			contents += "};\n"
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
		})
	}}
}

// licences returns the licences of the packages that are inside.
func licences(dir string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("Parts of these packages are inside @timbre/ats-widget, under their own licences.\n")
	for _, name := range []string{"lit-html", "@noble/hashes"} {
		text, err := os.ReadFile(filepath.Join(dir, "..", "node_modules", filepath.FromSlash(name), "LICENSE"))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "\n--- %s\n\n%s\n", name, bytes.TrimSpace(text))
	}
	return b.Bytes(), nil
}

// packageJSON is npm/package.json with what the build knows.
func packageJSON(dir, version string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, "npm", "package.json"))
	if err != nil {
		return nil, err
	}
	return bytes.Replace(text, []byte(`"0.0.0"`), fmt.Appendf(nil, "%q", version), 1), nil
}

// declarations adds the types of each entry, and the manifest.
func declarations(dir string, files map[string][]byte) error {
	described, err := describe(dir)
	if err != nil {
		return err
	}
	files["dist/index.d.ts"], files["dist/react.d.ts"] = described["npm/index.d.ts"], described["npm/react.d.ts"]
	files["custom-elements.json"] = described["npm/custom-elements.json"]
	files["dist/define.d.ts"] = []byte("/** Importing this file defines <ats-widget>. */\nimport './index.js';\n")
	for name, from := range map[string]string{"jsx": "react", "vue": "vue", "svelte": "svelte"} {
		text, err := os.ReadFile(filepath.Join(dir, "types", "ats-widget-"+from+".d.ts"))
		if err != nil {
			return err
		}
		text = bytes.ReplaceAll(text, []byte("'./ats-widget.js'"), []byte("'./index.js'"))
		files["dist/"+name+".d.ts"] = bytes.ReplaceAll(text, []byte(" Include it with ats-widget.d.ts."), nil)
	}
	for name := range files {
		if language, ok := strings.CutSuffix(name, ".js"); ok && strings.HasPrefix(name, "dist/locale/") {
			files[language+".d.ts"] = []byte("declare const texts: Readonly<Record<string, string>>;\nexport default texts;\n")
		}
	}
	return nil
}
