package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
)

// operatingCommands are the commands of a section of docs/operating.md, without prompts and
// comments.
func operatingCommands(t *testing.T, heading string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/operating.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, regexp.MustCompile(`\s+#.*$`).ReplaceAllString(strings.TrimSpace(command), ""))
			}
		}
	}
	return all
}

// A machine is lost. Its backup was made while the server ran, by the commands of
// docs/operating.md. On a new machine the restored copy signs no second history, the missing
// files are listed, and after the repair the registry continues.
func TestLostMachine(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		ctx := t.Context()
		checkpoints, backup, addr := t.TempDir(), t.TempDir(), harness.FreeAddress(t)
		options := harness.Options{Roles: "organizations,ats,worker", Addr: addr, Args: []string{"--log-checkpoint", "file:" + checkpoints}, DatabaseURL: databaseURL(t)}
		s := harness.Start(t, options)
		s.NewOrganization()
		register := func(s *harness.Server, n int) *harness.Song {
			t.Helper()
			song := &harness.Song{Server: s, Title: fmt.Sprint("Song ", n), Audio: harness.WAV(n)}
			walk(t, song, func(step string, err error) { t.Fatalf("%s: %v", step, err) })
			if song.Result == nil || song.Result.AtsID != int64(n) {
				t.Fatalf("song %d: %+v", n, song.Result)
			}
			return song
		}
		certified := func(n int) {
			t.Helper()
			if !harness.Eventually(func() bool { return len(certificates(t, s)) == n }) {
				t.Fatalf("%d certificates, want %d", len(certificates(t, s)), n)
			}
		}
		on := func(s *harness.Server, args ...string) (string, bool) {
			t.Helper()
			args = append(args, "--database-url", s.DatabaseURL)
			if args[0] == "log" || args[0] == "doctor" {
				args = append(args, "--secret-file", filepath.Join(s.Data, "secret"), "--log-checkpoint", "file:"+checkpoints)
			}
			if args[0] != "verify" {
				args = append(args, "--blob-url", "file:"+filepath.Join(s.Data, "blobs"))
			}
			out, err := exec.CommandContext(ctx, harness.Binary(t, ""), args...).CombinedOutput()
			return string(out), err == nil
		}
		register(s, 1)
		register(s, 2)
		certified(2)
		if said, ok := on(s, "works", "files"); !ok || !strings.Contains(said, "4 files named by the database, 0 missing") {
			t.Fatalf("works files of a whole store: %s", said)
		}

		// The commands of the page, in their order; a song and an erasure come in between.
		sqlite := strings.HasPrefix(s.DatabaseURL, "sqlite:")
		ran := 0
		for _, command := range operatingCommands(t, "Backup and restore") {
			tool := strings.Fields(command)[0]
			if tool == "sqlite3" && !sqlite || tool == "pg_dump" && sqlite {
				continue
			}
			if tool != "sqlite3" && tool != "pg_dump" && tool != "cp" {
				continue
			}
			if tool == "cp" {
				register(s, 3)
				certified(3)
				if said, ok := on(s, "works", "redact", "1", "--network", "testnet", "--yes"); !ok {
					t.Fatal(said)
				}
			}
			sh := exec.CommandContext(ctx, "sh", "-ec", "umask 077; "+strings.NewReplacer("data/timbre.db", strings.TrimPrefix(s.DatabaseURL, "sqlite:"), "data/", s.Data+"/", "/backup/", backup+"/").Replace(command))
			sh.Env = append(os.Environ(), "TIMBRE_DATABASE_URL="+s.DatabaseURL)
			if out, err := sh.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", command, err, out)
			}
			ran++
		}
		if ran != 2 {
			t.Fatalf("the page has %d of the two commands of a backup", ran)
		}
		secret, err := os.ReadFile(filepath.Join(s.Data, "secret"))
		if err != nil {
			t.Fatal(err)
		}
		s.Kill()
		if err := os.RemoveAll(filepath.Join(s.Data, "blobs")); err != nil {
			t.Fatal(err)
		}

		// The new machine has only the backup, the secret and the checkpoints.
		data := t.TempDir()
		must := func(name string, args ...string) {
			t.Helper()
			if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", name, err, out)
			}
		}
		must("cp", "-a", filepath.Join(backup, "blobs"), data+"/")
		if err := os.WriteFile(filepath.Join(data, "secret"), secret, 0o600); err != nil {
			t.Fatal(err)
		}
		options.Data, options.DatabaseURL = data, "sqlite:"+filepath.Join(data, "timbre.db")
		if sqlite {
			must("cp", filepath.Join(backup, "timbre.db"), filepath.Join(data, "timbre.db"))
		} else {
			options.DatabaseURL = databaseURL(t)
			must("pg_restore", "--clean", "--if-exists", "-d", options.DatabaseURL, filepath.Join(backup, "timbre.dump"))
		}
		next := harness.Start(t, options)
		next.SiteKey, next.SecretKey, next.OrganizationID = s.SiteKey, s.SecretKey, s.OrganizationID
		s = next
		if said, ok := on(s, "doctor"); ok || !strings.Contains(said, "FAIL  continuity of testnet") || !strings.Contains(said, "checkpoint of 3 entries") {
			t.Errorf("doctor:\n%s", said)
		}
		if size := strings.Split(get(t, s.URL+"/log/testnet/checkpoint"), "\n")[1]; size != "2" {
			t.Errorf("the restored log has %s entries", size)
		}
		refused := &harness.Song{Server: s, Title: "Song 4", Audio: harness.WAV(4)}
		for _, step := range []func(context.Context) error{refused.Mint, refused.Init, refused.Put} {
			if err := step(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := refused.Prepare(ctx); err == nil {
			t.Error("a quote of a log that would sign a second history")
		}

		// The erasure after the copy of the database: its files are named and gone.
		var report struct {
			Files   int64
			Missing []struct {
				AtsID int64 `json:"ats_id"`
				Kind  string
				Found int64
			}
		}
		said, ok := on(s, "works", "files", "--json")
		if err := json.NewDecoder(strings.NewReader(said)).Decode(&report); ok || err != nil || report.Files != 4 || len(report.Missing) != 2 || report.Missing[0].AtsID != 1 || report.Missing[1].AtsID != 1 || report.Missing[0].Found != -1 {
			t.Errorf("works files: %v %s", err, said)
		}
		if said, ok := on(s, "works", "redact", "1", "--network", "testnet", "--yes"); !ok {
			t.Error(said)
		}
		if said, ok := on(s, "works", "files"); !ok || !strings.Contains(said, "2 files named by the database, 0 missing") {
			t.Errorf("works files after the second erasure: %s", said)
		}
		// Recordings that were copied in part.
		for _, f := range files(t, s) {
			if strings.HasPrefix(f, "/assets/") {
				if err := os.Truncate(filepath.Join(s.Data, "blobs", "objects", f), 100); err != nil {
					t.Fatal(err)
				}
			}
		}
		if said, ok := on(s, "works", "files"); ok || !strings.Contains(said, "testnet 2, version 1: its recording has 100 bytes, and had 1644: assets/") {
			t.Errorf("works files of a short recording: %s", said)
		}

		if said, ok := on(s, "log", "repair", "--from-store", "--network", "testnet", "--apply"); !ok {
			t.Fatalf("repair: %s", said)
		}
		if !harness.Eventually(func() bool { said, _ := on(s, "doctor"); return !strings.Contains(said, "FAIL  continuity") }) {
			t.Fatal("the log does not continue")
		}
		register(s, 4)
		if size := strings.Split(get(t, s.URL+"/log/testnet/checkpoint"), "\n")[1]; size != "4" {
			t.Errorf("the log has %s entries", size)
		}
		registrytest.Check(t, registrytest.World{DatabaseURL: s.DatabaseURL})
	})
}
