package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is a Store in a folder of a local disk: one file for each name. The first Swap
// creates the folder. Processes on one machine lock it for each Swap.
type Dir string

var _ Store = Dir("")

// Place implements Store.
func (d Dir) Place(name string) string { return "the file " + d.file(name) }

// Probe creates the folder, and returns an error if files cannot be created and locked in
// it.
func (d Dir) Probe() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	folder, err := os.Open(string(d))
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(string(d), ".probe-*")
	if err == nil {
		err = errors.Join(lock(folder), tmp.Close(), os.Remove(tmp.Name()))
	}
	return errors.Join(err, folder.Close())
}

func (d Dir) file(name string) string { return filepath.Join(string(d), name) }

// Load implements Store.
//
// Load refuses a symbolic link and a pipe. The target of a link can be missing: it would
// look like a missing checkpoint, and the next Swap would replace the link. Reading a
// pipe would wait for ever.
func (d Dir) Load(_ context.Context, name string) (string, error) {
	info, err := os.Lstat(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", d.file(name))
	}
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	f, err := os.Open(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize))
	if err == nil && len(text) == 0 {
		// Swap never leaves an empty file, so the disk has lost its content.
		err = fmt.Errorf("%s is empty", d.file(name))
	}
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	return string(text), nil
}

// Swap implements Store: a new file is synced and then renamed into place.
func (d Dir) Swap(ctx context.Context, name, old, new string) error {
	if err := d.swap(ctx, name, old, new); err != nil && !errors.Is(err, ErrSwapped) {
		return fmt.Errorf("checkpoint: %w", err)
	} else if err != nil {
		return err
	}
	return nil
}

func (d Dir) swap(ctx context.Context, name, old, new string) (err error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	folder, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }() // which unlocks it
	if err := lock(folder); err != nil {
		return err
	}
	if kept, err := d.Load(ctx, name); err != nil {
		return err
	} else if kept != old {
		return ErrSwapped
	}
	tmp, err := os.CreateTemp(string(d), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(new)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), d.file(name)); err != nil {
		return err
	}
	return folder.Sync()
}
