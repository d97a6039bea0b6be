// Package blob is the object store for uploaded files and certificates. Browsers upload
// to it directly, by presigned URL, so no audio passes through the API.
//
// It has the seam (Store) and two stores: a folder (Disk), and a bucket of any S3 server
// (S3). It does not read the content of objects, does not know their owners, and never
// shows a partial upload.
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

// LongestUpload is the longest time of a PUT that started while its URL was valid.
const LongestUpload = 6 * time.Hour

// Upload describes the upload that a presigned PUT URL allows.
type Upload struct {
	// Key names the object: slash-separated segments of [a-z0-9-], at most 200 bytes.
	Key string
	// MaxBytes is the largest body, at least 1. Of a larger body the disk store keeps
	// only the size; S3 cannot limit the size by URL, and stores the whole body. Both
	// report success to the PUT, so a reader must check an object's size first.
	MaxBytes int64
	// Expires is when the URL expires, rounded up to a whole second. A PUT that started
	// before can finish after.
	Expires time.Time
}

// File is the name and the type of a download.
type File struct {
	// Name is made safe for file systems before a browser receives it.
	Name string
	// Type is a media type; "" is application/octet-stream.
	Type string
}

// Info describes a stored object.
type Info struct {
	// Size is the size of the upload in bytes, also if the upload was too large and was
	// not stored.
	Size int64
	// Version differs for different bytes under the same key: every completed PUT changes
	// it. Only Stat sets it, and it is never "".
	Version string
}

// TooLarge is returned for an object that is larger than the caller's limit.
type TooLarge struct {
	// Size in bytes.
	Size int64
}

func (e TooLarge) Error() string {
	return fmt.Sprintf("blob: an object of %d bytes is too large", e.Size)
}

// Object is one entry of List.
type Object struct {
	Key string
	// Size is the same as in Info.
	Size int64
	// Modified is when the object was stored, by the store's clock.
	Modified time.Time
}

// Store is an object store. Implementations are safe for concurrent use. A store without
// room returns ErrFull. Any error besides ErrNotFound, ErrFull and TooLarge means that the
// store does not answer.
type Store interface {
	// PresignPut returns a URL that accepts PUTs of the raw bytes until it expires, also
	// several. The last complete PUT wins, atomically.
	PresignPut(ctx context.Context, up Upload) (string, error)
	// PresignGet returns a URL that serves the object as a download until expires, with
	// that name and media type. The name and the type of the upload do not matter.
	PresignGet(ctx context.Context, key string, as File, expires time.Time) (string, error)
	// Put stores these bytes as the object key, atomically. It is for objects that this
	// program makes in memory.
	Put(ctx context.Context, key string, data []byte) error
	// Open returns the object's bytes at the time of the call: a later PUT does not
	// change what the reader reads.
	Open(ctx context.Context, key string) (io.ReadCloser, Info, error)
	// Stat describes the object at the time of the call, without its bytes.
	Stat(ctx context.Context, key string) (Info, error)
	// Copy stores the current bytes of src as dst, which turns an upload into an asset:
	// later PUTs to src do not change dst. If src is larger than most bytes, it copies
	// nothing and returns TooLarge.
	Copy(ctx context.Context, src, dst string, most int64) error
	// Delete removes the object; a missing object is not an error.
	Delete(ctx context.Context, key string) error
	// List yields the objects whose keys begin with under and a slash, in no particular
	// order. It ends with the first error. It skips names that are not valid keys,
	// because other programs created them.
	List(ctx context.Context, under string) iter.Seq2[Object, error]
	// Sweep removes incomplete uploads of killed processes, and of other programs. It keeps
	// those of BeginParts. It returns how many it removed.
	Sweep(ctx context.Context) (removed int, err error)

	// BeginParts begins an upload of key in parts, and returns its ID.
	BeginParts(ctx context.Context, key string) (id string, err error)
	// PresignPart returns a URL that accepts PUTs of one part until it expires. It takes
	// exactly the bytes of that part; the disk store refuses more with
	// registration.audio_too_large.
	PresignPart(ctx context.Context, m Multipart, number int, expires time.Time) (string, error)
	// ListParts returns the parts that are stored completely, by number. It returns
	// ErrNotFound for an upload that is complete, was aborted, or never began.
	ListParts(ctx context.Context, m Multipart) ([]Part, error)
	// OpenPart returns the bytes of a stored part, before the upload is complete. It returns
	// ErrNotFound for a part that is not stored, and always in a store that shows no part.
	OpenPart(ctx context.Context, m Multipart, number int) (io.ReadCloser, Part, error)
	// CompleteParts makes the object of all parts, atomically, and returns them. It returns
	// BadParts when parts are missing. After a success it may be called again: it then
	// returns no parts and no error while the object is there. It returns ErrNotFound for an
	// upload that was aborted or never began.
	CompleteParts(ctx context.Context, m Multipart) ([]Part, error)
	// AbortParts removes the parts of an upload; an unknown upload is not an error.
	AbortParts(ctx context.Context, m Multipart) error
	// UnfinishedParts yields the uploads in parts whose keys begin with under and a slash.
	// It ends with the first error.
	UnfinishedParts(ctx context.Context, under string) iter.Seq2[Unfinished, error]
}
