package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/store"
)

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// The written file is readable by this user only, also if the old file was not.
func TestWritePrivate(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, mode fs.FileMode) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte("before"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("open", 0o644)
	write("writable", 0o666)
	write("target", 0o644)
	write("linked", 0o644)
	for _, err := range []error{os.Symlink(at("target"), at("link")), os.Symlink(at("nowhere"), at("dangling")), os.Link(at("linked"), at("hard"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"new", "open", "writable", "link", "dangling", "hard"} {
		if err := writePrivate(at(name), []byte("a name")); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text, err := os.ReadFile(at(name)); string(text) != "a name" || err != nil || modeOf(t, at(name)) != 0o600 {
			t.Errorf("%s: %q, %v, mode %v", name, text, err, modeOf(t, at(name)))
		}
	}
	for _, name := range []string{"target", "linked"} { // belong to another user, and everybody can read them
		if text, _ := os.ReadFile(at(name)); string(text) != "before" {
			t.Errorf("%s holds %q", name, text)
		}
	}
	if _, err := os.Stat(at("nowhere")); err == nil {
		t.Error("what a link led to was made")
	}
	if err := writePrivate(dir, nil); err == nil {
		t.Error("a directory was written")
	}
	if err := writePrivate(os.DevNull, []byte("x")); err != nil || modeOf(t, os.DevNull)&fs.ModeDevice == 0 {
		t.Errorf("a device: %v, %v", err, modeOf(t, os.DevNull))
	}
	if rest, _ := filepath.Glob(at(".timbre-*")); len(rest) > 0 {
		t.Errorf("left: %q", rest)
	}
}

// A new database is private to this user, in every folder. A server makes an existing one
// private when it starts.
func TestDatabaseIsPrivate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "timbre.db")
	if s := timbre(t, "migrate", "--database-url", "sqlite:"+path); s.code != exitDone {
		t.Fatal(s.err)
	}
	if mode := modeOf(t, path); mode != 0o600 {
		t.Errorf("made with mode %v", mode)
	}
	db, err := store.Open(t.Context(), "sqlite:"+path) // and its journal exists
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range databaseFiles(path) {
		if mode := modeOf(t, name); mode != 0o600 {
			t.Errorf("%s has mode %v", name, mode)
		}
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	doctor := timbre(t, "doctor", "--json", "--database-url", "sqlite:"+path, "--secret-file", filepath.Join(dir, "none"))
	if !strings.Contains(doctor.out, "every user of this machine can read") {
		t.Errorf("doctor: %s", doctor.out)
	}
	closed, err := tighten(path)
	if err != nil || len(closed) != 3 {
		t.Fatalf("%q, %v", closed, err)
	}
	for _, name := range databaseFiles(path) {
		if mode := modeOf(t, name); mode != 0o600 {
			t.Errorf("%s has mode %v", name, mode)
		}
	}
	if err := os.Chmod(path, 0o660); err != nil { // an administrator allowed a group
		t.Fatal(err)
	}
	if closed, err := tighten(path); len(closed) > 0 || err != nil {
		t.Errorf("%q, %v", closed, err)
	}
}

// Files with passwords are refused if other users can read them.
func TestPasswordFilesAreGuarded(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "url")
	if err := os.WriteFile(file, []byte("sqlite:"+filepath.Join(dir, "timbre.db")), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := timbre(t, "migrate", "--database-url-file", file); s.code != exitDone {
		t.Fatal(s.err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"migrate", "--database-url-file", file},
		{"serve", "--blob-url", "s3://songs", "--s3-access-key", "x", "--s3-secret-key-file", file, "--listen", "127.0.0.1:0", "--public-url", "https://songs.example", "--database-url", "sqlite:" + filepath.Join(dir, "other.db")},
	} {
		if s := timbre(t, args...); s.code != exitUsage || !strings.Contains(s.err, "(mode 0644). Run: chmod 600 "+file) {
			t.Errorf("%s: %d, %s", args[0], s.code, s.err)
		}
	}
}
