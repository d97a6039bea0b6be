package limit

// Remembered is how many keys a budget holds in memory.
func Remembered(b *Budget) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.recent) + len(b.before)
}
