//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// guarded refuses a file with a secret that other users can read or write; what says
// what is in it, and flag named it. The group may read it, which is how Kubernetes
// gives a file to a process (fsGroup). A file of another user is none that this
// process can change, and in a container nobody else is there to read it: that gives
// a warning only, unless others can write it.
func guarded(flag, what, path string) (warning string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", wrongf(flag, "the %s %s cannot be read: %s", what, path, plainly(err))
	}
	mode := info.Mode().Perm()
	if mode&0o027 == 0 || !info.Mode().IsRegular() { // a pipe of the shell's is nobody else's
		return "", nil
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("other users can read or write the %s %s (mode %04o). Run: chmod 600 %s. In Kubernetes: defaultMode 0400; as a Docker secret: mode 0400", what, path, mode, shellWord(path))
	if ok && int(owner.Uid) != os.Geteuid() && mode&0o022 == 0 {
		return text, nil
	}
	return "", wrongf(flag, "%s", text)
}

func othersMay(info fs.FileInfo) bool { return info.Mode().Perm()&0o007 != 0 }

// private lets nothing that this process makes be read by other users, whatever
// mode it is made with: databases, recordings, certificates, backups.
func private() { syscall.Umask(0o077) }
