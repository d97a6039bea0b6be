package blob_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/blobtest"
	"timbre.example/internal/fault"
)

var signingKey = []byte("a key of the tests, 32 bytes long")

// served is a disk store behind a real HTTP server.
type served struct {
	*blob.Disk
	dir  string
	addr string
	url  string // base URL without a slash
	// done receives a value after each request has been handled completely.
	done chan struct{}
}

func serve(tb testing.TB, opts blob.Options) *served {
	tb.Helper()
	s := &served{dir: tb.TempDir(), done: make(chan struct{}, 1000)}
	srv := httptest.NewUnstartedServer(nil)
	s.addr = srv.Listener.Addr().String()
	s.url = "http://" + s.addr + "/blob"
	if opts.RenderError == nil {
		opts.RenderError = render
	}
	d, err := blob.NewDisk(s.dir, s.url+"/", signingKey, opts)
	if err != nil {
		tb.Fatal(err)
	}
	s.Disk = d
	mux := http.NewServeMux()
	mux.Handle("/blob/", d)
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { s.done <- struct{}{} }()
		w.Header().Set("X-Request-Id", "req_test")
		mux.ServeHTTP(w, r)
	})
	srv.Start()
	tb.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close() // waits for handlers
		s.wantNoTemp(tb)
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func render(w http.ResponseWriter, _ *http.Request, err error) {
	e := fault.From(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status())
	w.Write(e.MarshalEnvelope("req_test"))
}

func (s *served) presign(tb testing.TB, key string, max int64) string {
	tb.Helper()
	u, err := s.PresignPut(tb.Context(), blob.Upload{Key: key, MaxBytes: max, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// wantNoTemp checks that no unfinished file is left.
func (s *served) wantNoTemp(tb testing.TB) {
	tb.Helper()
	left, err := os.ReadDir(filepath.Join(s.dir, "tmp"))
	if (err != nil && !errors.Is(err, fs.ErrNotExist)) || len(left) > 0 {
		tb.Errorf("temporary files left: %v (%v)", left, err)
	}
}

func (s *served) wantMissing(tb testing.TB, key string) {
	tb.Helper()
	r, _, err := s.Open(tb.Context(), key)
	if err == nil {
		r.Close()
	}
	if !errors.Is(err, blob.ErrNotFound) {
		tb.Errorf("Open(%s): %v, want ErrNotFound", key, err)
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	blobtest.Exercise(t, func(t *testing.T) blob.Store {
		return serve(t, blob.Options{}).Disk
	}, nil)
}

func TestNewDiskRefusesBadSettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const base = "http://127.0.0.1:1/blob/"
	ok := blob.Options{RenderError: render}
	for _, c := range []struct {
		name, dir, base string
		key             []byte
		opts            blob.Options
	}{
		{"short key", t.TempDir(), base, []byte("short"), ok},
		{"relative URL", t.TempDir(), "/blob/", signingKey, ok},
		{"other scheme", t.TempDir(), "ftp://host/blob/", signingKey, ok},
		{"query", t.TempDir(), base + "?a=b", signingKey, ok},
		{"not a URL", t.TempDir(), "http://[", signingKey, ok},
		{"dir is a file", file, base, signingKey, ok},
	} {
		if d, err := blob.NewDisk(c.dir, c.base, c.key, c.opts); err == nil {
			d.Close()
			t.Errorf("%s: taken", c.name)
		}
	}
	d, err := blob.NewDisk(t.TempDir(), base, signingKey, ok)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.PresignPut(t.Context(), blob.Upload{Key: "a", Expires: time.Now()}); err == nil {
		t.Error("PresignPut took a cap of 0 bytes")
	}
}

// Files of a killed process are removed at the next start, or by the next sweep of
// another process. Files that any process is still writing stay.
func TestSweepRemovesWhatNobodyWrites(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	conn := dial(t, s, s.presign(t, "slow", 1<<20), 1<<19, false)
	if err := sendZeros(conn, 1<<18, false); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); s.onDisk(t) < 1<<18; {
		if time.Now().After(limit) {
			t.Fatal("it does not arrive")
		}
		<-time.After(time.Millisecond)
	}
	left := filepath.Join(s.dir, "tmp", "left")
	again := func() {
		t.Helper()
		if err := os.WriteFile(left, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again()
	other, err := blob.NewDisk(s.dir, s.url, signingKey, blob.Options{RenderError: render}) // for the locks, this is another process
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for name, sweep := range map[string]func() error{
		"at the start": func() error { return nil }, "by another": func() error { again(); _, err := other.Sweep(t.Context()); return err },
		"by its own": func() error { again(); _, err := s.Sweep(t.Context()); return err },
	} {
		if err := sweep(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it stays (%v)", name, err)
		}
	}
	if err := sendZeros(conn, 1<<18, false); err != nil {
		t.Fatal(err)
	}
	if r := readRaw(t, conn); r.status != 200 {
		t.Errorf("the upload that ran meanwhile: %v", r)
	}
	if got := read(t, s, "slow"); len(got) != 1<<19 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestSymlinksAreNotFollowedOut(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.blob")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"file.blob": secret, "folder": outside} {
		if err := os.Symlink(target, filepath.Join(s.dir, "objects", name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"file", "folder/secret"} {
		if r, _, err := s.Open(t.Context(), key); err == nil {
			r.Close()
			t.Errorf("Open(%s) left the store", key)
		}
		if err := s.Copy(t.Context(), key, "copy", 1<<20); err == nil {
			if r, _, err := s.Open(t.Context(), "copy"); err == nil {
				r.Close()
				t.Errorf("Copy(%s) left the store", key)
			}
		}
	}
	if resp := put(t, s.presign(t, "folder/new", 10), strings.NewReader("x")); resp.status != http.StatusServiceUnavailable {
		t.Errorf("PUT through a link: %v", resp)
	}
	if resp := put(t, s.presign(t, "file", 10), strings.NewReader("x")); resp.status != http.StatusOK {
		t.Errorf("PUT over a link: %v", resp)
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
		t.Errorf("the file outside holds %q (%v)", got, err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
		t.Errorf("outside holds %v (%v)", left, err)
	}
	s.wantNoTemp(t)
}

func TestCopyLinks(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	put(t, s.presign(t, "a", 10), strings.NewReader("x"))
	if err := s.Copy(t.Context(), "a", "b", 1<<20); err != nil {
		t.Fatal(err)
	}
	a, errA := os.Stat(filepath.Join(s.dir, "objects", "a.blob"))
	b, errB := os.Stat(filepath.Join(s.dir, "objects", "b.blob"))
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Errorf("not one file: %v %v", errA, errB)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	put(t, s.presign(t, "a/b", 10), strings.NewReader("x"))
	for _, name := range []string{"objects/a/b.blob", "objects/a", "objects", "tmp"} {
		st, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v (%v)", name, st.Mode(), err)
		}
	}
}

func TestOpenSeeks(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	put(t, s.presign(t, "a", 10), strings.NewReader("0123456789"))
	r, _, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.(io.Seeker).Seek(7, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, []byte("789")) {
		t.Errorf("read %q (%v)", got, err)
	}
}

// A file of another program among the objects is not listed, and does not stop the
// listing.
func TestListPassesOver(t *testing.T) {
	dir := t.TempDir()
	d, err := blob.NewDisk(dir, "http://localhost/blob", make([]byte, 32), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Put(t.Context(), "uploads/one", []byte("sound")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"A copy.blob", "note.txt"} {
		if err := os.WriteFile(filepath.Join(dir, "objects", "uploads", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var listed, keys []string
	for o, err := range d.List(t.Context(), "uploads") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, o.Key)
	}
	err = d.Keys(t.Context(), "uploads", func(key string) error {
		keys = append(keys, key)
		return nil
	})
	if want := []string{"uploads/one"}; err != nil || !slices.Equal(listed, want) || !slices.Equal(keys, want) {
		t.Errorf("listed %q, keys %q, %v", listed, keys, err)
	}
}
