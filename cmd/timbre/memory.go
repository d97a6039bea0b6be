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

// memoryFlag bounds the memory that Go's heap grows to before the garbage collector
// works harder than usual. It is a soft limit: nothing is refused because of it.
type memoryFlag struct {
	MemoryLimit int64 `env:"TIMBRE_MEMORY_LIMIT" example:"1073741824" placeholder:"BYTES" help:"Soft limit of the process's memory, from 67108864 (default: GOMEMLIMIT or, without it, three quarters of the cgroup's limit or of the available memory, whichever is less)."`
}

// minMemory is the smallest limit: below it the collector would hardly rest.
const minMemory = 64 << 20

func (f memoryFlag) validate() error {
	if f.MemoryLimit != 0 && f.MemoryLimit < minMemory {
		return wrongf("memory-limit", "must be at least %d", minMemory)
	}
	return nil
}

// limit is the limit that a server sets, and where it comes from. It is 0 where the
// server sets none.
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
		return 0, "this system does not say how much memory there is"
	case group <= free:
		return threeQuarters(group), "three quarters of the cgroup's limit"
	default:
		return threeQuarters(free), "three quarters of the available memory"
	}
}

// threeQuarters leaves a quarter to SQLite, which has memory of its own, to the
// kernel's buffers of connections and files, and to other programs.
func threeQuarters(bytes uint64) int64 {
	return int64(max(min(bytes, math.MaxInt64)/4*3, minMemory))
}

// available is how much memory programs may still take, as Linux says.
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

// set sets the limit, and says so.
func (f memoryFlag) set(log *slog.Logger) {
	bytes, from := f.limit()
	if bytes > 0 {
		debug.SetMemoryLimit(bytes)
	}
	log.Info("memory limit", "limit", sizeOf(bytes), "from", from)
}

// say is how doctor tells the limit.
func (f memoryFlag) say() string {
	bytes, from := f.limit()
	return sizeOf(bytes) + ", from " + from
}

func sizeOf(bytes int64) string {
	if bytes == 0 {
		return "none of its own"
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
