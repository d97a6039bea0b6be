package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A server that cannot finish its start ends before it says that it is ready: as when the disk has no
// room for the link of the first owner.
func TestEndsBeforeReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said := &buffer{}
	code := run([]string{
		"serve", "--listen", "127.0.0.1:0", "--public-url", "http://127.0.0.1:1", "--database-url", "sqlite:" + filepath.Join(dir, "timbre.db"),
		"--blob-url", "file:" + filepath.Join(dir, "blobs"), "--secret-file", filepath.Join(dir, "secret"),
	}, full{}, said)
	if code == exitDone || strings.Contains(said.String(), "msg=ready") || !strings.Contains(said.String(), syscall.ENOSPC.Error()) {
		t.Errorf("exit %d: %s", code, said)
	}
}
