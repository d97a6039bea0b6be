package registry

import (
	"context"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// sweepAfter is how long past its deadline a job is left alone: longer than
// clocks of instances differ.
const sweepAfter = time.Minute

func (r *Registry) sweepEvery(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := r.Sweep(ctx); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "sweeping", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sweep ends jobs that ran out of time and removes their files. The row is
// closed first: from then on nobody can confirm it, so a file that is removed
// is never one that was paid for. A crash in between leaves files that the row
// no longer points to, which costs space and nothing else.
func (r *Registry) Sweep(ctx context.Context) (swept int, err error) {
	for {
		before := store.Micros(r.DB.Now().Add(-sweepAfter))
		jobs, err := r.DB.Read().ExpiredJobs(ctx, query.ExpiredJobsParams{Before: before, Lim: batch})
		if err != nil || len(jobs) == 0 {
			return swept, err
		}
		for _, job := range jobs {
			var closed int64
			err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
				closed, err = tx.ExpireJob(ctx, query.ExpireJobParams{Now: store.Micros(tx.Now), ID: job.ID, Before: before})
				return err
			})
			if err != nil {
				return swept, err
			}
			if closed == 0 { // renewed in the meantime
				continue
			}
			swept++
			for _, key := range []string{job.UploadKey, job.AssetKey} {
				if key == "" {
					continue
				}
				if err := r.Blobs.Delete(ctx, key); err != nil {
					return swept, err
				}
			}
		}
	}
}
