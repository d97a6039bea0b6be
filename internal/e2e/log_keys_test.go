package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"timbre.example/internal/e2e/harness"
	"timbre.example/proof/evidence"
)

// A running server gets a new log key, without a restart. The next certificates are of the new
// key, programs of others read the log with it, and the page /verify has both keys. A command
// that is killed between its steps is repeated. Then the log ends.
func TestLogKeysOfARunningServer(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for _, point := range []string{"", "log.keys.staged", "log.keys.kept", "log.keys.published"} {
			t.Run("killed at "+point, func(t *testing.T) {
				t.Parallel()
				o := harness.Options{DatabaseURL: databaseURL(t)}
				if point != "" {
					o.Tags = "crashpoints"
				}
				s := harness.Start(t, o)
				url, dir := s.URL+"/log/testnet/", t.TempDir()
				songs := 0
				register := func() evidence.Evidence {
					t.Helper()
					songs++
					path := filepath.Join(dir, fmt.Sprint(songs, ".pdf"))
					if err := os.WriteFile(path, certified(t, &harness.Song{Server: s, Title: fmt.Sprint("Song ", songs), Audio: harness.WAV(190 + songs)}), 0o600); err != nil {
						t.Fatal(err)
					}
					var shown struct{ Evidence evidence.Evidence }
					out, err := exec.CommandContext(t.Context(), harness.Binary(t, o.Tags), "verify", path, "--json").Output()
					if len(out) == 0 || json.Unmarshal(out, &shown) != nil {
						t.Fatalf("%v: %s", err, out)
					}
					return shown.Evidence
				}
				before := register()
				args := []string{"log", "rotate", "--network", "testnet", "--to", "2", "--json", "--secret-file", filepath.Join(s.Data, "secret")}
				if point != "" {
					ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
					defer cancel()
					cmd := s.Command(ctx, args...)
					cmd.Env = append(os.Environ(), "TIMBRE_CRASH_AT="+point)
					if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.Exited() {
						t.Fatalf("the command was not killed: %v: %s", err, out)
					}
				}
				var keys struct {
					Origin string
					Keys   []struct{ Key, Fingerprint string }
					Ended  bool
				}
				for range 2 {
					s.CLI(&keys, args...)
				}
				if len(keys.Keys) != 2 || keys.Keys[0].Key != before.Log.Key || keys.Ended {
					t.Fatalf("%+v", keys)
				}
				first, second := keys.Keys[0].Key, keys.Keys[1].Key
				after := register()
				if after.Log.Key != second || before.Log.Origin != after.Log.Origin {
					t.Fatalf("the next block has the key %s, want %s", after.Log.Key, second)
				}
				page, err := evidence.ParseKeyPage(string(download(t, url+"keys")))
				if err != nil || page.Key() != second || page.Keys()[0] != first {
					t.Fatal(err, page)
				}
				if point != "" {
					return
				}
				// Programs of others: fsck with the new key, x/mod's note with either key of the page.
				if err := os.WriteFile(filepath.Join(dir, "key.txt"), download(t, url+"key"), 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.CommandContext(t.Context(), foreign(t, "fsck"), "--storage_url", url, "--public_key", filepath.Join(dir, "key.txt"), "--ui=false").CombinedOutput()
				if err != nil || bytes.Contains(out, []byte("fsck failed")) {
					t.Errorf("fsck: %v: %s", err, out)
				}
				for i, key := range []string{first, second} {
					v, err := note.NewVerifier(key)
					if err != nil {
						t.Fatal(err)
					}
					if n, err := note.Open([]byte(page.Text), note.VerifierList(v)); err != nil || n.Text == "" {
						t.Errorf("the key page with key %d: %v", i+1, err)
					}
				}
				if text := string(download(t, s.URL+"/verify")); !harness.Eventually(func() bool {
					text = string(download(t, s.URL+"/verify"))
					return strings.Contains(text, first) && strings.Contains(text, second)
				}) {
					t.Errorf("the page /verify lacks a key of the log")
				}
				var list struct {
					Logs []struct {
						Origin, Address, Key, Fingerprint, Keys string
						Ended                                   bool
					}
				}
				if err := json.Unmarshal(download(t, s.URL+"/.well-known/timbre-logs"), &list); err != nil {
					t.Fatal(err)
				}
				found := false
				for _, one := range list.Logs {
					found = found || one.Origin == keys.Origin && one.Key == second && one.Fingerprint == evidence.Fingerprint(second) && one.Keys == url+"keys" && !one.Ended
				}
				if !found {
					t.Errorf("%+v", list)
				}

				s.CLI(&keys, "log", "end", "--network", "testnet", "--apply", "--json", "--secret-file", filepath.Join(s.Data, "secret"))
				if !keys.Ended {
					t.Fatalf("%+v", keys)
				}
				song := &harness.Song{Server: s, Title: "Too late", Audio: harness.WAV(199)}
				for _, step := range []func(context.Context) error{song.Mint, song.Init, song.Put} {
					if err := step(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if !harness.Eventually(func() bool { // a process may believe for a second that the log goes on
					err = song.Prepare(t.Context())
					return err != nil
				}) || !strings.Contains(err.Error(), "registration.dry_run_failed") {
					t.Errorf("a registration in an ended log: %v", err)
				}
				res, err := http.Get(s.URL + "/readyz")
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("the server of an ended log is not ready: %d", res.StatusCode)
				}
			})
		}
	})
}
