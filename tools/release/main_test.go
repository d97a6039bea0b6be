package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// buildOne runs the release for one platform.
func buildOne(t *testing.T, dir string) {
	t.Helper()
	r := release{root: "../..", out: dir, version: "1.2.3-rc.1", module: "timbre.example"}
	if err := r.run("linux/amd64"); err != nil {
		t.Fatal(err)
	}
}

func TestRelease(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Fatal("dpkg-deb is missing: this test runs on Debian")
	}
	first, second := t.TempDir(), t.TempDir()
	buildOne(t, first)
	buildOne(t, second)

	sums, err := os.ReadFile(filepath.Join(first, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(second, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sums, again) {
		t.Errorf("two builds differ:\n%s\n%s", sums, again)
	}
	seen := 0
	for _, line := range strings.Split(strings.TrimSpace(string(sums)), "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		content, err := os.ReadFile(filepath.Join(first, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := sha256.Sum256(content); hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s: SHA256SUMS is wrong", name)
		}
		seen++
	}
	if seen != 5 {
		t.Errorf("%d files, want an archive, a bill of materials, a package, an image and the modules:\n%s", seen, sums)
	}

	t.Run("archive", func(t *testing.T) {
		dir := t.TempDir()
		names := untar(t, filepath.Join(first, "timbre_1.2.3-rc.1_linux_amd64.tar.gz"), true, dir)
		for _, want := range []string{"timbre", "LICENSE", "NOTICES.txt", "README.md", "CHANGELOG.md", "errors.json"} {
			if !names["timbre_1.2.3-rc.1_linux_amd64/"+want] {
				t.Errorf("%s is missing", want)
			}
		}
		out, err := exec.Command(filepath.Join(dir, "timbre_1.2.3-rc.1_linux_amd64", "timbre"), "--version").Output()
		if err != nil || strings.TrimSpace(string(out)) != "1.2.3-rc.1" {
			t.Errorf("--version printed %q, %v", out, err)
		}
		notices, err := os.ReadFile(filepath.Join(dir, "timbre_1.2.3-rc.1_linux_amd64", "NOTICES.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"github.com/jackc/pgx/v5", "SIL OPEN FONT LICENSE", "modernc.org/sqlite", "lit-html", "@noble/curves", "hash-wasm"} {
			if !bytes.Contains(notices, []byte(part)) {
				t.Errorf("NOTICES.txt does not name %s", part)
			}
		}
	})
	t.Run("version of a running server", func(t *testing.T) {
		dir := t.TempDir()
		untar(t, filepath.Join(first, "timbre_1.2.3-rc.1_linux_amd64.tar.gz"), true, dir)
		demo := exec.CommandContext(t.Context(), filepath.Join(dir, "timbre_1.2.3-rc.1_linux_amd64", "timbre"), "demo", "--addr", "127.0.0.1:0", "--data", t.TempDir())
		out, err := demo.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := demo.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = demo.Process.Kill()
			_ = demo.Wait()
		})
		line, err := bufio.NewReader(out).ReadString('\n')
		url, ok := strings.CutPrefix(strings.TrimSuffix(strings.TrimSpace(line), "/demo/"), "Timbre demo: ")
		if err != nil || !ok {
			t.Fatalf("the demo printed %q, %v", line, err)
		}
		widget, err := os.ReadFile("../../widget/package.json")
		if err != nil {
			t.Fatal(err)
		}
		var of struct{ Version string }
		if err := json.Unmarshal(widget, &of); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			"/healthz":         "1.2.3-rc.1",
			"/metrics":         `timbre_info{version="1.2.3-rc.1"} 1`,
			"/v1/openapi.json": `"version":"1.2.3-rc.1"`,
			"/widget/" + of.Version + "/integrity.json":    `"version": "` + of.Version + `"`,
			"/widget/v1/ats-widget.esm.js":                 `"` + of.Version + `"`,
			"/widget/" + of.Version + "/ats-widget.esm.js": `"` + of.Version + `"`,
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(want)) {
				t.Errorf("%s: %d %v, and no %s in %.300s", path, res.StatusCode, err, want, body)
			}
		}
	})
	t.Run("bill", func(t *testing.T) {
		text, err := os.ReadFile(filepath.Join(first, "timbre_1.2.3-rc.1_linux_amd64.cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		var bill struct {
			Components []struct {
				Name     string
				Licenses []any
			}
		}
		if err := json.Unmarshal(text, &bill); err != nil {
			t.Fatal(err)
		}
		if len(bill.Components) < 30 {
			t.Errorf("%d components", len(bill.Components))
		}
		for _, c := range bill.Components {
			if len(c.Licenses) == 0 {
				t.Errorf("%s has no known licence", c.Name)
			}
		}
	})
	t.Run("package", func(t *testing.T) {
		file := filepath.Join(first, "timbre_1.2.3-rc.1_linux_amd64.deb")
		list, err := exec.Command("dpkg-deb", "--contents", file).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, list)
		}
		for _, want := range []string{"./usr/bin/timbre", "./lib/systemd/system/timbre.service", "./usr/share/doc/timbre/copyright"} {
			if !strings.Contains(string(list), want+"\n") {
				t.Errorf("%s is missing in\n%s", want, list)
			}
		}
		for _, line := range strings.Split(string(list), "\n") {
			if strings.Contains(line, "/etc/timbre/environment") && !strings.HasPrefix(line, "-rw-------") {
				t.Errorf("others can read the settings: %s", line)
			}
		}
		dir := t.TempDir()
		if out, err := exec.Command("dpkg-deb", "--extract", file, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		unit, err := os.ReadFile(filepath.Join(dir, "lib/systemd/system/timbre.service"))
		if err != nil || !bytes.Contains(unit, []byte("ExecStart=/usr/bin/timbre serve\n")) {
			t.Errorf("%v:\n%s", err, unit)
		}
	})
	t.Run("image", func(t *testing.T) {
		dir := t.TempDir()
		untar(t, filepath.Join(first, "timbre_1.2.3-rc.1_image.oci.tar"), false, dir)
		path, err := layout.FromPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		index, err := path.ImageIndex()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(index); err != nil {
			t.Fatal(err)
		}
		top, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		platforms, err := index.ImageIndex(top.Manifests[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := platforms.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		image, err := platforms.Image(manifest.Manifests[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Config.User != "65532:65532" || config.Architecture != "amd64" {
			t.Errorf("user %q, architecture %q", config.Config.User, config.Architecture)
		}
		runs(t, unpack(t, image), config.Config)
	})

	r := release{root: "../..", out: first, version: "1.2.3-rc.1", module: "timbre.example"}
	if err := r.run("linux/amd64"); err == nil {
		t.Error("the release was written to a directory that has files")
	}
}

func TestVersions(t *testing.T) {
	for version, ok := range map[string]bool{"1.2.3": true, "1.2.3-rc.1": true, "0.0.0-72427319e8f6": true, "v1.2.3": false, "1.2": false, "1.2.3;x": false} {
		if versionForm.MatchString(version) != ok {
			t.Errorf("%s: want %v", version, ok)
		}
	}
}

// untar unpacks an archive into dir and returns the names in it.
func untar(t *testing.T, file string, zipped bool, dir string) map[string]bool {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var from io.Reader = f
	if zipped {
		if from, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]bool{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names[h.Name] = true
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(to, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, os.FileMode(h.Mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// A release needs its heading in the changelog and its lines in both locks.
func TestReady(t *testing.T) {
	tree := func() string {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n## 1.2.3 · 2027-01-31\n",
			"internal/store/migrations/migrations.lock": "# note\n00001 a b\nrelease 1.2.3\n",
			"widget/versions.lock":                      "# note\n1.0.0 sha384-uGQI1peXX6CRJPY0hmzTf7zT9OOSoU/5X3whFO/UGip89xIwIKr+qYSRJCOhU3o/\n",
			"widget/dist/integrity.json":                `{"version": "1.0.0"}`,
			"widget/released/1.0.0.zip":                 "",
		} {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for name, c := range map[string]struct{ version, file, from, to, want string }{
		"ready":              {version: "1.2.3"},
		"a test version":     {version: "1.2.4-rc.1"},
		"no heading":         {"1.2.3", "CHANGELOG.md", "1.2.3", "1.2.2", "CHANGELOG.md has no heading"},
		"no date":            {"1.2.3", "CHANGELOG.md", " · 2027-01-31", "", "CHANGELOG.md has no heading"},
		"another release":    {"1.2.3", "internal/store/migrations/migrations.lock", "1.2.3", "1.2.3\nrelease 1.2.4", "the last line of migrations.lock"},
		"another widget":     {"1.2.3", "widget/dist/integrity.json", "1.0.0", "1.0.1", "no line for the files of widget 1.0.1"},
		"other widget files": {"1.2.3", "widget/dist/integrity.json", "{", "{ ", "no line for the files of widget 1.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree()
			if c.file != "" {
				path := filepath.Join(dir, filepath.FromSlash(c.file))
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(strings.Replace(string(text), c.from, c.to, 1)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := release{root: dir, version: c.version}
			err := r.ready()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestReplacedModules(t *testing.T) {
	for path, ok := range map[string]bool{"./proof": true, "./a/b": true, "../proof": false, "./../x": false, "/x": false, "example.com/fork": false} {
		if inside(path) != ok {
			t.Errorf("%s: want %v", path, ok)
		}
	}
}
