package limit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"timbre.example/internal/limit"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	b := limit.NewBytes(100, 60)
	hold := func(key string, n int64) (func(), error) { return b.Hold(t.Context(), key, n, time.Millisecond) }
	// Free room needs no wait.
	if release, err := b.Hold(t.Context(), "a", 60, 0); err != nil {
		t.Errorf("room without a wait: %v", err)
	} else {
		release()
	}
	one, err := hold("a", 60)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold("a", 1); !errors.Is(err, limit.ErrShare) {
		t.Errorf("beyond its share: %v", err)
	}
	if _, err := hold("b", 41); !errors.Is(err, limit.ErrFull) || b.Held("b") != 0 {
		t.Errorf("beyond the budget: %v, %d held", err, b.Held("b"))
	}
	two, err := hold("b", 40)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Hold(gone, "c", 1, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went: %v", err)
	}
	// A waiting caller receives bytes that become free.
	got := make(chan error)
	go func() {
		_, err := b.Hold(t.Context(), "c", 60, time.Hour)
		got <- err
	}()
	one()
	if err := <-got; err != nil {
		t.Errorf("after a release: %v", err)
	}
	two()
	if b.Held("a")+b.Held("b") != 0 || b.Held("c") != 60 {
		t.Errorf("held: %d, %d, %d", b.Held("a"), b.Held("b"), b.Held("c"))
	}
}
