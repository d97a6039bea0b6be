package erasing

import (
	"context"
	"errors"

	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// sweepLeftovers removes files that arrived after a job had ended. It waits until no upload
// can arrive any more. The files go first: after a crash the next sweep finds them gone and
// updates the rows.
//
// The row of an expired job is deleted, with the names and addresses in it. The ledger needs
// the row of a job that the network refused, so only the names are erased there.
func (s *Service) sweepLeftovers(ctx context.Context) error {
	before := s.settled()
	var unwritten error
	for last := (query.LeftoversRow{}); ; {
		jobs, err := s.DB.Read().Leftovers(ctx, query.LeftoversParams{Before: before, After: last.UpdatedAt, AfterID: last.ID, Lim: rowsAtOnce})
		if err != nil || len(jobs) == 0 {
			return errors.Join(unwritten, err)
		}
		last = jobs[len(jobs)-1]
		swept, stuck, failed := removeEach(ctx, s, jobs, func(job query.LeftoversRow) leftFiles {
			if state.Transaction(job.Outcome) == state.TransactionFinal { // the asset belongs to the work
				return leftFiles{job: job.ID, upload: job.UploadKey}
			}
			return leftFiles{job.ID, job.UploadKey, job.AssetKey}
		})
		if unwritten == nil {
			unwritten = s.DB.Tx(ctx, func(tx *store.Tx) error { return forget(ctx, tx, swept, stuck) })
		}
		if failed != nil || ctx.Err() != nil {
			return errors.Join(failed, unwritten)
		}
	}
}

// forget records which leftovers were removed and which were not.
func forget(ctx context.Context, tx *store.Tx, swept, stuck []query.LeftoversRow) error {
	for _, job := range swept {
		if job.State == state.JobExpired {
			if err := tx.DeleteExpiredJob(ctx, job.ID); err != nil {
				return err
			}
		} else if state.Transaction(job.Outcome) == state.TransactionFailed {
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
