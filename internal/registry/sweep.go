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

// Sweep ends jobs that ran out of time and removes the files that nobody needs
// any more: theirs, the uploads of finished transactions, and the assets of
// failed ones. It returns how many jobs it ended.
func (r *Registry) Sweep(ctx context.Context) (ended int, err error) {
	if ended, err = r.sweepExpired(ctx); err != nil {
		return ended, err
	}
	return ended, r.sweepLeftovers(ctx)
}

// sweepExpired closes the row first: from then on nobody can confirm it, so a
// file that is removed is never one that was paid for. A crash in between leaves
// files that the row no longer points to, which costs space and nothing else.
func (r *Registry) sweepExpired(ctx context.Context) (ended int, err error) {
	for {
		before := store.Micros(r.DB.Now().Add(-sweepAfter))
		jobs, err := r.DB.Read().ExpiredJobs(ctx, query.ExpiredJobsParams{Before: before, Lim: batch})
		if err != nil || len(jobs) == 0 {
			return ended, err
		}
		for _, job := range jobs {
			var closed int64
			err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
				closed, err = tx.ExpireJob(ctx, query.ExpireJobParams{Now: store.Micros(tx.Now), ID: job.ID, Before: before})
				return err
			})
			if err != nil {
				return ended, err
			}
			if closed == 0 { // renewed in the meantime
				continue
			}
			ended++
			if err := r.remove(ctx, job.UploadKey, job.AssetKey); err != nil {
				return ended, err
			}
		}
	}
}

// sweepLeftovers waits until no upload URL of the job works any more, so that
// nothing is put back. The files go first here: a crash in between finds them
// gone, and forgets them then.
func (r *Registry) sweepLeftovers(ctx context.Context) error {
	for {
		before := store.Micros(r.DB.Now().Add(-r.Times.UploadSlot - sweepAfter))
		jobs, err := r.DB.Read().Leftovers(ctx, query.LeftoversParams{Before: before, Lim: batch})
		if err != nil || len(jobs) == 0 {
			return err
		}
		for i, job := range jobs {
			failed := ""
			if job.State == "failed" {
				failed, jobs[i].AssetKey = job.AssetKey, ""
			}
			if err := r.remove(ctx, job.UploadKey, failed); err != nil {
				return err
			}
		}
		err = r.DB.Tx(ctx, func(tx *store.Tx) error {
			for _, job := range jobs {
				if err := tx.ForgetFiles(ctx, query.ForgetFilesParams{AssetKey: job.AssetKey, ID: job.ID}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func (r *Registry) remove(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if key == "" {
			continue
		}
		if err := r.Blobs.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
