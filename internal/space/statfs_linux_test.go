package space_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"timbre.example/internal/space"
)

// A read-only file system has no room, also if space is free.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, "size=1m"); err != nil {
		t.Skipf("skipped: no file system can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	u, err := space.Of(dir)
	if err != nil || u.Free != 0 || u.Total == 0 {
		t.Errorf("%+v, %v", u, err)
	}
	if err := space.New(0, space.Of, space.Place{Name: "uploads", Dir: dir}).Low(0); !errors.Is(err, space.ErrLow) {
		t.Errorf("uploads: %v", err)
	}
}
