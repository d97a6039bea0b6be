package log

import "sync"

// bundle is a bundle of leaves in the form that is sent. It never changes: a longer
// bundle of the same place has another path.
type bundle struct{ plain, zipped []byte }

// bundles caches recently requested bundles, up to about twice keptBytes.
type bundles struct {
	mu             sync.Mutex
	recent, before map[string]bundle
	size           int // of recent
}

// keptBytes is the size of one generation of the cache in bytes: about 60 full bundles.
const keptBytes = 4 << 20

// get returns the bundle of a path; the first call makes it with make.
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
