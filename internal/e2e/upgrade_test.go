package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/blob"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
)

// A rolling upgrade: the previous release runs while this one migrates the database, and
// finishes what it began. This release continues. The previous release then starts again
// on the new schema, as it does after a roll-back.
func TestUpgradeFromThePreviousRelease(t *testing.T) {
	t.Parallel()
	name, old := previousRelease(t)
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		s := harness.Start(t, harness.Options{Binary: old, DatabaseURL: databaseURL(t)})
		songs := 0
		song := func(title string) *harness.Song {
			songs++
			return &harness.Song{Server: s, Title: title, Audio: harness.WAV(songs)}
		}
		register := func(song *harness.Song, steps ...func(context.Context) error) {
			t.Helper()
			for i, step := range steps {
				if err := step(t.Context()); err != nil {
					t.Fatalf("%s, step %d: %v", song.Title, i+1, err)
				}
			}
		}
		whole := func(title string) {
			t.Helper()
			x := song(title)
			register(x, x.Mint, x.Init, x.Put, x.Prepare, x.Confirm, x.Follow)
			if x.Result == nil || !x.Result.Success {
				t.Errorf("%s: %+v", title, x.Result)
			}
		}
		whole("Before the upgrade")
		begun := song("Begun before, confirmed after")
		register(begun, begun.Mint, begun.Init, begun.Put, begun.Prepare)
		begun2 := song("Begun by the old release, ended by the new one")
		register(begun2, begun2.Mint, begun2.Init, begun2.Put)

		current := harness.Binary(t, "")
		migrate := exec.CommandContext(t.Context(), current, "migrate", "--database-url", s.DatabaseURL)
		if out, err := migrate.CombinedOutput(); err != nil {
			t.Fatalf("migrate: %v\n%s", err, out)
		}
		register(begun, begun.Confirm, begun.Follow)
		whole("By the old release on the new schema")

		s.Stop()
		s.Replace(current)
		s.Restart()
		register(begun2, begun2.Prepare, begun2.Confirm, begun2.Follow)
		whole("By the new release")

		s.Stop()
		if strings.HasPrefix(name, "v") {
			s.Replace(old)
			s.Restart()
			whole("By the old release, started on the new schema")
			s.Stop()
		} else {
			t.Logf("%s is no release, so it need not start on a newer schema", name)
		}
		disk, err := blob.NewDisk(filepath.Join(s.Data, "blobs"), s.URL, make([]byte, 16), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		registrytest.Check(t, registrytest.World{DatabaseURL: s.DatabaseURL, Blobs: disk})
	})
}

// previousRelease builds the newest release, or the commit that stands for it until a
// release exists, from this clone. A clone without that commit skips the test; the queries
// of the release are tested in package store in any clone.
func previousRelease(t *testing.T) (name, binary string) {
	t.Helper()
	header, err := os.ReadFile("../store/testdata/previous.sql")
	if err != nil {
		t.Fatal(err)
	}
	commit := ""
	if found := regexp.MustCompile(`(?m)^-- release (\S+)$`).FindSubmatch(header); found != nil {
		name = "v" + string(found[1])
		commit = "refs/tags/" + name
	} else if found := regexp.MustCompile(`(?m)^-- commit ([0-9a-f]{40})$`).FindSubmatch(header); found != nil {
		commit = string(found[1])
		name = commit[:12]
	} else {
		t.Fatal("testdata/previous.sql names no release and no commit")
	}
	if out, err := exec.CommandContext(t.Context(), "git", "-C", "../..", "rev-parse", "--verify", "--quiet", commit+"^{commit}").CombinedOutput(); err != nil {
		t.Skipf("skipped: this clone has no %s (%v %s). Run it in a complete clone with tags: git fetch --unshallow --tags", commit, err, out)
	}
	tree := t.TempDir()
	unpack := exec.CommandContext(t.Context(), "sh", "-c", fmt.Sprintf("git -C ../.. archive %s | tar -x -C '%s'", commit, tree))
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("git archive %s: %v\n%s", commit, err, out)
	}
	binary = filepath.Join(t.TempDir(), "timbre")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/timbre")
	build.Dir = tree
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return name, binary
}
