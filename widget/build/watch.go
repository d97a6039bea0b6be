package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// watch builds the widget into a folder, and again after each change of a source, until the program
// ends. The folder is what `timbre demo --widget-dir` serves. A source that does not build leaves
// the last build in place. The weights are not checked, and the types of the element are those of the
// last whole build.
func watch(dir, out string, say func(string)) error {
	var last string
	for ; ; time.Sleep(50 * time.Millisecond) {
		now, err := state(dir)
		if err != nil {
			return err
		}
		if now == last {
			continue
		}
		last = now
		began := time.Now()
		files, _, err := bundles(dir, built(dir))
		if err != nil {
			say(fmt.Sprintf("not built: %v", err))
			continue
		}
		changed, err := update(out, files)
		if err != nil {
			return err
		}
		say(fmt.Sprintf("built in %d ms; %d files changed", time.Since(began).Milliseconds(), changed))
	}
}

// built returns the files of dist that describe has made.
func built(dir string) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range []string{"ats-widget.d.ts", "custom-elements.json"} {
		if b, err := os.ReadFile(filepath.Join(dir, "dist", name)); err == nil {
			files[name] = b
		}
	}
	return files
}

// state changes when a source does.
func state(dir string) (string, error) {
	var b bytes.Buffer
	for _, folder := range []string{filepath.Join(dir, "src"), filepath.Join(dir, "types"), filepath.Join(dir, "..", "web")} {
		err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
			return nil
		})
		if err != nil && !os.IsNotExist(err) { // an editor replaces a file while the folder is read
			return "", err
		}
	}
	return b.String(), nil
}

// update writes the files whose content differs, each in one step, and returns their number.
func update(out string, files map[string][]byte) (int, error) {
	changed := 0
	for name, b := range files {
		path := filepath.Join(out, filepath.FromSlash(name))
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
			continue
		}
		changed++
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return 0, err
		}
		if err := os.WriteFile(path+".new", b, 0o644); err != nil {
			return 0, err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return 0, err
		}
	}
	return changed, nil
}
