// Command lock keeps widget/versions.lock: the hash of each released version of the widget. The files of a locked
// version cannot change unnoticed, because browsers cache them for a year and pages pin them by hash.
//
//	go run ./widget/lock               add the version of widget/dist and its archive, as a release does
//	go run ./widget/lock -check        fail when widget/dist differs from the lock of its version
//	go run ./widget/lock -bump 1.1.0   give the sources the next version, and build widget/dist
//
// It never changes or removes a line.
package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"timbre.example/widget"
)

func main() {
	root := flag.String("root", ".", "directory of the module")
	check := flag.Bool("check", false, "write nothing; fail when widget/dist differs from the lock of its version")
	next := flag.String("bump", "", "the next version, for example 1.1.0")
	flag.Parse()
	dir := filepath.Join(*root, "widget")
	text, err := os.ReadFile(filepath.Join(dir, "versions.lock"))
	if err == nil {
		switch {
		case *next != "":
			err = bump(dir, string(text), *next)
		case *check:
			if err = compare(string(text), widget.Version, widget.Hash()); err == nil {
				err = complete(dir, string(text))
			}
		default:
			if err = add(filepath.Join(dir, "versions.lock"), string(text), widget.Version, widget.Hash()); err == nil {
				err = keep(dir, widget.Version, widget.Files)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "widget/lock:", err)
		os.Exit(1)
	}
}

// compare refuses files that differ from the lock of their version. A version without a line is in development and
// may change.
func compare(lock, version, hash string) error {
	if locked := widget.LockedHash(lock, version); locked != "" && locked != hash {
		return fmt.Errorf("widget/dist differs from the released version %s: browsers and pages keep the files of that version. "+
			"Run `go run ./widget/lock -bump VERSION` with the next version", version)
	}
	return nil
}

// add appends the line of a version; a second call with the same files changes nothing.
func add(path, lock, version, hash string) error {
	if err := compare(lock, version, hash); err != nil || widget.LockedHash(lock, version) != "" {
		return err
	}
	if !versionForm.MatchString(version) {
		return fmt.Errorf("the version of widget/package.json is %q: a release has a version such as 1.2.3", version)
	}
	return os.WriteFile(path, []byte(lock+version+" "+hash+"\n"), 0o644)
}

// keep writes the archive of a version, from which servers after it serve its files. The same files give the same
// bytes.
func keep(dir, version string, files fs.FS) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := z.AddFS(files); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(archive(dir, version), b.Bytes(), 0o644)
}

func archive(dir, version string) string { return filepath.Join(dir, "released", version+".zip") }

// complete refuses a lock with a version that has no archive: pages that pin it would fail.
func complete(dir, lock string) error {
	for line := range strings.Lines(lock) {
		version, _, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := os.Stat(archive(dir, version)); err != nil {
			return fmt.Errorf("the released version %s has no archive in widget/released: %w", version, err)
		}
	}
	return nil
}

var (
	versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	versionLine = regexp.MustCompile(`"version": "([^"]*)"`)
)

// bump writes the next version into package.json and package-lock.json, and builds.
func bump(dir, lock, next string) error {
	if !versionForm.MatchString(next) || widget.LockedHash(lock, next) != "" {
		return fmt.Errorf("-bump %s: write a version that is not yet in versions.lock, such as 1.2.3", next)
	}
	if err := rewrite(dir, next); err != nil {
		return err
	}
	build := exec.Command("go", "run", "./widget/build")
	build.Dir, build.Stdout, build.Stderr = filepath.Dir(dir), os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return errors.New("go run ./widget/build failed: run `npm ci` first")
	}
	return nil
}

// rewrite writes the next version into package.json of the widget and into its entry of the
// workspace's package-lock.json. Versions of other packages stay.
func rewrite(dir, next string) error {
	for name, begin := range map[string]string{filepath.Join(dir, "package.json"): "{", filepath.Join(filepath.Dir(dir), "package-lock.json"): "\n    \"widget\": {"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		head, entry, ok := strings.Cut(string(text), begin)
		at := versionLine.FindStringIndex(entry)
		if !ok || at == nil {
			return fmt.Errorf("%s has no version of the widget", name)
		}
		replaced := head + begin + entry[:at[0]] + fmt.Sprintf(`"version": %q`, next) + entry[at[1]:]
		if err := os.WriteFile(name, []byte(replaced), 0o644); err != nil {
			return err
		}
	}
	return nil
}
