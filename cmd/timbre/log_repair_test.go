package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// logOf starts a log and adds some blocks, at fixed times.
func logOf(t *testing.T, url string, key []byte, kept checkpoint.Store, blocks int) *netlog.Log {
	t.Helper()
	db := storetest.Open(t, url)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	db.Now = func() time.Time { return now }
	l, err := netlog.Open(t.Context(), db, netlog.Config{
		Network: network.Testnet, Origin: "songs.example/log/testnet", Key: key, Checkpoints: kept, Logger: slog.New(slog.DiscardHandler),
		Monotonic: func() time.Duration { return now.Sub(time.Time{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range blocks {
		now = now.Add(time.Minute)
		c := network.Call{ProtocolVersion: 1, Nonce: fmt.Sprint("nonce ", i)}
		binary.BigEndian.PutUint64(c.Commitment[:], uint64(i+1))
		s, err := l.Stage(t.Context(), c)
		if err == nil {
			err = l.Broadcast(t.Context(), []network.Staged{s})
		}
		if err != nil {
			t.Fatal(err)
		}
		if made, err := l.Sequence(t.Context()); !made || err != nil {
			t.Fatal(made, err)
		}
	}
	return l
}

// behind returns a database of two blocks whose log had five, the flags that name it, and
// where the log of five is published.
func behind(t *testing.T) (flags []string, published *httptest.Server) {
	t.Helper()
	dir := t.TempDir()
	secretFile := filepath.Join(dir, "secret")
	if err := os.WriteFile(secretFile, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	key := secret{root: bytes.Repeat([]byte{0xab}, 32)}.key("log testnet")
	newest := logOf(t, "sqlite:"+filepath.Join(dir, "newest.db"), key, checkpoint.Dir(filepath.Join(dir, "checkpoints")), 5)
	logOf(t, "sqlite:"+filepath.Join(dir, "timbre.db"), key, nil, 2)
	published = httptest.NewServer(http.StripPrefix("/log/testnet", newest.Handler(func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusNotFound) })))
	t.Cleanup(published.Close)
	return []string{"--database-url", "sqlite:" + filepath.Join(dir, "timbre.db"), "--secret-file", secretFile, "--blob-url", "file:" + filepath.Join(dir, "blobs"), "--network", "testnet"}, published
}

// size returns the number of entries in the database.
func size(t *testing.T, flags []string) int64 {
	t.Helper()
	db, err := store.Open(t.Context(), flags[1])
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	row, err := db.Read().GetLog(t.Context(), "testnet")
	if err != nil {
		t.Fatal(err)
	}
	return row.Size
}

// sessionEnded adds a session and a stop because of the clock; such a stop does not mean
// that a server has ended the sessions. The returned function reports whether the session
// was ended.
func sessionEnded(t *testing.T, flags []string) func() bool {
	t.Helper()
	db := storetest.Open(t, flags[1])
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.SetLogStopped(t.Context(), query.SetLogStoppedParams{Network: "testnet", Stopped: `{"reason":"clock_jumped"}`})
		return errors.Join(err, tx.InsertSession(t.Context(), query.InsertSessionParams{Jti: "of the copy", ExpiresAt: store.Micros(tx.Now.Add(time.Hour))}))
	}); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		t.Helper()
		row, err := db.Read().GetSession(t.Context(), "of the copy")
		if err != nil {
			t.Fatal(err)
		}
		return row.RevokedAt.Valid
	}
}

// All sessions are ended and counted, also if there are more than one statement ends.
func TestEndSessions(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	const many = 10_003
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		for i := range many {
			if err := tx.InsertSession(t.Context(), query.InsertSessionParams{Jti: fmt.Sprint(i), OrganizationID: "o", ExpiresAt: 1}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if err := endSessions(db, slog.New(slog.NewTextHandler(&said, nil)))(t.Context()); err != nil || !strings.Contains(said.String(), "sessions=10003") {
		t.Errorf("%s, %v", said.String(), err)
	}
	if n, err := db.Read().ListSessions(t.Context(), query.ListSessionsParams{OrganizationID: "o", Lim: many}); err != nil || slices.ContainsFunc(n, func(s query.Session) bool { return !s.RevokedAt.Valid }) || len(n) != many {
		t.Errorf("not all of %d have ended, %v", len(n), err)
	}
}

// The entries come from another server's log, or from a copy of its files.
func TestLogRepair(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"address", "folder"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			flags, published := behind(t)
			source := published.URL + "/log/testnet/"
			if from == "folder" {
				address := source
				source = t.TempDir()
				for _, path := range []string{"checkpoint", "key", "tile/entries/000.p/3", "tile/entries/000.p/5", "tile/0/000.p/5"} {
					res, err := http.Get(address + path)
					if err != nil {
						t.Fatal(err)
					}
					data, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err == nil && res.StatusCode == http.StatusOK {
						to := filepath.Join(source, filepath.FromSlash(path))
						if err = os.MkdirAll(filepath.Dir(to), 0o700); err == nil {
							err = os.WriteFile(to, data, 0o600)
						}
					}
					if err != nil || res.StatusCode != http.StatusOK {
						t.Fatal(path, res.Status, err)
					}
				}
				if err := os.WriteFile(filepath.Join(source, "package.json"), []byte("{}"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			call := append([]string{"log", "repair", source}, flags...)
			if s := timbre(t, call...); s.code != exitDone || !strings.Contains(s.out, "found        3 entries: the root hash equals that of the checkpoint") || size(t, flags) != 2 {
				t.Fatalf("exit %d, %s%s", s.code, s.out, s.err)
			}
			ended := sessionEnded(t, flags)
			if ended() {
				t.Error("a session was ended, and nothing was written")
			}
			s := timbre(t, append(call, "--apply", "--json")...)
			if !ended() {
				t.Error("a session of the copy goes on")
			}
			var r repairReport
			if err := json.Unmarshal([]byte(s.out), &r); err != nil || s.code != exitDone || !r.Applied || r.Restored != 3 || r.Lost != 3 || r.NextAtsID != 6 || size(t, flags) != 5 {
				t.Fatalf("%+v, %v, exit %d, %s", r, err, s.code, s.err)
			}
			if passed := len(r.Passed); from == "folder" && passed != 1 || from == "address" && passed != 0 {
				t.Errorf("not used: %+v", r.Passed)
			}
			// A second run has nothing to do.
			if s := timbre(t, append(call, "--apply")...); s.code != exitDone || !strings.Contains(s.out, "missing      nothing") {
				t.Errorf("exit %d, %s%s", s.code, s.out, s.err)
			}
		})
	}
}

// Entries that no source has are listed, and nothing is changed.
func TestLogRepairWithoutSources(t *testing.T) {
	t.Parallel()
	flags, published := behind(t)
	for _, source := range [][]string{nil, {published.URL}, {"http://127.0.0.1:1/log/testnet"}, {t.TempDir()}} {
		s := timbre(t, append(append([]string{"log", "repair", "--apply"}, source...), flags...)...)
		if s.code != exitRefused || !strings.Contains(s.err, "indexes: 2–4") || !strings.Contains(s.out, "changed      nothing") || size(t, flags) != 2 {
			t.Errorf("%q: exit %d, %s%s", source, s.code, s.out, s.err)
		}
		if len(source) > 0 && strings.HasPrefix(source[0], "http") && !strings.Contains(s.out, "not used     "+source[0]) {
			t.Errorf("%q is not listed: %s", source, s.out)
		}
	}
}
