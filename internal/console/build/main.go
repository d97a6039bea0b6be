// Command build makes the console's style sheet and script from internal/console/src, with esbuild, into
// internal/console/dist. It runs at build time, never in a server.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"

	"timbre.example/internal/compressed"
)

// budget is the largest size of both files together as they are sent, in bytes after gzip.
const budget = 16_000

func main() {
	check := flag.Bool("check", false, "write nothing; fail when internal/console/dist is stale")
	flag.Parse()
	if err := run(".", *check); err != nil {
		fmt.Fprintln(os.Stderr, "internal/console/build:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	dir := filepath.Join(root, "internal", "console")
	sum := 0
	for _, name := range []string{"console.css", "console.js"} {
		text, err := build(dir, name)
		if err != nil {
			return err
		}
		size := len(compressed.Pack("gzip", text))
		sum += size
		fmt.Printf("%s %d bytes, %d after gzip\n", name, len(text), size)
		path := filepath.Join(dir, "dist", name)
		if !check {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				return err
			}
			continue
		}
		if is, err := os.ReadFile(path); err != nil || !bytes.Equal(is, text) {
			return errors.New("internal/console/dist is stale; run `go run ./internal/console/build`")
		}
	}
	if sum > budget {
		return fmt.Errorf("the files weigh %d bytes after gzip, more than %d", sum, budget)
	}
	return nil
}

// build bundles and minifies one file.
func build(dir, name string) ([]byte, error) {
	source := map[string]string{"console.css": "console.css", "console.js": "console.ts"}[name]
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	r := api.Build(api.BuildOptions{
		AbsWorkingDir: abs, EntryPoints: []string{filepath.Join("src", source)}, Bundle: true, Format: api.FormatIIFE, Target: api.ES2022, Charset: api.CharsetUTF8,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, LogLevel: api.LogLevelSilent, Outfile: filepath.Join("dist", name),
	})
	if all := append(r.Errors, r.Warnings...); len(all) > 0 {
		return nil, fmt.Errorf("src/%s: %s", source, all[0].Text)
	}
	return r.OutputFiles[0].Contents, nil
}
