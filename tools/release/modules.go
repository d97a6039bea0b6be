package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

// A module is a Go module that is linked into the binary, or an npm package in its scripts.
type module struct {
	path, version, sum string
	dir                string // in the module cache, or in node_modules; GOROOT for the standard library
	npm                bool
	licences           []licence
}

// url returns the package URL of a bill of materials.
func (m module) url() string {
	if m.npm {
		return "pkg:npm/" + strings.Replace(m.path, "@", "%40", 1) + "@" + m.version
	}
	return "pkg:golang/" + m.path + "@" + m.version
}

type licence struct {
	file string
	id   string // in SPDX's list; "" for an unknown text
	text []byte
}

// linked returns the modules that the binary lists, with their licences. It fails when
// a module has no licence file, because such a binary must not be distributed.
func (r *release) linked(binary string) ([]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	dirs, err := r.moduleDirs()
	if err != nil {
		return nil, err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	all := []module{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go"), dir: strings.TrimSpace(string(goroot))}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			if inside(d.Replace.Path) {
				continue // a module of this tree, under its own licence
			}
			return nil, fmt.Errorf("%s is replaced by %s: a release must not have replaced modules", d.Path, d.Replace.Path)
		}
		all = append(all, module{path: d.Path, version: d.Version, sum: d.Sum, dir: dirs[d.Path]})
	}
	for i := range all {
		if all[i].licences, err = licencesIn(all[i].dir); err != nil {
			return nil, fmt.Errorf("%s: %w", all[i].path, err)
		}
		if len(all[i].licences) == 0 {
			return nil, fmt.Errorf("%s %s has no licence file in %s", all[i].path, all[i].version, all[i].dir)
		}
	}
	return all, nil
}

// inside reports whether a replacement is a directory of this tree.
func inside(replacement string) bool {
	return strings.HasPrefix(replacement, "./") && filepath.IsLocal(filepath.FromSlash(replacement))
}

// moduleDirs returns the folders of the modules that the program is built from. Modules that only
// the tests of others need are not loaded: some cannot be fetched everywhere.
func (r *release) moduleDirs() (map[string]string, error) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}", "./cmd/timbre")
	list.Dir = r.root
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -deps: %w", err)
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			dirs[path] = dir
		}
	}
	return dirs, nil
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|ofl|authors)([-._].*)?$`)

func licencesIn(dir string) ([]licence, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []licence
	for _, f := range files {
		if f.IsDir() || !licenceFile.MatchString(f.Name()) || strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		l := licence{file: f.Name(), text: text}
		if found := licensecheck.Scan(text); found.Percent > 75 && len(found.Match) > 0 {
			l.id = found.Match[0].ID
		}
		all = append(all, l)
	}
	return all, nil
}

// notices returns the text that goes with each binary: the names and licences of the
// modules, scripts and fonts in it.
func (r *release) notices(modules []module) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("Timbre contains the software below. Each part is under its own terms.\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "\n%s\n%s %s\n%[1]s\n", strings.Repeat("=", 78), m.path, m.version)
		for _, l := range m.licences {
			fmt.Fprintf(&b, "\n--- %s ---\n\n%s\n", l.file, bytes.TrimSpace(l.text))
		}
	}
	fonts, err := os.ReadFile(filepath.Join(r.root, "internal", "certificate", "fonts", "OFL.txt"))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "\n%s\nFonts of the certificate\n%[1]s\n\n%s\n", strings.Repeat("=", 78), bytes.TrimSpace(fonts))
	return b.Bytes(), nil
}

// bill writes the software bill of materials of one binary, as CycloneDX 1.6.
func (r *release) bill(b built) error {
	main := cyclonedx.Component{
		BOMRef: "timbre@" + r.version, Type: cyclonedx.ComponentTypeApplication, Name: "timbre", Version: r.version,
		Licenses: &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}},
	}
	var components []cyclonedx.Component
	var refs []string
	for _, m := range b.modules {
		purl := m.url()
		c := cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: m.path, Version: m.version, PackageURL: purl}
		var ids cyclonedx.Licenses
		for _, l := range m.licences {
			known := slices.ContainsFunc(ids, func(c cyclonedx.LicenseChoice) bool { return c.License.ID == l.id })
			if l.id != "" && !known {
				ids = append(ids, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: l.id}})
			}
		}
		if len(ids) > 0 {
			c.Licenses = &ids
		}
		if name := map[bool]string{false: "go:sum", true: "npm:integrity"}[m.npm]; m.sum != "" {
			c.Properties = &[]cyclonedx.Property{{Name: name, Value: m.sum}}
		}
		components = append(components, c)
		refs = append(refs, purl)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.time.Format("2006-01-02T15:04:05Z"), Component: &main}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	var out bytes.Buffer
	enc := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true)
	if err := enc.EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return err
	}
	return os.WriteFile(r.name(b, ".cdx.json"), out.Bytes(), 0o644)
}
