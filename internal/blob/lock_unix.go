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
func hold(f *os.File) error { return lock(f, syscall.LOCK_EX) }

// share is hold for a lock that several files of one name can have.
func share(f *os.File) error { return lock(f, syscall.LOCK_SH) }

func lock(f *os.File, how int) error {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errHeld
	}
	return err
}
