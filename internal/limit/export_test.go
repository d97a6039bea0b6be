package limit

import "time"

// Remembered returns the number of keys that a budget holds in memory.
func Remembered(b *Budget) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.recent) + len(b.before)
}

// Agree says that the clock, which a test sets, is that of the database.
func Agree(l *Limits) {
	if l.shared != nil {
		l.shared.known = true
	}
}

func init() { timeout = 5 * time.Second }
