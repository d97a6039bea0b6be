package monitor_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"timbre.example/internal/monitor"
)

// A later checkpoint comes from the log or from a mirror of it, with its proof. The mirror is
// a complete log: also its partial tiles are there.
func TestLater(t *testing.T) {
	t.Parallel()
	honest := open(t, t.TempDir())
	var current atomic.Pointer[registry]
	current.Store(honest)
	url, key, dir := serve(t, &current), honest.log.VerifierKey(), t.TempDir()
	older := func() string {
		b, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	mirrored := func() {
		t.Helper()
		if _, err := follow(t, url, key, dir, true).Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	honest.add(300, 0)
	mirrored()
	then := older()
	for _, source := range []string{url, dir} {
		if signed, proof, _, err := monitor.Later(t.Context(), source, []string{key}, nil, then); err != nil || signed != then || len(proof) != 0 {
			t.Errorf("%s: the same tree: %q %v %v", source, signed, proof, err)
		}
	}
	honest.add(7, 0)
	mirrored()
	for _, source := range []string{url, dir} {
		if signed, proof, _, err := monitor.Later(t.Context(), source, []string{key}, nil, then); err != nil || signed != older() || len(proof) == 0 {
			t.Errorf("%s: %q %v %v", source, signed, proof, err)
		}
	}
	// The whole log can be read from the mirror alone.
	if _, err := os.Stat(filepath.Join(dir, "tile", "entries", "001.p", "51")); err != nil {
		t.Errorf("the mirror lacks the newest entries: %v", err)
	}

	evil := honest.twin()
	evil.n = 10_000
	honest.add(1, 0)
	mirrored()
	kept := older()
	var fork *monitor.Fork
	for _, n := range []int{1, 30} {
		evil.add(n, 0)
		current.Store(evil)
		if _, _, _, err := monitor.Later(t.Context(), url, []string{key}, nil, kept); !errors.As(err, &fork) || fork.Older != kept || fork.Newer == kept {
			t.Errorf("the twin after %d: %v", n, err)
		}
	}
	// Neither a text without a signature nor an older checkpoint proves a fork.
	if _, _, _, err := monitor.Later(t.Context(), url, []string{key}, nil, kept+"x"); err == nil || errors.As(err, new(*monitor.Fork)) {
		t.Errorf("a text that is not signed: %v", err)
	}
	current.Store(open(t, t.TempDir()))
	if _, _, _, err := monitor.Later(t.Context(), url, []string{key}, nil, kept); err == nil || errors.As(err, new(*monitor.Fork)) {
		t.Errorf("an empty log: %v", err)
	}
}
