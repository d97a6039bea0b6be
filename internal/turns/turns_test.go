package turns_test

import (
	"database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"timbre.example/internal/turns"
)

// One organization with many items delays another by one item.
func TestNext(t *testing.T) {
	t.Parallel()
	waiting := map[string]int{"a": 1000, "b": 2, "c": 1}
	next := func(after string) (string, error) {
		var ids []string
		for id, n := range waiting {
			if n > 0 && id > after {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			return "", sql.ErrNoRows
		}
		return slices.Min(ids), nil
	}
	var order []string
	served := ""
	for range 7 {
		org, err := turns.Next(served, next)
		if err != nil {
			t.Fatal(err)
		}
		served = org
		waiting[org]--
		order = append(order, org)
	}
	if want := []string{"a", "b", "c", "a", "b", "a", "a"}; !slices.Equal(order, want) {
		t.Errorf("served %v, want %v", order, want)
	}
	clear(waiting)
	if _, err := turns.Next("b", next); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("nothing waits: %v", err)
	}
	broken := errors.New("broken")
	if _, err := turns.Next("b", func(string) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("an error of the query: %v", err)
	}
}

// Pauses double up to the last one, however often an item failed.
func TestPause(t *testing.T) {
	t.Parallel()
	for tries, want := range map[int64]time.Duration{0: turns.FirstPause, 1: 2 * turns.FirstPause, 5: 32 * turns.FirstPause, 12: turns.LastPause, 1 << 40: turns.LastPause} {
		if got := turns.Pause(tries, turns.LastPause); got != want {
			t.Errorf("after %d failures %v, want %v", tries, got, want)
		}
	}
}
