//go:build unix

package bulk

import (
	"errors"
	"os"
	"syscall"
)

// lock locks a file for this process; the lock ends with the process, however it ends.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
