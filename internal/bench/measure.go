package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// clients is how many work at once wherever a row does not say otherwise.
const clients = 16

// pairs measures ours and the floor in turns and returns the medians: of each,
// and of the ratios of the pairs.
func pairs(n int, ours, floor func() (float64, error)) (o, f, ratio float64, err error) {
	var os, fs, ratios []float64
	for range n {
		a, err := ours()
		if err != nil {
			return 0, 0, 0, err
		}
		b, err := floor()
		if err != nil {
			return 0, 0, 0, err
		}
		os, fs, ratios = append(os, a), append(fs, b), append(ratios, a/b)
	}
	return median(os), median(fs), median(ratios), nil
}

func median(v []float64) float64 { return quantile(v, 0.5) }

// quantile returns the smallest value that at least the share q of v does not
// exceed.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if q == 0.5 && len(s)%2 == 0 {
		return (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	i := int(q*float64(len(s))+0.999999) - 1
	return s[min(max(i, 0), len(s)-1)]
}

// rate runs f in a loop on n goroutines for a time, and returns the number of runs per
// second. The first error stops it. f receives the number of its goroutine.
func rate(ctx context.Context, n int, d time.Duration, f func(ctx context.Context, i int) error) (float64, error) {
	var count atomic.Int64
	start := time.Now()
	err := together(ctx, n, func(ctx context.Context, i int) error {
		for time.Since(start) < d {
			if err := f(ctx, i); err != nil {
				return err
			}
			count.Add(1)
		}
		return nil
	})
	return float64(count.Load()) / time.Since(start).Seconds(), err
}

// together runs f on n goroutines and returns the first error, which also ends
// the context of the others.
func together(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// timed returns how many seconds f took.
func timed(f func() error) (float64, error) {
	start := time.Now()
	err := f()
	return time.Since(start).Seconds(), err
}
