package registry

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/blob"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// sweepAfter is how long past its deadline a job is left alone: longer than
// clocks of instances differ.
const sweepAfter = time.Minute

// sweepRests is the time between sweeps. While uploads are refused for want of
// space, or the last sweep failed, it is sweepHurry.
const (
	sweepRests = time.Minute
	sweepHurry = 5 * time.Second
)

func (r *Registry) sweepEvery(ctx context.Context) {
	tick := time.NewTicker(sweepHurry)
	defer tick.Stop()
	for {
		_, err := r.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "sweeping", "error", err)
		}
		for swept := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err != nil || time.Since(swept) >= sweepRests || r.Space.Low(0) != nil {
				break
			}
		}
	}
}

// Sweep ends jobs that ran out of time and removes the files that nobody needs
// any more: theirs, the uploads of finished transactions, the assets of failed
// ones, copies that nobody finished, what no job of ours waits for, and all of
// redacted works. It returns how many jobs it ended.
//
// A disk that is full heals by it: files go also while no row can be written.
//
// While a network is stopped nothing goes. The database, or the clock, is probably not
// the right one then: a job that a restored backup has as expired may have been paid
// for since, and its file is the only one.
func (r *Registry) Sweep(ctx context.Context) (ended int, err error) {
	if r.Stopped(ctx) != nil {
		return 0, nil
	}
	ended, err = r.sweepExpired(ctx)
	if err != nil && ctx.Err() == nil { // the files that went may have left room for the rows
		var more int
		more, err = r.sweepExpired(ctx)
		ended += more
	}
	return ended, errors.Join(during("expired jobs", err), during("leftover files", r.sweepLeftovers(ctx)), during("erasures", r.erase(ctx)), during("stray uploads", r.sweepStrays(ctx)))
}

// during names the part of a round that failed.
func during(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}

// rowless is how long past its deadline a job is left alone on Postgres whose row
// cannot be closed: longer than any transaction that saw it earlier may take.
const rowless = time.Hour

// sweepExpired closes the row first: from then on nobody can confirm it, so a
// file that is removed is never one that was paid for. What a crash leaves, or an
// upload that lands later, goes with the leftovers.
//
// Where no row can be written, because the disk is full, the file goes without,
// and the row is closed when there is room again. Nobody can confirm it either: its
// deadline has passed, and no confirm that began before is still under way.
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

// expire closes the row of a job, unless it was renewed in the meantime.
func (r *Registry) expire(ctx context.Context, id string, before int64) (bool, error) {
	var n int64
	err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.ExpireJob(ctx, query.ExpireJobParams{Now: store.Micros(tx.Now), ID: id, Before: before})
		return err
	})
	return n > 0, err
}

// isOver reports whether a job has run out of time, where its row cannot be closed.
// It writes nothing. On SQLite it waits for its turn as everybody does who writes,
// so no confirm is under way; on Postgres it waits until none can be.
func (r *Registry) isOver(ctx context.Context, id string, before int64) (over bool, err error) {
	if r.DB.Dialect() == "postgres" {
		before -= rowless.Microseconds()
	}
	// Those who share a commit share its failure, and on a full disk somebody's
	// fails: then this asks again.
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

// sweepLeftovers removes what came after a job had ended. It waits until no
// upload can land any more, so that nothing is put back. The files go first: a
// crash in between finds them gone, and forgets them then. Of a job that came to
// nothing the row goes too, and with it the names and addresses in it; of one that
// the network refused the ledger needs the row, and only the names go.
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
			if job.Outcome == "final" { // its asset is the work's
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

// forget writes what came of the files of leftovers.
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

// straysEvery is how often the uploads in the store are looked through.
const straysEvery = 10 * time.Minute

// sweepStrays looks at the uploads that are there, whatever the rows say. An upload
// of a job that has ended goes, and one that is larger than its job may have; the
// others are counted, which a store that takes uploads by itself does not do.
func (r *Registry) sweepStrays(ctx context.Context) error {
	now := r.DB.Now()
	if now.Sub(r.strays).Abs() < straysEvery { // a clock that was ahead stops nothing
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
			// Perhaps another registry's: it has had its time.
			gone = store.Micros(o.Modified) < r.settled()
		case err != nil:
			return err
		case job.State == "expired":
			gone = true
		case job.State == "confirmed":
		case o.Size > job.MaxBytes && len(job.MediaHash) == 0:
			// A list is of a while ago: another file may have come since.
			info, err := r.Blobs.Stat(ctx, o.Key)
			if err != nil && !errors.Is(err, blob.ErrNotFound) {
				return err
			}
			gone = err == nil && info.Size > job.MaxBytes
		default:
			if job.AssetKey != "" {
				// The copy that was made of this upload is counted with it, not beside it.
				info, err := r.Blobs.Stat(ctx, o.Key)
				if err != nil && !errors.Is(err, blob.ErrNotFound) {
					return err
				}
				if was, ok := readingOf(job, info.Version); ok && bytes.Equal(was.Hash, job.MediaHash) {
					job.AssetKey = ""
				}
			}
			var known *fault.Error
			if err := r.landed(ctx, job, o.Size); err != nil && !errors.As(err, &known) {
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

// settled is the moment before which everything began that is over by now, uploads
// too.
func (r *Registry) settled() int64 { return store.Micros(r.DB.Now().Add(-r.landing())) }

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
