package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The program must not rot. Its numbers are of no interest here; that it
// measures everything is.
func TestQuickRunMeasuresEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short, and this builds and starts the real binary")
	}
	t.Parallel()
	root, err := repository(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Without the flags of a release, so that what other tests compiled serves.
	binary := filepath.Join(t.TempDir(), "timbre")
	if err := build(t.Context(), root, binary); err != nil {
		t.Fatal(err)
	}
	rep, err := run(t.Context(), t.Output(), options{quick: true, dir: t.TempDir(), binary: binary})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	// A quick run is too short for the clock that counts processor time, so costs may be 0. It is
	// too small for memory: a collection of garbage frees more than 200 sockets or mints take.
	for _, r := range rep.Rows {
		if r.Skipped != "" {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Errorf("%s: skipped: %s", r.What, r.Skipped)
			}
			t.Logf("%s: skipped: %s", r.What, r.Skipped)
		} else if r.Ours <= 0 && !strings.Contains(r.What, "memory") && r.Bench != "cost" {
			t.Errorf("%s: measured %g", r.What, r.Ours)
		}
		seen[r.Bench] = true
	}
	for _, x := range benches {
		if !seen[x.name] {
			t.Errorf("%s has no row", x.name)
		}
	}
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		q    float64
		want float64
	}{
		{nil, 0.5, 0}, {[]float64{3}, 0.5, 3}, {[]float64{3, 1, 2}, 0.5, 2}, {[]float64{4, 1, 2, 3}, 0.5, 2.5},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.99, 10}, {[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.9, 9}, {[]float64{2, 1}, 1, 2},
	} {
		if got := quantile(c.v, c.q); got != c.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.v, c.q, got, c.want)
		}
	}
}
