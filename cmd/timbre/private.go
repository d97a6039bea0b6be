package main

import (
	"errors"
	"os"
	"path/filepath"
)

// writePrivate writes a file that only this user can read, also where another one
// with that name could be read by all: a new file takes its place, and of a link
// the link's. What is no file, such as /dev/stdout, is written to.
func writePrivate(path string, data []byte) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular(): // of a directory, the system says what it is
		return os.WriteFile(path, data, 0o600)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".timbre-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already where all went well
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// openToAll returns the files of a SQLite database that every user of this machine
// can read or write. A group that may is left alone: somebody chose it.
func openToAll(path string) (found []string) {
	for _, name := range databaseFiles(path) {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && othersMay(info) {
			found = append(found, name)
		}
	}
	return found
}

// databaseFiles are those that SQLite keeps for a database.
func databaseFiles(path string) []string { return []string{path, path + "-wal", path + "-shm"} }

// tighten closes the files of a database to other users, and returns those that it
// closed. One that this user may not change is an error.
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
