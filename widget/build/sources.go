package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"timbre.example/web/i18n"
)

// The build of the served files and that of the npm package share these functions: how the sources are read.

// weight is the largest size of a file on the network, in bytes, for each content coding. Browsers
// ask for brotli on every page that is served by TLS.
type weight struct{ gzip, brotli int }

// types are the types for the templates of each framework.
var types = []string{"ats-widget-react.d.ts", "ats-widget-vue.d.ts", "ats-widget-svelte.d.ts"}

// describe returns the types of the element and its manifest, which types.mjs makes of the comments in the sources: the
// files of dist by their names, and those of the npm package below npm/.
func describe(dir string) (map[string][]byte, error) {
	cmd := exec.Command("node", filepath.Join(dir, "build", "types.mjs"), dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("node widget/build/types.mjs: %w", err)
	}
	texts := map[string]string{}
	if err := json.Unmarshal(out, &texts); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, text := range texts {
		files[name] = []byte(text)
	}
	return files, nil
}

func options(dir string) api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir: dir,
		Bundle:        true,
		Target:        api.ES2022,
		Charset:       api.CharsetUTF8,
		LegalComments: api.LegalCommentsEndOfFile,
		Inject:        []string{filepath.Join(dir, "src", "lit.globals.ts")},
		Plugins:       []api.Plugin{litGlobals(dir), minifiedStyles(), i18n.Plugin(filepath.Dir(dir))},
		LogLevel:      api.LogLevelWarning,
		Outfile:       filepath.Join(dir, "dist", "out.js"),
	}
}

func bundle(o api.BuildOptions) ([]byte, error) {
	r := api.Build(o)
	if len(r.Errors) > 0 {
		return nil, errors.New(r.Errors[0].Text)
	}
	return r.OutputFiles[0].Contents, nil
}

// litGlobals gives Lit the globals of src/lit.globals.ts. Lit reads document and HTMLElement by their
// names, for which Inject is enough. It reads its Trusted Types policy from globalThis, so the plugin
// imports another object under that name.
func litGlobals(dir string) api.Plugin {
	line := fmt.Sprintf("import {G as globalThis} from %q;\n", filepath.ToSlash(filepath.Join(dir, "src", "lit.globals.ts")))
	return api.Plugin{Name: "lit-globals", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: `[\\/]lit-html[\\/]lit-html\.js$`}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			src, err := os.ReadFile(a.Path)
			text := line + string(src)
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, err
		})
	}}
}

// catalogues returns the texts of each language by the file's name in dist. English is in the
// bundles.
func catalogues(dir string) (map[string][]byte, error) {
	languages, err := i18n.Read(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, l := range languages {
		if l.Tag == "en" {
			continue
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(l.Widget()); err != nil {
			return nil, err
		}
		files["locale/"+l.Tag+".json"] = b.Bytes()
	}
	return files, nil
}

// minifiedStyles makes a style sheet importable as its minified text.
func minifiedStyles() api.Plugin {
	return api.Plugin{Name: "minified-styles", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: `\.css$`}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			src, err := os.ReadFile(a.Path)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			r := api.Transform(string(src), api.TransformOptions{
				Loader: api.LoaderCSS, MinifyWhitespace: true, MinifySyntax: true,
			})
			if len(r.Errors)+len(r.Warnings) > 0 {
				return api.OnLoadResult{}, fmt.Errorf("%s: %s", a.Path, append(r.Errors, r.Warnings...)[0].Text)
			}
			text := strings.TrimSpace(string(r.Code))
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderText}, nil
		})
	}}
}

func versionOf(dir string) (string, error) {
	var pkg struct{ Version string }
	raw, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(raw, &pkg); err != nil {
		return "", fmt.Errorf("package.json: %w", err)
	}
	return pkg.Version, nil
}

func outputs(o api.BuildOptions) ([]api.OutputFile, error) {
	r := api.Build(o)
	if len(r.Errors) > 0 {
		return nil, errors.New(r.Errors[0].Text)
	}
	return r.OutputFiles, nil
}
