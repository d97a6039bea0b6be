package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/media"
	"timbre.example/internal/store/query"
)

// earlyIdle is how long an early reading waits for its next part, and its result for the
// completion.
const earlyIdle = 2 * time.Minute

// earlySettle is how long a completion waits for the reading of its last parts. Without the
// result, prepare reads the file.
const earlySettle = 20 * time.Second

// earlyPerPrepare is how many early readings there are for each prepare that may run: most of
// them wait for their next part.
const earlyPerPrepare = 4

// earlyReads reads uploads in parts while they arrive, in the order of the parts. So a large
// file needs no second wait when all of it is there. It only saves time: without a result,
// prepare reads the file. A result counts for the very parts that were read. It is not kept
// across processes.
type earlyReads struct {
	blobs blob.Store
	most  int // readings at the same time; one organization may have half of them

	mu      sync.Mutex
	closed  bool
	all     map[string]*earlyRead // by job
	running sync.WaitGroup
}

type earlyRead struct {
	of           blob.Multipart
	organization string
	landed       chan struct{} // has room for one
	ctx          context.Context
	cancel       func()

	// Of the reading goroutine, until done is closed.
	blobs    blob.Store
	part     io.ReadCloser
	versions []string // of the parts that were read, in order
	info     media.Info
	err      error
	done     chan struct{}
}

// landed says that a part of a job's upload is stored.
func (e *earlyReads) landed(job query.Job, of blob.Multipart) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.all[job.ID]
	if r != nil && r.of != of { // the upload began again
		r.cancel()
		r = nil
	}
	if r == nil {
		own := 0
		for _, other := range e.all {
			if other.organization == job.OrganizationID {
				own++
			}
		}
		if e.closed || len(e.all) >= e.most || 2*own >= e.most {
			return
		}
		r = &earlyRead{of: of, organization: job.OrganizationID, landed: make(chan struct{}, 1), blobs: e.blobs, done: make(chan struct{})}
		r.ctx, r.cancel = context.WithCancel(context.Background())
		e.all[job.ID] = r
		e.running.Go(func() { e.run(job.ID, r) })
	}
	select {
	case r.landed <- struct{}{}:
	default:
	}
}

// run reads to the end, keeps the result for a while, and forgets it.
func (e *earlyReads) run(jobID string, r *earlyRead) {
	r.info, r.err = media.Inspect(r.ctx, r)
	if r.part != nil {
		r.part.Close()
	}
	close(r.done)
	timer := time.NewTimer(earlyIdle)
	defer timer.Stop()
	select {
	case <-r.ctx.Done():
	case <-timer.C:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all[jobID] == r {
		delete(e.all, jobID)
	}
}

// Read waits for the part that comes next.
func (r *earlyRead) Read(b []byte) (int, error) {
	for {
		if r.part == nil {
			if len(r.versions) == r.of.Count() {
				return 0, io.EOF
			}
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.part.Read(b)
		if err == io.EOF {
			err = r.part.Close()
			r.part = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (r *earlyRead) next() error {
	timer := time.NewTimer(earlyIdle)
	defer timer.Stop()
	for {
		part, p, err := r.blobs.OpenPart(r.ctx, r.of, len(r.versions)+1)
		if err == nil {
			r.part, r.versions = part, append(r.versions, p.Version)
			return nil
		} else if !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		select {
		case <-r.landed:
		case <-r.ctx.Done():
			return r.ctx.Err()
		case <-timer.C:
			return fmt.Errorf("part %d did not come", len(r.versions)+1)
		}
	}
}

// settle waits until the reading of a job has read all stored parts, since it cannot read
// them after the completion. It does not wait for parts that are not stored.
func (e *earlyReads) settle(ctx context.Context, jobID string, of blob.Multipart) {
	e.mu.Lock()
	r := e.all[jobID]
	e.mu.Unlock()
	if r == nil || r.of != of {
		return
	}
	if parts, err := e.blobs.ListParts(ctx, of); err != nil || len(parts) < of.Count() {
		return
	}
	select { // another process may have received the last parts
	case r.landed <- struct{}{}:
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, earlySettle)
	defer cancel()
	select {
	case <-r.done:
	case <-ctx.Done():
	}
}

// take returns the result of reading these parts, and forgets it: err is that of
// media.Inspect. ok is false when they were not read to the end.
func (e *earlyReads) take(jobID string, of blob.Multipart, parts []blob.Part) (_ media.Info, err error, ok bool) {
	e.mu.Lock()
	r := e.all[jobID]
	e.mu.Unlock()
	if r == nil {
		return media.Info{}, nil, false
	}
	defer r.cancel()
	select {
	case <-r.done:
	default:
		return media.Info{}, nil, false
	}
	read := func(p blob.Part, version string) bool { return p.Version == version }
	if r.of != of || len(r.versions) > len(parts) || !slices.EqualFunc(parts[:len(r.versions)], r.versions, read) {
		return media.Info{}, nil, false
	}
	return r.info, r.err, true
}

// drop ends the reading of a job.
func (e *earlyReads) drop(jobID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.all[jobID]; r != nil {
		r.cancel()
	}
}

// close ends all readings, and waits.
func (e *earlyReads) close() {
	e.mu.Lock()
	e.closed = true
	for _, r := range e.all {
		r.cancel()
	}
	e.mu.Unlock()
	e.running.Wait()
}
