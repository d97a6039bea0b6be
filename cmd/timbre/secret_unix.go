//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// guarded refuses a secret file that other users can read or write: they could
// sign the log. The group may read it, which is how Kubernetes gives a file to a
// process (fsGroup). A file of another user is none that this process can change,
// and in a container nobody else is there to read it: that gives a warning only,
// unless others can write it.
func guarded(path string) (warning string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", wrongf("secret-file", "the secret file %s cannot be read: %s", path, plainly(err))
	}
	mode := info.Mode().Perm()
	if mode&0o027 == 0 {
		return "", nil
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("other users can read or write the secret file %s (mode %04o). Run: chmod 600 %s. In Kubernetes: defaultMode 0400; as a Docker secret: mode 0400", path, mode, shellWord(path))
	if ok && int(owner.Uid) != os.Geteuid() && mode&0o022 == 0 {
		return text, nil
	}
	return "", wrongf("secret-file", "%s", text)
}
