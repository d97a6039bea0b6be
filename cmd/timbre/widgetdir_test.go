package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timbre.example/web/i18n"
)

// TestWidgetDir changes a style sheet of the widget, and sees its new bytes served, and the page
// reloaded. The build that follows the sources runs as it does for a developer.
func TestWidgetDir(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "node_modules", "lit")); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal("run npm ci: ", err)
		}
		t.Skip("run npm ci: ", err)
	}
	// A copy of the sources, so that no other test sees the change.
	copied := t.TempDir()
	for _, folder := range []string{"widget/src", "widget/types", "web", filepath.Dir(i18n.WordsFile)} {
		if err := os.CopyFS(filepath.Join(copied, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			t.Fatal(err)
		}
	}
	manifest, err := os.ReadFile(filepath.Join(root, "widget", "package.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(copied, "widget", "package.json"), manifest, 0o644)
	}
	if err = errors.Join(err, os.Symlink(filepath.Join(root, "node_modules"), filepath.Join(copied, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "build")
	compile := exec.Command("go", "build", "-o", program, "./widget/build")
	compile.Dir = root
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := t.TempDir()
	watch := exec.Command(program, "-watch", dir)
	watch.Dir = copied
	said, err := watch.StdoutPipe()
	if err == nil {
		err = watch.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		buffer := make([]byte, 4096)
		for {
			n, err := said.Read(buffer)
			if n > 0 {
				lines <- string(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = watch.Process.Kill()
		for range lines { // until the pipe is closed
		}
		_ = watch.Wait() // it was killed
	})
	built := func() {
		t.Helper()
		select {
		case line, open := <-lines:
			if !open || !strings.HasPrefix(line, "built in") {
				t.Fatalf("the build says %q", line)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing was built")
		}
	}
	built()
	h, err := widgetDir(dir, func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusTeapot) })
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	get := func(path string) (int, string) {
		t.Helper()
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if code, body := get("/widget/v1/ats-widget.iife.js"); code != http.StatusOK || strings.Contains(body, "outline:7px") || !strings.Contains(body, "/widget/changes") {
		t.Fatalf("%d: %.80s", code, body)
	}
	for path, want := range map[string]int{"/widget/v1/ats-widget-rest.js": 200, "/widget/1.0.0/locale/fr.json": 200, "/widget/v1/nope.js": 418, "/widget/v1/../../secret": 418, "/widget/": 418} {
		if code, _ := get(path); code != want {
			t.Errorf("%s: %d", path, code)
		}
	}
	_, before := get("/widget/changes?since=")
	sheet := filepath.Join(copied, "widget", "src", "styles", "first.css")
	text, err := os.ReadFile(sheet)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sheet, append(text, "\nh2 { outline: 7px solid; }\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	built()
	if _, after := get("/widget/changes?since=" + before); after == before || after == "" {
		t.Errorf("no change is told: %q", after)
	}
	if _, body := get("/widget/v1/ats-widget.iife.js"); !strings.Contains(body, "outline:7px solid") {
		t.Error("the old style sheet is served")
	}
	if _, err := widgetDir(t.TempDir(), nil); err == nil {
		t.Error("a folder without a widget is accepted")
	}
}
