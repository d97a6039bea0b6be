//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// guarded refuses a file with a secret that other users can read or write. what
// describes the file, and flag named it. The group can read the file: Kubernetes gives
// files to a process that way (fsGroup). If another user owns the file, this process
// cannot change its mode. guarded then returns only a warning, unless others can write
// the file: in a container no other user reads it.
func guarded(flag, what, path string) (warning string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", wrongf(flag, "cannot read the %s %s: %s", what, path, plainly(err))
	}
	mode := info.Mode().Perm()
	if mode&0o027 == 0 || !info.Mode().IsRegular() { // a pipe of the shell belongs to this process alone
		return "", nil
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("other users can read or write the %s %s (mode %04o). Run: chmod 600 %s. In Kubernetes, set defaultMode 0400; for a Docker secret, set mode 0400", what, path, mode, shellWord(path))
	if ok && int(owner.Uid) != os.Geteuid() && mode&0o022 == 0 {
		return text, nil
	}
	return "", wrongf(flag, "%s", text)
}

func othersMay(info fs.FileInfo) bool { return info.Mode().Perm()&0o007 != 0 }

// private sets the umask, so that other users cannot read the files that this process
// creates: databases, recordings, certificates, backups.
func private() { syscall.Umask(0o077) }
