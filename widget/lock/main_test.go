package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/widget"
)

// The committed files are those of their locked version, if it is locked.
func TestCommittedFiles(t *testing.T) {
	text, err := os.ReadFile("../versions.lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := compare(string(text), widget.Version, widget.Hash()); err != nil {
		t.Error(err)
	}
	if locked := widget.LockedHash(string(text), widget.Version) != ""; locked != widget.Released {
		t.Errorf("version %s: locked %v, but served as released %v", widget.Version, locked, widget.Released)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		version, hash, _ := strings.Cut(line, " ")
		if !versionForm.MatchString(version) || len(hash) != len(widget.Hash()) || seen[version] {
			t.Errorf("versions.lock: a bad or repeated line %q", line)
		}
		seen[version] = true
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "versions.lock")
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if err := add(path, "# note\n", "1.0.0", "sha384-a"); err != nil {
		t.Fatal(err)
	}
	if err := add(path, read(), "1.0.0", "sha384-a"); err != nil || strings.Count(read(), "1.0.0") != 1 {
		t.Errorf("a second lock of the same files: %v\n%s", err, read())
	}
	if err := add(path, read(), "1.0.0", "sha384-b"); err == nil || !strings.Contains(err.Error(), "-bump") {
		t.Errorf("other files under a locked version: %v", err)
	}
	if err := add(path, read(), "1.0.1", "sha384-b"); err != nil {
		t.Error(err)
	}
	if want := "# note\n1.0.0 sha384-a\n1.0.1 sha384-b\n"; read() != want {
		t.Errorf("%q, want %q", read(), want)
	}
	if err := add(path, read(), "1.0.2-dev", "sha384-c"); err == nil {
		t.Error("a version that is no release was locked")
	}
	if err := compare(read(), "1.1.0", "sha384-d"); err != nil {
		t.Errorf("a version in development: %v", err)
	}
	if err := bump(t.TempDir(), read(), "1.0.1"); err == nil {
		t.Error("bumped to a released version")
	}
}

// The version stands once in package.json and twice in package-lock.json. Versions of other packages stay.
func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := rewrite(dir, "7.8.9"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"package.json": 1, "package-lock.json": 2} {
		before, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		version := `"version": "` + widget.Version + `"`
		if got := strings.Count(string(after), `"version": "7.8.9"`); got != want {
			t.Errorf("%s has the new version %d times, want %d", name, got, want)
		}
		if back := strings.ReplaceAll(string(after), `"version": "7.8.9"`, version); back != string(before) {
			t.Errorf("%s: more than the version changed", name)
		}
	}
}
