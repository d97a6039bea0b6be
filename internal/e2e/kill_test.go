package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/timestamp/tsatest"
)

func TestMain(m *testing.M) { harness.Main(m.Run) }

// points are the places where a test can make the server die, in the order of a
// registration.
var points = []string{
	"init.committed",
	"prepare.copied", "prepare.committed",
	"confirm.committed",
	"stage.committed",
	"broadcast.sent", "broadcast.committed",
	"log.staged", "log.kept", "log.sequenced", "log.committed",
	"final.found", "final.committed",
	"timestamp.begun", "timestamp.answered", "timestamp.committed",
	"certificate.begun", "certificate.dated", "certificate.raised", "certificate.stored", "certificate.committed",
}

// settings give a server an authority for the points of time stamps and of the
// certificate, which contains them.
func settings(point string, a *tsatest.Authority) []string {
	if strings.HasPrefix(point, "timestamp.") || strings.HasPrefix(point, "certificate.") {
		return []string{"TSA_URL=" + a.URL}
	}
	return nil
}

func databases(t *testing.T, f func(t *testing.T, databaseURL func(*testing.T) string)) {
	onEach(t, storetest.PostgresURL, f)
}

// onEach is databases with this way to a database of Postgres.
func onEach(t *testing.T, postgres func(testing.TB) string, f func(t *testing.T, databaseURL func(*testing.T) string)) {
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" }, // in the server's folder
		"postgres": func(t *testing.T) string { return postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, url)
		})
	}
}

// The server dies at each of the points. The client asks again, as clients do,
// and in the end there is one work, paid for once.
func TestKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	authority := tsatest.New(t)
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for i, point := range points {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				s := harness.Start(t, harness.Options{Tags: "crashpoints", DatabaseURL: databaseURL(t), Settings: settings(point, authority), Env: []string{"TIMBRE_CRASH_AT=" + point}})
				song := &harness.Song{Server: s, Title: "Killed at " + point, Audio: harness.WAV(i)}
				died := 0
				walk(t, song, func(step string, err error) {
					if died++; died > 1 || !s.WasKilled() {
						t.Fatalf("%s: %v, and the server was not killed at the point", step, err)
					}
					s.Restart()
				})
				if died == 0 {
					// The client was quicker: the point comes after its answer.
					if !s.WasKilled() {
						t.Fatal("the server never came by this point")
					}
					s.Restart()
				}
				checkWork(t, song, 1)
				checkTimestamps(t, s, len(settings(point, authority)))
				checkKept(t, s)
			})
		}
	})
}

// A backend with an API key meets the same deaths as a page. The key that began the job is
// revoked while the server is away, and another key of the organization continues the job.
func TestKilledWithAKey(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for i, point := range []string{"init.committed", "prepare.committed", "confirm.committed", "stage.committed", "final.committed"} {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				s := harness.Start(t, harness.Options{Tags: "crashpoints", DatabaseURL: databaseURL(t), Env: []string{"TIMBRE_CRASH_AT=" + point}})
				create := func() (k apiKey) {
					s.CLI(&k, "apikeys", "create", s.OrganizationID, "--name", "Backend", "--scope", "works:register,works:read", "--json")
					return k
				}
				first, second := create(), create()
				song := &harness.Song{Server: s, Title: "By key, killed at " + point, Audio: harness.WAV(i), Key: first.Token}
				died := 0
				restart := func() {
					s.Restart()
					s.CLI(nil, "apikeys", "revoke", first.ID)
					song.Key, song.Token = second.Token, second.Token
				}
				walk(t, song, func(step string, err error) {
					if died++; died > 1 || !s.WasKilled() {
						t.Fatalf("%s: %v, and the server was not killed at the point", step, err)
					}
					restart()
				})
				if died == 0 {
					if !s.WasKilled() {
						t.Fatal("the server never came by this point")
					}
					restart()
				}
				checkWork(t, song, 1)
				checkKept(t, s)
			})
		}
	})
}

// A backend's init is killed after its commit. Repeated after the restart with the same
// Idempotency-Key, it answers with the job that the first one made, and makes no other.
func TestKilledInitIsRepeated(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		s := harness.Start(t, harness.Options{Tags: "crashpoints", DatabaseURL: databaseURL(t), Env: []string{"TIMBRE_CRASH_AT=init.committed"}})
		ask := func() (status int, again, body string, err error) {
			text, err := json.Marshal(newWork("Begun once"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/v1/works/init", bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Authorization": {"Bearer " + s.APIKey}, "Content-Type": {"application/json"}, "Idempotency-Key": {"import-1"}}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				return 0, "", "", err
			}
			defer res.Body.Close()
			text, err = io.ReadAll(res.Body)
			return res.StatusCode, res.Header.Get("Idempotent-Replayed"), string(text), err
		}
		if status, _, body, err := ask(); err == nil || !s.WasKilled() {
			t.Fatalf("%d %s, and the server was not killed at the point", status, body)
		}
		made := jobIDs(t, s)
		s.Restart()
		for range 2 {
			status, again, body, err := ask()
			var out struct {
				JobID string `json:"job_id"`
			}
			if err == nil {
				err = json.Unmarshal([]byte(body), &out)
			}
			if err != nil || status != 200 || again != "true" || len(made) != 1 || out.JobID != made[0] {
				t.Errorf("%v: %d %s, replayed %q, want the job of %v", err, status, body, again, made)
			}
		}
		if jobs := jobIDs(t, s); len(jobs) != 1 {
			t.Errorf("%d jobs", len(jobs))
		}
		checkKept(t, s)
	})
}

// jobIDs reads the ids of all jobs.
func jobIDs(t *testing.T, s *harness.Server) (ids []string) {
	t.Helper()
	driver, source := "pgx", s.DatabaseURL
	if path, ok := strings.CutPrefix(source, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM jobs")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		id := ""
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// The server dies at each step of an upload in parts, with both stores. The stored parts
// stay, and in the end there is one work.
func TestPartsKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for i, point := range []string{"parts.begun", "parts.completed", "parts.committed"} {
			for _, bucket := range []bool{false, true} {
				t.Run(fmt.Sprint(point, ", bucket ", bucket), func(t *testing.T) {
					t.Parallel()
					o := harness.Options{Tags: "crashpoints", DatabaseURL: databaseURL(t), Env: []string{"TIMBRE_CRASH_AT=" + point}}
					var store blob.Store
					if bucket {
						srv := s3test.Start(t)
						name := srv.Bucket()
						o.Args, o.Settings = []string{"--blob-url", srv.BlobURL(name)}, srv.Env()
						s, err := blob.NewS3(blob.S3Options{Bucket: name, Endpoint: srv.URL, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey})
						if err != nil {
							t.Fatal(err)
						}
						store = s
					}
					s := harness.Start(t, o)
					song := &harness.Song{Server: s, Title: "In parts, killed at " + point, Audio: harness.WAV(i)}
					died := 0
					walkWith(t, song, func(ctx context.Context) error {
						return song.PutParts(ctx, int64(len(song.Audio)), func(from, size int64) io.Reader { return bytes.NewReader(song.Audio[from : from+size]) })
					}, func(step string, err error) {
						if died++; died > 1 || !s.WasKilled() {
							t.Fatalf("%s: %v, and the server was not killed at the point", step, err)
						}
						s.Restart()
					})
					if died != 1 {
						t.Fatal("the server never came by this point")
					}
					if store == nil {
						checkWork(t, song, 1)
						return
					}
					registrytest.Check(t, registrytest.World{DatabaseURL: s.DatabaseURL, Blobs: store})
				})
			}
		}
	})
}

// walk runs a registration step by step. When a step gets no answer, walk calls dead,
// which restarts the server, and retries the step.
func walk(t *testing.T, song *harness.Song, dead func(step string, err error)) {
	t.Helper()
	walkWith(t, song, song.Put, dead)
}

// walkWith is walk with another upload.
func walkWith(t *testing.T, song *harness.Song, put func(context.Context) error, dead func(step string, err error)) {
	t.Helper()
	ctx := t.Context()
	begin := func(ctx context.Context) error {
		if err := song.Mint(ctx); err != nil { // a token begins one job, whether we heard of it or not
			return err
		}
		return song.Init(ctx)
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"init", begin}, {"put", put}, {"prepare", song.Prepare}, {"confirm", song.Confirm}, {"follow", song.Follow}} {
		for {
			err := step.do(ctx)
			if err == nil {
				break
			}
			var refused *harness.Refusal
			if errors.As(err, &refused) {
				t.Fatalf("%s: %v", step.name, err)
			}
			dead(step.name, err)
		}
	}
}

// checkWork checks that this work exists exactly once everywhere, with this number of
// versions, and that no other work exists.
func checkWork(t *testing.T, song *harness.Song, versions int) {
	t.Helper()
	ctx := t.Context()
	if err := song.Status(ctx); err != nil {
		t.Fatal(err)
	}
	r := song.Result
	if r == nil || !r.Success || r.WorkID != song.WorkID || r.AtsID != 1 {
		t.Fatalf("result %+v", r)
	}
	if song.AccessCode != "" && song.AccessCode != r.AccessCode {
		t.Errorf("confirm told the code %q, the result %q", song.AccessCode, r.AccessCode)
	}
	disk, err := blob.NewDisk(filepath.Join(song.Server.Data, "blobs"), song.Server.URL, make([]byte, 16), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	db, err := registrytest.Open(song.Server.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	waiting := 0
	if !harness.Eventually(func() bool {
		err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM versions WHERE certificate_key = ''").Scan(&waiting)
		return err == nil && waiting == 0
	}) {
		t.Errorf("%d versions wait for a certificate, %v", waiting, err)
	}
	registrytest.Check(t, registrytest.World{DatabaseURL: song.Server.DatabaseURL, Blobs: disk})
	for table, want := range map[string]int{"works": 1, "versions": versions, "transactions": versions, "log_entries": versions} {
		var n int
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil || n != want {
			t.Errorf("%d rows in %s, want %d, %v", n, table, want, err)
		}
	}
	if song.Code != "" {
		return
	}
	var hash []byte
	want := sha256.Sum256([]byte(r.AccessCode))
	if err := db.QueryRowContext(ctx, "SELECT access_code_hash FROM works").Scan(&hash); err != nil || string(hash) != string(want[:]) {
		t.Errorf("the access code %q does not open the work: %v", r.AccessCode, err)
	}
}

// checkTimestamps checks the number of tokens. The invariants check that each token
// belongs to its version.
func checkTimestamps(t *testing.T, s *harness.Server, want int) {
	t.Helper()
	db, err := registrytest.Open(s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM timestamps").Scan(&n); err != nil || n != want {
		t.Errorf("%d tokens, want %d, %v", n, want, err)
	}
}

// checkKept checks that the checkpoint outside of the database is the published one.
func checkKept(t *testing.T, s *harness.Server) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Data, "checkpoints", "testnet-*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("checkpoints: %v, %v", names, err)
	}
	kept, err := os.ReadFile(names[0])
	if published := get(t, s.URL+"/log/testnet/checkpoint"); err != nil || string(kept) != published {
		t.Errorf("kept %q, published %q, %v", kept, published, err)
	}
}

// And so with an update: it is made once, or not at all, whatever it brings.
func TestUpdateKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	authority := tsatest.New(t)
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for i, point := range points {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				s := harness.Start(t, harness.Options{Tags: "crashpoints", DatabaseURL: databaseURL(t), Settings: settings(point, authority)})
				first := &harness.Song{Server: s, Title: "Updated", Audio: harness.WAV(1)}
				walk(t, first, func(step string, err error) { t.Fatalf("%s: %v", step, err) })
				s.Stop()
				s.Restart("TIMBRE_CRASH_AT=" + point)
				song := &harness.Song{Server: s, Title: "Updated", Code: first.AccessCode}
				if point == "prepare.copied" || i%2 == 0 { // a recording that stays is never copied
					song.Audio = harness.WAV(2)
				}
				died := 0
				walk(t, song, func(step string, err error) {
					if died++; died > 1 || !s.WasKilled() {
						t.Fatalf("%s: %v, and the server was not killed at the point", step, err)
					}
					s.Restart()
				})
				if died == 0 {
					if !s.WasKilled() {
						t.Fatal("the server never came by this point")
					}
					s.Restart()
				}
				checkWork(t, song, 2)
				checkTimestamps(t, s, 2*len(settings(point, authority)))
			})
		}
	})
}

// And so with a recording that never comes to the server, first in a new work
// and then in an update.
func TestHashOnlyKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"init.committed", "declare.committed", "prepare.committed", "confirm.committed", "final.committed"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, harness.Options{Tags: "crashpoints"})
			var first harness.Song
			for version := 1; version <= 2; version++ {
				s.Stop()
				s.Restart("TIMBRE_CRASH_AT=" + point)
				song := &harness.Song{Server: s, Title: "At home", Audio: harness.WAV(version), HashOnly: true, Code: first.AccessCode}
				died := 0
				walk(t, song, func(step string, err error) {
					if died++; died > 1 || !s.WasKilled() {
						t.Fatalf("%s: %v, and the server was not killed at the point", step, err)
					}
					s.Restart()
				})
				if died == 0 {
					if !s.WasKilled() {
						t.Fatal("the server never came by this point")
					}
					s.Restart()
				}
				checkWork(t, song, version)
				first.AccessCode = cmp.Or(first.AccessCode, song.Result.AccessCode)
				for _, kind := range []string{"uploads", "assets"} { // the certificate is kept
					if files, _ := filepath.Glob(filepath.Join(s.Data, "blobs", "objects", kind, "*")); len(files) != 0 {
						t.Errorf("stored: %v", files)
					}
				}
			}
		})
	}
}

// The server is killed after each of its answers. Every answer stays true.
func TestKilledBetweenSteps(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		ctx := t.Context()
		s := harness.Start(t, harness.Options{DatabaseURL: databaseURL(t)})
		song := &harness.Song{Server: s, Title: "Between", Audio: harness.WAV(1)}
		for i, do := range []func(context.Context) error{song.Mint, song.Init, song.Put, song.Prepare, song.Confirm, song.Follow} {
			if err := do(ctx); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			s.Kill()
			s.Restart()
		}
		checkWork(t, song, 1)
		s.Stop()
	})
}

// The server is killed in the middle of an upload. Nothing of it is to be seen,
// and the same URL takes it again.
func TestKilledDuringUpload(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		ctx := t.Context()
		s := harness.Start(t, harness.Options{DatabaseURL: databaseURL(t)})
		song := &harness.Song{Server: s, Title: "Half", Audio: harness.WAV(1)}
		if err := errors.Join(song.Mint(ctx), song.Init(ctx)); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(song.UploadURL)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		half := len(song.Audio) / 2
		fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", u.RequestURI(), u.Host, len(song.Audio))
		if _, err := conn.Write(song.Audio[:half]); err != nil {
			t.Fatal(err)
		}
		arrived := func() bool {
			files, _ := filepath.Glob(filepath.Join(s.Data, "blobs", "tmp", "*"))
			for _, f := range files {
				if st, err := os.Stat(f); err == nil && st.Size() == int64(half) {
					return true
				}
			}
			return false
		}
		if !harness.Eventually(arrived) {
			t.Fatal("half of the file never arrived")
		}
		s.Kill()
		s.Restart()
		var refused *harness.Refusal
		if err := song.Prepare(ctx); !errors.As(err, &refused) || refused.Code != "registration.upload_missing" {
			t.Fatalf("prepare after half an upload: %v", err)
		}
		if files, _ := filepath.Glob(filepath.Join(s.Data, "blobs", "objects", "uploads", "*")); len(files) != 0 {
			t.Fatalf("to be seen: %s", strings.Join(files, ", "))
		}
		for _, do := range []func(context.Context) error{song.Put, song.Prepare, song.Confirm, song.Follow} {
			if err := do(ctx); err != nil {
				t.Fatal(err)
			}
		}
		checkWork(t, song, 1)
	})
}
