//go:build !unix

package blob

import "io/fs"

// inode returns 0 on this system: only size and time distinguish versions.
func inode(fs.FileInfo) uint64 { return 0 }
