//go:build linux || darwin || freebsd

package space

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Of reads the space of the file system that contains dir.
func Of(dir string) (Usage, error) {
	var s unix.Statfs_t
	var st unix.Stat_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Usage{}, fmt.Errorf("space: %s: %w", dir, err)
	}
	if err := unix.Stat(dir, &st); err != nil {
		return Usage{}, fmt.Errorf("space: %s: %w", dir, err)
	}
	block := int64(s.Bsize)
	free := int64(s.Bavail) * block
	if errors.Is(unix.Access(dir, unix.W_OK), unix.EROFS) {
		free = 0 // mounted read-only, perhaps later, after a disk error
	}
	return Usage{
		Free: free, Total: int64(s.Blocks) * block,
		FreeFiles: int64(s.Ffree), TotalFiles: int64(s.Files), Device: uint64(st.Dev),
	}, nil
}
