package main

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A database on a read-only file system gives that error, not that another process has
// locked it.
func TestDatabaseThatIsReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("skipped: no file system can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	url := "sqlite:" + filepath.Join(dir, "timbre.db")
	if s := timbre(t, "migrate", "--database-url", url); s.code != exitDone {
		t.Fatal(s.err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	timbre(t, "org", "list", "--database-url", url).refused(exitRefused, "timbre.db cannot be used: ")
}
