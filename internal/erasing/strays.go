package erasing

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/blob"
	"timbre.example/internal/files"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
)

// StraysEvery is how often the stored uploads are checked.
const StraysEvery = 10 * time.Minute

// sweepStrays lists the stored uploads, independently of the rows. It removes uploads of
// expired jobs, and uploads larger than their job allows. It counts the bytes of the others:
// a store that receives uploads directly does not report them.
func (s *Service) sweepStrays(ctx context.Context) error {
	now := s.DB.Now()
	if now.Sub(s.strays).Abs() < StraysEvery { // Abs: a clock that was ahead does not stop the check
		return nil
	}
	s.strays = now
	if err := s.Blobs.Sweep(ctx); err != nil {
		return err
	}
	for o, err := range s.Blobs.List(ctx, strings.TrimSuffix(files.Uploads, "/")) {
		if err != nil {
			return err
		}
		id, _ := files.JobOf(o.Key)
		job, err := s.DB.Read().GetJob(ctx, id)
		gone := false
		switch {
		case errors.Is(err, sql.ErrNoRows):
			// It may belong to another registry: remove it only after the longest upload
			// time.
			gone = store.Micros(o.Modified) < s.settled()
		case err != nil:
			return err
		case job.State == state.JobExpired:
			gone = true
		case job.State == state.JobConfirmed:
		case o.Size > job.MaxBytes && len(job.MediaHash) == 0:
			// The list is not new: another file may have been uploaded since.
			info, err := s.Blobs.Stat(ctx, o.Key)
			if err != nil && !errors.Is(err, blob.ErrNotFound) {
				return err
			}
			gone = err == nil && info.Size > job.MaxBytes
		default:
			if job.AssetKey != "" {
				// The row already counts the copy of this upload; count the bytes once.
				info, err := s.Blobs.Stat(ctx, o.Key)
				if err != nil && !errors.Is(err, blob.ErrNotFound) {
					return err
				}
				if was, ok := files.ReadingOf(job, info.Version); ok && bytes.Equal(was.Hash, job.MediaHash) {
					job.AssetKey = ""
				}
			}
			var known *fault.Error
			if err := files.Count(ctx, s.DB, job, o.Size); err != nil && !errors.As(err, &known) {
				return err
			}
		}
		if gone {
			if err := s.remove(ctx, o.Key); err != nil {
				return err
			}
		}
	}
	return nil
}
