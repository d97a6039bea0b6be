package clients_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/openapi/typescript"
)

const packageDir = "../../../client/typescript"

var accept = flag.Bool("accept", false, "write the types of the TypeScript client")

func TestMain(m *testing.M) {
	harness.Main(func() int {
		defer func() { os.RemoveAll(built.dir); os.RemoveAll(runtimes.dir) }()
		return m.Run()
	})
}

// built is the package with its compiled files, as npm packs it.
var built struct {
	sync.Once
	dir string
	err error
}

// packaged returns the folder of the built package.
func packaged(t *testing.T) string {
	t.Helper()
	hasNode(t)
	tsc := absolute(t, "../../../node_modules/typescript/bin/tsc")
	if !exists(tsc) {
		browser.Missing(t, "no TypeScript: npm ci at the root installs it")
	}
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "timbre-client"); built.err != nil {
			return
		}
		for _, name := range []string{"src", "test"} {
			if built.err = os.CopyFS(filepath.Join(built.dir, name), os.DirFS(filepath.Join(packageDir, name))); built.err != nil {
				return
			}
		}
		for _, name := range []string{"package.json", "tsconfig.json"} {
			b, err := os.ReadFile(filepath.Join(packageDir, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(built.dir, name), b, 0o600)
			}
			if built.err = err; err != nil {
				return
			}
		}
		if out, err := exec.Command("node", tsc, "-p", built.dir).CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

// The types of the client are those of the document that the server serves. go test
// ./internal/e2e/clients -run TestClients/types -accept writes them.
func testTypes(t *testing.T, s *harness.Server) {
	t.Helper()
	types, err := typescript.Render(fetched(t, s.URL+"/openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	const file = packageDir + "/src/gen/api.ts"
	if *accept {
		keep(t, file, types)
	}
	if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, types) {
		t.Errorf("%s is not current: run this test with -accept. %v", file, err)
	}
}

// The whole client is at most 6 KB on the network.
func TestWeight(t *testing.T) {
	t.Parallel()
	const budget = 6 << 10
	r := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(packageDir, "src", "index.ts")},
		Bundle:      true, MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		Format: api.FormatESModule, Target: api.ES2022, Outfile: "client.js",
	})
	if len(r.Errors) > 0 || len(r.OutputFiles) != 1 {
		t.Fatal(r.Errors)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(r.OutputFiles[0].Contents)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if packed.Len() > budget {
		t.Errorf("the client has %d bytes after gzip, and %d are the most", packed.Len(), budget)
	}
	t.Logf("%d bytes minified, %d after gzip", len(r.OutputFiles[0].Contents), packed.Len())
}

// The package's own tests pass.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	tests, err := filepath.Glob(filepath.Join(packaged(t), "test", "*.test.mjs"))
	if err != nil || len(tests) == 0 {
		t.Fatal("no tests", err)
	}
	if out, err := exec.CommandContext(t.Context(), "node", append([]string{"--test"}, tests...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func hasNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		browser.Missing(t, "no node in PATH")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
