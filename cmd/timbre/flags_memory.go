package main

import (
	"bufio"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryFlag is the soft limit of Go's memory: near the limit the garbage collector runs
// more often. No request is refused because of it.
type memoryFlag struct {
	MemoryLimit int64 `env:"TIMBRE_MEMORY_LIMIT" example:"1073741824" placeholder:"BYTES" help:"Soft limit of the process's memory, at least 67108864 (default: GOMEMLIMIT; without it, three quarters of the cgroup's limit or of the available memory, whichever is less)."`
}

// minMemory is the smallest limit: below it the garbage collector would run almost all
// the time.
const minMemory = 64 << 20

func (f memoryFlag) validate() error {
	if f.MemoryLimit != 0 && f.MemoryLimit < minMemory {
		return wrongf("memory-limit", "must be at least %d", minMemory)
	}
	return nil
}

// limit returns the limit that a server sets, and its source. It is 0 if the server sets
// no limit.
func (f memoryFlag) limit() (bytes int64, from string) {
	if f.MemoryLimit != 0 {
		return f.MemoryLimit, "--memory-limit"
	}
	if set, ok := os.LookupEnv("GOMEMLIMIT"); ok && set != "" {
		return 0, "GOMEMLIMIT=" + shellWord(set)
	}
	group, err := memlimit.FromCgroup()
	if err != nil { // no cgroup, or one without a limit
		group = math.MaxUint64
	}
	free := available()
	switch least := min(group, free); {
	case least == math.MaxUint64:
		return 0, "this system does not report its memory"
	case group <= free:
		return threeQuarters(group), "three quarters of the cgroup's limit"
	default:
		return threeQuarters(free), "three quarters of the available memory"
	}
}

// threeQuarters leaves a quarter of the memory for SQLite (which is outside of Go's
// heap), for the kernel's buffers, and for other programs.
func threeQuarters(bytes uint64) int64 {
	return int64(max(min(bytes, math.MaxInt64)/4*3, minMemory))
}

// available returns the bytes of memory that Linux reports as available. It returns
// math.MaxUint64 on other systems.
func available() uint64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return math.MaxUint64
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 50)
			if err == nil {
				return kb << 10
			}
		}
	}
	return math.MaxUint64
}

// set sets the limit, and logs it.
func (f memoryFlag) set(log *slog.Logger) {
	bytes, from := f.limit()
	if bytes > 0 {
		debug.SetMemoryLimit(bytes)
	}
	log.Info("memory limit", "limit", sizeOf(bytes), "from", from)
}

// say returns the limit as doctor shows it.
func (f memoryFlag) say() string {
	bytes, from := f.limit()
	return sizeOf(bytes) + ", from " + from
}

func sizeOf(bytes int64) string {
	if bytes == 0 {
		return "not set by timbre"
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
