package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"timbre.example/packages"
)

// The same files give the same bytes. npm reads them: the test of the packages installs one.
func TestPack(t *testing.T) {
	files := fstest.MapFS{"package.json": {Data: []byte(`{"name": "one"}`)}, "dist/index.js": {Data: []byte("export {};")}}
	first, err := pack(files)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := pack(files); err != nil || !bytes.Equal(first, again) {
		t.Errorf("two tarballs of one folder differ (%v)", err)
	}
}

// A release keeps each package. Another package under a released version is refused.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	one := packages.Package{Name: "@timbre/one", Version: "1.0.0", File: "one.tgz", Tarball: []byte("a")}
	for range 2 {
		if err := keep(dir, []packages.Package{one}); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "one-1.0.0.tgz")); err != nil || string(b) != "a" {
		t.Errorf("%q, %v", b, err)
	}
	one.Tarball = []byte("b")
	if err := keep(dir, []packages.Package{one}); err == nil || !strings.Contains(err.Error(), "next version") {
		t.Errorf("other files under a released version: %v", err)
	}
}

// The checkers of packages, publint and the one for types, find nothing in the tarball of the TypeScript client. widget/build
// asks them about the widget.
func TestClientIsClean(t *testing.T) {
	t.Parallel()
	tools, err := filepath.Abs("../../node_modules/.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(tools, "publint")); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal("run npm ci: ", err)
		}
		t.Skip("run npm ci: ", err)
	}
	found := false
	for _, p := range packages.All() {
		if p.Name != "@timbre/client" {
			continue
		}
		found = true
		tarball := filepath.Join(t.TempDir(), p.File)
		if err := os.WriteFile(tarball, p.Tarball, 0o600); err != nil {
			t.Fatal(err)
		}
		// The package has no entry for require(): the profile leaves out what only CommonJS could use.
		for _, args := range [][]string{{"publint", "run", tarball, "--strict"}, {"attw", tarball, "--profile", "esm-only", "--format", "ascii"}} {
			cmd := exec.CommandContext(t.Context(), filepath.Join(tools, args[0]), args[1:]...)
			cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "NO_COLOR=1", "FORCE_COLOR=0")
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", args[0], err, text)
			}
		}
	}
	if !found {
		t.Error("no package of the client")
	}
}
