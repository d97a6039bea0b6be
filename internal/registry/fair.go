package registry

import (
	"database/sql"
	"errors"
	"time"
)

// Everything that waits takes turns by organization. A worker goes round those that
// have something due, in the order of their ids, and takes one item of each: an
// organization with a hundred thousand items delays another's by one item. A query
// finds the next organization and its item by the index, however many wait (see
// migration 00014), and the worker remembers only the organization that it served
// last.
//
// Before an item is tried it is put off by lease, in a commit that only one worker
// can make: another worker takes another item, and what a worker leaves when it is
// killed comes back by itself. An item that fails is put off longer and longer, by
// itself, and holds up no other. A dependency that is away is no fault of the item,
// which stays where it was.

// lease is longer than one item takes by far the most often. One that takes longer
// may be done twice, to the same end.
const lease = 10 * time.Second

// The waits of an item that fails double from the first to the last.
const (
	firstWait = time.Second
	lastWait  = time.Hour
)

// putOff is how long an item waits that failed so many times before.
func putOff(tries int64, last time.Duration) time.Duration {
	return min(firstWait<<min(tries, 20), last)
}

// nextTurn asks for the item of the first organization behind the one that was
// served last, and begins anew when there is none.
func nextTurn[T any](served string, next func(after string) (T, error)) (T, error) {
	row, err := next(served)
	if errors.Is(err, sql.ErrNoRows) && served != "" {
		return next("")
	}
	return row, err
}
