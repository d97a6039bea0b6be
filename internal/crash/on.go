//go:build crashpoints

package crash

import (
	"os"
	"strings"
	"syscall"
	"time"
)

// Points is what a program asks at start: the function it returns kills the
// process at the point that TIMBRE_CRASH_AT names.
func Points() func(point string) {
	at := os.Getenv("TIMBRE_CRASH_AT")
	return func(point string) {
		if point == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}

// Now is the clock of a program: it is ahead by what stands in the file that
// TIMBRE_CLOCK_AHEAD names, such as 3h, whenever it is asked.
func Now() func() time.Time {
	file := os.Getenv("TIMBRE_CLOCK_AHEAD")
	return func() time.Time {
		text, _ := os.ReadFile(file)
		ahead, _ := time.ParseDuration(strings.TrimSpace(string(text)))
		return time.Now().Add(ahead)
	}
}
