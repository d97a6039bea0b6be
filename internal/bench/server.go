package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"timbre.example/internal/store/storetest"
)

// server is the real binary, running `timbre demo`.
type server struct {
	cmd    *exec.Cmd
	exited chan error
	dir    string
	ready  time.Duration // from exec to the first 200 of /healthz
	public string        // the public URL of several instances; "" for a demo

	URL         string `json:"url"`
	SiteKey     string `json:"site_key"`
	SecretKey   string `json:"secret_key"`
	Org         string `json:"organization_id"`
	APIKey      string `json:"api_key"`
	DatabaseURL string `json:"database_url"`
}

// start runs the binary in dir, on a port of its own. databaseURL "" is SQLite
// in dir.
func (b *bench) start(ctx context.Context, dir string, blockTime time.Duration, databaseURL string) (s *server, err error) {
	args := []string{"demo", "--no-seed", "--addr", "127.0.0.1:0", "--data", dir, "--block-time", blockTime.String(),
		// Without limits: the bench measures the server, not its refusals.
		"--limits-mint", "off", "--limits-session", "off", "--limits-key", "off", "--limits-address", "off", "--limits-organization", "off"}
	if databaseURL != "" {
		args = append(args, "--database-url", databaseURL)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	secretFile := filepath.Join(dir, "secret")
	if _, err := os.Stat(secretFile); err != nil && databaseURL != "" { // where other instances could need it, the binary makes no secret
		var secret [32]byte
		rand.Read(secret[:])
		if err := os.WriteFile(secretFile, []byte(hex.EncodeToString(secret[:])), 0o600); err != nil {
			return nil, err
		}
	}
	said, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	s = &server{cmd: exec.CommandContext(ctx, b.binary, args...), exited: make(chan error, 1), dir: dir}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 30 * time.Second
	s.cmd.Stderr = said
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s.cmd.Stdout = w
	begun := time.Now()
	err = s.cmd.Start()
	w.Close()
	if err != nil {
		return nil, err
	}
	go func() { s.exited <- s.cmd.Wait() }()
	fail := func(err error) (*server, error) {
		s.stop()
		tail, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("timbre demo: %w\n%s", err, tail)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fail(errors.New("it ended before it was ready"))
	}
	url := strings.TrimSuffix(strings.TrimSpace(line[strings.Index(line, "http"):]), "/demo/")
	res, err := http.Get(url + "/healthz")
	if err != nil {
		return fail(err)
	}
	res.Body.Close()
	if s.ready = time.Since(begun); res.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("/healthz answers %s", res.Status))
	}
	text, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil {
		return fail(err)
	}
	return s, nil
}

// stop ends the server and waits until it has ended.
func (s *server) stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		return err
	case <-time.After(30 * time.Second):
		s.cmd.Process.Kill()
		<-s.exited
		return errors.New("the server did not stop within 30 s")
	}
}

// memory reads what the server holds now, and the most it held since resetPeak,
// in bytes. Linux only.
func (s *server) memory() (now, peak int64, err error) { return memoryOf(s.cmd.Process.Pid) }

// memoryOf is memory for any process that runs.
func memoryOf(pid int) (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kb << 10
		case "VmHWM":
			peak = kb << 10
		}
	}
	return now, peak, nil
}

// processor reads how much processor time the server has used. Linux only; 0
// elsewhere.
func (s *server) processor() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// The second field is a name in brackets and may hold anything; user and
	// system time are the 12th and 13th after it, in hundredths of a second.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resetPeak makes the peak of memory start from here. Where that is not
// allowed, the peak is the one since the start: too high, never too low.
func (s *server) resetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

const mib = 1 << 20

// engine is a database to measure on.
type engine struct {
	name string
	// url makes a fresh database; "" is SQLite in the server's folder.
	url func() (string, error)
}

var engines = []engine{
	{"SQLite", func() (string, error) { return "", nil }},
	{"Postgres", storetest.NewPostgres},
}

// onEach runs f on a server with each database that is available here.
func (b *bench) onEach(ctx context.Context, what string, f func(*server, string) error) error {
	// The bench measures the cost of commits, so Postgres must use fsync here.
	if err := os.Setenv("TIMBRE_TEST_FSYNC", "1"); err != nil {
		return err
	}
	var failed []error
	for _, e := range engines {
		url, err := e.url()
		if err != nil {
			b.skip(what+", "+e.name, err.Error())
			continue
		}
		dir, err := os.MkdirTemp(b.dir, "server-")
		if err != nil {
			return err
		}
		s, err := b.start(ctx, dir, blockTime, url)
		if err == nil {
			err = errors.Join(f(s, e.name), s.stop())
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", e.name, err))
		}
		os.RemoveAll(dir)
	}
	return errors.Join(failed...)
}

// blockTime of the log where throughput is measured.
const blockTime = 100 * time.Millisecond
