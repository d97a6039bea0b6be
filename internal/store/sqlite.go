package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"timbre.example/internal/store/query"
)

// sqliteDB keeps one connection for writing and a pool for reading. SQLite has
// one writer at a time in any case; queueing for it here, where waiting is
// free, leaves its busy timer for other processes (the command line on the
// database of a running server).
type sqliteDB struct {
	write  *sql.DB
	read   *sql.DB
	writer chan *sqliteConn // holds the one writing connection while it is free
}

func openSQLite(ctx context.Context, path string) (engine, error) {
	if path == "" {
		return nil, errors.New("sqlite: needs a path")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	dsn := func(extra string) string {
		return "file:" + (&url.URL{Path: path}).EscapedPath() +
			"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-16000)" + extra
	}
	write, err := sql.Open("sqlite", dsn("&_txlock=immediate"))
	if err != nil {
		return nil, err
	}
	conn, err := write.Conn(ctx)
	if err != nil {
		write.Close()
		return nil, err
	}
	read, err := sql.Open("sqlite", dsn("&_pragma=query_only(1)"))
	if err != nil {
		write.Close()
		return nil, err
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	s := &sqliteDB{write: write, read: read, writer: make(chan *sqliteConn, 1)}
	s.writer <- &sqliteConn{conn: conn, prepared: map[string]*sql.Stmt{}}
	return s, nil
}

func (s *sqliteDB) tx(ctx context.Context, f func(query.DBTX) error) (err error) {
	var c *sqliteConn
	select {
	case c = <-s.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.writer <- c }()
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		// When ctx ends just then, SQLite may have begun all the same. Where it
		// has not, there is nothing to roll back, and no harm in trying.
		_, _ = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	committed := false
	defer func() {
		if !committed {
			// Also when f panics, and when ctx has ended: the connection must
			// come back without a transaction on it.
			if _, rerr := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); rerr != nil && err != nil {
				err = errors.Join(err, fmt.Errorf("rollback: %w", rerr))
			}
		}
	}()
	if err := f(c); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	committed = true
	return nil
}

func (s *sqliteDB) reader() query.DBTX { return s.read }
func (s *sqliteDB) pool() *sql.DB      { return s.write }

func (s *sqliteDB) close() error {
	c := <-s.writer
	return errors.Join(c.conn.Close(), s.read.Close(), s.write.Close())
}

// sqliteConn is the writing connection with every statement it has met kept
// prepared: compiling SQL costs more than running most of ours.
type sqliteConn struct {
	conn     *sql.Conn
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// PrepareContext returns the kept statement; callers do not close it.
func (c *sqliteConn) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st, ok := c.prepared[text]; ok {
		return st, nil
	}
	st, err := c.conn.PrepareContext(ctx, text)
	if err == nil {
		c.prepared[text] = st
	}
	return st, err
}

func (c *sqliteConn) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (c *sqliteConn) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (c *sqliteConn) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	st, err := c.PrepareContext(ctx, text)
	if err != nil {
		return c.conn.QueryRowContext(ctx, text, args...) // reports the same error from Scan
	}
	return st.QueryRowContext(ctx, args...)
}

// sqliteUnavailable recognizes a database file that cannot be used now: locked
// for longer than we wait, unreadable, or on a full disk.
func sqliteUnavailable(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return true
	}
	return false
}
