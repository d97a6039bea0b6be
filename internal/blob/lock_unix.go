//go:build unix

package blob

import (
	"errors"
	"os"
	"syscall"
)

// hold marks a temporary file as one that a live process writes: the lock ends
// with the process, however that ends. It fails with errHeld when another process
// holds it, and otherwise where there are no locks.
func hold(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errHeld
	}
	return err
}
