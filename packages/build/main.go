// Command build makes the npm packages of this tree, as tarballs in packages/: the widget, and the TypeScript
// client. The same sources give the same bytes.
//
//	go run ./packages/build             write the tarballs
//	go run ./packages/build -check      write nothing; fail when a tarball is stale
//	go run ./packages/build -release    keep the tarballs under their versions, as a release does
//
// A kept tarball never changes: lock files have its hash.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"timbre.example/packages"
)

func main() {
	root := flag.String("root", ".", "directory of the module")
	check := flag.Bool("check", false, "write nothing; fail when a tarball is stale")
	release := flag.Bool("release", false, "keep the tarballs of this tree under their versions; fail if a version has another one")
	flag.Parse()
	err := run(*root, *check)
	if *release {
		err = keep(filepath.Join(*root, "packages", "released"), packages.All())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "packages/build:", err)
		os.Exit(1)
	}
}

// sources are the packages by the names of their tarballs, and what puts the files of each into a folder.
var sources = map[string]func(root, dir string) error{"ats-widget": widget, "client": client}

func run(root string, check bool) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	var stale []string
	for name, files := range sources {
		made, err := tarball(root, files)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		file := filepath.Join(root, "packages", name+".tgz")
		if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, made) {
			continue
		}
		if check {
			stale = append(stale, name+".tgz")
		} else if err := os.WriteFile(file, made, 0o644); err != nil {
			return err
		}
	}
	if len(stale) > 0 {
		return fmt.Errorf("stale in packages: %s; run `go run ./packages/build`", strings.Join(stale, ", "))
	}
	return nil
}

// keep writes the tarball of each package under its version.
func keep(dir string, all []packages.Package) error {
	for _, p := range all {
		file := filepath.Join(dir, p.Versioned())
		switch old, err := os.ReadFile(file); {
		case err == nil && !bytes.Equal(old, p.Tarball):
			return fmt.Errorf("%s %s is released with other files: give it the next version", p.Name, p.Version)
		case err == nil:
		case !errors.Is(err, fs.ErrNotExist):
			return err
		default:
			if err := os.WriteFile(file, p.Tarball, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func tarball(root string, files func(root, dir string) error) ([]byte, error) {
	dir, err := os.MkdirTemp("", "timbre-package-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := files(root, dir); err != nil {
		return nil, err
	}
	return pack(os.DirFS(dir))
}

func widget(root, dir string) error {
	return command(root, "go", "run", "./widget/build", "-pack", dir)
}

func client(root, dir string) error {
	from := filepath.Join(root, "client", "typescript")
	compiler := filepath.Join(root, "node_modules", ".bin", "tsc")
	if _, err := os.Stat(compiler); err != nil {
		return errors.New("TypeScript is not installed: run `npm ci`")
	}
	if err := command(from, compiler, "-p", ".", "--outDir", filepath.Join(dir, "dist")); err != nil {
		return err
	}
	for to, name := range map[string]string{"package.json": "package.json", "README.md": "README.md", "CHANGELOG.md": "CHANGELOG.md", "LICENSE": "../../LICENSE"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), b, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, out)
	}
	return nil
}

// pack returns the tarball of a folder, as npm makes it: every file below package/, with npm's own date.
func pack(files fs.FS) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	err = fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error { // sorted
		if err != nil || e.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(content)), ModTime: date}); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	if err := errors.Join(err, w.Close(), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// date is the modification time of every file in npm's tarballs.
var date = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)
