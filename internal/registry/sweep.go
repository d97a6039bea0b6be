package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/blob"
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
// any more: theirs, the uploads of finished transactions, the assets of failed
// ones, copies that nobody finished, and all of redacted works. It returns how
// many jobs it ended.
func (r *Registry) Sweep(ctx context.Context) (ended int, err error) {
	ended, err = r.sweepExpired(ctx)
	return ended, errors.Join(during("expired jobs", err), during("leftover files", r.sweepLeftovers(ctx)), during("erasures", r.erase(ctx)))
}

// during names the part of a round that failed.
func during(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}

// sweepExpired closes the row first: from then on nobody can confirm it, so a
// file that is removed is never one that was paid for. What a crash leaves, or an
// upload that lands later, goes with the leftovers.
func (r *Registry) sweepExpired(ctx context.Context) (ended int, err error) {
	for {
		before := store.Micros(r.DB.Now().Add(-sweepAfter))
		jobs, err := r.DB.Read().ExpiredJobs(ctx, query.ExpiredJobsParams{Before: before, Lim: batch})
		if err != nil || len(jobs) == 0 {
			return ended, err
		}
		var closed []query.ExpiredJobsRow
		for _, job := range jobs {
			var n int64
			err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
				n, err = tx.ExpireJob(ctx, query.ExpireJobParams{Now: store.Micros(tx.Now), ID: job.ID, Before: before})
				return err
			})
			if err != nil {
				return ended, err
			}
			if n > 0 { // not renewed in the meantime
				closed, ended = append(closed, job), ended+1
			}
		}
		if _, _, err := removeEach(ctx, r, closed, func(job query.ExpiredJobsRow) []string { return []string{job.UploadKey, job.AssetKey} }); err != nil {
			return ended, err
		}
	}
}

// sweepLeftovers removes what came after a job had ended. It waits until no
// upload can land any more, so that nothing is put back. The files go first: a
// crash in between finds them gone, and forgets them then. Of a job that came to
// nothing the row goes too, and with it the names and addresses in it; of one that
// the network refused the ledger needs the row, and only the names go.
func (r *Registry) sweepLeftovers(ctx context.Context) error {
	for {
		before := r.landed()
		jobs, err := r.DB.Read().Leftovers(ctx, query.LeftoversParams{Before: before, Lim: batch})
		if err != nil || len(jobs) == 0 {
			return err
		}
		swept, stuck, failed := removeEach(ctx, r, jobs, func(job query.LeftoversRow) []string {
			if job.Outcome == "final" { // its asset is the work's
				return []string{job.UploadKey}
			}
			return []string{job.UploadKey, job.AssetKey}
		})
		err = r.DB.Tx(ctx, func(tx *store.Tx) error {
			for _, job := range swept {
				if job.State == "expired" {
					if err := tx.DeleteExpiredJob(ctx, job.ID); err != nil {
						return err
					}
				} else if job.Outcome == "failed" {
					if err := tx.ForgetFailed(ctx, job.ID); err != nil {
						return err
					}
				} else if err := tx.ForgetUpload(ctx, job.ID); err != nil {
					return err
				}
			}
			for _, job := range stuck {
				if err := tx.PostponeLeftovers(ctx, query.PostponeLeftoversParams{Now: store.Micros(tx.Now), ID: job.ID}); err != nil {
					return err
				}
			}
			return nil
		})
		if err = errors.Join(failed, err); err != nil {
			return err
		}
	}
}

// maxStuck is how many rows' files may fail to go before a round ends: then the
// store is away.
const maxStuck = 3

// removeEach removes the files of each row. One row that is stuck holds up no
// other: whoever asked puts it behind them.
func removeEach[T any](ctx context.Context, r *Registry, rows []T, files func(T) []string) (done, stuck []T, err error) {
	for _, row := range rows {
		if failed := r.remove(ctx, files(row)...); failed == nil {
			done = append(done, row)
		} else if stuck, err = append(stuck, row), errors.Join(err, failed); len(stuck) == maxStuck {
			break
		}
	}
	return done, stuck, err
}

// landed is the moment before which everything began that is over by now, uploads
// too.
func (r *Registry) landed() int64 { return store.Micros(r.DB.Now().Add(-r.landing())) }

// lands is the moment from which on nothing is under way that began by since.
func (r *Registry) lands(since int64) int64 { return since + r.landing().Microseconds() + 1 }

func (r *Registry) landing() time.Duration {
	return r.Times.UploadSlot + blob.LongestUpload + sweepAfter
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
