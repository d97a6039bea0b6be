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
	"sync/atomic"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"timbre.example/internal/store/query"
)

// sqliteDB keeps one connection for writing and a pool for reading. SQLite has
// one writer at a time in any case; queueing for it here, where waiting is
// free, leaves its busy timer for other processes (the command line on the
// database of a running server).
//
// Transactions that wait for it at the same time share one commit, each within
// a savepoint of its own: the disk is asked to sync once for all of them, and
// none is told that it committed before that has happened.
type sqliteDB struct {
	write  *sql.DB
	read   *reader
	writer chan *sqliteConn // holds the one writing connection while it is free

	waiting atomic.Int64 // transactions that want the writer
	open    *commit      // belongs to whoever holds the writer; nil between commits
}

// commit is what several transactions end in.
type commit struct {
	members int
	done    chan struct{} // closed when err is known
	err     error
}

// maxShared bounds how many transactions share a commit, and so how long the
// first of them waits for it.
const maxShared = 64

func openSQLite(ctx context.Context, path string) (engine, error) {
	if path == "" {
		return nil, errors.New("sqlite: needs a path")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// SQLite would make it as readable as the umask lets it, and the files beside it
	// as readable as it is.
	made, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := made.Close(); err != nil {
		return nil, err
	}
	// The journal that a rush made large gives its space back at the next checkpoint.
	dsn := func(extra string) string {
		return "file:" + (&url.URL{Path: path}).EscapedPath() +
			"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=secure_delete(1)&_pragma=cache_size(-16000)&_pragma=journal_size_limit(16777216)" + extra
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
	s := &sqliteDB{write: write, read: &reader{db: read, prepared: map[string]*sql.Stmt{}}, writer: make(chan *sqliteConn, 1)}
	s.writer <- &sqliteConn{conn: conn, prepared: map[string]*sql.Stmt{}}
	return s, nil
}

func (s *sqliteDB) tx(ctx context.Context, f func(query.DBTX) error) error {
	shared, err := s.join(ctx, f)
	if shared == nil {
		return err
	}
	// Also a refusal waits: it may rest on what another transaction of this
	// commit wrote.
	<-shared.done
	if shared.err != nil {
		return shared.err
	}
	return err
}

// join runs f as a member of the commit that is open, or of a new one. It
// returns nil when f did not run.
func (s *sqliteDB) join(ctx context.Context, f func(query.DBTX) error) (shared *commit, err error) {
	// The wait is not given up when ctx ends: the one before may count on this
	// one to commit for both. Whoever is in front is quick.
	s.waiting.Add(1)
	c := <-s.writer
	s.waiting.Add(-1)
	defer func() {
		if s.open != nil && (s.waiting.Load() == 0 || s.open.members >= maxShared) {
			_, err := c.ExecContext(context.Background(), "COMMIT")
			s.end(c, err)
		}
		s.writer <- c
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.open == nil {
		if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return nil, err
		}
		s.open = &commit{done: make(chan struct{})}
	}
	shared = s.open
	shared.members++
	// What one member does is taken back without the others. Where SQLite has
	// rolled back everything by itself (a full disk), the savepoint is gone, and
	// with it the whole commit.
	const release = "RELEASE member"
	after := "ROLLBACK TO member"
	if _, err := c.ExecContext(context.Background(), "SAVEPOINT member"); err != nil {
		s.end(c, err)
		return shared, err
	}
	defer func() { // also when f panics
		_, gone := c.ExecContext(context.Background(), after)
		if gone == nil && after != release {
			_, gone = c.ExecContext(context.Background(), release)
		}
		if gone != nil {
			s.end(c, errors.Join(err, gone)) // err says why SQLite rolled back
		}
	}()
	if err = f(c); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		after = release
	}
	return shared, err
}

// end tells the members of the open commit how it went.
func (s *sqliteDB) end(c *sqliteConn, err error) {
	if err != nil {
		if _, rerr := c.ExecContext(context.Background(), "ROLLBACK"); rerr != nil {
			err = errors.Join(err, fmt.Errorf("rollback: %w", rerr))
		}
	}
	s.open.err = err
	close(s.open.done)
	s.open = nil
}

func (s *sqliteDB) reader() query.DBTX { return s.read }
func (s *sqliteDB) pool() *sql.DB      { return s.write }

func (s *sqliteDB) close() error {
	c := <-s.writer
	return errors.Join(c.conn.Close(), s.read.db.Close(), s.write.Close())
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
	return st.ExecContext(uninterrupted(ctx), args...)
}

func (c *sqliteConn) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(uninterrupted(ctx), args...)
}

func (c *sqliteConn) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	st, err := c.PrepareContext(ctx, text)
	if err != nil {
		return c.conn.QueryRowContext(ctx, text, args...) // reports the same error from Scan
	}
	return st.QueryRowContext(uninterrupted(ctx), args...)
}

// uninterrupted is ctx for one statement of a transaction: not begun when ctx
// has ended, and not broken off halfway, since SQLite would then roll back more
// than this transaction. It also spares the driver a goroutine each.
func uninterrupted(ctx context.Context) context.Context {
	if ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
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

// Busy reports whether an error means that another process holds the SQLite database.
func Busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// reader is the pool for reading, with every statement it has met kept
// prepared on every connection.
type reader struct {
	db       *sql.DB
	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

func (r *reader) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	r.mu.RLock()
	st, ok := r.prepared[text]
	r.mu.RUnlock()
	if ok {
		return st, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if st, ok := r.prepared[text]; ok {
		return st, nil
	}
	st, err := r.db.PrepareContext(ctx, text)
	if err == nil {
		r.prepared[text] = st
	}
	return st, err
}

func (r *reader) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return r.db.ExecContext(ctx, text, args...)
}

func (r *reader) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := r.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (r *reader) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	st, err := r.PrepareContext(ctx, text)
	if err != nil {
		return r.db.QueryRowContext(ctx, text, args...)
	}
	return st.QueryRowContext(ctx, args...)
}
