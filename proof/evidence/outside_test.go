package evidence_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const consumer = `package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

func main() {
	read := func(name string) []byte {
		b, err := os.ReadFile(os.Args[1] + "/" + name)
		if err != nil {
			panic(err)
		}
		return b
	}
	e, err := evidence.Decode(bytes.NewReader(read("stamped.json")))
	if err != nil {
		panic(err)
	}
	key := strings.TrimSpace(string(read("key.txt")))
	report, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(read("media.bin")), Keys: []string{key}})
	if err != nil {
		panic(err)
	}
	entry, err := leaf.ParseLeaf([]byte(e.Log.Leaf))
	if err != nil {
		panic(err)
	}
	token, _ := report.Check(evidence.CheckToken)
	fmt.Println(report.Anchored(), token.Status, entry.AtsID)
}
`

// A program in the oldest Go that go.mod names can use the module. Its own go.mod
// keeps its Go version. The module compiles in that Go with its tests.
func TestOldestGo(t *testing.T) {
	t.Parallel()
	module := must(filepath.Abs(".."))
	m := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(must(os.ReadFile(filepath.Join(module, "go.mod"))))
	if m == nil {
		t.Fatal("go.mod names no version of Go")
	}
	oldest := string(m[1])
	run := func(dir string, args ...string) (string, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOTOOLCHAIN=go"+oldest, "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	dir := t.TempDir()
	if out, err := run(dir, "version"); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Skipf("skipped: Go %s is not here and cannot be fetched", oldest)
	}
	gomod := "module consumer.example\n\ngo " + oldest + "\n\nrequire timbre.example/proof v0.0.0\n\nreplace timbre.example/proof => " + module + "\n"
	for name, text := range map[string]string{"go.mod": gomod, "main.go": consumer} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run(dir, "mod", "tidy"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := run(dir, "run", ".", filepath.Join(module, "evidence", "testdata", "v1"))
	if err != nil || out != "true ok 17\n" {
		t.Errorf("%q, %v", out, err)
	}
	after := string(must(os.ReadFile(filepath.Join(dir, "go.mod"))))
	if !strings.Contains(after, "\ngo "+oldest+"\n") || strings.Contains(after, "toolchain") {
		t.Errorf("the program's go.mod has another version of Go now:\n%s", after)
	}
	if out, err := run(module, "vet", "-mod=readonly", "./..."); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
