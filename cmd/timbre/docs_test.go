package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"timbre.example/fault"
)

// docs/api.md is followed line by line, with the real binary and a real shell.
func TestAPIDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("skipped without %s (apt-get install %s)", tool, tool)
		}
	}
	var script strings.Builder
	script.WriteString("set -eu -o pipefail\n")
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	for _, b := range blocks {
		script.WriteString(b[1])
	}
	if len(blocks) < 12 {
		t.Fatalf("%d blocks of shell", len(blocks))
	}
	// What the document promises of what it leaves in variables.
	script.WriteString(`
[[ $TOKEN == eyJ* && $ACCESS_CODE == atc_* && ${#ACCESS_CODE} == 68 && $TX_HASH == 0x* && $BLOCK_HASH == 0x* ]]
echo followed
`)

	dir := t.TempDir()
	binary := filepath.Join(dir, "timbre")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	demo := exec.Command(binary, "demo", "--addr", "127.0.0.1:0", "--block-time", "10ms")
	demo.Dir = dir
	demo.Env = clean()
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	demo.Stderr = t.Output()
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := demo.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := demo.Wait(); err != nil {
			t.Errorf("demo ended with %v", err)
		}
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "Timbre demo: ") {
		t.Fatalf("%q, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-x", "-c", script.String())
	shell.Dir = dir
	shell.Env = clean()
	said, err := shell.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(said), "followed\n") {
		t.Errorf("%v:\n%s", err, said)
	}
}

// clean is the environment without what would configure a server.
func clean() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "TIMBRE_") && !strings.Contains(strings.ToLower(e[:strings.IndexByte(e+"=", '=')]), "proxy") {
			env = append(env, e)
		}
	}
	return env
}

// Every code that docs/api.md names is in the catalogue, with that status.
func TestAPIDocumentCodes(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, m := range regexp.MustCompile("(?m)^\\| ((?:`[a-z_.]+`(?:, )?)+) \\| ([0-9]{3}) \\|").FindAllStringSubmatch(string(text), -1) {
		for code := range strings.SplitSeq(m[1], ", ") {
			named++
			entry, ok := fault.Lookup(fault.Code(strings.Trim(code, "`")))
			if !ok || m[2] != string([]byte{byte('0' + entry.Status/100), byte('0' + entry.Status/10%10), byte('0' + entry.Status%10)}) {
				t.Errorf("%s with status %s is not in the catalogue", code, m[2])
			}
		}
	}
	if named < 35 {
		t.Errorf("only %d codes found", named)
	}
}
