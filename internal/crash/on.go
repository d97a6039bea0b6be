//go:build crashpoints

package crash

import (
	"os"
	"strings"
	"syscall"
	"time"
)

// Points returns the hook of the crash points: a function that kills the process at the
// point that TIMBRE_CRASH_AT names.
func Points() func(point string) {
	at := os.Getenv("TIMBRE_CRASH_AT")
	return func(point string) {
		if point == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}

// Now returns the program's clock. It is ahead by the duration in the file that
// TIMBRE_CLOCK_AHEAD names, such as 3h. The file is read at each call.
func Now() func() time.Time {
	file := os.Getenv("TIMBRE_CLOCK_AHEAD")
	return func() time.Time {
		text, _ := os.ReadFile(file)
		ahead, _ := time.ParseDuration(strings.TrimSpace(string(text)))
		return time.Now().Add(ahead)
	}
}
