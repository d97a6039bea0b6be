package log

import "sync"

// bundle is a bundle of leaves as it is sent. It never changes: a wider one of the same
// place has another path.
type bundle struct{ plain, zipped []byte }

// bundles keep those that were asked for lately, up to about twice keptBytes.
type bundles struct {
	mu             sync.Mutex
	recent, before map[string]bundle
	size           int // of recent
}

// keptBytes is what a generation of bundles may hold: some 60 full ones.
const keptBytes = 4 << 20

// get returns the bundle at a path, made by make the first time.
func (b *bundles) get(path string, make func() (bundle, error)) (bundle, error) {
	b.mu.Lock()
	one, ok := b.recent[path]
	if !ok {
		if one, ok = b.before[path]; ok {
			b.keep(path, one)
		}
	}
	b.mu.Unlock()
	if ok {
		return one, nil
	}
	one, err := make()
	if err == nil {
		b.mu.Lock()
		b.keep(path, one)
		b.mu.Unlock()
	}
	return one, err
}

func (b *bundles) keep(path string, one bundle) {
	if b.recent == nil || b.size >= keptBytes {
		b.before, b.recent, b.size = b.recent, map[string]bundle{}, 0
	}
	b.recent[path] = one
	b.size += len(one.plain) + len(one.zipped)
}
