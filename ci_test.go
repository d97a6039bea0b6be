package timbre_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The workflow runs parts of .ci/run, each of which is a target of the Makefile. The images
// have the Go version of go.mod.
func TestContinuousIntegration(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	workflow, targets := read(".github/workflows/ci.yml"), read("Makefile")
	parts := map[string]bool{}
	for _, list := range regexp.MustCompile(`'\[([^\]]*)\]'`).FindAllStringSubmatch(workflow, -1) {
		for _, part := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(list[1], -1) {
			parts[part[1]] = true
		}
	}
	for _, wanted := range []string{"check", "lint", "test-fast", "test", "race", "fuzz", "release"} {
		if !parts[wanted] {
			t.Errorf("ci.yml never runs the part %s", wanted)
		}
	}
	known := regexp.MustCompile(`(?m)^\s+([a-z |-]+)\) ;;$`).FindStringSubmatch(read(".ci/run"))
	if known == nil {
		t.Fatal(".ci/run has no list of parts")
	}
	for part := range parts {
		if !strings.Contains(" "+known[1]+" ", " "+part+" ") {
			t.Errorf(".ci/run does not know the part %s of ci.yml", part)
		}
		if !strings.Contains(targets, "\n"+part+":") {
			t.Errorf("the Makefile has no target %s", part)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "bash", ".ci/run", "nothing").CombinedOutput(); err == nil || !strings.Contains(string(out), "unknown part nothing") {
		t.Errorf(".ci/run nothing: %v %s", err, out)
	}
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read("go.mod"))
	if version == nil {
		t.Fatal("go.mod has no version")
	}
	for _, name := range []string{".github/workflows/ci.yml", ".devcontainer/devcontainer.json"} {
		if !strings.Contains(read(name), "golang:"+version[1]+"-bookworm") {
			t.Errorf("%s does not use Go %s", name, version[1])
		}
	}
}
