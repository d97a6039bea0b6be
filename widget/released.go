package widget

import (
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"io/fs"
	"strings"
)

//go:embed versions.lock
var lock string

// Released reports whether the embedded files are the locked files of Version. If they are, the address with the
// version may be cached forever, because these bytes never change. A version without a line in versions.lock is in
// development: its files change from build to build.
var Released = LockedHash(lock, Version) == Hash()

// Hash returns the hash that versions.lock has for the embedded files: "sha384-" and the base64 of the SHA-384 of
// integrity.json.
func Hash() string {
	b, err := fs.ReadFile(Files, "integrity.json")
	if err != nil {
		panic("widget: built without dist/integrity.json")
	}
	sum := sha512.Sum384(b)
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
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
