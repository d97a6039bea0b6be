// Package witnesstest runs a foreign witness for tests: litewitness of filippo.io/torchwood,
// with a key agent and a database of its own.
//
// It does not depend on how Timbre uses it.
package witnesstest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	_ "modernc.org/sqlite" // the driver of the witness's database
)

// timeout is how long the witness can take to start.
const timeout = 60 * time.Second

// program returns the path of litewitness; the first call builds it. The go command caches
// the build.
var program = sync.OnceValues(func() (string, error) {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "-C", filepath.Join(filepath.Dir(string(mod)), "tools", "witness"), "tool", "-n", "litewitness")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go tool litewitness: %w\n%s", err, complaint.String())
	}
	return strings.TrimSpace(string(path)), nil
})

// Witness is a running litewitness.
type Witness struct {
	// URL is its address, without a slash at the end, and Key its verifier key.
	URL, Key string

	t      testing.TB
	dir    string
	name   string
	print  string // the fingerprint of its key
	addr   string
	cmd    *exec.Cmd
	exited chan struct{}
	log    bytes.Buffer // read only after cmd has ended
}

// Start runs a witness with this name until the end of the test, for the logs with these
// verifier keys. If litewitness cannot be built, Start skips the test, or fails it if
// TIMBRE_TEST_ALL is set.
func Start(t testing.TB, name string, logs ...string) *Witness {
	t.Helper()
	if _, err := program(); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(err)
		}
		t.Skipf("skipped without litewitness: %v", err)
	}
	dir, err := os.MkdirTemp("", "witness-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &Witness{t: t, dir: dir, name: name}
	w.serveKey()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	l.Close()
	w.URL = "http://" + w.addr
	t.Cleanup(func() {
		w.Stop()
		if t.Failed() {
			t.Logf("litewitness said:\n%s", w.log.String())
		}
	})
	w.Restart()
	w.know(logs)
	return w
}

// serveKey makes the key, and an agent that signs with it.
func (w *Witness) serveKey() {
	w.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		w.t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	w.print = ssh.FingerprintSHA256(public)
	own := append([]byte{4}, key.Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(w.name+"\n"), own...))
	w.Key = fmt.Sprintf("%s+%x+%s", w.name, sum[:4], base64.StdEncoding.EncodeToString(own))
	l, err := net.Listen("unix", filepath.Join(w.dir, "agent"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = agent.ServeAgent(ring, c)
			}()
		}
	}()
}

// know adds logs, as the command witnessctl does.
func (w *Witness) know(logs []string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	for _, key := range logs {
		origin, _, _ := strings.Cut(key, "+")
		empty := sha256.Sum256(nil)
		if _, err := db.Exec("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", origin, base64.StdEncoding.EncodeToString(empty[:])); err != nil {
			w.t.Fatal(err)
		}
		if _, err := db.Exec("INSERT INTO key (origin, key) VALUES (?, ?)", origin, key); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Restart starts a stopped witness again, with its memory, and waits until it answers.
func (w *Witness) Restart() {
	w.t.Helper()
	path, err := program()
	if err != nil {
		w.t.Fatal(err)
	}
	w.cmd = exec.Command(path, "-db", filepath.Join(w.dir, "db"), "-ssh-agent", filepath.Join(w.dir, "agent"), "-name", w.name, "-key", w.print, "-listen", w.addr)
	w.log.Reset()
	w.cmd.Stdout, w.cmd.Stderr = &w.log, &w.log
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	exited := make(chan struct{})
	w.exited = exited
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait()
		close(exited)
	}(w.cmd)
	limit := time.After(timeout)
	for {
		if conn, err := net.Dial("tcp", w.addr); err == nil { // the witness gives no other sign that it is ready
			conn.Close()
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-exited:
			w.t.Fatalf("litewitness ended: %s", w.log.String())
		case <-limit:
			w.t.Fatal("litewitness does not start")
		}
	}
}

// Stop ends the witness at once. Its memory stays.
func (w *Witness) Stop() {
	w.t.Helper()
	if w.cmd == nil {
		return
	}
	_ = w.cmd.Process.Kill()
	<-w.exited
	w.cmd = nil
}
