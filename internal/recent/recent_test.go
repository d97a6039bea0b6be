package recent_test

import (
	"testing"
	"time"

	"timbre.example/internal/recent"
)

func TestMap(t *testing.T) {
	t.Parallel()
	var m recent.Map[int, string]
	at := time.Unix(1000, 0)
	if v, ok := m.Get(1, at); ok || v != "" {
		t.Errorf("an empty map has %q", v)
	}
	m.Put(1, "a", at.Add(time.Second))
	if v, ok := m.Get(1, at.Add(time.Second-1)); !ok || v != "a" {
		t.Errorf("got %q, %t", v, ok)
	}
	if _, ok := m.Get(1, at.Add(time.Second)); ok {
		t.Error("a value is too old, and returned")
	}
	// A value that is used survives; the others leave, two generations later at most.
	m.Put(1, "a", at.Add(time.Hour))
	m.Put(2, "b", at.Add(time.Hour))
	for i := range 2 * recent.Most {
		m.Put(10+i, "", at.Add(time.Hour))
		if _, ok := m.Get(1, at); !ok {
			t.Fatalf("a value that is used was forgotten after %d others", i)
		}
	}
	if _, ok := m.Get(2, at); ok {
		t.Error("the memory is not bounded")
	}
	m.Forget()
	if _, ok := m.Get(1, at); ok {
		t.Error("a forgotten value was returned")
	}
}
