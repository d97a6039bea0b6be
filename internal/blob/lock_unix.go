//go:build unix

package blob

import (
	"errors"
	"os"
	"syscall"
)

// hold locks a temporary file for a running process; the lock always ends with the
// process. It fails with errHeld if another process holds the lock. A system without
// locks has another version of this function, which always fails.
func hold(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errHeld
	}
	return err
}
