package main

import (
	"errors"
	"os"
	"path/filepath"
)

// writePrivate writes a file that only this user can read. It replaces an existing file
// (or link) with a new file, so the old file's mode does not matter. It writes directly
// to anything that is not a regular file, such as /dev/stdout.
func writePrivate(path string, data []byte) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular(): // for a directory, this returns the system's error
		return os.WriteFile(path, data, 0o600)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".timbre-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after a successful rename there is nothing to remove
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// openToAll returns the files of a SQLite database that every user of this machine can
// read or write. It ignores the permissions of the group, because an administrator sets
// these on purpose.
func openToAll(path string) (found []string) {
	for _, name := range databaseFiles(path) {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && othersMay(info) {
			found = append(found, name)
		}
	}
	return found
}

// databaseFiles returns the files of a SQLite database.
func databaseFiles(path string) []string { return []string{path, path + "-wal", path + "-shm"} }

// tighten makes the files of a database unreadable for other users, and returns the files
// that it changed. A file whose mode this user cannot change is an error.
func tighten(path string) (closed []string, err error) {
	for _, name := range openToAll(path) {
		if e := os.Chmod(name, 0o600); e != nil {
			err = errors.Join(err, e)
			continue
		}
		closed = append(closed, name)
	}
	return closed, err
}
