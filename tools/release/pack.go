package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// A packed is one file inside an archive.
type packed struct {
	name    string
	content []byte
	mode    int64
}

// contents are the files of an archive, all in one directory.
func (r *release) contents(b built) ([]packed, error) {
	binary := "timbre"
	if b.os == "windows" {
		binary += ".exe"
	}
	all := []packed{{binary, b.binary, 0o755}, {"NOTICES.txt", b.notices, 0o644}, {"errors.json", r.errors, 0o644}}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"} {
		content, err := os.ReadFile(filepath.Join(r.root, name))
		if err != nil {
			return nil, err
		}
		all = append(all, packed{name, content, 0o644})
	}
	return all, nil
}

func (r *release) archive(b built) error {
	contents, err := r.contents(b)
	if err != nil {
		return err
	}
	dir := strings.TrimSuffix(filepath.Base(r.name(b, "")), "")
	var out bytes.Buffer
	if b.os == "windows" {
		w := zip.NewWriter(&out)
		for _, f := range contents {
			h := &zip.FileHeader{Name: dir + "/" + f.name, Method: zip.Deflate, Modified: r.time}
			h.SetMode(os.FileMode(f.mode))
			to, err := w.CreateHeader(h)
			if err != nil {
				return err
			}
			if _, err := to.Write(f.content); err != nil {
				return err
			}
		}
		if err := w.Close(); err != nil {
			return err
		}
		return os.WriteFile(r.name(b, ".zip"), out.Bytes(), 0o644)
	}
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	for i := range contents {
		contents[i].name = dir + "/" + contents[i].name
	}
	if err := r.tar(z, contents); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(r.name(b, ".tar.gz"), out.Bytes(), 0o644)
}

// tar writes the files with the time of the commit. They belong to root, unless owners says
// otherwise. A name that ends with a slash is a directory.
func (r *release) tar(to io.Writer, all []packed) error {
	w := tar.NewWriter(to)
	for _, f := range all {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: r.time, Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if owner, ok := owners[f.name]; ok {
			h.Uid, h.Gid = owner, owner
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	return w.Close()
}

// debian writes a package with the binary, the systemd unit of docs/deploy.md and its user.
func (r *release) debian(b built) error {
	unit, err := os.ReadFile(filepath.Join(r.root, "deploy", "timbre.service"))
	if err != nil {
		return err
	}
	const here, there = "ExecStart=/usr/local/bin/timbre", "ExecStart=/usr/bin/timbre"
	if !bytes.Contains(unit, []byte(here)) {
		return fmt.Errorf("deploy/timbre.service has no line %q", here)
	}
	unit = bytes.Replace(unit, []byte(here), []byte(there), 1)
	scratch, err := os.MkdirTemp("", "timbre-deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	var contents files.Contents
	add := func(destination string, content []byte, mode os.FileMode, kind string) error {
		source := filepath.Join(scratch, strings.ReplaceAll(destination, "/", "_"))
		if err := os.WriteFile(source, content, 0o600); err != nil {
			return err
		}
		contents = append(contents, &files.Content{Source: source, Destination: destination, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time}})
		return nil
	}
	licence, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return err
	}
	environment, err := os.ReadFile(filepath.Join(r.root, "deploy", "environment"))
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name    string
		content []byte
		mode    os.FileMode
		kind    string
	}{
		{"/usr/bin/timbre", b.binary, 0o755, ""},
		{"/lib/systemd/system/timbre.service", unit, 0o644, ""},
		{"/usr/lib/sysusers.d/timbre.conf", []byte("u timbre - \"Timbre registry\" /var/lib/timbre\n"), 0o644, ""},
		// It may contain secrets.
		{"/etc/timbre/environment", environment, 0o600, files.TypeConfigNoReplace},
		{"/usr/share/doc/timbre/errors.json", r.errors, 0o644, ""},
		{"/usr/share/doc/timbre/copyright", append(append(licence, '\n'), b.notices...), 0o644, ""},
	} {
		if err := add(f.name, f.content, f.mode, f.kind); err != nil {
			return err
		}
	}
	script := func(name, text string) (string, error) {
		path := filepath.Join(scratch, name)
		return path, os.WriteFile(path, []byte(text), 0o600)
	}
	after, err := script("postinst", "#!/bin/sh\nset -e\nif [ \"$1\" = configure ] && command -v systemd-sysusers >/dev/null; then\n\tsystemd-sysusers timbre.conf\nfi\nif [ -d /run/systemd/system ]; then\n\tsystemctl daemon-reload\nfi\n")
	if err != nil {
		return err
	}
	before, err := script("prerm", "#!/bin/sh\nset -e\nif [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then\n\tsystemctl disable --now timbre.service\nfi\n")
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "timbre", Arch: b.arch, Platform: "linux", Version: r.version, Section: "web", Priority: "optional",
		Maintainer: "Timbre maintainers <maintainers@timbre.example>", Homepage: "https://timbre.example",
		Description: "Time-stamp registry for songs and other creative works",
		License:     "Apache-2.0", MTime: r.time,
		Overridables: nfpm.Overridables{
			Contents: contents, Recommends: []string{"ca-certificates", "systemd"},
			Scripts: nfpm.Scripts{PostInstall: after, PreRemove: before},
			Deb:     nfpm.Deb{Compression: "gzip"},
		},
	})
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := deb.Default.Package(info, &out); err != nil {
		return err
	}
	return os.WriteFile(r.name(b, ".deb"), out.Bytes(), 0o644)
}
