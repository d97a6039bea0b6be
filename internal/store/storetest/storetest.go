// Package storetest gives tests real databases: a fresh SQLite file and a
// fresh database on a Postgres server that the test process starts from
// Debian's binaries and that ends with it.
//
// It is for tests only and never opens a database that somebody else made.
package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"timbre.example/internal/store"
)

// Each runs f once on SQLite and once on Postgres, each time on an empty,
// migrated database.
func Each(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, Open(t, PostgresURL(t)))
	})
}

// SQLite opens a fresh, migrated SQLite database.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	return Open(t, "sqlite:"+filepath.Join(t.TempDir(), "timbre.db"))
}

// Open opens and migrates the database at url and closes it after the test.
func Open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

var (
	start     sync.Once
	server    string // directory of the server's socket
	startErr  error
	databases atomic.Int64

	// lifeline is what the server's shell reads from. Nothing is ever written;
	// a variable keeps it from being collected, and so closed, too early.
	lifeline io.WriteCloser
)

// PostgresURL names a fresh, empty database. Without Postgres on the machine
// the test is skipped and says so, or fails when TIMBRE_TEST_ALL is set, as
// `make test` does.
func PostgresURL(t testing.TB) string {
	t.Helper()
	url, err := NewPostgres()
	if startErr != nil && os.Getenv("TIMBRE_TEST_ALL") == "" {
		t.Skipf("skipped without Postgres (apt-get install postgresql): %v", startErr)
	}
	if err != nil {
		t.Fatalf("Postgres: %v", err)
	}
	return url
}

// NewPostgres is PostgresURL for the benchmarks, which are a program. The
// server starts at the first call and ends with the process.
func NewPostgres() (url string, err error) {
	start.Do(func() { server, startErr = startPostgres() })
	if startErr != nil {
		return "", startErr
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	admin, err := sql.Open("pgx", databaseURL("postgres"))
	if err != nil {
		return "", err
	}
	defer admin.Close()
	if _, err := admin.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return databaseURL(name), nil
}

func databaseURL(name string) string {
	return "postgres://postgres@/" + name + "?host=" + server
}

// startPostgres makes a cluster in a directory of its own and serves it on a
// Unix socket there. The server is the child of a shell that waits for its
// standard input to end, which happens when this process does, however it
// does; the shell then stops the server and removes the directory.
func startPostgres() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "timbre-pg-")
	if err != nil {
		return "", err
	}
	attr := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // Postgres refuses to run as root
		cred, err := unprivileged()
		if err != nil {
			return "", err
		}
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return "", err
		}
		attr.Credential = cred
	}
	const script = `
cd "$1" || exit 1
"$2/initdb" -D data -A trust -U postgres --no-sync -E UTF8 --locale=C >init.log 2>&1 || { cat init.log; exit 1; }
"$2/postgres" -D data -k "$1" -c listen_addresses= -c fsync=${3} -c max_connections=200 -c max_wal_size=4GB >server.log 2>&1 &
pid=$!
i=0
until "$2/pg_isready" -q -h "$1"; do
  kill -0 $pid 2>/dev/null || { cat server.log; exit 1; }
  i=$((i+1)); [ $i -lt 600 ] || { cat server.log; exit 1; }
  sleep 0.05
done
echo ready
cat >/dev/null
kill -INT $pid; wait $pid
cd / && rm -rf "$1"
`
	fsync := "off" // tests kill Timbre, not the database's machine
	if os.Getenv("TIMBRE_TEST_FSYNC") != "" {
		fsync = "on"
	}
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir, bin, fsync)
	cmd.SysProcAttr = attr
	cmd.Dir = dir
	if lifeline, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	var said bytes.Buffer
	buf := make([]byte, 1024)
	for !strings.HasSuffix(said.String(), "ready\n") {
		n, err := out.Read(buf)
		said.Write(buf[:n])
		if err == io.EOF {
			return "", fmt.Errorf("the server did not start: %s", said.String())
		}
		if err != nil {
			return "", err
		}
	}
	return dir, nil
}

// binaries finds the directory with initdb: on the PATH or where Debian keeps it.
func binaries() (string, error) {
	candidates, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			candidates = append(candidates, p)
		}
	}
	if len(candidates) == 0 {
		return "", errors.New("initdb is not installed")
	}
	return filepath.Dir(candidates[len(candidates)-1]), nil
}

// unprivileged finds an account to run the server as.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("running as root, and neither postgres nor nobody is an account here")
}
