package work_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"timbre.example/internal/work"
)

// run runs a worker whose steps return the errors one after the other, and then nil. It
// returns the times of the steps, until the worker was stopped.
func run(t *testing.T, w *work.Worker, until time.Duration, errs ...error) (steps []time.Duration, log string) {
	t.Helper()
	var out bytes.Buffer
	w.Log = slog.New(slog.NewTextHandler(&out, nil))
	began := time.Now()
	w.Step = func(context.Context) error {
		steps = append(steps, time.Since(began))
		if len(errs) < len(steps) {
			return nil
		}
		return errs[len(steps)-1]
	}
	ctx, stop := context.WithTimeout(t.Context(), until)
	defer stop()
	work.Run(ctx, w)
	return steps, out.String()
}

func want(t *testing.T, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("steps at %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("steps at %v, want %v", got, want)
		}
	}
}

// A failed step is retried with growing pauses, and one failure is logged once.
func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("the database does not answer")
		w := &work.Worker{Name: "sweep", Every: time.Minute, Retry: time.Second, MaxRetry: 4 * time.Second}
		steps, log := run(t, w, 70*time.Second, down, down, down, down, errors.New("something else"))
		want(t, steps, 0, time.Second, 3*time.Second, 7*time.Second, 11*time.Second, 15*time.Second)
		if n := strings.Count(log, "does not answer"); n != 1 {
			t.Errorf("the failure is logged %d times:\n%s", n, log)
		}
		if !strings.Contains(log, "something else") || !strings.Contains(log, "work continues after failures") || !strings.Contains(log, "failures=5") || !strings.Contains(log, "worker=sweep") {
			t.Errorf("logged:\n%s", log)
		}
		s := w.Status()
		if s.Name != "sweep" || s.Steps != 6 || s.Failed != 5 || s.FailuresInARow != 0 || s.Err != nil || s.Success.Sub(s.Failure) != 4*time.Second {
			t.Errorf("status %+v", s)
		}
	})
}

// An error that lasts is logged again after an hour.
func TestReminder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var errs []error
		for i := range 100 { // each connection has another port
			errs = append(errs, fmt.Errorf("still down: read from port %d", 40_000+i))
		}
		_, log := run(t, &work.Worker{Name: "x", Every: time.Minute}, 90*time.Minute, errs...)
		if n := strings.Count(log, "still down"); n != 2 {
			t.Errorf("logged %d times", n)
		}
	})
}

// A signal, news and Early each end a pause. News that arrives during a step is not missed.
func TestWoken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &work.Worker{Every: time.Hour, Wake: work.NewSignal()}
		time.AfterFunc(7*time.Second, func() { w.Wake.Ring() })
		steps, _ := run(t, w, time.Minute)
		want(t, steps, 0, 7*time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		steps, _ := run(t, &work.Worker{Every: time.Hour, News: func() <-chan struct{} {
			c := make(chan struct{})
			if calls++; calls == 1 {
				close(c) // before the step begins
			}
			return c
		}}, time.Minute)
		want(t, steps, 0, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		steps, _ := run(t, &work.Worker{Every: time.Hour, Retry: 5 * time.Second, Early: func() bool { return time.Since(began) > 12*time.Second }}, 18*time.Second)
		want(t, steps, 0, 15*time.Second)
	})
}

// The end of the context does not count as a failure.
func TestStopped(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	w := &work.Worker{Every: time.Hour, Log: slog.New(slog.NewTextHandler(&out, nil)), Step: func(ctx context.Context) error {
		stop()
		return ctx.Err()
	}}
	w.Run(ctx)
	if s := w.Status(); s.Failed != 0 || out.Len() != 0 {
		t.Errorf("%+v, %s", s, out.String())
	}
}

// Wake-ups soon after a step share the next one, and a wake-up after a rest is not delayed.
func TestStepsAreApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wake := work.NewSignal()
		for _, at := range []time.Duration{5, 10, 15, 100} {
			time.AfterFunc(at*time.Millisecond, wake.Ring)
		}
		steps, _ := run(t, &work.Worker{Every: time.Minute, Apart: 20 * time.Millisecond, Wake: wake}, time.Second)
		want(t, steps, 0, 20*time.Millisecond, 100*time.Millisecond)
	})
}
