package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// commits makes bare commits on a server's own database, in a table of their
// own: one row with one number, one prepared statement, one durable commit.
type commits struct {
	db     *sql.DB
	insert *sql.Stmt
	next   atomic.Int64
	// made counts the writing commits that the database has made, by whomever.
	made func(context.Context) (int64, error)
}

func openCommits(ctx context.Context, databaseURL string) (c *commits, err error) {
	c = &commits{}
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		// The settings that decide what a commit costs are the server's. SQLite
		// has one writer at a time; more connections would only wait for locks.
		c.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+
			"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-16000)")
		if err == nil {
			c.db.SetMaxOpenConns(1)
		}
		c.made = func(context.Context) (int64, error) { return walCommits(path + "-shm") }
	} else {
		if c.db, err = sql.Open("pgx", databaseURL); err == nil {
			c.db.SetMaxOpenConns(clients)
			c.db.SetMaxIdleConns(clients)
		}
		c.made = func(ctx context.Context) (n int64, err error) {
			err = c.db.QueryRowContext(ctx, "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)").Scan(&n)
			return n, err
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err = c.db.ExecContext(ctx, "CREATE TABLE bench_commits (id BIGINT PRIMARY KEY)"); err == nil {
		c.insert, err = c.db.PrepareContext(ctx, "INSERT INTO bench_commits (id) VALUES ($1)")
	}
	if err != nil {
		c.db.Close()
		return nil, err
	}
	return c, nil
}

func (c *commits) close() error { return errors.Join(c.insert.Close(), c.db.Close()) }

func (c *commits) commit(ctx context.Context, _ int) error {
	_, err := c.insert.ExecContext(ctx, c.next.Add(1))
	return err
}

// walCommits reads the counter that SQLite's index of the write-ahead log keeps
// at byte 8: one more with each transaction that wrote.
func walCommits(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var b [4]byte
	if _, err := f.ReadAt(b[:], 8); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return int64(binary.NativeEndian.Uint32(b[:])), nil
}

// syncedCopy writes a file the way that survives a crash: the bytes, their
// fsync, the name, the folder's fsync.
func syncedCopy(dir string, body []byte) error {
	temp, name := filepath.Join(dir, "temp"), filepath.Join(dir, "object")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
