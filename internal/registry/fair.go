package registry

import (
	"database/sql"
	"errors"
	"time"
)

// Everything that waits takes turns by organization. A worker visits the organizations with
// due items in the order of their ids, and takes one item of each. So an organization with a
// hundred thousand items delays another by one item. A query finds the next organization and
// its item by an index, however many wait (see migration 00014). The worker remembers only
// the organization that it served last.
//
// Before an item is tried, its due time is moved by lease, in a commit that only one worker
// can make. So other workers take other items, and the items of a killed worker become due
// again. An item that fails is retried with growing pauses, and never delays others. When a
// dependency is unavailable, the item is not counted as failed and keeps its place.

// lease is longer than nearly every item takes. An item that takes longer may be done twice,
// with the same result.
const lease = 10 * time.Second

// The pauses between retries double from firstWait to lastWait.
const (
	firstWait = time.Second
	lastWait  = time.Hour
)

// putOff returns the pause after an item that failed tries times before.
func putOff(tries int64, last time.Duration) time.Duration {
	return min(firstWait<<min(tries, 20), last)
}

// nextTurn returns the item of the first organization after the one that was served last.
// After the last organization it starts again with the first.
func nextTurn[T any](served string, next func(after string) (T, error)) (T, error) {
	row, err := next(served)
	if errors.Is(err, sql.ErrNoRows) && served != "" {
		return next("")
	}
	return row, err
}
