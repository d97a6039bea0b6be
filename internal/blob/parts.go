package blob

import (
	"fmt"
	"time"
)

// A file that a client sends in parts becomes the object Key when it is complete. Until then
// no reader sees it. The parts are numbered from 1. Each part has its own signed URL, and may
// be sent again: the last complete one counts.

// MinPart is the smallest size of a part in bytes, except for the last part: S3 accepts no
// smaller one.
const MinPart = 5 << 20

// MaxParts is the largest number of parts of one object. S3 accepts 10,000.
const MaxParts = 1000

// Multipart is an upload in parts.
type Multipart struct {
	// Key names the object, as in Upload.
	Key string
	// ID is the store's name of the upload, from BeginParts.
	ID string
	// Size is the size of the object in bytes, at least 1. PartSize is the size of every
	// part but the last, which has the rest.
	Size, PartSize int64
}

// Count returns the number of parts. The last one is never empty.
func (m Multipart) Count() int { return int((m.Size + m.PartSize - 1) / m.PartSize) }

// SizeOf returns the size of a part in bytes, 0 for any other number.
func (m Multipart) SizeOf(number int) int64 {
	if number < 1 || number > m.Count() {
		return 0
	}
	return min(m.PartSize, m.Size-m.offset(number))
}

func (m Multipart) offset(number int) int64 { return int64(number-1) * m.PartSize }

// valid refuses an upload that no store could complete.
func (m Multipart) valid() error {
	if err := validKey(m.Key); err != nil {
		return err
	}
	if m.ID == "" || m.Size < 1 || m.PartSize < 1 || m.Count() > MaxParts {
		return fmt.Errorf("blob: an upload of %d bytes in parts of %d", m.Size, m.PartSize)
	}
	return nil
}

// Part is a part that the store has completely.
type Part struct {
	Number int
	// Size in bytes.
	Size int64
	// Version differs for different bytes of one part.
	Version string
}

// BadParts is returned for an upload that cannot be completed with the parts that the store
// has.
type BadParts struct {
	// Missing are the parts that the store lacks, Wrong those with another size than the
	// upload's.
	Missing, Wrong []int
}

func (e BadParts) Error() string {
	return fmt.Sprintf("blob: %d parts are missing, %d have a wrong size", len(e.Missing), len(e.Wrong))
}

// check returns BadParts unless these are all parts of the upload.
func (m Multipart) check(parts []Part) error {
	sizes := make(map[int]int64, len(parts))
	for _, p := range parts {
		sizes[p.Number] = p.Size
	}
	var bad BadParts
	for n := 1; n <= m.Count(); n++ {
		switch size, has := sizes[n]; {
		case !has:
			bad.Missing = append(bad.Missing, n)
		case size != m.SizeOf(n):
			bad.Wrong = append(bad.Wrong, n)
		}
		delete(sizes, n)
	}
	for n := range sizes { // a part that the upload does not have
		bad.Wrong = append(bad.Wrong, n)
	}
	if len(bad.Missing)+len(bad.Wrong) > 0 {
		return bad
	}
	return nil
}

// Unfinished is an upload in parts that is neither complete nor aborted.
type Unfinished struct {
	Key, ID string
	// Begun is when it began, by the store's clock.
	Begun time.Time
	// Bytes is the number of bytes in the parts that the store has.
	Bytes int64
}
