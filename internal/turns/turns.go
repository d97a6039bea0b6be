// Package turns is the order in which queues of rows are served: organizations take turns,
// and items that fail are retried with growing pauses. It reads no row itself, and does not
// know what waits.
//
// A worker visits the organizations with due items in the order of their ids, and takes one
// item of each. So an organization with a hundred thousand items delays another by one item.
// A query finds the next organization and its item by an index, however many wait (see
// migration 00014). The worker remembers only the organization that it served last.
//
// Before an item is tried, its due time is moved by Lease, in a commit that only one worker
// can make. So other workers take other items, and the items of a killed worker become due
// again. An item that fails is retried with growing pauses, and never delays others. When a
// dependency is unavailable, the item is not counted as failed and keeps its place.
package turns

import (
	"database/sql"
	"errors"
	"time"
)

// Lease is longer than nearly every item takes. An item that takes longer may be done twice,
// with the same result.
const Lease = 10 * time.Second

// The pauses between retries double from FirstPause to LastPause.
const (
	FirstPause = time.Second
	LastPause  = time.Hour
)

// Pause returns the pause after an item that failed tries times before. It is at most last.
func Pause(tries int64, last time.Duration) time.Duration {
	return min(FirstPause<<min(tries, 20), last)
}

// Next returns the item of the first organization after the one that was served last. After
// the last organization it starts again with the first. Without any item it returns
// sql.ErrNoRows, as next does.
func Next[T any](served string, next func(after string) (T, error)) (T, error) {
	row, err := next(served)
	if errors.Is(err, sql.ErrNoRows) && served != "" {
		return next("")
	}
	return row, err
}
