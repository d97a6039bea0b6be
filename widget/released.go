package widget

import (
	"archive/zip"
	"bytes"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/semver"
)

//go:embed versions.lock
var lock string

// archives has released/VERSION.zip for each released version.
//
//go:embed released
var archives embed.FS

// A Release is one version of the widget that the binary has.
type Release struct {
	// Version is the version without a v, such as 1.2.3.
	Version string
	// Files has the files of the version, with the names of [Files].
	Files fs.FS
	// Locked is true if the files never change. It is false for a version in development.
	Locked bool

	integrity map[string]string
}

// Integrity returns the SRI value ("sha384-…") of a file by its path, or "" for an unknown file.
func (r Release) Integrity(name string) string {
	if name == "version" {
		return ""
	}
	return r.integrity[name]
}

// Integrities returns the SRI value of each file by its path.
func (r Release) Integrities() map[string]string {
	all := map[string]string{}
	for name, value := range r.integrity {
		if name != "version" {
			all[name] = value
		}
	}
	return all
}

// Releases returns every version that the binary has, the newest first: the embedded one, and each released
// version before it. It panics if an archive differs from versions.lock; a test reads all of them.
var Releases = sync.OnceValue(func() []Release {
	all, err := releases(archives, lock, Release{Version, Files, LockedHash(lock, Version) == Hash(), integrity})
	if err != nil {
		panic("widget: " + err.Error())
	}
	return all
})

func releases(archives fs.FS, lock string, newest Release) ([]Release, error) {
	all := []Release{newest}
	names, err := fs.Glob(archives, "released/*.zip")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		version := strings.TrimSuffix(strings.TrimPrefix(name, "released/"), ".zip")
		if version == newest.Version {
			continue
		}
		b, err := fs.ReadFile(archives, name)
		if err != nil {
			return nil, err
		}
		r, err := open(version, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if hash, err := hashOf(r.Files); err != nil || hash != LockedHash(lock, version) {
			return nil, fmt.Errorf("%s: not the files of versions.lock (%w)", name, err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Release) int { return semver.Compare("v"+b.Version, "v"+a.Version) })
	return all, nil
}

// open reads an archive of released/.
func open(version string, archive []byte) (Release, error) {
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return Release{}, err
	}
	r := Release{Version: version, Files: files, Locked: true}
	b, err := fs.ReadFile(files, "integrity.json")
	if err == nil {
		err = json.Unmarshal(b, &r.integrity)
	}
	if err == nil && r.integrity["version"] != version {
		err = fmt.Errorf("it has the files of version %q", r.integrity["version"])
	}
	return r, err
}

// Hash returns the hash that versions.lock has for the embedded files: "sha384-" and the base64 of the SHA-384 of
// integrity.json.
func Hash() string {
	hash, err := hashOf(Files)
	if err != nil {
		panic("widget: built without dist/integrity.json")
	}
	return hash
}

func hashOf(files fs.FS) (string, error) {
	b, err := fs.ReadFile(files, "integrity.json")
	if err != nil {
		return "", err
	}
	sum := sha512.Sum384(b)
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:]), nil
}

// LockedHash returns the hash of a version in the text of versions.lock, or "" without a line of that version.
func LockedHash(lock, version string) string {
	for line := range strings.Lines(lock) {
		if v, hash, ok := strings.Cut(strings.TrimSpace(line), " "); ok && v == version {
			return hash
		}
	}
	return ""
}
