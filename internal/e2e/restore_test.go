package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence"
)

// backUp copies the database of a running server, as docs/operating.md says, and
// returns what puts the copy back while the server is stopped.
func backUp(t *testing.T, s *harness.Server) (restore func()) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	do := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	if path, ok := strings.CutPrefix(s.DatabaseURL, "sqlite:"); ok {
		do("sqlite3", path, ".backup '"+copied+"'")
		return func() {
			for _, end := range []string{"-wal", "-shm"} {
				os.Remove(path + end)
			}
			do("cp", copied, path)
		}
	}
	do("pg_dump", "-Fc", "-f", copied, s.DatabaseURL)
	return func() { do("pg_restore", "--clean", "--if-exists", "-d", s.DatabaseURL, copied) }
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, res.Status, err, body)
	}
	return string(body)
}

// tiles read a log from outside.
type tiles struct {
	t   *testing.T
	log string
}

func (r tiles) Height() int                         { return 8 }
func (r tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (r tiles) ReadTiles(list []tlog.Tile) (out [][]byte, err error) {
	for _, t := range list {
		out = append(out, []byte(get(r.t, r.log+"/tile/"+strings.TrimPrefix(t.Path(), "tile/8/"))))
	}
	return out, nil
}

// tool runs a command of the binary with the server's files and returns all that it
// says, and whether it ended well.
func tool(t *testing.T, s *harness.Server, args ...string) (string, bool) {
	t.Helper()
	if args[0] != "verify" {
		args = append(args, "--database-url", s.DatabaseURL, "--secret-file", filepath.Join(s.Data, "secret"))
	}
	if args[0] == "log" || args[0] == "doctor" {
		args = append(args, "--blob-url", "file:"+filepath.Join(s.Data, "blobs"))
	}
	out, err := exec.CommandContext(t.Context(), harness.Binary(t, ""), args...).CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return string(out), err == nil
}

// A backup is restored. The log is not forked, and reads still work. After a repair it
// continues as one log, which proves entries from before and after.
func TestRestoredDatabase(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		ctx := t.Context()
		s := harness.Start(t, harness.Options{DatabaseURL: databaseURL(t)})
		register := func(n int) *harness.Song {
			t.Helper()
			song := &harness.Song{Server: s, Title: fmt.Sprint("Song ", n), Audio: harness.WAV(n)}
			walk(t, song, func(step string, err error) { t.Fatalf("%s: %v", step, err) })
			if song.Result == nil || song.Result.AtsID != int64(n) {
				t.Fatalf("song %d: %+v", n, song.Result)
			}
			return song
		}
		dir := t.TempDir()
		logURL := s.URL + "/log/testnet"
		keep := func(n int) string {
			t.Helper()
			out := filepath.Join(dir, fmt.Sprintf("%d.json", n))
			if text, ok := tool(t, s, "works", "evidence", fmt.Sprint(n), "--network", "testnet", "-o", out); !ok {
				t.Fatal(text)
			}
			return out
		}
		certified := func(n int) {
			t.Helper()
			if !harness.Eventually(func() bool { return len(certificates(t, s)) == n }) {
				t.Fatalf("%d certificates, want %d", len(certificates(t, s)), n)
			}
		}

		register(1)
		old := []string{keep(1)}
		unspent := &harness.Song{Server: s, Title: "Kept token", Audio: harness.WAV(9)}
		if err := unspent.Mint(ctx); err != nil {
			t.Fatal(err)
		}
		restore := backUp(t, s)
		register(2)
		old = append(old, keep(2))
		certified(2)
		published := get(t, logURL+"/checkpoint")
		key := get(t, logURL+"/key")
		s.Stop()
		restore()
		s.Restart()

		// The log signs nothing, and the error says how to continue.
		if size := strings.Split(get(t, logURL+"/checkpoint"), "\n")[1]; size != "1" {
			t.Errorf("%s entries are published of a restored database", size)
		}
		get(t, s.URL+"/w/testnet/1")
		said, ok := tool(t, s, "doctor")
		if ok || !strings.Contains(said, "FAIL  continuity of testnet") || !strings.Contains(said, "timbre log repair --network testnet") || !strings.Contains(said, "checkpoint of 2 entries") {
			t.Errorf("doctor:\n%s", said)
		}
		if text := get(t, s.URL+"/metrics"); !strings.Contains(text, `timbre_log_stopped{network="testnet"} 1`) || !strings.Contains(text, `timbre_log_stopped{network="mainnet"} 0`) {
			t.Error("the metrics do not tell")
		}
		third := &harness.Song{Server: s, Title: "Song 3", Audio: harness.WAV(3)}
		if err := errors.Join(third.Mint(ctx), third.Init(ctx), third.Put(ctx)); err != nil {
			t.Fatal(err)
		}
		var refused *harness.Refusal
		if err := third.Prepare(ctx); !errors.As(err, &refused) || refused.Code != "common.service_unavailable" || refused.RetryAfter != 60 {
			t.Errorf("a quote of a stopped log: %v", err)
		}
		if err := unspent.Init(ctx); !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
			t.Errorf("a token from before the restore: %v", err)
		}

		// A repair without what is missing names it, and changes nothing.
		said, ok = tool(t, s, "log", "repair", old[0], "--network", "testnet", "--apply")
		if ok || !strings.Contains(said, "indexes: 1\n") {
			t.Errorf("repair without entry 1:\n%s", said)
		}
		// A look changes nothing.
		said, ok = tool(t, s, "log", "repair", "--from-store", "--network", "testnet")
		if !ok || !strings.Contains(said, "changed      nothing: add --apply to write them") || strings.Split(get(t, logURL+"/checkpoint"), "\n")[1] != "1" {
			t.Errorf("a look:\n%s", said)
		}
		said, ok = tool(t, s, "log", "repair", "--from-store", "--network", "testnet", "--apply", "--json")
		var report struct {
			Applied bool
			Lost    int64 `json:"without_registration"`
			Next    int64 `json:"next_ats_id"`
		}
		if err := json.Unmarshal([]byte(said[strings.Index(said, "{"):]), &report); !ok || err != nil || !report.Applied || report.Lost != 1 || report.Next != 3 {
			t.Fatalf("repair:\n%s", said)
		}
		if got := get(t, logURL+"/checkpoint"); got != published {
			t.Errorf("the checkpoint after the repair is\n%s, and was\n%s", got, published)
		}
		page := get(t, s.URL+"/w/testnet/2")
		_, hash, _ := strings.Cut(page, "/explorer/testnet/tx/")
		for _, text := range []string{page, get(t, s.URL+"/explorer/testnet/tx/"+hash[:66])} {
			if !strings.Contains(text, "registry lost its own record") {
				t.Error("a page does not say that the registration is lost")
			}
		}

		// The server goes on by itself, where the log was.
		if !harness.Eventually(func() bool {
			return strings.Contains(get(t, s.URL+"/metrics"), `timbre_log_stopped{network="testnet"} 0`)
		}) {
			t.Fatal("the log does not go on")
		}
		if err := third.Prepare(ctx); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(third.Confirm(ctx), third.Follow(ctx)); err != nil || third.Result.AtsID != 3 || third.Result.BlockNumber != 3 {
			t.Fatalf("after the repair: %+v, %v", third.Result, err)
		}
		old = append(old, keep(3))
		for _, file := range old {
			keyFile := filepath.Join(dir, "key")
			if err := os.WriteFile(keyFile, []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
			if text, ok := tool(t, s, "verify", file, "--log-key", keyFile); !ok {
				t.Errorf("verify %s:\n%s", file, text)
			}
		}
		before, err1 := evidence.OpenCheckpoint(published, strings.Split(published, "\n")[0], strings.TrimSpace(key))
		now := get(t, logURL+"/checkpoint")
		after, err2 := evidence.OpenCheckpoint(now, strings.Split(now, "\n")[0], strings.TrimSpace(key))
		if err := errors.Join(err1, err2); err != nil || before.N != 2 || after.N != 3 {
			t.Fatal(before, after, err)
		}
		reader := tlog.TileHashReader(after, tiles{t, logURL})
		proof, err := tlog.ProveTree(after.N, before.N, reader)
		if err == nil {
			err = tlog.CheckTree(proof, after.N, after.Hash, before.N, before.Hash)
		}
		if err != nil {
			t.Errorf("the log does not continue what was published: %v", err)
		}
		certified(3) // the lost work's stays
		if said, ok := tool(t, s, "doctor"); !ok || !strings.Contains(said, "repairs of testnet: 1 repair. After a restore") {
			t.Errorf("doctor after the repair:\n%s", said)
		}
		registrytest.Check(t, registrytest.World{DatabaseURL: s.DatabaseURL})
	})
}

// certificates are the files of certificates in the server's store.
func certificates(t *testing.T, s *harness.Server) (out []string) {
	for _, f := range files(t, s) {
		if strings.HasPrefix(f, "/certificates/") {
			out = append(out, f)
		}
	}
	return out
}

// An update was lost with the database. After a repair the work continues with the
// version after it.
func TestRestoredUpdates(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		s := harness.Start(t, harness.Options{DatabaseURL: databaseURL(t)})
		run := func(song *harness.Song) *harness.Song {
			t.Helper()
			walk(t, song, func(step string, err error) { t.Fatalf("%s: %v", step, err) })
			return song
		}
		one := run(&harness.Song{Server: s, Title: "Song 1", Audio: harness.WAV(1)})
		update := func(of *harness.Song, seed int) *harness.Song {
			return &harness.Song{Server: s, Title: of.Title, Audio: harness.WAV(seed), Code: of.AccessCode}
		}
		restore := backUp(t, s)
		run(update(one, 4))
		if !harness.Eventually(func() bool { return len(certificates(t, s)) == 2 }) {
			t.Fatal("no certificates")
		}
		s.Stop()
		restore()
		if said, ok := tool(t, s, "log", "repair", "--from-store", "--network", "testnet", "--apply"); !ok {
			t.Fatal(said)
		}
		s.Restart()
		third := run(update(one, 5))
		if third.Result.AtsID != 1 || third.Result.BlockNumber != 3 {
			t.Errorf("%+v", third.Result)
		}
		var page struct {
			Latest   int64 `json:"latest_version"`
			Versions []struct{ Version int64 }
		}
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/w/testnet/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&page); err != nil || page.Latest != 3 || len(page.Versions) != 3 {
			t.Errorf("%+v, %v", page, err)
		}
		if text, ok := tool(t, s, "works", "evidence", "1", "--network", "testnet", "-o", filepath.Join(t.TempDir(), "out")); !ok {
			t.Error(text)
		}
		registrytest.Check(t, registrytest.World{DatabaseURL: s.DatabaseURL})
	})
}

// The checkpoint is kept in another database, or in the bucket of the uploads.
func TestCheckpointPlaces(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"postgres", "bucket"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			options := harness.Options{Roles: "organizations,ats,worker"}
			var store checkpoint.Store
			if place == "postgres" {
				url := storetest.EmptyPostgresURL(t)
				options.Args = []string{"--log-checkpoint", url}
				p, err := checkpoint.NewPostgres(url, "it")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { p.Close() })
				store = p
			} else {
				server := s3test.Start(t)
				bucket := server.Bucket()
				options.Args, options.Settings = []string{"--blob-url", server.BlobURL(bucket)}, server.Env()
				b, err := blob.NewS3(blob.S3Options{Bucket: bucket, Endpoint: server.URL, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { b.Close() })
				store = checkpoint.Objects{Bucket: b}
			}
			s := harness.Start(t, options)
			s.NewOrganization()
			load := func(name string) string {
				text, err := store.Load(ctx, name)
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			key, err := note.NewVerifier(strings.TrimSpace(get(t, s.URL+"/log/testnet/key")))
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("testnet-%08x", key.KeyHash())
			for n := range 2 {
				song := &harness.Song{Server: s, Title: fmt.Sprint("Song ", n), Audio: harness.WAV(n)}
				walk(t, song, func(step string, err error) { t.Fatalf("%s: %v", step, err) })
				if kept, published := load(name), get(t, s.URL+"/log/testnet/checkpoint"); kept != published || !strings.Contains(kept, fmt.Sprintf("\n%d\n", n+1)) {
					t.Errorf("kept %q, published %q", kept, published)
				}
			}
		})
	}
}
