package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// forNode is a package that only the builds of Lit for Node import. Like packages of types, it
// is not in a script.
const forNode = "@lit-labs/ssr-dom-shim"

// bundled returns the npm packages whose code is in the scripts of the binary, from the lock
// files of widget and verify. The licences come from node_modules, so `npm ci` runs before.
func (r *release) bundled() ([]module, error) {
	var all []module
	for _, dir := range []string{"widget", "verify"} {
		text, err := os.ReadFile(filepath.Join(r.root, dir, "package-lock.json"))
		if err != nil {
			return nil, err
		}
		var lock struct {
			Packages map[string]struct {
				Version, Integrity string
				Dev                bool
			}
		}
		if err := json.Unmarshal(text, &lock); err != nil {
			return nil, fmt.Errorf("%s/package-lock.json: %w", dir, err)
		}
		for at, p := range lock.Packages {
			name, ok := strings.CutPrefix(at, "node_modules/")
			if !ok || p.Dev || strings.HasPrefix(name, "@types/") || name == forNode {
				continue
			}
			m := module{path: name, version: p.Version, sum: p.Integrity, dir: filepath.Join(r.root, dir, filepath.FromSlash(at)), npm: true}
			if slices.ContainsFunc(all, func(o module) bool { return o.path == m.path && o.version == m.version }) {
				continue
			}
			declared, err := installed(m)
			if err != nil {
				return nil, fmt.Errorf("%s: %w; run `npm ci` in %s", name, err, dir)
			}
			if m.licences, err = licencesIn(m.dir); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if len(m.licences) == 0 {
				return nil, fmt.Errorf("%s %s has no licence file in %s", name, m.version, m.dir)
			}
			if !slices.ContainsFunc(m.licences, func(l licence) bool { return l.id != "" }) {
				m.licences[0].id = declared // the text has additions, such as thanks
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path+"@"+a.version, b.path+"@"+b.version) })
	return all, nil
}

// installed checks that node_modules has the version of the lock file, and returns the licence
// that the package declares.
func installed(m module) (string, error) {
	text, err := os.ReadFile(filepath.Join(m.dir, "package.json"))
	if err != nil {
		return "", err
	}
	var found struct{ Version, License string }
	if err := json.Unmarshal(text, &found); err != nil {
		return "", err
	}
	if found.Version != m.version {
		return "", fmt.Errorf("version %s is installed, and the lock file has %s", found.Version, m.version)
	}
	return found.License, nil
}
