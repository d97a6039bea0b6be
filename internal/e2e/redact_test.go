package e2e_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/blob"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
)

// files are those of the server's store.
func files(t *testing.T, s *harness.Server) (out []string) {
	t.Helper()
	root := filepath.Join(s.Data, "blobs", "objects")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out = append(out, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return out
}

// An operator erases a work by command, while the server runs. The command dies
// on the way; the server, or the command again, finishes what it began.
func TestRedactKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for _, point := range []string{"redact.committed", "redact.erased"} {
			for _, finish := range []string{"server", "command"} {
				t.Run(point+" "+finish, func(t *testing.T) {
					t.Parallel()
					ctx := t.Context()
					s := harness.Start(t, harness.Options{Tags: "crashpoints", DatabaseURL: databaseURL(t)})
					song := &harness.Song{Server: s, Title: "Quince Lullaby", Audio: harness.WAV(1)}
					walk(t, song, func(step string, err error) { t.Fatalf("%s: %v", step, err) })
					if !harness.Eventually(func() bool { return strings.Contains(strings.Join(files(t, s), " "), "certificates") }) {
						t.Fatal("no certificate")
					}
					args := []string{"works", "redact", "1", "--network", "testnet", "--blob-url", "file:" + filepath.Join(s.Data, "blobs"), "--json"}

					// A look erases nothing.
					var plan struct {
						Title   string
						Objects []string
						At      string `json:"redacted_at"`
					}
					s.CLI(&plan, args...)
					if plan.Title != "Quince Lullaby" || len(plan.Objects) < 2 || plan.At != "" || len(files(t, s)) == 0 {
						t.Fatalf("%+v, files %v", plan, files(t, s))
					}

					if finish == "server" {
						s.Stop()
					}
					args = append(args, "--yes")
					cmd := s.Command(ctx, args...)
					cmd.Env = append(os.Environ(), "TIMBRE_CRASH_AT="+point)
					if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.Exited() {
						t.Fatalf("the command was not killed: %v %s", err, out)
					}
					if finish == "server" {
						s.Restart()
					} else {
						cmd := s.Command(ctx, args...)
						var out, log bytes.Buffer
						cmd.Stdout, cmd.Stderr = &out, &log
						if err := cmd.Run(); err != nil {
							t.Fatalf("%v: %s", err, log.String())
						}
						if err := json.Unmarshal(out.Bytes(), &plan); err != nil || plan.At == "" {
							t.Errorf("%s, %v", out.String(), err)
						}
						if said := log.String(); !strings.Contains(said, "work redacted") || !strings.Contains(said, song.WorkID) || strings.Contains(said+out.String(), "Quince") {
							t.Errorf("the log says %q", said)
						}
					}
					if !harness.Eventually(func() bool { return len(files(t, s)) == 0 }) {
						t.Errorf("left: %v", files(t, s))
					}
					disk, err := blob.NewDisk(filepath.Join(s.Data, "blobs"), s.URL, make([]byte, 16), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
					if err != nil {
						t.Fatal(err)
					}
					defer disk.Close()
					registrytest.Check(t, registrytest.World{DatabaseURL: s.DatabaseURL, Blobs: disk})

					// The transaction and the page of the work still exist.
					if err := song.Status(ctx); err != nil || song.Result == nil || song.Result.AtsID != 1 || song.Result.AccessCode != "" {
						t.Errorf("%+v, %v", song.Result, err)
					}
					res, err := http.Get(s.URL + "/w/testnet/1")
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					var page bytes.Buffer
					if _, err := page.ReadFrom(res.Body); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(page.String(), strings.TrimPrefix(song.Commitment, "0x")) {
						t.Errorf("the public page: %d, %v", res.StatusCode, err)
					}
					for _, what := range [][]string{
						{"works", "evidence", "1", "--network", "testnet", "--secret-file", filepath.Join(s.Data, "secret"), "-o", "-"},
						{"works", "certificate", "1", "--network", "testnet", "--secret-file", filepath.Join(s.Data, "secret"), "--public-url", s.URL, "-o", filepath.Join(t.TempDir(), "c.pdf")},
					} {
						out, err := s.Command(ctx, what...).CombinedOutput()
						if err == nil || !strings.Contains(string(out), "work.not_found") || !strings.Contains(string(out), "it was redacted on") {
							t.Errorf("%v: %v %s", what, err, out)
						}
					}
				})
			}
		}
	})
}
