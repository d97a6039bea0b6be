// Package blob is the object store: where the bytes of uploaded works rest.
// Browsers talk to it straight, by presigned URL, so that no audio passes
// through a request handler of the API.
//
// It holds the seam (Store) and two stores: a folder (Disk), and a bucket of a
// server that speaks S3 (S3). It never looks inside an object, never knows whose
// it is, and never makes a partial upload visible.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// ErrNotFound is returned for a key under which no complete object is stored.
var ErrNotFound = errors.New("blob: object not found")

// LongestUpload is how long a PUT may take that began while its URL worked.
const LongestUpload = 6 * time.Hour

// Upload says what a presigned PUT URL allows.
type Upload struct {
	// Key names the object: slash-separated segments of [a-z0-9-], at most 200 bytes.
	Key string
	// MaxBytes caps the body, at least 1. Of a larger body the disk store keeps
	// only the size; S3 cannot bind a URL to a size, and keeps it all. Both answer
	// the PUT as a success, so whoever opens the object looks at its size first.
	MaxBytes int64
	// Expires is when the URL stops being accepted, rounded up to a whole
	// second. A PUT that began before may finish after.
	Expires time.Time
}

// File is what a download is said to be.
type File struct {
	// Name is made safe before anybody saves under it.
	Name string
	// Type is a media type; "" is application/octet-stream.
	Type string
}

// Info describes a stored object.
type Info struct {
	// Size in bytes: of what was uploaded, also where that was over the cap and
	// was not kept.
	Size int64
	// Version is different for other bytes under the same key: a PUT that lands
	// changes it. It is of Stat only, and never "".
	Version string
}

// TooLarge is returned for an object that is larger than the caller takes.
type TooLarge struct {
	// Size in bytes.
	Size int64
}

func (e TooLarge) Error() string {
	return fmt.Sprintf("blob: an object of %d bytes is too large", e.Size)
}

// Object is one of a list.
type Object struct {
	Key string
	// Size as Info has it.
	Size int64
	// Modified is when it came, by the store's clock.
	Modified time.Time
}

// Store is an object store. Implementations are safe for concurrent use; a
// transport failure (the store does not answer) is any error but ErrNotFound. A store
// without room says ErrFull.
type Store interface {
	// PresignPut returns a URL that takes repeated PUTs of the raw bytes until
	// it expires. The last complete PUT wins, atomically.
	PresignPut(ctx context.Context, up Upload) (string, error)
	// PresignGet returns a URL that serves the object until expires, as a download
	// with that name and media type, whatever an upload called itself.
	PresignGet(ctx context.Context, key string, as File, expires time.Time) (string, error)
	// Put makes key an object with these bytes, atomically. It is for what this
	// program makes itself, and holds in memory.
	Put(ctx context.Context, key string, data []byte) error
	// Open returns the object's bytes as of the call: a PUT that lands later
	// does not change what the reader reads.
	Open(ctx context.Context, key string) (io.ReadCloser, Info, error)
	// Stat describes the object as of the call, without its bytes.
	Stat(ctx context.Context, key string) (Info, error)
	// Copy makes dst an object with the bytes that src has now. It is how an
	// upload becomes an asset: later PUTs to src leave dst alone. A src of more than
	// most bytes is TooLarge, and nothing of it is copied.
	Copy(ctx context.Context, src, dst string, most int64) error
	// Delete removes the object; a missing one is no error.
	Delete(ctx context.Context, key string) error
	// List goes through the objects whose keys begin with under and a slash, in no
	// particular order. It ends with the first error. What somebody else put there,
	// under a name that is no key, is not listed.
	List(ctx context.Context, under string) iter.Seq2[Object, error]
	// Sweep removes what was begun and never became an object.
	Sweep(ctx context.Context) error
}
