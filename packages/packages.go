// Package packages holds the npm packages that belong to this server, as tarballs: the widget and
// the TypeScript client. `go run ./packages/build` makes them, and its output is committed. It never builds
// anything itself, and knows nothing of HTTP.
package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
)

//go:embed *.tgz released
var tarballs embed.FS

// A Package is one npm package.
type Package struct {
	// Name is its name in npm, such as @timbre/client.
	Name string
	// Version is its version, without a v.
	Version string
	// File is the name of its tarball without the version, such as client.tgz.
	File string
	// Tarball is what npm installs.
	Tarball []byte
}

// Integrity returns the hash of the tarball, as npm's lock files have it.
func (p Package) Integrity() string {
	sum := sha512.Sum512(p.Tarball)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Versioned returns the name of the tarball with the version, such as client-1.2.3.tgz.
func (p Package) Versioned() string {
	return strings.TrimSuffix(p.File, ".tgz") + "-" + p.Version + ".tgz"
}

// Released returns the tarball of a released version by its name with the version, or nil. A server keeps the versions
// of all releases before it, because lock files name them.
func Released(versioned string) []byte {
	b, err := tarballs.ReadFile("released/" + versioned)
	if err != nil || !strings.HasSuffix(versioned, ".tgz") {
		return nil
	}
	return b
}

// All returns the packages of this tree, sorted by their files. It panics on a tarball without a package.json, which a test
// excludes.
var All = sync.OnceValue(func() []Package {
	all, err := read()
	if err != nil {
		panic("packages: " + err.Error())
	}
	return all
})

func read() ([]Package, error) {
	files, err := tarballs.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []Package
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		b, err := tarballs.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		p := Package{File: f.Name(), Tarball: b}
		manifest, err := inside(b, "package/package.json")
		if err == nil {
			err = json.Unmarshal(manifest, &p)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		all = append(all, p)
	}
	return all, nil
}

// inside returns one file of a tarball.
func inside(tarball []byte, name string) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if path.Clean(h.Name) == name {
			return io.ReadAll(r)
		}
	}
}
