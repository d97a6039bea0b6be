//go:build unix

package blob

import (
	"errors"
	"syscall"
)

// isFull reports whether an error means that the file system or a quota on it has no
// room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
