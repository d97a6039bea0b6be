package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The modules of a release are installed by `go install`, from a web server, under a path that their owner chose. The
// program is complete: it says its version and serves its widget.
func TestInstall(t *testing.T) {
	out := t.TempDir()
	r := release{root: "../..", out: out, version: "1.2.3-rc.1", module: "code.your-domain.example/timbre"}
	if err := r.describe(); err != nil {
		t.Fatal(err)
	}
	if err := r.proxy(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	untar(t, filepath.Join(out, "timbre_1.2.3-rc.1_goproxy.tar.gz"), true, dir)
	server := httptest.NewServer(http.FileServerFS(os.DirFS(filepath.Join(dir, "goproxy"))))
	defer server.Close()
	known, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	cache, upstream, _ := strings.Cut(strings.TrimSpace(string(known)), "\n")
	bin := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", "code.your-domain.example/timbre/cmd/timbre@v1.2.3-rc.1")
	install.Dir = t.TempDir() // outside of every module
	// The module cache would give the modules of an earlier test again. So this one begins empty, and takes the others from it.
	install.Env = append(os.Environ(), "GOBIN="+bin, "CGO_ENABLED=0", "GOFLAGS=-trimpath -modcacherw", "GONOSUMDB=code.your-domain.example",
		"GOMODCACHE="+t.TempDir(), "GOPROXY="+server.URL+",file://"+cache+"/cache/download,"+upstream)
	if said, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install: %v\n%s", err, said)
	}
	version, err := exec.CommandContext(t.Context(), filepath.Join(bin, "timbre"), "--version").Output()
	if err != nil || strings.TrimSpace(string(version)) != "1.2.3-rc.1" {
		t.Errorf("the installed program is %q, %v", version, err)
	}
	text, err := exec.CommandContext(t.Context(), "go", "version", "-m", filepath.Join(bin, "timbre")).Output()
	if err != nil || !strings.Contains(string(text), "dep\tcode.your-domain.example/timbre/proof\tv1.2.3-rc.1") {
		t.Errorf("%v: %s", err, text)
	}
}
