package main

import (
	"bytes"
	"os"
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
