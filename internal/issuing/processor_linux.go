package issuing

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// onProcessor runs f and returns the processor time that its thread used.
func onProcessor(f func() error) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after unix.Rusage
	failed := unix.Getrusage(unix.RUSAGE_THREAD, &before)
	err := f()
	failed = errors.Join(failed, unix.Getrusage(unix.RUSAGE_THREAD, &after))
	used := func(u unix.Rusage) time.Duration { return time.Duration(u.Utime.Nano() + u.Stime.Nano()) }
	return used(after) - used(before), errors.Join(err, failed)
}
