package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// forNode is a package that only the builds of Lit for Node import. Like packages of types, it
// is not in a script.
const forNode = "@lit-labs/ssr-dom-shim"

// bundled returns the npm packages whose code is in the scripts of the binary: what widget and
// verify depend on, directly or not, by the lock file of the workspace. The licences come from
// node_modules, so `npm ci` runs before.
func (r *release) bundled() ([]module, error) {
	text, err := os.ReadFile(filepath.Join(r.root, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct {
			Version, Integrity string
			Dependencies       map[string]string
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("package-lock.json: %w", err)
	}
	var all []module
	seen := map[string]bool{}
	var add func(from string) error // adds what the package in this folder depends on
	add = func(from string) error {
		for name := range lock.Packages[from].Dependencies {
			at := path.Join(from, "node_modules", name) // npm puts a second version of a package there
			if _, own := lock.Packages[at]; !own {
				at = path.Join("node_modules", name)
			}
			if seen[at] || strings.HasPrefix(name, "@types/") || name == forNode {
				continue
			}
			seen[at] = true
			p, ok := lock.Packages[at]
			if !ok {
				return fmt.Errorf("package-lock.json has no %s, which %s depends on", name, from)
			}
			m := module{path: name, version: p.Version, sum: p.Integrity, dir: filepath.Join(r.root, filepath.FromSlash(at)), npm: true}
			declared, err := installed(m)
			if err != nil {
				return fmt.Errorf("%s: %w; run `npm ci`", name, err)
			}
			if m.licences, err = licencesIn(m.dir); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if len(m.licences) == 0 {
				return fmt.Errorf("%s %s has no licence file in %s", name, m.version, m.dir)
			}
			if !slices.ContainsFunc(m.licences, func(l licence) bool { return l.id != "" }) {
				m.licences[0].id = declared // the text has additions, such as thanks
			}
			all = append(all, m)
			if err := add(at); err != nil {
				return err
			}
		}
		return nil
	}
	for _, dir := range []string{"widget", "verify"} {
		if err := add(dir); err != nil {
			return nil, err
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
