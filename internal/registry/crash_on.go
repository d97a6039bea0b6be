//go:build crashpoints

package registry

import (
	"os"
	"syscall"
)

// crashPoint kills the process, as a power cut would, when it reaches the point
// that TIMBRE_CRASH_AT names. Only the kill test builds with this.
func crashPoint() func(string) {
	at := os.Getenv("TIMBRE_CRASH_AT")
	return func(point string) {
		if point == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}
