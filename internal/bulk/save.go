package bulk

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"timbre.example/client"
)

// version of a new work.
const version = 1

// keep saves the evidence and the certificate of a registered song, unless the folder has them. The result says why it could
// not; "": it did. The songs stay registered, and the next run tries again.
func (r *Run) keep(ctx context.Context, it *Item, done *client.Result) (unsaved string) {
	if r.Save == "" || r.DryRun {
		return ""
	}
	base := filepath.Join(r.Save, filepath.FromSlash(inside(it.Name))) + fmt.Sprintf(".ats-%d-v%d", done.AtsID, version)
	if err := os.MkdirAll(filepath.Dir(base), 0o700); err != nil {
		return err.Error()
	}
	for suffix, fetch := range map[string]func(io.Writer) error{
		".evidence.json": func(w io.Writer) error {
			text, err := r.Client.Evidence(ctx, r.Network, done.AtsID, version)
			if err == nil {
				_, err = w.Write(text)
			}
			return err
		},
		".certificate.pdf": func(w io.Writer) error { return r.Client.Certificate(ctx, done.WorkID, version, w) },
	} {
		if err := WriteFile(base+suffix, fetch); err != nil {
			return err.Error()
		}
	}
	return ""
}

// inside returns a name that stays below its folder.
func inside(name string) string {
	parts := strings.Split(strings.ReplaceAll(name, ":", "_"), "/")
	for i, p := range parts {
		if p == ".." || p == "." || p == "" {
			parts[i] = "_"
		}
	}
	return strings.Join(parts, "/")
}

// WriteFile writes a file under a temporary name, and then gives it its own. A file that exists stays as it is.
func WriteFile(path string, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return Replace(path, write)
}

// Replace is WriteFile for a file that may exist: it is replaced at once, or stays as it is.
func Replace(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".timbre-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
