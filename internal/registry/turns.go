package registry

import (
	"context"
	"errors"
	"sync"

	"timbre.example/fault"
)

// turns lets simultaneous prepares of one job share one read of its file. Without it each
// would read the whole file, find that another had changed the job meanwhile, and begin
// again.
//
// A result is shared with every caller that arrived before its read started, since the read
// covers that caller's upload. So of any number of simultaneous calls, two read the file.
// Each process has its own turns; between processes the rows decide.
type turns struct {
	mu   sync.Mutex
	jobs map[string]*turn
}

type turn struct {
	free chan struct{} // has room for one: the caller that prepares

	// Guarded by turns.mu.
	callers int
	begun   int // number of prepares that started
	told    int // which of these prepares made the outcome
	outcome Prepared
	refusal error
}

// prepare runs do for the job when it is this caller's turn. If a result that covers this
// call arrived meanwhile, it returns that result instead.
func (t *turns) prepare(ctx context.Context, job string, do func() (Prepared, error)) (Prepared, error) {
	t.mu.Lock()
	u := t.jobs[job]
	if u == nil {
		u = &turn{free: make(chan struct{}, 1)}
		t.jobs[job] = u
	}
	u.callers++
	before := u.begun
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if u.callers--; u.callers == 0 {
			delete(t.jobs, job)
		}
	}()
	select {
	case u.free <- struct{}{}:
		defer func() { <-u.free }()
	case <-ctx.Done():
		return Prepared{}, ctx.Err()
	}
	t.mu.Lock()
	if u.told > before {
		defer t.mu.Unlock()
		return u.outcome, u.refusal
	}
	u.begun++
	mine := u.begun
	t.mu.Unlock()
	p, err := do()
	// Share no result that only reflects a cancelled caller.
	if known := (*fault.Error)(nil); err == nil || ctx.Err() == nil && errors.As(err, &known) {
		t.mu.Lock()
		u.told, u.outcome, u.refusal = mine, p, err
		t.mu.Unlock()
	}
	return p, err
}
