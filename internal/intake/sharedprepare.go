package intake

import (
	"context"
	"errors"
	"sync"

	"timbre.example/internal/fault"
)

// sharedPrepares lets simultaneous prepares of one job share one read of its file. Without
// it each would read the whole file, find that another had changed the job meanwhile, and
// begin again.
//
// A result is shared with every caller that arrived before its read started, since the read
// covers that caller's upload. So of any number of simultaneous calls, two read the file.
// Processes do not share results; between processes the rows decide.
type sharedPrepares struct {
	joined func() // called when a caller arrived

	mu   sync.Mutex
	jobs map[string]*sharedPrepare
}

type sharedPrepare struct {
	slot chan struct{} // has room for one: the caller that prepares

	// Guarded by sharedPrepares.mu.
	callers  int
	started  int // number of prepares that started
	resultOf int // the prepare that made the result
	result   Prepared
	refusal  error
}

// prepare runs do for the job when it is this caller's turn. If a result that covers this
// call arrived meanwhile, it returns that result instead. waited says that the call may have
// waited for another one.
func (t *sharedPrepares) prepare(ctx context.Context, job string, do func(waited bool) (Prepared, error)) (Prepared, error) {
	t.mu.Lock()
	u := t.jobs[job]
	if u == nil {
		u = &sharedPrepare{slot: make(chan struct{}, 1)}
		t.jobs[job] = u
	}
	u.callers++
	before := u.started
	t.mu.Unlock()
	t.joined()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if u.callers--; u.callers == 0 {
			delete(t.jobs, job)
		}
	}()
	waited := len(u.slot) > 0
	select {
	case u.slot <- struct{}{}:
		defer func() { <-u.slot }()
	case <-ctx.Done():
		return Prepared{}, ctx.Err()
	}
	t.mu.Lock()
	if u.resultOf > before {
		defer t.mu.Unlock()
		return u.result, u.refusal
	}
	u.started++
	mine := u.started
	t.mu.Unlock()
	p, err := do(waited)
	// Share no result that only reflects a cancelled caller.
	if known := (*fault.Error)(nil); err == nil || ctx.Err() == nil && errors.As(err, &known) {
		t.mu.Lock()
		u.resultOf, u.result, u.refusal = mine, p, err
		t.mu.Unlock()
	}
	return p, err
}
