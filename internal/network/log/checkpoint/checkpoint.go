// Package checkpoint stores the newest signed checkpoint of a log outside of the log's
// database, and changes it by compare-and-swap.
//
// A database can go back: a restored backup, or a replica that lags behind. The
// checkpoint in this place does not go back with it. A log that compares both before it
// signs never signs two trees of which one does not continue the other.
//
// It has the seam (Store) and three stores: a folder (Dir), a table in another Postgres
// database (Postgres), and an object store with conditional writes (Objects). It does not
// read the content of a checkpoint.
package checkpoint

import (
	"context"
	"errors"
)

// ErrSwapped is returned by Swap if the stored text is not the old one.
var ErrSwapped = errors.New("checkpoint: another checkpoint is stored")

// MaxSize is the largest size of a text in bytes. A signed note of three lines has a few
// hundred.
const MaxSize = 64 << 10

// Store stores one text under each name. Implementations are safe for concurrent use by
// several processes. A name contains only [a-z0-9-].
type Store interface {
	// Load returns the text under name, or "" if it is missing.
	Load(ctx context.Context, name string) (string, error)
	// Swap replaces old by new. An old of "" means that no text is stored yet. It returns
	// ErrSwapped if another text is stored. After any other error, new can be stored or
	// not. A stored text survives a power cut.
	Swap(ctx context.Context, name, old, new string) error
	// Place describes, for people, where the text under name is.
	Place(name string) string
}
