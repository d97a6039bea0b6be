package erasing

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/blob"
	"timbre.example/internal/store"
)

// rowsAtOnce is how many rows one query of a sweep returns.
const rowsAtOnce = 256

// maxStuck is how many rows may fail before a round ends: the store is then probably
// unavailable.
const maxStuck = 3

// leftFiles are an upload and another file, and the job whose they are; "" stands for a file that does not exist.
type leftFiles struct{ job, upload, asset string }

// removeEach removes the files of each row. One stuck row never delays others: the caller
// postpones the stuck rows.
func removeEach[T any](ctx context.Context, s *Service, rows []T, of func(T) leftFiles) (done, stuck []T, err error) {
	for _, row := range rows {
		left := of(row)
		failed := s.dropParts(ctx, left)
		if failed == nil {
			failed = s.remove(ctx, left.upload, left.asset)
		}
		if failed == nil {
			done = append(done, row)
		} else if stuck, err = append(stuck, row), errors.Join(err, failed); len(stuck) == maxStuck {
			break
		}
	}
	return done, stuck, err
}

// dropParts removes what a job has uploaded in parts, and the row that names it. The row stays
// when it cannot be written, on a full disk.
func (s *Service) dropParts(ctx context.Context, left leftFiles) error {
	if left.job == "" {
		return nil
	}
	up, err := s.DB.Read().GetPartUpload(ctx, left.job)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	if left.upload != "" && up.CompletedAt == 0 {
		if err := s.Blobs.AbortParts(ctx, blob.Multipart{Key: left.upload, ID: up.StoreID, Size: up.SizeBytes, PartSize: up.PartBytes}); err != nil {
			return err
		}
	}
	_ = s.DB.Tx(ctx, func(tx *store.Tx) error { return tx.DeletePartUpload(ctx, left.job) })
	return nil
}

func (s *Service) remove(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if key == "" {
			continue
		}
		if err := s.Blobs.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
