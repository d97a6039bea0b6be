// Package work is the loop of everything that works in the background: it repeats a step when
// it is woken, and from time to time without being woken. It retries a failed step, and logs
// one failure once, however often it repeats. It does not know what a step does.
package work

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
	"time"
)

// Signal wakes a worker. A nil Signal wakes no worker; see [NewSignal].
type Signal chan struct{}

// NewSignal makes a signal for one worker.
func NewSignal() Signal { return make(Signal, 1) }

// Ring wakes the worker, now or when it next waits. Several calls may wake it once.
func (s Signal) Ring() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// Worker repeats one step. The fields are set before Run and not changed after.
type Worker struct {
	// Name identifies the worker in logs and metrics, such as "certificates".
	Name string
	// Step does all that can be done now. It returns when nothing is left, or with an error.
	Step func(context.Context) error
	// Every is the longest pause between two steps.
	Every time.Duration
	// Apart is the shortest pause without News. A worker that is woken more often does the work
	// of several wake-ups in one step; the first one after a rest is not delayed. 0: none.
	Apart time.Duration
	// Retry is the pause after a failed step; 0 means Every. Failures in a row double it up
	// to MaxRetry; with MaxRetry 0 it stays the same.
	Retry, MaxRetry time.Duration
	// Wake ends a pause; nil: nothing does.
	Wake Signal
	// News is called before each step. The channel that it returns ends the pause after that
	// step, so that nothing is missed that happens during the step. May be nil.
	News func() <-chan struct{}
	// Early is asked every Retry during a pause; true ends the pause. May be nil.
	Early func() bool
	// Log gets the failures. With nil, the step logs them itself.
	Log *slog.Logger

	mu     sync.Mutex
	status Status
	logged time.Time // when status.Err was logged
}

// Status is what a worker has done so far in this process.
type Status struct {
	Name           string
	Steps, Failed  int64     // numbers of ended steps, and of the failed ones among them
	Success        time.Time // the end of the last step without an error; zero before the first
	Failure        time.Time // the end of the last failed step; zero before the first
	FailuresInARow int64     // 0 when the last step had no error
	Err            error     // the error of the last step, or nil
}

// Status returns what the worker has done so far.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Name = w.Name
	return s
}

// Run repeats the step until ctx ends. The first step begins at once.
func (w *Worker) Run(ctx context.Context) {
	for {
		var news <-chan struct{}
		if w.News != nil {
			news = w.News()
		}
		err := w.Step(ctx)
		if ctx.Err() != nil {
			return
		}
		w.record(ctx, err)
		if w.Apart > 0 {
			select {
			case <-ctx.Done():
			case <-news:
			case <-time.After(w.Apart):
			}
		}
		if w.pause(ctx, news); ctx.Err() != nil {
			return
		}
	}
}

// reminder is the time after which an unchanged error is logged again.
const reminder = time.Hour

// numbers are what differs in two errors with one cause, such as the ports of connections.
var numbers = regexp.MustCompile(`[0-9]+`)

// same reports whether two errors have the same text apart from numbers.
func same(a, b error) bool {
	return a != nil && b != nil && numbers.ReplaceAllLiteralString(a.Error(), "") == numbers.ReplaceAllLiteralString(b.Error(), "")
}

// record stores the result of a step. It logs an error that differs from the one before, and
// the end of a series of failures.
func (w *Worker) record(ctx context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, now := &w.status, time.Now()
	before := *s
	s.Steps++
	s.Err = err
	if err == nil {
		s.Success, s.FailuresInARow = now, 0
		if before.Err != nil && w.Log != nil {
			w.Log.InfoContext(ctx, "work continues after failures", "worker", w.Name, "failures", before.FailuresInARow)
		}
		return
	}
	s.Failed++
	s.Failure = now
	s.FailuresInARow++
	if w.Log != nil && (!same(before.Err, err) || now.Sub(w.logged) >= reminder) {
		w.logged = now
		w.Log.ErrorContext(ctx, "work failed", "worker", w.Name, "failures", s.FailuresInARow, "retry_in", w.next(), "error", err)
	}
}

// next returns the length of the next pause.
func (w *Worker) next() time.Duration {
	if w.status.Err == nil {
		return w.Every
	}
	wait := w.Retry
	if wait == 0 {
		wait = w.Every
	}
	if w.MaxRetry > wait {
		for range min(w.status.FailuresInARow-1, 30) {
			wait = min(2*wait, w.MaxRetry)
		}
	}
	return wait
}

func (w *Worker) pause(ctx context.Context, news <-chan struct{}) {
	w.mu.Lock()
	wait := w.next()
	w.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var early <-chan time.Time
	if w.Early != nil {
		tick := time.NewTicker(w.Retry)
		defer tick.Stop()
		early = tick.C
	}
	for {
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-w.Wake:
		case <-news:
		case <-early:
			if !w.Early() {
				continue
			}
		}
		return
	}
}

// Run runs the workers until ctx ends and their last steps have returned.
func Run(ctx context.Context, workers ...*Worker) {
	var running sync.WaitGroup
	for _, w := range workers {
		running.Go(func() { w.Run(ctx) })
	}
	running.Wait()
}
