package main

import (
	"archive/zip"
	"bytes"
	"io/fs"
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
	if locked := widget.LockedHash(string(text), widget.Version) != ""; locked != widget.Releases()[0].Locked {
		t.Errorf("version %s: locked %v, but served as released %v", widget.Version, locked, widget.Releases()[0].Locked)
	}
	if err := complete("..", string(text)); err != nil {
		t.Error(err)
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

// A release keeps the files of its version, in the same bytes each time. A lock without the archive is refused.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "released"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := complete(dir, "# note\n1.0.0 sha384-a\n"); err == nil || !strings.Contains(err.Error(), "1.0.0") {
		t.Errorf("a version without an archive: %v", err)
	}
	var before []byte
	for range 2 {
		if err := keep(dir, "1.0.0", widget.Files); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(archive(dir, "1.0.0"))
		if err != nil || before != nil && !bytes.Equal(b, before) {
			t.Fatal("the same files gave other bytes", err)
		}
		before = b
	}
	if err := complete(dir, "# note\n1.0.0 sha384-a\n"); err != nil {
		t.Error(err)
	}
	files, err := zip.NewReader(bytes.NewReader(before), int64(len(before)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"integrity.json", "ats-widget.iife.js", "locale/fr.json"} {
		got, err := fs.ReadFile(files, name)
		want, err2 := fs.ReadFile(widget.Files, name)
		if err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs in the archive: %v %v", name, err, err2)
		}
	}
}

// The version of the widget changes in its package.json and in the lock file of the workspace. Versions of other packages stay.
func TestRewrite(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "widget")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	changed := map[string]string{filepath.Join(dir, "package.json"): "../package.json", filepath.Join(root, "package-lock.json"): "../../package-lock.json"}
	for name, source := range changed {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := rewrite(dir, "7.8.9"); err != nil {
		t.Fatal(err)
	}
	for name, source := range changed {
		before, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		version := `"version": "` + widget.Version + `"`
		if got := strings.Count(string(after), `"version": "7.8.9"`); got != 1 {
			t.Errorf("%s has the new version %d times, want 1", source, got)
		}
		if back := strings.ReplaceAll(string(after), `"version": "7.8.9"`, version); back != string(before) {
			t.Errorf("%s: more than the version changed", source)
		}
		if source == "../../package-lock.json" {
			_, entry, _ := strings.Cut(string(after), `"name": "@timbre/ats-widget"`)
			if !strings.HasPrefix(strings.TrimLeft(entry, ",\n "), `"version": "7.8.9"`) {
				t.Errorf("%s: the version of another package changed", source)
			}
		}
	}
}
