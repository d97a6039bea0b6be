package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store/storetest"
)

// each runs f on every store. open opens the same place again, as another process would.
func each(t *testing.T, f func(t *testing.T, open func() checkpoint.Store)) {
	atomic(t, f)
	t.Run("objects", func(t *testing.T) {
		t.Parallel()
		open := bucket(t, s3test.Start(t))
		f(t, func() checkpoint.Store { return open() })
	})
}

// atomic runs f on the stores whose Swap is atomic also for two swaps at the same moment.
// For an object store this depends on the server: that of the tests checks the condition
// first and writes later.
func atomic(t *testing.T, f func(t *testing.T, open func() checkpoint.Store)) {
	t.Run("dir", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "not", "there")
		f(t, func() checkpoint.Store { return checkpoint.Dir(dir) })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := storetest.EmptyPostgresURL(t)
		f(t, func() checkpoint.Store {
			p, err := checkpoint.NewPostgres(url, "a database")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.Close() })
			return p
		})
	})
}

// bucket creates a bucket.
func bucket(t *testing.T, server *s3test.Server) func() checkpoint.Objects {
	name := server.Bucket()
	return func() checkpoint.Objects {
		s, err := blob.NewS3(blob.S3Options{Bucket: name, Endpoint: server.URL, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return checkpoint.Objects{Bucket: s, Name: "a bucket"}
	}
}

func TestSwap(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() checkpoint.Store) {
		ctx := t.Context()
		s := open()
		if text, err := s.Load(ctx, "testnet-1"); text != "" || err != nil {
			t.Fatalf("%q, %v before the first", text, err)
		}
		for _, step := range []struct {
			old, new string
			swapped  bool
		}{{"one\n", "two\n", true}, {"", "one\n", false}, {"", "other\n", true}, {"one\n", "two\n", false}, {"one\n", "three\n", true}, {"two\n", "three\n", false}} {
			if err := s.Swap(ctx, "testnet-1", step.old, step.new); errors.Is(err, checkpoint.ErrSwapped) != step.swapped || err != nil && !step.swapped {
				t.Fatalf("%q to %q: %v", step.old, step.new, err)
			}
		}
		if text, err := open().Load(ctx, "testnet-1"); text != "three\n" || err != nil {
			t.Errorf("%q, %v in another process", text, err)
		}
		if text, err := s.Load(ctx, "mainnet-1"); text != "" || err != nil {
			t.Errorf("%q, %v under another name", text, err)
		}
		if place := s.Place("testnet-1"); !strings.Contains(place, "testnet-1") {
			t.Errorf("place %q", place)
		}
	})
}

// Of many processes that replace one text, one succeeds.
func TestSwapAtOnce(t *testing.T) {
	t.Parallel()
	atomic(t, func(t *testing.T, open func() checkpoint.Store) {
		ctx := t.Context()
		const racers = 8
		old := ""
		for round := range 10 {
			var (
				wg  sync.WaitGroup
				mu  sync.Mutex
				won []string
			)
			for i := range racers {
				s := open()
				text := fmt.Sprintf("round %d racer %d\n", round, i)
				wg.Go(func() {
					err := s.Swap(ctx, "testnet-1", old, text)
					if err == nil {
						mu.Lock()
						defer mu.Unlock()
						won = append(won, text)
					} else if !errors.Is(err, checkpoint.ErrSwapped) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			text, err := open().Load(ctx, "testnet-1")
			if err != nil || len(won) != 1 || won[0] != text {
				t.Fatalf("round %d: won %q, kept %q, %v", round, won, text, err)
			}
			old = text
		}
	})
}

// Only its owner can read a checkpoint's file, and an empty file does not count as a
// missing one.
func TestDirFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "checkpoints")
	s := checkpoint.Dir(dir)
	if err := s.Swap(t.Context(), "testnet-1", "", "one\n"); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "testnet-1"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("left over: %v, %v", list, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "testnet-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "testnet-1"); err == nil {
		t.Error("an empty file passes for none")
	}
	if err := s.Swap(t.Context(), "testnet-1", "", "two\n"); err == nil || errors.Is(err, checkpoint.ErrSwapped) {
		t.Errorf("an empty file is replaced: %v", err)
	}
}

// Anything but a regular file is an error: a link to a missing disk would start the log
// again, and reading a pipe would wait for ever.
func TestDirRefusesOtherThanFiles(t *testing.T) {
	t.Parallel()
	for kind, make := range map[string]func(path string) error{
		"a link to nowhere": func(path string) error { return os.Symlink(path+"-away", path) },
		"a link to a file": func(path string) error {
			return errors.Join(os.WriteFile(path+"-file", []byte("one\n"), 0o600), os.Symlink(path+"-file", path))
		},
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		dir := t.TempDir()
		if err := make(filepath.Join(dir, "testnet-1")); err != nil {
			t.Fatal(err)
		}
		s := checkpoint.Dir(dir)
		if text, err := s.Load(t.Context(), "testnet-1"); err == nil {
			t.Errorf("%s holds %q", kind, text)
		}
		for _, old := range []string{"", "one\n"} {
			if err := s.Swap(t.Context(), "testnet-1", old, "two\n"); err == nil || errors.Is(err, checkpoint.ErrSwapped) {
				t.Errorf("%s is replaced: %v", kind, err)
			}
		}
	}
}

// An object store that is down returns an error, and works again when it is back.
func TestObjectsAway(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := bucket(t, server)()
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Swap(t.Context(), "testnet-1", "", "one\n"); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if _, err := s.Load(t.Context(), "testnet-1"); err == nil {
		t.Error("a store that is away has no checkpoint")
	}
	if err := s.Swap(t.Context(), "testnet-1", "one\n", "two\n"); err == nil || errors.Is(err, checkpoint.ErrSwapped) {
		t.Errorf("swap in a store that is away: %v", err)
	}
	server.Restart()
	if err := s.Swap(t.Context(), "testnet-1", "one\n", "two\n"); err != nil {
		t.Error(err)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

// heedless is an object store that ignores conditions.
type heedless struct{ objects map[string][]byte }

func (h heedless) Tagged(_ context.Context, key string, _ int64) ([]byte, string, error) {
	if data, ok := h.objects[key]; ok {
		return data, "tag", nil
	}
	return nil, "", nil
}

func (h heedless) PutTagged(_ context.Context, key string, data []byte, _ string) (bool, error) {
	h.objects[key] = data
	return true, nil
}

func (h heedless) Delete(_ context.Context, key string) error {
	delete(h.objects, key)
	return nil
}

func TestProbeFindsIgnoredConditions(t *testing.T) {
	t.Parallel()
	s := checkpoint.Objects{Bucket: heedless{map[string][]byte{}}}
	if err := s.Probe(t.Context()); !errors.Is(err, checkpoint.ErrIgnored) || len(s.Bucket.(heedless).objects) != 0 {
		t.Errorf("%v, left %v", err, s.Bucket)
	}
}
