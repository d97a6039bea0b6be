// Package harness builds the real binary and runs it, as an operator would: on a
// port, with a folder of its own, to be stopped, killed and started again; and
// it walks through a registration as an integrator would, over HTTP.
//
// It reaches the server through its command line and its public API only, and
// never through the packages that it is made of. Only the empty tables of a new SQLite database come
// from package storetest.
package harness

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"timbre.example/internal/store/storetest"
)

// Timeout is the timeout of every wait in the tests: far longer than a wait takes on an
// idle machine.
const Timeout = 2 * time.Minute

var built struct {
	sync.Mutex
	dir   string
	byTag map[string]func() (string, error)
}

// Main runs a package's tests and then removes what Binary built. A package that
// uses the harness calls it from TestMain, with m.Run.
func Main(run func() int) {
	code := run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// scratch is the folder that Main removes.
func scratch() (string, error) {
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		return built.dir, nil
	}
	dir, err := os.MkdirTemp("", "timbre-e2e-")
	if err == nil {
		built.dir, built.byTag = dir, map[string]func() (string, error){}
	}
	return dir, err
}

// Binary is the path of the program, built once per test process for each set
// of build tags (comma-separated, "" for a release).
func Binary(t testing.TB, tags string) string {
	t.Helper()
	if _, err := scratch(); err != nil {
		t.Fatal(err)
	}
	built.Lock()
	if built.byTag[tags] == nil {
		out := filepath.Join(built.dir, "timbre-"+tags)
		built.byTag[tags] = sync.OnceValues(func() (string, error) {
			cmd := exec.Command("go", "build", "-tags", tags, "-o", out, "timbre.example/cmd/timbre")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if text, err := cmd.CombinedOutput(); err != nil {
				return "", fmt.Errorf("go build: %w\n%s", err, text)
			}
			return out, nil
		})
	}
	build := built.byTag[tags]
	built.Unlock()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Options say what server is wanted. The zero value is a demo on SQLite.
type Options struct {
	// Roles makes it `timbre serve` with these roles instead of a demo.
	Roles string
	// Data is the folder, which several servers may share; "" is one of its own.
	Data string
	// AdminURL is the way of the command line to the database, where that is
	// another than the server's.
	AdminURL string
	// DatabaseURL is the database; "" is SQLite in the server's folder.
	DatabaseURL string
	// Tags are build tags.
	Tags string
	// Binary is the program of another release; "" builds this one.
	Binary string
	// Env is added to the environment of the first start only.
	Env []string
	// Seeded demos fill their console at the first start.
	Seeded bool
	// BlockTime is the time between blocks; "" is 100ms.
	BlockTime string
	// Addr is where it listens; "" is a free address.
	Addr string
	// Quiet leaves the log out of a failed test's output, see Log.
	Quiet bool
	// Args are added to the command line of every start, Settings to its
	// environment.
	Args, Settings []string
}

// Server is a `timbre demo` or `timbre serve` that can be killed and started
// again at the same address, on the same folder.
type Server struct {
	// URL has no slash at its end.
	URL string
	// BlockTime is that of the next start. With an hour nothing becomes final.
	BlockTime string
	// Data is the folder that everything is kept in.
	Data        string
	DatabaseURL string
	// From demo.json, or from NewOrganization.
	SiteKey        string
	SecretKey      string
	TestSiteKey    string
	TestSecretKey  string
	OrganizationID string
	// From demo.json: an API key of the organization with every scope.
	APIKey string

	t       testing.TB
	options Options
	binary  string
	addr    string

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has been waited for
	log    lockedBuffer
}

// Start builds the binary, runs it, and waits until it serves. It is killed at
// the end of the test, and its log is shown should the test have failed.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{t: t, options: o, binary: cmp.Or(o.Binary, Binary(t, o.Tags)), Data: o.Data, DatabaseURL: o.DatabaseURL, BlockTime: cmp.Or(o.BlockTime, "100ms")}
	if s.Data == "" {
		s.Data = t.TempDir()
	}
	if s.DatabaseURL == "" {
		file := filepath.Join(s.Data, "timbre.db")
		s.DatabaseURL = "sqlite:" + file
		// A migrated database saves a third of a start. The program of another release makes its own.
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) && o.Binary == "" {
			storetest.SQLiteURL(t, s.Data)
		}
	}
	// An operator's secret: on Postgres the server does not make one.
	if _, err := os.Stat(s.secretFile()); err != nil {
		var secret [32]byte
		rand.Read(secret[:])
		if err := os.WriteFile(s.secretFile(), []byte(hex.EncodeToString(secret[:])+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() && !o.Quiet {
			t.Logf("the log of the server %s:\n%s", o.Roles, s.log.String())
		}
	})
	if s.addr = o.Addr; s.addr == "" {
		s.addr = FreeAddress(t)
	}
	s.run(o.Env)
	s.describe()
	return s
}

// FreeAddress finds a port that stays free while the server is down. It avoids the ports
// that the system assigns, and 10080, which browsers refuse.
func FreeAddress(t testing.TB) string {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_100+mrand.IntN(20_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// Memory is the process's resident size and the highest that it had since the last
// ForgetPeak, in bytes, as Linux counts them.
func (s *Server) Memory() (now, peak int64) {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for name, into := range map[string]*int64{"VmRSS:": &now, "VmHWM:": &peak} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				if err != nil {
					s.t.Fatal(err)
				}
				*into = kb << 10
			}
		}
	}
	return now, peak
}

// ForgetPeak starts to measure the highest size again.
func (s *Server) ForgetPeak() {
	s.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0); err != nil {
		s.t.Fatal(err)
	}
}

// Restart starts the server again after it has ended, with env added to its
// environment this time.
func (s *Server) Restart(env ...string) {
	s.t.Helper()
	<-s.exited
	s.run(env)
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.addr }

// Resume is Restart for a goroutine beside the test's, and for a start that may fail: the error
// is why the server does not run.
func (s *Server) Resume(env ...string) error {
	<-s.exited
	return s.start(env)
}

// Exited is closed when the process of the newest start has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// State is how that process ended. It is called after Exited was closed.
func (s *Server) State() *os.ProcessState { return s.cmd.ProcessState }

// Signal sends a signal to the process. A process that has ended receives none.
func (s *Server) Signal(sig syscall.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Log is everything that the starts have printed.
func (s *Server) Log() string { return s.log.String() }

// Replace gives the next start, and the commands, the program of another release.
func (s *Server) Replace(binary string) { s.binary = binary }

func (s *Server) secretFile() string { return filepath.Join(s.Data, "secret") }

// run starts it and waits for its word that it is ready: a demo's first line,
// or what a server logs.
func (s *Server) run(env []string) {
	s.t.Helper()
	if err := s.start(env); err != nil {
		s.t.Fatalf("%v\n%s", err, s.log.String())
	}
}

// start is run with an error instead of the test's end.
func (s *Server) start(env []string) error {
	args, ready := []string{"demo", "--addr", s.addr, "--data", s.Data, "--database-url", s.DatabaseURL, "--block-time", s.BlockTime}, "Timbre demo: "
	s.URL = "http://" + s.addr
	if s.options.Roles != "" {
		args, ready = []string{
			"serve", "--roles", s.options.Roles, "--listen", s.addr, "--database-url", s.DatabaseURL, "--network-block-time", s.BlockTime,
			"--blob-url", "file:" + filepath.Join(s.Data, "blobs"), "--secret-file", s.secretFile(), "--public-url", s.URL,
		}, "msg=ready"
	}
	if s.options.Roles == "" && s.binary != s.options.Binary && !s.options.Seeded { // another release may not know the flag
		args = append(args, "--no-seed") // the tests count what is there
	}
	cmd := exec.Command(s.binary, append(args, s.options.Args...)...)
	// No load balancer has to notice a stop. Tests change settings and see the change in the next call.
	cmd.Env = slices.Concat(os.Environ(), []string{"TIMBRE_DRAIN_TIME=0s", "TIMBRE_SETTINGS_MAX_AGE=0s"}, s.options.Settings, env)
	said, out := io.Pipe()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		cmd.Wait()
		out.Close()
		close(exited)
	}(s.exited)
	up := make(chan bool, 1)
	go func() {
		r := bufio.NewReader(said)
		for {
			line, err := r.ReadString('\n')
			s.log.Write([]byte(line))
			if err != nil || strings.Contains(line, ready) {
				up <- err == nil
				r.WriteTo(&s.log)
				return
			}
		}
	}()
	select {
	case ok := <-up:
		if !ok {
			return errors.New("the server did not start")
		}
	case <-time.After(Timeout):
		return errors.New("the server does not start")
	}
	if s.options.Roles == "" {
		return s.readDemo()
	}
	return nil
}

func (s *Server) readDemo() error {
	var d struct {
		SiteKey        string `json:"site_key"`
		SecretKey      string `json:"secret_key"`
		TestSiteKey    string `json:"test_site_key"`
		TestSecretKey  string `json:"test_secret_key"`
		OrganizationID string `json:"organization_id"`
		APIKey         string `json:"api_key"`
	}
	b, err := os.ReadFile(filepath.Join(s.Data, "demo.json"))
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		return err
	}
	s.SiteKey, s.SecretKey, s.TestSiteKey, s.TestSecretKey, s.OrganizationID = d.SiteKey, d.SecretKey, d.TestSiteKey, d.TestSecretKey, d.OrganizationID
	s.APIKey = d.APIKey
	return nil
}

// NewOrganization makes an organization with a key pair, origins and credits, by
// the command line, and remembers the keys.
func (s *Server) NewOrganization(origins ...string) {
	s.t.Helper()
	var org struct{ ID string }
	s.CLI(&org, "org", "create", "A label", "--json")
	var keys struct {
		SiteKey   string `json:"site_key"`
		SecretKey string `json:"secret_key"`
	}
	s.CLI(&keys, "keys", "create", org.ID, "--json")
	for _, origin := range append(origins, origin) {
		s.CLI(nil, "origins", "add", org.ID, origin)
	}
	s.CLI(nil, "credits", "grant", org.ID, "1000")
	s.OrganizationID, s.SiteKey, s.SecretKey = org.ID, keys.SiteKey, keys.SecretKey
}

// Kill ends the server as a power cut would, if it runs, and waits for its end.
func (s *Server) Kill() {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Error(err)
	}
	<-s.exited
}

// Terminate asks the server to end, and does not wait.
func (s *Server) Terminate() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
}

// Stop asks the server to end, waits, and fails the test if it did not end well.
func (s *Server) Stop() {
	s.t.Helper()
	s.Terminate()
	s.Ended()
}

// Ended waits for the end of a server that was asked to end, and fails the test if it did not
// end well.
func (s *Server) Ended() {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(Timeout):
		s.t.Fatal("the server does not stop")
	}
	if !s.cmd.ProcessState.Success() {
		s.t.Fatalf("the server ended with %v", s.cmd.ProcessState)
	}
}

// Printed waits for a word of the output that contains this, such as a link.
func (s *Server) Printed(part string) string {
	s.t.Helper()
	var found string
	if !Eventually(func() bool {
		words := strings.Fields(s.log.String())
		i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, part) })
		if i >= 0 {
			found = words[i]
		}
		return i >= 0
	}) {
		s.t.Fatalf("the server does not print %s", part)
	}
	return found
}

// WasKilled waits for the end of a server that is about to be killed by itself,
// and reports whether that is how it ended.
func (s *Server) WasKilled() bool {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(Timeout):
		return false
	}
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Command is one of the binary's own, on the server's database.
func (s *Server) Command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, s.binary, append(args, "--database-url", cmp.Or(s.options.AdminURL, s.DatabaseURL))...)
}

// CLI runs a command on the server's database and reads the JSON that it prints
// into `into`, unless that is nil.
func (s *Server) CLI(into any, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), Timeout)
	defer cancel()
	cmd := s.Command(ctx, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("timbre %s: %v\n%s", strings.Join(args, " "), err, complaint.String())
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(out, into); err != nil {
		s.t.Fatalf("timbre %s: %v in %s", strings.Join(args, " "), err, out)
	}
}

// lockedBuffer takes the output of several starts.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
