package bulk

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock locks a file for this process; the lock ends with the process, however it ends. It locks one byte far behind the
// content, because a locked byte cannot be read by others.
func lock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}
