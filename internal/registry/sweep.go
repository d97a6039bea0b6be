package registry

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// sweepAfter is how long past its deadline a job is kept: longer than the clocks of
// instances differ.
const sweepAfter = time.Minute

// sweepPause is the time between sweeps. While uploads are refused for lack of space, or
// after a failed sweep, it is sweepHurry.
const (
	sweepPause = time.Minute
	sweepHurry = 5 * time.Second
)

func (r *Registry) sweepEvery(ctx context.Context) {
	tick := time.NewTicker(sweepHurry)
	defer tick.Stop()
	for {
		_, err := r.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "sweep failed", "error", err)
		}
		for swept := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err != nil || time.Since(swept) >= sweepPause || r.Space.Low(0) != nil {
				break
			}
		}
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
func (r *Registry) Sweep(ctx context.Context) (ended int, err error) {
	if r.Stopped(ctx) != nil {
		return 0, nil
	}
	ended, err = r.sweepExpired(ctx)
	if err != nil && ctx.Err() == nil { // the removed files may have made space for the rows
		var more int
		more, err = r.sweepExpired(ctx)
		ended += more
	}
	return ended, errors.Join(during("expired jobs", err), during("leftover files", r.sweepLeftovers(ctx)), during("erasures", r.erase(ctx)), during("stray uploads", r.sweepStrays(ctx)))
}

// during adds the failed part of a sweep to its error.
func during(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}

// rowless is how long past its deadline a job whose row cannot be closed is kept on
// Postgres. It is longer than any transaction that read the job earlier can run.
const rowless = time.Hour

// sweepExpired closes the row first. From then on the job cannot be confirmed, so the file
// of a paid job is never removed. Files that a crash leaves, or that an upload adds later,
// are removed with the leftovers.
//
// When the disk is full and no row can be written, the file is removed first. The row is
// closed when there is space again. The job cannot be confirmed in between: its deadline has
// passed, and no earlier confirm is still running.
func (r *Registry) sweepExpired(ctx context.Context) (ended int, err error) {
	before := store.Micros(r.DB.Now().Add(-sweepAfter))
	var unwritten error
	for last := (query.ExpiredJobsRow{}); ; {
		jobs, err := r.DB.Read().ExpiredJobs(ctx, query.ExpiredJobsParams{Before: before, After: last.Deadline, AfterID: last.ID, Lim: batch})
		if err != nil || len(jobs) == 0 {
			return ended, errors.Join(unwritten, err)
		}
		last = jobs[len(jobs)-1]
		var closed []query.ExpiredJobsRow
		for _, job := range jobs {
			over := false
			if unwritten == nil {
				over, unwritten = r.expire(ctx, job.ID, before)
				if over {
					ended++
				}
			}
			if unwritten != nil {
				if over, err = r.isOver(ctx, job.ID, before); err != nil {
					return ended, errors.Join(unwritten, err)
				}
			}
			if over {
				closed = append(closed, job)
			}
		}
		if _, _, err := removeEach(ctx, r, closed, func(job query.ExpiredJobsRow) []string { return []string{job.UploadKey, job.AssetKey} }); err != nil {
			return ended, errors.Join(unwritten, err)
		}
	}
}

// expire closes the row of a job, unless the job was renewed in the meantime.
func (r *Registry) expire(ctx context.Context, id string, before int64) (bool, error) {
	var n int64
	err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.ExpireJob(ctx, query.ExpireJobParams{Now: store.Micros(tx.Now), ID: id, Before: before})
		return err
	})
	return n > 0, err
}

// isOver reports whether a job is expired when its row cannot be closed. It writes nothing.
// On SQLite it waits for the write lock, so no confirm is running. On Postgres it adds
// rowless, so that no confirm can be running.
func (r *Registry) isOver(ctx context.Context, id string, before int64) (over bool, err error) {
	if r.DB.Dialect() == "postgres" {
		before -= rowless.Microseconds()
	}
	// On a full disk another member of a shared commit may fail, and with it the whole
	// commit: then try again.
	for range 5 {
		err = r.DB.Tx(ctx, func(tx *store.Tx) error {
			job, err := tx.GetJob(ctx, id)
			over = err == nil && (job.State == "open" || job.State == "prepared") && job.Deadline < before
			return err
		})
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return over && err == nil, err
}

// sweepLeftovers removes files that arrived after a job had ended. It waits until no upload
// can arrive any more. The files go first: after a crash the next sweep finds them gone and
// updates the rows.
//
// The row of an expired job is deleted, with the names and addresses in it. The ledger needs
// the row of a job that the network refused, so only the names are erased there.
func (r *Registry) sweepLeftovers(ctx context.Context) error {
	before := r.settled()
	var unwritten error
	for last := (query.LeftoversRow{}); ; {
		jobs, err := r.DB.Read().Leftovers(ctx, query.LeftoversParams{Before: before, After: last.UpdatedAt, AfterID: last.ID, Lim: batch})
		if err != nil || len(jobs) == 0 {
			return errors.Join(unwritten, err)
		}
		last = jobs[len(jobs)-1]
		swept, stuck, failed := removeEach(ctx, r, jobs, func(job query.LeftoversRow) []string {
			if job.Outcome == "final" { // the asset belongs to the work
				return []string{job.UploadKey}
			}
			return []string{job.UploadKey, job.AssetKey}
		})
		if unwritten == nil {
			unwritten = r.DB.Tx(ctx, func(tx *store.Tx) error { return forget(ctx, tx, swept, stuck) })
		}
		if failed != nil || ctx.Err() != nil {
			return errors.Join(failed, unwritten)
		}
	}
}

// forget records which leftovers were removed and which were not.
func forget(ctx context.Context, tx *store.Tx, swept, stuck []query.LeftoversRow) error {
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
}

// straysEvery is how often the stored uploads are checked.
const straysEvery = 10 * time.Minute

// sweepStrays lists the stored uploads, independently of the rows. It removes uploads of
// expired jobs, and uploads larger than their job allows. It counts the bytes of the others:
// a store that receives uploads directly does not report them.
func (r *Registry) sweepStrays(ctx context.Context) error {
	now := r.DB.Now()
	if now.Sub(r.strays).Abs() < straysEvery { // Abs: a clock that was ahead does not stop the check
		return nil
	}
	r.strays = now
	if err := r.Blobs.Sweep(ctx); err != nil {
		return err
	}
	for o, err := range r.Blobs.List(ctx, strings.TrimSuffix(uploads, "/")) {
		if err != nil {
			return err
		}
		job, err := r.DB.Read().GetJob(ctx, strings.TrimPrefix(o.Key, uploads))
		gone := false
		switch {
		case errors.Is(err, sql.ErrNoRows):
			// It may belong to another registry: remove it only after the longest upload
			// time.
			gone = store.Micros(o.Modified) < r.settled()
		case err != nil:
			return err
		case job.State == "expired":
			gone = true
		case job.State == "confirmed":
		case o.Size > job.MaxBytes && len(job.MediaHash) == 0:
			// The list is not new: another file may have been uploaded since.
			info, err := r.Blobs.Stat(ctx, o.Key)
			if err != nil && !errors.Is(err, blob.ErrNotFound) {
				return err
			}
			gone = err == nil && info.Size > job.MaxBytes
		default:
			if job.AssetKey != "" {
				// The row already counts the copy of this upload; count the bytes once.
				info, err := r.Blobs.Stat(ctx, o.Key)
				if err != nil && !errors.Is(err, blob.ErrNotFound) {
					return err
				}
				if was, ok := readingOf(job, info.Version); ok && bytes.Equal(was.Hash, job.MediaHash) {
					job.AssetKey = ""
				}
			}
			var known *fault.Error
			if err := r.recordUpload(ctx, job, o.Size); err != nil && !errors.As(err, &known) {
				return err
			}
		}
		if gone {
			if err := r.remove(ctx, o.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxStuck is how many rows may fail before a round ends: the store is then probably
// unavailable.
const maxStuck = 3

// removeEach removes the files of each row. One stuck row never delays others: the caller
// postpones the stuck rows.
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

// settled returns a time so far back that everything that began before it has ended, uploads
// included.
func (r *Registry) settled() int64 { return store.Micros(r.DB.Now().Add(-r.longestUpload())) }

// settledAt returns the time at which everything that began by since has ended.
func (r *Registry) settledAt(since int64) int64 { return since + r.longestUpload().Microseconds() + 1 }

func (r *Registry) longestUpload() time.Duration {
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
