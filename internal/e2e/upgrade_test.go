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
	"timbre.example/internal/store/storetest"
)

// A rolling upgrade: the previous release runs while this one migrates the database, and
// finishes what it began. This release continues. The previous release then starts again
// on the new schema, as it does after a roll-back.
func TestUpgradeFromThePreviousRelease(t *testing.T) {
	t.Parallel()
	name, old := previousRelease(t)
	t.Run("several processes", func(t *testing.T) {
		t.Parallel()
		upgradeApart(t, name, old)
	})
	onEach(t, storetest.EmptyPostgresURL, func(t *testing.T, databaseURL func(*testing.T) string) {
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

// upgradeApart follows the steps of docs/upgrading.md for several processes on Postgres: the
// migration while the old processes run, then one process after the other, in the order of
// the page. Registrations begin and end meanwhile, through whatever runs. Then it goes back.
func upgradeApart(t *testing.T, name, old string) {
	document, err := os.ReadFile("../../docs/upgrading.md")
	if err != nil {
		t.Fatal(err)
	}
	order := regexp.MustCompile("first `(\\w+)`, then `(\\w+)`, then `(\\w+)`").FindStringSubmatch(string(document))
	if order == nil {
		t.Fatal("docs/upgrading.md has no order of the processes")
	}
	ctx, database := t.Context(), storetest.EmptyPostgresURL(t)
	at, issuer := harness.FreeAddress(t), harness.FreeAddress(t)
	data := t.TempDir()
	running := map[string]*harness.Server{}
	for _, role := range []string{"worker", "organizations", "ats"} { // the worker creates the log
		o := harness.Options{Binary: old, Data: data, DatabaseURL: database, Roles: role, Args: []string{"--public-url", "http://" + at, "--issuer-url", "http://" + issuer}}
		switch role {
		case "ats":
			o.Addr = at
		case "organizations":
			o.Addr = issuer
		}
		running[role] = harness.Start(t, o)
	}
	ats := running["ats"]
	running["organizations"].NewOrganization()
	ats.SiteKey, ats.SecretKey = running["organizations"].SiteKey, running["organizations"].SecretKey
	songs := 0
	song := func(title string) *harness.Song {
		songs++
		return &harness.Song{Server: ats, Minter: running["organizations"], Title: title, Audio: harness.WAV(songs)}
	}
	do := func(x *harness.Song, steps ...func(context.Context) error) {
		t.Helper()
		for i, step := range steps {
			if err := step(ctx); err != nil {
				t.Fatalf("%s, step %d: %v", x.Title, i+1, err)
			}
		}
	}
	whole := func(title string) {
		t.Helper()
		x := song(title)
		do(x, x.Mint, x.Init, x.Put, x.Prepare, x.Confirm, x.Follow)
		if x.Result == nil || !x.Result.Success {
			t.Errorf("%s: %+v", title, x.Result)
		}
	}
	whole("Before the upgrade")
	current := harness.Binary(t, "")
	if out, err := exec.CommandContext(ctx, current, "migrate", "--database-url", database).CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	// A second one has nothing to do.
	if out, err := exec.CommandContext(ctx, current, "migrate", "--database-url", database).CombinedOutput(); err != nil || !strings.Contains(string(out), "0 migrations applied") {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	whole("By old processes on the new schema")
	replace := func(role, binary string) {
		t.Helper()
		held := song("Begun before the change of " + role)
		do(held, held.Mint, held.Init, held.Put, held.Prepare)
		s := running[role]
		s.Stop()
		s.Replace(binary)
		s.Restart()
		if !harness.Eventually(func() bool {
			res, err := http.Get(s.URL + "/readyz?exclude=storage")
			if err != nil {
				return false
			}
			res.Body.Close()
			return res.StatusCode == http.StatusOK
		}) {
			t.Fatalf("the new %s is not ready", role)
		}
		do(held, held.Confirm, held.Follow)
		whole("After the change of " + role)
	}
	for _, role := range order[1:] {
		replace(role, current)
	}
	for _, role := range order[1:] {
		doctor := running[role].Command(ctx, "doctor", "--roles", role, "--secret-file", filepath.Join(data, "secret"), "--blob-url", "file:"+filepath.Join(data, "blobs"),
			"--public-url", "http://"+at, "--issuer-url", "http://"+issuer, "--network-block-time", "100ms")
		if out, err := doctor.CombinedOutput(); err != nil {
			t.Errorf("doctor of %s: %v\n%s", role, err, out)
		}
	}
	if strings.HasPrefix(name, "v") {
		for _, role := range order[1:] {
			replace(role, old)
		}
	} else {
		t.Logf("%s is no release, so it need not start on a newer schema", name)
	}
	for _, s := range running {
		s.Stop()
	}
	disk, err := blob.NewDisk(filepath.Join(data, "blobs"), ats.URL, make([]byte, 16), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	registrytest.Check(t, registrytest.World{DatabaseURL: database, Blobs: disk})
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
