//go:build !linux

package issuing

import "time"

// onProcessor runs f and returns how long it took: this system does not tell the processor time of a thread.
func onProcessor(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}
