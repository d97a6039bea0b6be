// Package storetest gives tests real databases: a new SQLite file, and a new database on
// a Postgres server. The test process starts the server from Debian's binaries, and the
// server ends with the process. Each process migrates one database of each kind; the others are
// copies of it.
//
// TIMBRE_TEST_DATABASES=sqlite leaves Postgres out: the tests that need it are skipped.
//
// It is for tests only, and never opens a database that it did not create.
package storetest

import (
	"bufio"
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
	return Open(t, SQLiteURL(t, t.TempDir()))
}

// SQLiteURL makes a migrated database in a folder, and returns its URL.
func SQLiteURL(t testing.TB, dir string) string {
	t.Helper()
	file, err := migratedFile()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "timbre.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// migratedFile is the content of a migrated SQLite database.
var migratedFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "timbre-sqlite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "timbre.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// migrate brings the database at url to the schema of this release.
func migrate(url string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(db.Migrate(ctx), db.Close())
}

// Open opens and migrates the database at url, and closes it after the test.
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
	shared    *Cluster
	startErr  error
	databases atomic.Int64
)

// PostgresURL creates a migrated database and returns its URL. If TIMBRE_TEST_DATABASES is
// sqlite, it skips the test. Without Postgres on the machine it skips the test with a message, or fails it if TIMBRE_TEST_ALL is set, as
// `make test` does.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return needed(t, func() (string, error) {
		if err := begin(); err != nil {
			return "", err
		}
		template, err := migratedDatabase()
		if err != nil {
			return "", err
		}
		return shared.newDatabase(template)
	})
}

// EmptyPostgresURL is PostgresURL for a database without tables.
func EmptyPostgresURL(t testing.TB) string {
	t.Helper()
	return needed(t, NewPostgres)
}

// needed skips or fails a test without Postgres.
func needed(t testing.TB, create func() (string, error)) string {
	t.Helper()
	switch chosen := os.Getenv("TIMBRE_TEST_DATABASES"); chosen {
	case "":
	case "sqlite":
		t.Skip("skipped: TIMBRE_TEST_DATABASES=sqlite leaves Postgres out")
	default:
		t.Fatalf("TIMBRE_TEST_DATABASES=%s: the values are sqlite, and none for both databases", chosen)
	}
	url, err := create()
	if startErr != nil && os.Getenv("TIMBRE_TEST_ALL") == "" {
		t.Skipf("skipped without Postgres (apt-get install postgresql): %v", startErr)
	}
	if err != nil {
		t.Fatalf("Postgres: %v", err)
	}
	return url
}

// NewPostgres is EmptyPostgresURL for the benchmarks, which are a program. The server starts
// at the first call and ends with the process.
func NewPostgres() (url string, err error) {
	if err := begin(); err != nil {
		return "", err
	}
	return shared.newDatabase("template1")
}

// begin starts the server once.
func begin() error {
	start.Do(func() { shared, startErr = startPostgres() })
	return startErr
}

// migratedDatabase is the name of a migrated database. Nothing is connected to it.
var migratedDatabase = sync.OnceValues(func() (string, error) {
	url, err := shared.newDatabase("template1")
	if err != nil {
		return "", err
	}
	return shared.name(url), migrate(url)
})

// Cluster is a Postgres server. It always ends with the process.
type Cluster struct {
	dir string // of its socket
	in  io.WriteCloser
	out *bufio.Reader
}

// NewCluster starts a server for one test, which can stop it. Without Postgres it skips
// or fails the test, like PostgresURL.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	EmptyPostgresURL(t)
	c, err := startPostgres()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.in.Close() })
	return c
}

// URL creates an empty database on the server, and returns its URL.
func (c *Cluster) URL(t testing.TB) string {
	t.Helper()
	url, err := c.newDatabase("template1")
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// Stop stops the server without waiting for its clients. Start starts it again with its
// data.
func (c *Cluster) Stop(t testing.TB)  { t.Helper(); c.do(t, "stop", "stopped") }
func (c *Cluster) Start(t testing.TB) { t.Helper(); c.do(t, "start", "ready") }

// Crash ends the server at once, like a crash of its machine (immediate mode), and starts it again. The
// server repeats its write-ahead log.
func (c *Cluster) Crash(t testing.TB) { t.Helper(); c.do(t, "crash", "ready") }

// Freeze stops the server and its connections without ending them, until Thaw.
func (c *Cluster) Freeze(t testing.TB) { t.Helper(); c.do(t, "freeze", "frozen") }
func (c *Cluster) Thaw(t testing.TB)   { t.Helper(); c.do(t, "thaw", "thawed") }

// Socket is the path of the server's Unix socket.
func (c *Cluster) Socket() string { return filepath.Join(c.dir, ".s.PGSQL.5432") }

func (c *Cluster) do(t testing.TB, command, answer string) {
	t.Helper()
	_, err := io.WriteString(c.in, command+"\n")
	if err == nil {
		err = c.await(answer)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newDatabase creates a copy of a database, and returns its URL.
func (c *Cluster) newDatabase(template string) (string, error) {
	name := fmt.Sprintf("test_%d", databases.Add(1))
	admin, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		return "", err
	}
	defer admin.Close()
	if _, err := admin.ExecContext(context.Background(), "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		return "", err
	}
	return c.url(name), nil
}

func (c *Cluster) url(name string) string { return "postgres://postgres@/" + name + "?host=" + c.dir }

// name is the inverse of url.
func (c *Cluster) name(url string) string {
	return strings.TrimSuffix(strings.TrimPrefix(url, "postgres://postgres@/"), "?host="+c.dir)
}

// await reads until the shell prints the word.
func (c *Cluster) await(word string) error {
	var output strings.Builder
	for {
		line, err := c.out.ReadString('\n')
		if line == word+"\n" {
			return nil
		}
		output.WriteString(line)
		if err != nil {
			return fmt.Errorf("the server did not say %q: %s", word, output.String())
		}
	}
}

// startPostgres makes a cluster in a new directory, and serves it on a Unix socket there.
// The server is the child of a shell that runs the commands on its standard input. When
// this process ends in any way, that input ends; the shell then stops the server and
// removes the directory.
func startPostgres() (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "timbre-pg-")
	if err != nil {
		return nil, err
	}
	attr := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // Postgres refuses to run as root
		cred, err := unprivileged()
		if err != nil {
			return nil, err
		}
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return nil, err
		}
		attr.Credential = cred
	}
	const script = `
cd "$1" || exit 1
dir=$1; bin=$2; fsync=$3
start() {
  "$bin/postgres" -D data -k "$dir" -c listen_addresses= -c fsync=$fsync -c max_connections=200 -c max_wal_size=4GB >server.log 2>&1 </dev/null &
  pid=$!
  i=0
  until "$bin/pg_isready" -q -h "$dir"; do
    kill -0 $pid 2>/dev/null || { cat server.log; exit 1; }
    i=$((i+1)); [ $i -lt 600 ] || { cat server.log; exit 1; }
    sleep 0.05
  done
  echo ready
}
# A stopped parent starts no child, so the list of its children is complete.
children() { for f in /proc/[0-9]*/stat; do { read _ _ _ parent _ <$f && [ "$parent" = $pid ] && basename ${f%/stat}; } 2>/dev/null; done; }
"$bin/initdb" -D data -A trust -U postgres --no-sync -E UTF8 --locale=C >init.log 2>&1 || { cat init.log; exit 1; }
start
while read command; do
  case $command in
    stop) kill -INT $pid; wait $pid; echo stopped;;
    start) start;;
    crash) kill -QUIT $pid; wait $pid; start;;
    freeze) kill -STOP $pid; kill -STOP $(children); echo frozen;;
    thaw) kill -CONT $(children); kill -CONT $pid; echo thawed;;
  esac
done
kill -INT $pid; wait $pid
cd / && rm -rf "$dir"
`
	fsync := "off" // tests kill Timbre, not the database's machine
	if os.Getenv("TIMBRE_TEST_FSYNC") != "" {
		fsync = "on"
	}
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir, bin, fsync)
	cmd.SysProcAttr = attr
	cmd.Dir = dir
	c := &Cluster{dir: dir}
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return c, c.await("ready")
}

// binaries finds the directory with initdb: on the PATH or where Debian installs it.
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
	return nil, errors.New("running as root, and this machine has no account that can run Postgres")
}
