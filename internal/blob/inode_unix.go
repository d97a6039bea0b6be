//go:build unix

package blob

import (
	"io/fs"
	"syscall"
)

// inode returns the inode number of a file. It differs for a new file with the same name,
// also within the same tick of the clock.
func inode(st fs.FileInfo) uint64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Ino)
	}
	return 0
}
