package erasing

import (
	"context"
	"errors"
)

// rowsAtOnce is how many rows one query of a sweep returns.
const rowsAtOnce = 256

// maxStuck is how many rows may fail before a round ends: the store is then probably
// unavailable.
const maxStuck = 3

// removeEach removes the files of each row. One stuck row never delays others: the caller
// postpones the stuck rows.
func removeEach[T any](ctx context.Context, s *Service, rows []T, keys func(T) []string) (done, stuck []T, err error) {
	for _, row := range rows {
		if failed := s.remove(ctx, keys(row)...); failed == nil {
			done = append(done, row)
		} else if stuck, err = append(stuck, row), errors.Join(err, failed); len(stuck) == maxStuck {
			break
		}
	}
	return done, stuck, err
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
