// Package widget holds the built <ats-widget> as it is served: bundles, types, manifest and
// integrity values. `go run ./widget/build` builds them, and its output is committed.
// A server needs no Node.js, and never builds it.
package widget

import (
	"embed"
	"encoding/json"
	"io/fs"
)

//go:embed dist
var dist embed.FS

//go:embed packed
var packed embed.FS

// Files holds at its root the bundles ats-widget.esm.js and ats-widget.iife.js, the files that
// either fetches (ats-widget-rest.js, -works.js, -file.js, -hash.js), the types,
// custom-elements.json and integrity.json. locale/ holds the texts of each language but English,
// such as locale/fr.json.
var Files fs.FS = sub()

var integrity = readIntegrity()

// Version is the version of the embedded bundles, which is part of immutable URLs.
var Version = integrity["version"]

// Packed returns the compressed copy of a file of Files, with coding "br" or "gzip"; nil for an
// unknown file.
func Packed(name, coding string) []byte {
	ext, ok := map[string]string{"br": ".br", "gzip": ".gz"}[coding]
	if !ok {
		return nil
	}
	b, err := packed.ReadFile("packed/" + name + ext)
	if err != nil {
		return nil
	}
	return b
}

// Integrity returns the SRI value ("sha384-…") of a file of Files by its path, or "" for an unknown
// file.
func Integrity(name string) string {
	if name == "version" {
		return ""
	}
	return integrity[name]
}

// sub panics only if the binary was built without dist, which the compiler already refuses.
func sub() fs.FS {
	f, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err)
	}
	return f
}

func readIntegrity() map[string]string {
	b, err := fs.ReadFile(Files, "integrity.json")
	if err != nil {
		panic("widget: built without dist/integrity.json")
	}
	m := map[string]string{}
	if err := json.Unmarshal(b, &m); err != nil {
		panic("widget: dist/integrity.json: " + err.Error())
	}
	return m
}
