// Package recent remembers values for a short time, in a bounded memory. It is for what many
// calls read and few change, where a change may take effect a moment later. It never reads a
// value by itself, and never extends the life of one.
package recent

import (
	"sync"
	"time"
)

// Most is the largest number of values of a Map in one generation; a Map has two.
const Most = 1 << 14

// Map remembers values by key. The zero Map is empty, and safe for concurrent use. Values that
// are used least go first when the memory is full.
type Map[K comparable, V any] struct {
	mu          sync.Mutex
	now, before map[K]value[V]
}

type value[V any] struct {
	v     V
	until time.Time
}

// Get returns the value of a key, unless it is missing or too old at this time.
func (m *Map[K, V]) Get(key K, at time.Time) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.now[key]
	if !ok {
		if kept, ok = m.before[key]; ok && at.Before(kept.until) {
			m.put(key, kept)
		}
	}
	if !ok || !at.Before(kept.until) {
		return v, false
	}
	return kept.v, true
}

// Put remembers a value until a time.
func (m *Map[K, V]) Put(key K, v V, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, value[V]{v, until})
}

func (m *Map[K, V]) put(key K, v value[V]) {
	if m.now == nil || len(m.now) >= Most {
		m.now, m.before = make(map[K]value[V]), m.now
	}
	m.now[key] = v
}

// Forget removes all values.
func (m *Map[K, V]) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.before = nil, nil
}
