//go:build unix

package blob

import (
	"errors"
	"syscall"
)

// isFull recognizes a file system, or a quota on it, that has no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
