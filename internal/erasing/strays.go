package erasing

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
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
	temporary, err := s.Blobs.Sweep(ctx)
	s.temporary.Add(int64(temporary))
	if err != nil {
		return err
	}
	if err := s.sweepParts(ctx); err != nil {
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

// beginning is longer than the time between the begin of an upload in the store and its row.
const beginning = time.Hour

// sweepParts lists the uploads in parts that are not complete, independently of the rows. It
// aborts those of ended jobs, those that no row names, and those without a job when no
// upload could still be running. It counts the bytes of the others.
func (s *Service) sweepParts(ctx context.Context) error {
	var left Unfinished
	for u, err := range s.Blobs.UnfinishedParts(ctx, strings.TrimSuffix(files.Uploads, "/")) {
		if err != nil {
			return err
		}
		over, err := s.partsOver(ctx, u)
		if err != nil {
			return err
		}
		if !over {
			left.Uploads++
			left.Bytes += u.Bytes
			continue
		}
		if err := s.Blobs.AbortParts(ctx, blob.Multipart{Key: u.Key, ID: u.ID}); err != nil {
			return err
		}
		s.aborted.Add(1)
	}
	s.unfinished.Store(&left)
	return nil
}

// partsOver reports whether an upload in parts can no longer be completed. It counts the
// bytes of one that can.
func (s *Service) partsOver(ctx context.Context, u blob.Unfinished) (bool, error) {
	id, _ := files.JobOf(u.Key)
	job, err := s.DB.Read().GetJob(ctx, id)
	switch {
	case errors.Is(err, sql.ErrNoRows): // it may belong to another registry
		return store.Micros(u.Begun) < s.settled(), nil
	case err != nil:
		return false, err
	case !job.State.Unpaid():
		return true, nil
	}
	up, err := s.DB.Read().GetPartUpload(ctx, id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if err != nil || up.StoreID != u.ID || up.CompletedAt > 0 {
		return s.DB.Now().Sub(u.Begun) > beginning, nil
	}
	return false, s.DB.Tx(ctx, func(tx *store.Tx) error {
		_, err := tx.LandParts(ctx, query.LandPartsParams{Bytes: u.Bytes, ID: id, Now: store.Micros(tx.Now)})
		return err
	})
}

// Swept returns the unfinished uploads in parts as of the last sweep. aborted is how many
// this process has aborted, temporary how many temporary files it has removed.
func (s *Service) Swept() (left Unfinished, aborted, temporary int64) {
	if at := s.unfinished.Load(); at != nil {
		left = *at
	}
	return left, s.aborted.Load(), s.temporary.Load()
}
