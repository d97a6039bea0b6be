package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// runs starts the image's entrypoint without containers: in its file system, as its user,
// with its environment and no other. The image asks for its settings, serves, finds itself
// healthy, writes only to its two directories, and ends at SIGTERM.
func runs(t *testing.T, root string, config v1.Config) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root can run a process in the file system of an image (chroot)")
	}
	uid, gid, ok := strings.Cut(config.User, ":")
	id, err := strconv.ParseUint(uid, 10, 32)
	if err != nil || !ok || uid != gid || id == 0 {
		t.Fatalf("user %q: a number other than root, for uid and gid", config.User)
	}
	// The processes' view of the file system, before and after.
	listed := func() (all []string) {
		t.Helper()
		err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
			inside := strings.TrimPrefix(name, root)
			if err == nil && !strings.HasPrefix(inside, "/data/") && !strings.HasPrefix(inside, "/tmp/") {
				all = append(all, inside)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := listed()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	start := func(ctx context.Context, args []string, env ...string) (*exec.Cmd, *bytes.Buffer) {
		t.Helper()
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(id), Gid: uint32(id), NoSetGroups: false}}
		cmd.Dir, cmd.Stdout, cmd.Stderr = config.WorkingDir, &said, &said
		cmd.Env = append(slices.Clone(config.Env), env...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &said
	}
	command := slices.Concat(config.Entrypoint, config.Cmd)
	cmd, said := start(t.Context(), command)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(said.String(), "--public-url: is required at the first start") {
		t.Fatalf("without settings: %v %s", err, said)
	}
	// The port of the image may be taken on this machine.
	here := []string{"TIMBRE_PUBLIC_URL=https://timbre.your-domain.example", "TIMBRE_LISTEN=" + address}
	cmd, said = start(t.Context(), command, here...)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	if len(config.Healthcheck.Test) < 2 || config.Healthcheck.Test[0] != "CMD" || config.Healthcheck.Timeout <= 5*time.Second {
		t.Fatalf("health check %+v: timbre health may take 5 s", config.Healthcheck)
	}
	limit := time.Now().Add(time.Minute)
	for {
		check, answer := start(t.Context(), config.Healthcheck.Test[1:], here...)
		if err := check.Wait(); err == nil {
			if !strings.Contains(answer.String(), `"status":"ok"`) {
				t.Errorf("timbre health printed %s", answer)
			}
			break
		}
		select {
		case err := <-exited:
			t.Fatalf("the server ended: %v %s", err, said)
		default:
		}
		if time.Now().After(limit) {
			t.Fatalf("not healthy: %s", answer)
		}
	}
	for _, file := range []string{"data/timbre.db", "data/blobs", "data/secret"} {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Errorf("the server does not use the volume: %v", err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-exited; err != nil {
		t.Errorf("the server ended with %v: %s", err, said)
	}
	if after := listed(); !slices.Equal(before, after) {
		t.Errorf("files of the image changed:\n%v\n%v", before, after)
	}
	check, answer := start(t.Context(), config.Healthcheck.Test[1:], here...)
	if err := check.Wait(); err == nil {
		t.Errorf("a stopped server is healthy: %s", answer)
	}
}

// unpack writes the files of an image, with their owners, to a new directory.
func unpack(t *testing.T, image v1.Image) string {
	t.Helper()
	root := t.TempDir()
	open(t, root)
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		defer content.Close()
		for r := tar.NewReader(content); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(root, filepath.FromSlash(h.Name))
			if h.Typeflag == tar.TypeDir {
				err = os.MkdirAll(to, 0o755)
			} else {
				var data []byte
				if data, err = io.ReadAll(r); err == nil {
					err = os.WriteFile(to, data, 0o600)
				}
			}
			if err == nil && os.Geteuid() == 0 {
				err = os.Chown(to, h.Uid, h.Gid)
			}
			if err == nil {
				err = os.Chmod(to, fs.FileMode(h.Mode).Perm())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// open lets the image's user reach the directory.
func open(t *testing.T, dir string) {
	t.Helper()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// The Dockerfile is read as BuildKit reads it. Its build stage runs here, on the files that
// .dockerignore leaves; its last stage becomes a file system, in which the server runs.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ast.Warnings {
		t.Errorf("%s", w.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, msg string, at []parser.Range) { t.Errorf("line %v: %s: %s", at, rule, msg) }})
	stages, _, err := instructions.Parse(ast.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 || stages[1].BaseName != "scratch" {
		t.Fatalf("%d stages, the last from %s", len(stages), stages[len(stages)-1].BaseName)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if version := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(mod); stages[0].BaseName != "golang:"+string(version[1])+"-bookworm" {
		t.Errorf("built by %s, and go.mod has Go %s", stages[0].BaseName, version[1])
	}

	dir := t.TempDir()
	open(t, dir)
	source, out, root := filepath.Join(dir, "src"), filepath.Join(dir, "out"), filepath.Join(dir, "root")
	for _, d := range []string{source, out, root} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sent(t, source)
	for _, c := range stages[0].Commands {
		run, ok := c.(*instructions.RunCommand)
		if !ok {
			continue
		}
		// The module cache of this machine is that of the image.
		line := strings.NewReplacer("/out/", out+"/").Replace(strings.Join(run.CmdLine, " "))
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", line)
		cmd.Dir = source
		cmd.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH=amd64", "VERSION=1.2.3")
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("RUN %s: %v: %s", line, err, said)
		}
	}
	config := v1.Config{}
	for _, c := range stages[1].Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			if c.From != "build" {
				t.Fatalf("a copy from %q", c.From)
			}
			for _, src := range c.SourcePaths {
				copied(t, filepath.Join(out, strings.TrimPrefix(src, "/out/")), filepath.Join(root, c.DestPath), c.Chown)
			}
		case *instructions.UserCommand:
			config.User = c.User
		case *instructions.WorkdirCommand:
			config.WorkingDir = c.Path
		case *instructions.EnvCommand:
			for _, e := range c.Env {
				config.Env = append(config.Env, e.Key+"="+e.Value)
			}
		case *instructions.EntrypointCommand:
			config.Entrypoint = c.CmdLine
		case *instructions.CmdCommand:
			config.Cmd = c.CmdLine
		case *instructions.HealthCheckCommand:
			config.Healthcheck = &v1.HealthConfig{Test: c.Health.Test, Timeout: c.Health.Timeout}
		case *instructions.VolumeCommand, *instructions.ExposeCommand, *instructions.LabelCommand, *instructions.ArgCommand:
		default:
			t.Fatalf("%s is not checked by this test", c.Name())
		}
	}
	runs(t, root, config)
}

// sent copies what the build is given: the files of the tree without those that
// .dockerignore leaves out.
func sent(t *testing.T, to string) {
	t.Helper()
	file, err := os.Open("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	leaves := func(name string) bool {
		out, err := ignored.MatchesOrParentMatches(name)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, name := range []string{".git/config", ".env", "data/secret", "data/timbre.db", "node_modules/lit/index.js", "widget/node_modules/a.js", "bin/timbre", "deploy/compose/secrets/secret", "cmd/timbre/timbre.test"} {
		if !leaves(name) {
			t.Errorf("%s would be sent to the builder", name)
		}
	}
	list := exec.CommandContext(t.Context(), "git", "-C", "../..", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	all, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(all), "\x00"), "\x00") {
		if leaves(name) {
			continue
		}
		data, err := os.ReadFile(filepath.Join("../..", name))
		if errors.Is(err, fs.ErrNotExist) { // removed, and not committed yet
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Join(to, path.Dir(name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// copied is COPY of a directory's content, with its modes.
func copied(t *testing.T, from, to, owner string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(name, from))
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
			if strings.TrimSuffix(name, "/") == strings.TrimSuffix(from, "/") { // the destination keeps its mode
				return nil
			}
		} else {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if err := os.WriteFile(target, data, 0o600); err != nil {
				return err
			}
		}
		if err := os.Chmod(target, info.Mode().Perm()); err != nil {
			return err
		}
		uid, _, given := strings.Cut(owner, ":")
		if !given || os.Geteuid() != 0 {
			return nil
		}
		id, err := strconv.Atoi(uid)
		if err != nil {
			return err
		}
		return os.Chown(target, id, id)
	})
	if err != nil {
		t.Fatal(err)
	}
}
