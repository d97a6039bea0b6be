//go:build unix

package checkpoint

import (
	"errors"
	"os"
	"syscall"
)

// lock waits until no other process has locked the folder. Closing it, or the end of the
// process, unlocks it.
func lock(folder *os.File) error {
	for {
		if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
