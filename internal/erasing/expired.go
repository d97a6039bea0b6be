package erasing

import (
	"context"
	"errors"
	"time"

	"timbre.example/internal/files"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Rowless is how long past its deadline a job whose row cannot be closed is kept on
// Postgres. It is longer than any transaction that read the job earlier can run.
const Rowless = time.Hour

// sweepExpired closes the row first. From then on the job cannot be confirmed, so the file
// of a paid job is never removed. Files that a crash leaves, or that an upload adds later,
// are removed with the leftovers.
//
// When the disk is full and no row can be written, the file is removed first. The row is
// closed when there is space again. The job cannot be confirmed in between: its deadline has
// passed, and no earlier confirm is still running.
func (s *Service) sweepExpired(ctx context.Context) (ended int, err error) {
	before := store.Micros(s.DB.Now().Add(-files.ClockSkew))
	var unwritten error
	for last := (query.ExpiredJobsRow{}); ; {
		jobs, err := s.DB.Read().ExpiredJobs(ctx, query.ExpiredJobsParams{Before: before, After: last.Deadline, AfterID: last.ID, Lim: rowsAtOnce})
		if err != nil || len(jobs) == 0 {
			return ended, errors.Join(unwritten, err)
		}
		last = jobs[len(jobs)-1]
		var closed []query.ExpiredJobsRow
		for _, job := range jobs {
			over := false
			if unwritten == nil {
				over, unwritten = s.expire(ctx, job.ID, before)
				if over {
					ended++
				}
			}
			if unwritten != nil {
				if over, err = s.isOver(ctx, job.ID, before); err != nil {
					return ended, errors.Join(unwritten, err)
				}
			}
			if over {
				closed = append(closed, job)
			}
		}
		if _, _, err := removeEach(ctx, s, closed, func(job query.ExpiredJobsRow) leftFiles { return leftFiles{job.ID, job.UploadKey, job.AssetKey} }); err != nil {
			return ended, errors.Join(unwritten, err)
		}
	}
}

// expire closes the row of a job, unless the job was renewed in the meantime.
func (s *Service) expire(ctx context.Context, id string, before int64) (bool, error) {
	var n int64
	err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.ExpireJob(ctx, query.ExpireJobParams{Now: store.Micros(tx.Now), ID: id, Before: before})
		return err
	})
	return n > 0, err
}

// isOver reports whether a job is expired when its row cannot be closed. It writes nothing.
// On SQLite it waits for the write lock, so no confirm is running. On Postgres it adds
// Rowless, so that no confirm can be running.
func (s *Service) isOver(ctx context.Context, id string, before int64) (over bool, err error) {
	if s.DB.Dialect() == "postgres" {
		before -= Rowless.Microseconds()
	}
	// On a full disk another member of a shared commit may fail, and with it the whole
	// commit: then try again.
	for range 5 {
		err = s.DB.Tx(ctx, func(tx *store.Tx) error {
			job, err := tx.GetJob(ctx, id)
			over = err == nil && job.State.Unpaid() && job.Deadline < before
			return err
		})
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return over && err == nil, err
}
