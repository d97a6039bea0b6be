// Package s3test gives tests a real S3 server. It checks signatures, their expiry and
// CORS, and stores objects in a folder. A test can stop it and start it again with its
// data.
//
// It does not know how Timbre uses it.
package s3test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/cors"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// The keys of every server; they are not secret.
const (
	AccessKey = "timbre-tests"
	SecretKey = "not-a-secret-of-anyone"
)

// timeout is how long the server can take to start or to stop.
const timeout = 60 * time.Second

// program returns the server's path; the first call builds it. The go command caches the
// build.
var program = sync.OnceValues(func() (string, error) {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "-C", filepath.Join(filepath.Dir(string(mod)), "tools", "s3"), "tool", "-n", "versitygw")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go tool versitygw: %w\n%s", err, complaint.String())
	}
	return strings.TrimSpace(string(path)), nil
})

// Server is one S3 server with its own folder.
type Server struct {
	// URL is its URL, without a slash at the end.
	URL string

	t      testing.TB
	addr   string
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
	log    bytes.Buffer // read only after cmd has ended
}

// Program returns the path of the server's program. If it cannot be built, Program skips
// the test, or fails it if TIMBRE_TEST_ALL is set.
func Program(t testing.TB) string {
	t.Helper()
	path, err := program()
	if err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(err)
		}
		t.Skipf("skipped without an S3 server: %v", err)
	}
	return path
}

// Start runs a server until the end of the test. It skips or fails the test as Program
// does.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartIn(t, t.TempDir())
}

// StartIn is Start with an empty folder for the objects.
func StartIn(t testing.TB, dir string) *Server {
	t.Helper()
	Program(t)
	s := &Server{t: t, addr: freeAddress(t), dir: dir}
	s.URL = "http://" + s.addr
	for _, d := range []string{"objects", "meta", "users"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("the S3 server said:\n%s", s.log.String())
		}
	})
	s.Restart()
	return s
}

// freeAddress returns an address whose port stays free while the server is down: it is
// outside of the range from which the system assigns ports.
func freeAddress(t testing.TB) string {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+mrand.IntN(20_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// Restart starts a stopped server again, at the same address and with its data, and waits
// until it answers.
func (s *Server) Restart() {
	s.t.Helper()
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	s.log.Reset()
	s.cmd = exec.Command(path, "--port", s.addr, "--access", AccessKey, "--secret", SecretKey, "--keep-alive", "--quiet", "--iam-dir", filepath.Join(s.dir, "users"),
		"posix", "--sidecar", filepath.Join(s.dir, "meta"), filepath.Join(s.dir, "objects"))
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	s.exited = exited
	go func(cmd *exec.Cmd) {
		cmd.Wait()
		close(exited)
	}(s.cmd)
	limit := time.After(timeout)
	for {
		if conn, err := net.Dial("tcp", s.addr); err == nil { // the server gives no other sign that it is ready
			conn.Close()
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-exited:
			s.t.Fatalf("the S3 server ended: %s", s.log.String())
		case <-limit:
			s.t.Fatal("the S3 server does not start")
		}
	}
}

// Stop stops the server, if it runs, like a power cut: every connection breaks, and
// nothing answers at its address.
func (s *Server) Stop() {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// Freeze makes the server accept connections and answer nothing until Thaw. It processes
// those requests after Thaw.
func (s *Server) Freeze() {
	s.t.Helper()
	pid := s.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	for { // until every thread has stopped
		var ws syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &ws, syscall.WUNTRACED, nil); err == nil && ws.Stopped() {
			return
		} else if !errors.Is(err, syscall.EINTR) {
			s.t.Fatalf("the S3 server does not stand still: %v", err)
		}
	}
}

// Thaw ends a Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	if err := syscall.Kill(s.cmd.Process.Pid, syscall.SIGCONT); err != nil {
		s.t.Fatal(err)
	}
}

// Client returns a client with the administrator's keys.
func (s *Server) Client() *minio.Client {
	s.t.Helper()
	c, err := minio.New(s.addr, &minio.Options{Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Region: "us-east-1", Transport: &http.Transport{DisableKeepAlives: true}})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// Bucket creates a bucket with this name. Pages of these origins can PUT to it and read
// the answer; without origins, no page can.
func (s *Server) Bucket(origins ...string) string {
	s.t.Helper()
	name := "b-" + strings.ToLower(rand.Text())
	if err := s.Client().MakeBucket(context.Background(), name, minio.MakeBucketOptions{}); err != nil {
		s.t.Fatal(err)
	}
	if len(origins) > 0 {
		s.Allow(name, origins...)
	}
	return name
}

// Allow sets the origins whose pages can PUT to the bucket, as docs/operating.md
// describes.
func (s *Server) Allow(bucket string, origins ...string) {
	s.t.Helper()
	err := s.Client().SetBucketCors(context.Background(), bucket, &cors.Config{CORSRules: []cors.Rule{{
		AllowedOrigin: origins, AllowedMethod: []string{"PUT", "GET", "HEAD"}, AllowedHeader: []string{"*"}, MaxAgeSeconds: 7200,
	}}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// User creates a user with only the permissions of a bucket's policy.
func (s *Server) User(accessKey, secretKey string) {
	s.t.Helper()
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, "admin", "create-user", "--access", accessKey, "--secret", secretKey, "--role", "user")
	cmd.Env = append(os.Environ(), "ADMIN_ACCESS_KEY_ID="+AccessKey, "ADMIN_SECRET_ACCESS_KEY="+SecretKey, "ADMIN_ENDPOINT_URL="+s.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("create-user: %v: %s", err, out)
	}
}

// BlobURL returns the bucket in the form of Timbre's configuration.
func (s *Server) BlobURL(bucket string) string {
	return "s3://" + bucket + "?endpoint=" + url.QueryEscape(s.URL)
}

// Env returns the server's keys in the form of Timbre's configuration.
func (s *Server) Env() []string {
	return []string{"TIMBRE_S3_ACCESS_KEY=" + AccessKey, "TIMBRE_S3_SECRET_KEY=" + SecretKey}
}

// Objects returns the names in the bucket.
func (s *Server) Objects(bucket string) (names []string) {
	s.t.Helper()
	for o := range s.Client().ListObjects(context.Background(), bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		names = append(names, o.Key)
	}
	return names
}
