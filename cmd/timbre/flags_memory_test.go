package main

import (
	"math"
	"strings"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	if available() == math.MaxUint64 {
		t.Fatal("this system does not report its memory")
	}
	bytes, from := memoryFlag{}.limit()
	if bytes < minMemory || uint64(bytes) > available() || !strings.HasPrefix(from, "three quarters of the ") {
		t.Errorf("from the machine: %d, %s", bytes, from)
	}
	if bytes, from := (memoryFlag{MemoryLimit: 1 << 30}).limit(); bytes != 1<<30 || from != "--memory-limit" {
		t.Errorf("from the flag: %d, %s", bytes, from)
	}
	t.Setenv("GOMEMLIMIT", "300MiB")
	if bytes, from := (memoryFlag{}).limit(); bytes != 0 || from != "GOMEMLIMIT=300MiB" {
		t.Errorf("from the environment: %d, %s", bytes, from)
	}
	if bytes, _ := (memoryFlag{MemoryLimit: 1 << 30}).limit(); bytes != 1<<30 {
		t.Errorf("the flag comes before the environment: %d", bytes)
	}
	for in, want := range map[uint64]int64{1 << 30: 3 << 28, 1 << 20: minMemory, math.MaxUint64: math.MaxInt64 / 4 * 3} {
		if got := threeQuarters(in); got != want {
			t.Errorf("of %d: %d, want %d", in, got, want)
		}
	}
	if err := (memoryFlag{MemoryLimit: 1 << 20}).validate(); err == nil {
		t.Error("1 MiB is taken")
	}
}
