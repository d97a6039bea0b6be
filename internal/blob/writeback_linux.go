package blob

import (
	"os"
	"syscall"
)

// writeBackEvery is how many bytes are written before the kernel begins to write them
// to the disk.
const writeBackEvery = 1 << 20

// writeBack lets the kernel write the bytes of a file to the disk while more bytes arrive. So the sync at
// the end has little left to do.
type writeBack struct {
	f     *os.File
	begun int64 // everything before this offset
}

// wrote says that the file is written up to this offset. An error only makes the sync at the
// end slower.
func (b *writeBack) wrote(upTo int64) {
	if n := upTo - b.begun; n >= writeBackEvery {
		const write = 2 // SYNC_FILE_RANGE_WRITE
		_ = syscall.SyncFileRange(int(b.f.Fd()), b.begun, n, write)
		b.begun = upTo
	}
}
