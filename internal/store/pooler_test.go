package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
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
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// pooler starts PgBouncer in transaction mode in front of a database, with two connections to
// it, and returns the database's URL by way of it.
func pooler(t *testing.T, direct string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatalf("no PgBouncer (apt-get install pgbouncer): %v", err)
		}
		t.Skipf("skipped without PgBouncer (apt-get install pgbouncer): %v", err)
	}
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir, err := os.MkdirTemp("", "timbre-bouncer-") // readable for another account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	settings := fmt.Sprintf(`[databases]
%s = host=%s user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
`, strings.TrimPrefix(u.Path, "/"), u.Query().Get("host"), port)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := errors.Join(os.WriteFile(file, []byte(settings), 0o644), os.Chmod(dir, 0o755)); err != nil { //nolint:gosec // no secret
		t.Fatal(err)
	}
	cmd := exec.Command(program, file)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if os.Geteuid() == 0 { // PgBouncer refuses to run as root
		owner, err := user.Lookup("postgres") // of the server's socket
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(owner.Uid)
		gid, _ := strconv.Atoi(owner.Gid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	ready := time.NewTimer(30 * time.Second)
	defer ready.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return "postgres://postgres@" + addr + u.Path + "?sslmode=disable&pgbouncer=true"
		}
		select {
		case <-ready.C:
			t.Fatalf("PgBouncer does not listen: %v\n%s", err, said.String())
		default:
		}
	}
}

// Behind PgBouncer in transaction mode, each transaction can reach another server process: no
// prepared statement and no setting of a session may be needed.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	direct := storetest.EmptyPostgresURL(t)
	through := pooler(t, direct)
	db, err := store.Open(t.Context(), through)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "itself") {
		t.Fatalf("migrations through the pooler: %v", err)
	}
	storetest.Open(t, direct)
	if err := db.Migrate(t.Context()); err != nil { // there is nothing to do
		t.Fatal(err)
	}
	var spent atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for k := range 20 {
				id := fmt.Sprint(i, "-", k)
				var n int64
				err := db.Tx(t.Context(), func(tx *store.Tx) error {
					if err := insertSession(id)(tx); err != nil {
						return err
					}
					return tx.Together(spend(tx, id, &n), func(tx *store.Tx) error {
						_, err := tx.GetSession(context.Background(), id)
						return err
					})
				})
				if err == nil {
					_, err = db.Read().ListSessions(t.Context(), query.ListSessionsParams{OrganizationID: "o", Lim: 3})
				}
				if err != nil {
					t.Error(err)
					return
				}
				spent.Add(n)
			}
		})
	}
	wg.Wait()
	if spent.Load() != 16*20 {
		t.Errorf("spent %d sessions", spent.Load())
	}
	if _, err := store.Open(t.Context(), direct+"&pgbouncer=perhaps"); err == nil {
		t.Error("pgbouncer=perhaps was accepted")
	}
}
