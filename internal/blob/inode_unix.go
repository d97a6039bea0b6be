//go:build unix

package blob

import (
	"io/fs"
	"syscall"
)

// inode is the number of a file: that of another file which takes its name is
// another one, also when it came within the same tick of the clock.
func inode(st fs.FileInfo) uint64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Ino)
	}
	return 0
}
