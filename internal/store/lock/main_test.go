package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommittedMigrations(t *testing.T) {
	if err := keep("..", true); err != nil {
		t.Error(err)
	}
	l, err := read("..")
	if err != nil {
		t.Fatal(err)
	}
	if len(l.lines) < 15 {
		t.Errorf("%d migrations", len(l.lines))
	}
	text, err := os.ReadFile(filepath.Join("..", previousFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.releases); n > 0 && !strings.Contains(string(text), "\n-- release "+l.releases[n-1]+"\n") {
		t.Errorf("%s is not of release %s", previousFile, l.releases[n-1])
	}
}

// tree is a copy of what the command reads, with two migrations.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "migrations/00001_first.sql", "-- +goose Up\nCREATE TABLE a (b INT);\n")
	write(t, dir, "second.go", "package store\n\nimport \"x/goose\"\n\n// second is migration 2.\nfunc second() { goose.NewGoMigration(2, nil, nil) }\n")
	write(t, dir, lockFile, "# note\n")
	write(t, dir, "query/a.sql.go", "package query\n\nconst a = `-- name: A :one\nSELECT b FROM a\n`\n")
	write(t, dir, previousFile, "")
	if err := keep(dir, false); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func slurp(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestChangedMigrations(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string // "" for no error
	}{
		"nothing": {func(*testing.T, string) {}, ""},
		"an edited file": {func(t *testing.T, dir string) {
			write(t, dir, "migrations/00001_first.sql", "-- +goose Up\nCREATE TABLE a (b TEXT);\n")
		}, "migrations/00001_first.sql has changed"},
		"an edited comment in SQL": {func(t *testing.T, dir string) {
			write(t, dir, "migrations/00001_first.sql", "-- +goose Up\n-- note\nCREATE TABLE a (b INT);\n")
		}, "migrations/00001_first.sql has changed"},
		"a removed file": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "migrations/00001_first.sql")); err != nil {
				t.Fatal(err)
			}
		}, "migrations/00001_first.sql is gone"},
		"edited Go": {func(t *testing.T, dir string) {
			write(t, dir, "second.go", strings.Replace(slurp(t, dir, "second.go"), "nil, nil", "up, nil", 1))
		}, "second.go has changed"},
		"comments, imports and spaces of Go": {func(t *testing.T, dir string) {
			write(t, dir, "second.go", "package store\n\nimport (\n\t\"y/goose\"\n)\n\n// second adds two.\nfunc second() {\n\tgoose.NewGoMigration(2, nil, nil)\n}\n")
		}, ""},
		"a new file": {func(t *testing.T, dir string) {
			write(t, dir, "migrations/00003_third.sql", "-- +goose Up\n")
		}, "migrations/00003_third.sql has no line"},
		"a number of the next release": {func(t *testing.T, dir string) {
			write(t, dir, "migrations/00101_third.sql", "-- +goose Up\n")
		}, "the hundreds of its number must be 0"},
		"a name without a number": {func(t *testing.T, dir string) {
			write(t, dir, "migrations/third.sql", "-- +goose Up\n")
		}, "five digits"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t)
			c.change(t, dir)
			err := keep(dir, true)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A migration between two that have their lines would never run on the databases that have the later one.
func TestNewMigrationsComeLast(t *testing.T) {
	dir := tree(t)
	write(t, dir, "migrations/00004_fourth.sql", "-- +goose Up\n")
	if err := keep(dir, false); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "migrations/00003_third.sql", "-- +goose Up\n")
	if err := keep(dir, false); err == nil || !strings.Contains(err.Error(), "give the new file the next number") {
		t.Errorf("%v", err)
	}
}

func TestReleaseAndNext(t *testing.T) {
	dir := tree(t)
	path, err := create(dir, "add_colour")
	if err != nil || filepath.Base(path) != "00003_add_colour.sql" {
		t.Fatalf("%s, %v", path, err)
	}
	if err := cut(dir, "1.0.0"); err == nil {
		t.Error("a release with a migration that has no line")
	}
	if err := keep(dir, false); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second call changes nothing
		if err := cut(dir, "1.0.0"); err != nil {
			t.Fatal(err)
		}
	}
	if got := slurp(t, dir, lockFile); strings.Count(got, "release 1.0.0\n") != 1 || !strings.HasSuffix(got, "release 1.0.0\n") {
		t.Errorf("the lock:\n%s", got)
	}
	if got := slurp(t, dir, previousFile); !strings.Contains(got, "-- release 1.0.0\n-- schema 3\n") || !strings.Contains(got, "-- name: A :one\nSELECT b FROM a\n") {
		t.Errorf("the queries:\n%s", got)
	}
	if path, err := create(dir, "add_size"); err != nil || filepath.Base(path) != "00101_add_size.sql" {
		t.Errorf("the first migration after a release: %s, %v", path, err)
	}
	if err := keep(dir, false); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"1.0", "v1.0.1", "1.0.1-rc.1"} {
		if err := cut(dir, bad); err == nil {
			t.Errorf("release %s was accepted", bad)
		}
	}
}
