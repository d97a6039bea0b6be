package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"timbre.example/docs"
	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// The time of a reader, without that of the machine: slow reading in a second language, and each listing copied and
// saved.
const (
	wordsAMinute   = 130
	timeForListing = 15 * time.Second
)

// TestTutorial follows docs/tutorial.md from its first command to its last: in one terminal, with the files that it says,
// a song in a browser, a webhook, and the verified proof. Reading and copying take less than ten minutes; what the machine
// needs is reported.
func TestTutorial(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		browser.Missing(t, "no npm in PATH")
	}
	document, err := fs.ReadFile(docs.Files, "tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	_, registry, err := net.SplitHostPort(harness.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	_, page, err := net.SplitHostPort(harness.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("8080", registry, "3000", page).Replace(string(document))
	dir := t.TempDir()
	if err := os.Symlink(harness.Binary(t, ""), filepath.Join(dir, "timbre")); err != nil {
		t.Fatal(err)
	}
	terminal := newTerminal(t, dir)
	begun, reader := time.Now(), time.Duration(len(strings.Fields(listing.ReplaceAllString(string(document), ""))))*time.Minute/wordsAMinute
	log := filepath.Join(dir, "song-page", "backend.log")
	saved := map[string]string{"mjs": "backend.mjs", "html": "index.html"}
	for _, m := range listing.FindAllStringSubmatch(text, -1) {
		language, code := m[1], m[2]
		reader += timeForListing
		switch language {
		case "sh":
			terminal.run(code)
			if strings.HasPrefix(code, "node backend.mjs") {
				registerOnPage(t, "http://localhost:"+page, log)
			}
		case "console": // what a command prints
			_, printed, _ := strings.Cut(code, "\n")
			if got, err := os.ReadFile(log); err != nil || string(got) != printed {
				t.Errorf("the backend printed %q (%v), and the tutorial %q", got, err, printed)
			}
		default:
			name, known := saved[language]
			if !known {
				t.Fatalf("a listing in %q", language)
			}
			if err := os.WriteFile(filepath.Join(dir, "song-page", name), []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if verified := terminal.last; !strings.Contains(verified, "The registration is proved") {
		t.Errorf("timbre verify printed\n%s", verified)
	}
	t.Logf("reading and copying: %v; the machine: %v", reader.Round(time.Second), time.Since(begun).Round(100*time.Millisecond))
	if reader > 10*time.Minute {
		t.Errorf("reading and copying take %v: shorten the tutorial", reader)
	}
}

// registerOnPage registers a song on the page of the tutorial, and waits until its backend has heard of it.
func registerOnPage(t *testing.T, address, log string) {
	t.Helper()
	p := browser.Open(t)
	p.Size(320, 640)
	if !harness.Eventually(func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
		if err == nil {
			c.Close()
		}
		return err == nil
	}) {
		said, _ := os.ReadFile(log)
		t.Fatalf("the backend of the tutorial does not listen: %s", said)
	}
	p.Goto(address + "/")
	p.Wait(browser.Hook("file"))
	fill(p, 0, noise(t, "tutorial.wav", 20_000), "Night Train")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	p.Wait("document.getElementById('result').textContent === 'Registered as number 1.'")
	if dir := browser.Pictures(t); dir != "" {
		p.Screenshot(dir, "tutorial-320")
	}
	for _, line := range append(p.Overflow(), p.Problems()...) {
		if !strings.Contains(line, "/favicon.ico") {
			t.Error(line)
		}
	}
	if !harness.Eventually(func() bool {
		said, err := os.ReadFile(log)
		return err == nil && len(said) > 0
	}) {
		t.Error("the backend of the tutorial received no webhook")
	}
}

// A terminal is one shell that stays, as the one of a reader.
type terminal struct {
	t     *testing.T
	in    io.Writer
	lines *bufio.Scanner
	last  string // what the last commands printed
}

func newTerminal(t *testing.T, dir string) *terminal {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "bash", "-s")
	shell.Dir = dir
	shell.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"), "npm_config_update_notifier=false")
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	shell.Cancel = func() error { return syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) }
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	shell.Stderr = shell.Stdout
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) // with the registry and the backend
		_ = shell.Wait()
	})
	return &terminal{t: t, in: in, lines: bufio.NewScanner(out)}
}

// run types commands and waits for the last one. Every command must succeed.
func (x *terminal) run(commands string) {
	x.t.Helper()
	const end = "::end "
	if _, err := fmt.Fprintf(x.in, "set -eE; trap 'echo %s$?' ERR; {\n%s\n}; trap - ERR; set +eE; echo %s0\n", end, commands, end); err != nil {
		x.t.Fatal(err)
	}
	var said strings.Builder
	for x.lines.Scan() {
		if status, ok := strings.CutPrefix(x.lines.Text(), end); ok {
			if x.last = said.String(); status != "0" {
				x.t.Fatalf("status %s of\n%s\n%s", status, commands, x.last)
			}
			return
		}
		said.WriteString(x.lines.Text() + "\n")
	}
	x.t.Fatalf("the shell ended in\n%s\n%s", commands, said.String())
}
