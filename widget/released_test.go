package widget

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
)

// archived is a release as `go run ./widget/lock` keeps it, and its line of versions.lock.
func archived(t *testing.T, version string) (archive []byte, line string) {
	t.Helper()
	files := fstest.MapFS{
		"ats-widget.iife.js": {Data: []byte("// " + version)},
		"integrity.json":     {Data: fmt.Appendf(nil, `{"version": %q, "ats-widget.iife.js": "sha384-%s"}`, version, version)},
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := z.AddFS(files); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	hash, err := hashOf(files)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), version + " " + hash + "\n"
}

func TestReleases(t *testing.T) {
	files, lock := fstest.MapFS{}, ""
	for _, version := range []string{"1.2.0", "1.10.0", "2.0.0"} {
		b, line := archived(t, version)
		files["released/"+version+".zip"] = &fstest.MapFile{Data: b}
		lock += line
	}
	all, err := releases(files, lock, Release{Version: "2.0.0", Files: Files, Locked: true})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range all {
		order = append(order, r.Version)
		if r.Version == "2.0.0" {
			continue // the embedded files
		}
		if b, err := fs.ReadFile(r.Files, "ats-widget.iife.js"); err != nil || string(b) != "// "+r.Version {
			t.Errorf("%s has %q (%v)", r.Version, b, err)
		}
		if !r.Locked || r.Integrity("ats-widget.iife.js") != "sha384-"+r.Version || r.Integrity("version") != "" || len(r.Integrities()) != 1 {
			t.Errorf("%s: %+v", r.Version, r)
		}
	}
	if got := fmt.Sprint(order); got != "[2.0.0 1.10.0 1.2.0]" {
		t.Error(got)
	}
	other, _ := archived(t, "1.3.0")
	for name, b := range map[string][]byte{"other files": other, "not an archive": []byte("PK")} {
		files["released/1.2.0.zip"] = &fstest.MapFile{Data: b}
		if _, err := releases(files, lock, Release{Version: "2.0.0", Files: Files}); err == nil {
			t.Errorf("%s under a locked version were accepted", name)
		}
	}
}

// Every archive of the repository is the one of its line, and the embedded version is there once.
func TestArchives(t *testing.T) {
	embedded := 0
	for _, r := range Releases() {
		if r.Version == Version {
			embedded++
		} else if !r.Locked {
			t.Errorf("the archive of %s is not locked", r.Version)
		}
	}
	if embedded != 1 {
		t.Errorf("the embedded version %s is there %d times", Version, embedded)
	}
}
