package registry

import (
	"context"
	"errors"
	"sync"

	"timbre.example/fault"
)

// turns lets the prepares of one job that come at once share the reading of its
// file. Each would read it whole and then find that another had changed the job
// meanwhile, and begin again.
//
// An outcome serves everybody who came before it was begun: what he has uploaded
// is what it was read from. So of any number that come at once, two read.
// Processes do not know of each other's turns; their rows decide, as ever.
type turns struct {
	mu   sync.Mutex
	jobs map[string]*turn
}

type turn struct {
	free chan struct{} // has room for the one who prepares

	// Held with the mutex of all.
	callers int
	begun   int // how many were begun
	told    int // which of them the outcome is of
	outcome Prepared
	refusal error
}

// prepare runs do for the job when it is this caller's turn, unless what another
// was told meanwhile serves this one too.
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
	// Of a caller who left there is nothing to be told.
	if known := (*fault.Error)(nil); err == nil || ctx.Err() == nil && errors.As(err, &known) {
		t.mu.Lock()
		u.told, u.outcome, u.refusal = mine, p, err
		t.mu.Unlock()
	}
	return p, err
}
