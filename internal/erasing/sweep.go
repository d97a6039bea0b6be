package erasing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/work"
)

// sweepEvery is the time between sweeps. While uploads are refused for lack of space, or
// after a failed sweep, it is sweepHurry.
const (
	sweepEvery = time.Minute
	sweepHurry = 5 * time.Second
)

// Worker returns the worker that sweeps.
func (s *Service) Worker() *work.Worker {
	return &work.Worker{
		Name: "sweep", Step: func(ctx context.Context) error { _, err := s.Sweep(ctx); return err },
		Every: sweepEvery, Retry: sweepHurry, Early: func() bool { return s.Space.Low(0) != nil }, Log: s.Log,
	}
}

// Sweep ends jobs past their deadline and removes files that are no longer needed:
//
//   - uploads and assets of expired jobs, and uploads of finished transactions,
//   - assets of failed transactions, and unfinished copies,
//   - uploads without a job, and all files of redacted works.
//
// It returns how many jobs it ended. Sweep frees a full disk: it removes files even while no
// row can be written.
//
// While a network is stopped nothing is removed. The database or the clock is then probably
// wrong. A job that is expired in a restored backup may have been paid for since, and its
// file is the only copy.
func (s *Service) Sweep(ctx context.Context) (ended int, err error) {
	defer operation.Wrap(&err, "sweep")
	if s.Networks.Stopped(ctx) != nil {
		return 0, nil
	}
	ended, err = s.sweepExpired(ctx)
	if err != nil && ctx.Err() == nil { // the removed files may have made space for the rows
		var more int
		more, err = s.sweepExpired(ctx)
		ended += more
	}
	return ended, errors.Join(during("expired jobs", err), during("leftover files", s.sweepLeftovers(ctx)), during("erasures", s.Erase(ctx)), during("stray uploads", s.sweepStrays(ctx)))
}

// during adds the failed part of a sweep to its error.
func during(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}
