// Command release builds the files of a release, with the same bytes on every machine:
// an archive and a software bill of materials for each platform, two Debian packages, a
// container image, the Go modules, and hashes.
//
// It reads the tree, node_modules and the module cache. It signs, tags and uploads nothing.
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A target is one platform, in Go's names.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// targets are the platforms of a release.
var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

// A release has the settings that all its files share.
type release struct {
	root    string    // the module's directory
	out     string    // where the files go
	version string    // without the v: 1.2.3
	module  string    // the path of the Go modules
	time    time.Time // of the commit; the modification time of every file in an archive
	errors  []byte    // the catalogue of error codes, as JSON
}

func main() {
	var r release
	var only string
	flag.StringVar(&r.root, "root", ".", "directory of the module")
	flag.StringVar(&r.out, "out", "release", "output directory, relative to -root; it must be empty or missing")
	flag.StringVar(&r.version, "version", "", "version to build, for example 1.2.3; default: from the newest git tag")
	flag.StringVar(&r.module, "module", "timbre.example", "path of the Go modules, for example code.your-domain.example/timbre")
	flag.StringVar(&only, "only", "", "platforms, for example linux/amd64,darwin/arm64; default: all six")
	flag.Parse()
	if err := r.run(only); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func (r *release) run(only string) error {
	var err error
	if r.root, err = filepath.Abs(r.root); err != nil {
		return err
	}
	if !filepath.IsAbs(r.out) {
		r.out = filepath.Join(r.root, r.out)
	}
	if old, err := os.ReadDir(r.out); err == nil && len(old) > 0 {
		return fmt.Errorf("%s is not empty: remove it, or set another directory with -out", r.out)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	if err := r.describe(); err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		return err
	}
	if err := r.catalogue(); err != nil {
		return err
	}
	chosen := targets
	if only != "" {
		chosen = nil
		for _, name := range strings.Split(only, ",") {
			i := slices.IndexFunc(targets, func(t target) bool { return t.String() == name })
			if i < 0 {
				return fmt.Errorf("-only %s: unknown platform; the platforms are %v", name, targets)
			}
			chosen = append(chosen, targets[i])
		}
	}
	var images []built
	for _, t := range chosen {
		b, err := r.build(t)
		if err != nil {
			return fmt.Errorf("build %s: %w", t, err)
		}
		if err := r.archive(b); err != nil {
			return fmt.Errorf("archive %s: %w", t, err)
		}
		if err := r.bill(b); err != nil {
			return fmt.Errorf("bill of materials of %s: %w", t, err)
		}
		if t.os == "linux" {
			if err := r.debian(b); err != nil {
				return fmt.Errorf("package of %s for Debian: %w", t, err)
			}
			images = append(images, b)
		}
	}
	if len(images) > 0 {
		if err := r.image(images); err != nil {
			return fmt.Errorf("image: %w", err)
		}
	}
	if err := r.proxy(); err != nil {
		return fmt.Errorf("module proxy: %w", err)
	}
	return r.sums()
}

var versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// describe reads the version (unless it is set) and the time of the commit from git.
func (r *release) describe() error {
	if r.version == "" {
		tag, err := r.git("describe", "--tags", "--match", "v[0-9]*", "--dirty")
		if err != nil {
			// No tag exists yet.
			commit, err := r.git("rev-parse", "--short=12", "HEAD")
			if err != nil {
				return err
			}
			tag = "v0.0.0-" + commit
		}
		r.version = strings.TrimPrefix(tag, "v")
	}
	if !versionForm.MatchString(r.version) {
		return fmt.Errorf("version %q: write it as 1.2.3 or 1.2.3-rc.1", r.version)
	}
	seconds, err := r.git("show", "-s", "--format=%ct", "HEAD")
	if err != nil {
		return err
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("time of the commit: %w", err)
	}
	r.time = time.Unix(unix, 0).UTC()
	return nil
}

func (r *release) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", r.root}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// A built is one platform's binary, its modules and their licence notices.
type built struct {
	target
	binary  []byte
	modules []module
	notices []byte
}

func (r *release) build(t target) (built, error) {
	b := built{target: t}
	file := filepath.Join(r.out, ".binary")
	defer os.Remove(file)
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.release="+r.version, "-o", file, "./cmd/timbre")
	build.Dir = r.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOFLAGS=-mod=readonly", "GOAMD64=v1")
	if out, err := build.CombinedOutput(); err != nil {
		return b, fmt.Errorf("%w\n%s", err, out)
	}
	var err error
	if b.binary, err = os.ReadFile(file); err != nil {
		return b, err
	}
	if b.modules, err = r.linked(file); err != nil {
		return b, err
	}
	packages, err := r.bundled()
	if err != nil {
		return b, err
	}
	b.modules = append(b.modules, packages...)
	b.notices, err = r.notices(b.modules)
	return b, err
}

func (r *release) name(b built, ending string) string {
	return filepath.Join(r.out, fmt.Sprintf("timbre_%s_%s_%s%s", r.version, b.os, b.arch, ending))
}

// catalogue runs the program to list all error codes, as /docs/errors.json does.
func (r *release) catalogue() error {
	list := exec.Command("go", "run", "-trimpath", "-buildvcs=false", "./cmd/timbre", "errors", "list", "--json")
	list.Dir = r.root
	list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("timbre errors list: %w", err)
	}
	r.errors = out
	return nil
}

// sums writes the SHA-256 of every file, in the format of sha256sum -c.
func (r *release) sums() error {
	files, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var list bytes.Buffer
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(r.out, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(content), f.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), list.Bytes(), 0o644)
}
