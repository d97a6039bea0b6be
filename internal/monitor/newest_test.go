package monitor_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"timbre.example/internal/monitor"
)

// The other versions of a work are found before and after one, over several batches and on
// both sides of their edges. No more entries are read than the limit allows.
func TestVersions(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	var current atomic.Pointer[registry]
	current.Store(l)
	url := serve(t, &current)
	const many = 13_000 // more than a batch
	at := map[int64]int64{}
	size := int64(0)
	add := func(n int, updates int64) {
		l.add(n, updates)
		size += int64(n)
	}
	add(7, 0)
	at[1], at[2] = 6, 7
	add(1, 7) // work 7, whose first version is entry 6
	for range many / 1000 {
		add(1000, 0)
	}
	at[3] = size
	add(1, 7)
	add(300, 0)
	at[4] = size
	add(1, 7)
	newest, err := monitor.ReadNewest(t.Context(), monitor.Source{Place: url}, l.log.Origin(), []string{l.log.VerifierKey()}, nil)
	if err != nil || newest.Size() != size {
		t.Fatalf("%v, %d entries", err, newest.Size())
	}
	for _, c := range []struct {
		version, limit int64
		others         []int64
		read           int64 // 0: any
	}{
		{1, 1 << 30, []int64{2, 3, 4}, size - at[1] - 1},
		{2, 1 << 30, []int64{1, 3, 4}, 0},
		{3, 1 << 30, []int64{1, 2, 4}, size - 1},
		{4, 1 << 30, []int64{1, 2, 3}, size - 1},
		{4, 301, []int64{3}, 301},
		{4, 300, nil, 300},
		{3, 301, []int64{4}, 301},
		{1, 1, []int64{2}, 1},
		{1, many, []int64{2}, many},
	} {
		t.Run(fmt.Sprint(c.version, c.limit), func(t *testing.T) {
			h, err := newest.Versions(t.Context(), 7, c.version, at[c.version], c.limit)
			if err != nil {
				t.Fatal(err)
			}
			var others []int64
			for _, v := range append(h.Earlier, h.Later...) {
				others = append(others, v.Version)
				if v.Index != at[v.Version] || v.At.IsZero() || v.Hash == [32]byte{} || v.Commitment == [32]byte{} {
					t.Errorf("%+v", v)
				}
			}
			if !slices.Equal(others, c.others) || c.read > 0 && h.Read != c.read || h.Read > c.limit || h.To > size {
				t.Errorf("%v, read %d up to %d", others, h.Read, h.To)
			}
		})
	}
	// Evidence of a version that is not what the log has there breaks the rules.
	broken := (*monitor.Broken)(nil)
	if _, err := newest.Versions(t.Context(), 7, 3, at[1], 1<<30); !errors.As(err, &broken) || broken.Index != at[2] {
		t.Errorf("%v", err)
	}
}
