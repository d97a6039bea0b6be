package monitor_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/monitor"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
)

// registry is a real log in a database that can be copied.
type registry struct {
	t   *testing.T
	dir string
	// close closes the database.
	close func() error
	log   *log.Log
	n     int
}

func open(t *testing.T, dir string) *registry {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "timbre.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := log.Open(t.Context(), db, log.Config{
		Network: "testnet", Origin: "songs.example/log/testnet", Key: make([]byte, 32), BlockTime: time.Millisecond, Checkpoints: checkpoint.Dir(filepath.Join(dir, "checkpoints")),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &registry{t: t, dir: dir, close: db.Close, log: l}
}

// add makes a block of n works, or of an update of the work that updates names.
func (r *registry) add(n int, updates int64) {
	r.t.Helper()
	var staged []network.Staged
	for range n {
		r.n++
		c := network.Call{ProtocolVersion: 1, Nonce: fmt.Sprint(r.dir, r.n), AtsID: updates}
		binary.BigEndian.PutUint64(c.Commitment[:], uint64(r.n))
		copy(c.Commitment[8:], r.dir)
		s, err := r.log.Stage(r.t.Context(), c)
		if err != nil {
			r.t.Fatal(err)
		}
		staged = append(staged, s)
	}
	if err := r.log.Broadcast(r.t.Context(), staged); err != nil {
		r.t.Fatal(err)
	}
	for {
		made, err := r.log.Sequence(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if !made {
			return
		}
	}
}

// twin copies the registry's folder, as an evil operator would, and opens the copy.
func (r *registry) twin() *registry {
	r.t.Helper()
	if err := r.close(); err != nil {
		r.t.Fatal(err)
	}
	dir := r.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(r.dir)); err != nil {
		r.t.Fatal(err)
	}
	again := open(r.t, r.dir)
	again.n = r.n
	*r = *again
	return open(r.t, dir)
}

// serve serves the log that current holds.
func serve(t *testing.T, current *atomic.Pointer[registry]) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		current.Load().log.Handler(func(w http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, fault.CodeCommonNotFound) {
				http.Error(w, "not found", http.StatusNotFound)
				return
			}
			http.Error(w, err.Error(), http.StatusTeapot)
		}).ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func follow(t *testing.T, url, key, dir string, mirror bool) *monitor.Monitor {
	t.Helper()
	m, err := monitor.Open(monitor.Config{URL: url, Key: key, Dir: dir, Mirror: mirror})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A log that grows is followed, also by a new process with the same folder. A copy of the
// registry that went its own way is found out.
func TestFork(t *testing.T) {
	t.Parallel()
	honest := open(t, t.TempDir())
	var current atomic.Pointer[registry]
	current.Store(honest)
	url := serve(t, &current)
	dir := t.TempDir()
	m := follow(t, url, honest.log.VerifierKey(), dir, true)
	check := func(m *monitor.Monitor, size, fresh, works int64) {
		t.Helper()
		r, err := m.Check(t.Context())
		if err != nil || r.Size != size || r.New != fresh || r.Works != works {
			t.Fatalf("%+v %v", r, err)
		}
	}
	check(m, 0, 0, 0)
	honest.add(300, 0)
	check(m, 300, 300, 300)
	honest.add(1, 17)
	honest.add(5, 0)
	check(m, 306, 6, 305)
	check(m, 306, 0, 305)
	check(follow(t, url, honest.log.VerifierKey(), dir, true), 306, 306, 305)
	if _, err := os.Stat(filepath.Join(dir, "tile", "entries", "000")); err != nil {
		t.Errorf("the mirror lacks the first bundle: %v", err)
	}

	evil := honest.twin()
	evil.n = 10_000
	honest.add(1, 0)
	check(m, 307, 1, 306)
	evil.add(1, 0) // another work with the number 306
	current.Store(evil)
	var fork *monitor.Fork
	if _, err := m.Check(t.Context()); !errors.As(err, &fork) || !strings.Contains(fork.Older, "\n307\n") || fork.Older == fork.Newer {
		t.Fatalf("the twin of the same size: %v", err)
	}
	evil.add(20, 0)
	if _, err := follow(t, url, honest.log.VerifierKey(), dir, false).Check(t.Context()); !errors.As(err, &fork) || !strings.Contains(fork.Newer, "\n327\n") {
		t.Fatalf("the twin that has grown: %v", err)
	}
	// The honest log is still followed, and an older checkpoint is not a fork.
	current.Store(honest)
	honest.add(2, 0)
	check(m, 309, 2, 308)
	old := open(t, t.TempDir())
	current.Store(old)
	if _, err := m.Check(t.Context()); err == nil || errors.As(err, &fork) {
		t.Errorf("an empty log: %v", err)
	}
}

// A log that breaks its own rules is found out although it signs.
func TestChangedFiles(t *testing.T) {
	t.Parallel()
	honest := open(t, t.TempDir())
	honest.add(3, 0)
	real := honest.log.Handler(func(w http.ResponseWriter, _ *http.Request, err error) { http.Error(w, err.Error(), 404) })
	for name, c := range map[string]struct {
		path   string
		change func([]byte) []byte
	}{
		"another entry":      {"/tile/entries/000.p/3", func(b []byte) []byte { b[len(b)-5] ^= 1; return b }},
		"a shorter bundle":   {"/tile/entries/000.p/3", func(b []byte) []byte { return b[:len(b)-10] }},
		"a longer bundle":    {"/tile/entries/000.p/3", func(b []byte) []byte { return append(b, 0, 0) }},
		"another hash":       {"/tile/0/000.p/3", func(b []byte) []byte { b[3] ^= 1; return b }},
		"another checkpoint": {"/checkpoint", func(b []byte) []byte { b[30] ^= 1; return b }},
		"an endless answer":  {"/checkpoint", func(b []byte) []byte { return make([]byte, 1<<25) }},
		"nothing":            {"/checkpoint", func([]byte) []byte { return nil }},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			rec := httptest.NewRecorder()
			q.Header.Del("Accept-Encoding")
			real.ServeHTTP(rec, q)
			body := rec.Body.Bytes()
			if q.URL.Path == c.path {
				body = c.change(body)
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
		}))
		m := follow(t, s.URL, honest.log.VerifierKey(), "", false)
		if r, err := m.Check(context.Background()); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
		s.Close()
	}
}
