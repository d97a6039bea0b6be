// Package checkpoint keeps the newest signed checkpoint of a log outside of the
// log's database, and changes it by compare-and-swap.
//
// A database that goes back (a restored backup, a replica that lags behind) does not
// take what is kept here back with it. So a log that compares both before it signs
// never signs two trees of which one does not continue the other.
//
// It holds the seam (Store) and three stores: a folder (Dir), a table of another
// Postgres database (Postgres), and, by way of Objects, an object store with
// conditional writes. It never reads what a checkpoint says.
package checkpoint

import (
	"context"
	"errors"
)

// ErrSwapped is returned by Swap when another text is kept than the one that was to
// be replaced.
var ErrSwapped = errors.New("checkpoint: another one is kept")

// MaxSize is how long a text may be, in bytes: a signed note of three lines has a
// few hundred.
const MaxSize = 64 << 10

// Store keeps one text under each name. Implementations are safe for concurrent use
// by several processes. A name is of [a-z0-9-].
type Store interface {
	// Load returns the text under name; "" when there is none.
	Load(ctx context.Context, name string) (string, error)
	// Swap replaces old by new; an old of "" means that there is none yet. It is
	// ErrSwapped when another text is kept. After any other error, new may be kept
	// or not. What Swap kept survives a power cut.
	Swap(ctx context.Context, name, old, new string) error
	// Place says to people where the text under name is.
	Place(name string) string
}
