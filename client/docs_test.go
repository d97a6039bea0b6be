package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// Each program of docs/go.md compiles.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/go.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindAllSubmatch(text, -1)
	if len(programs) < 3 {
		t.Fatalf("%d programs", len(programs))
	}
	for i, p := range programs {
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, p[1], 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
			t.Errorf("program %d: %s", i+1, out)
		}
	}
}
