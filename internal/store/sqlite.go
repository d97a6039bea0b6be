package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"timbre.example/internal/store/query"
)

// sqliteDB has one connection for writing and a pool for reading. SQLite allows only one
// writer at a time. Transactions queue for it in this process. That costs nothing, so
// SQLite's busy timeout is only needed for other processes (such as the command line next
// to a running server).
//
// Transactions that wait at the same time share one commit, each in its own savepoint.
// The disk syncs once for all of them, and each returns only after that.
type sqliteDB struct {
	write  *sql.DB
	read   *reader
	writer chan *sqliteConn // has the one writing connection while it is free

	waiting atomic.Int64 // transactions that wait for the writer
	open    *commit      // used only by the holder of the writer; nil between commits
	counts  *counts
}

// commit is one commit of several transactions.
type commit struct {
	members int
	done    chan struct{} // closed when err is known
	err     error
}

// maxShared is the largest number of transactions that share a commit. It bounds how long
// the first of them waits.
const maxShared = 64

func openSQLite(ctx context.Context, path string, c *counts) (engine, error) {
	if path == "" {
		return nil, errors.New("sqlite: needs a path")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// SQLite would create the file with the permissions of the umask, and the files next
	// to it with the file's permissions.
	made, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := made.Close(); err != nil {
		return nil, err
	}
	// The next checkpoint shrinks a journal that became large.
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
	s := &sqliteDB{write: write, read: &reader{db: read, prepared: map[string]*sql.Stmt{}}, writer: make(chan *sqliteConn, 1), counts: c}
	s.writer <- &sqliteConn{conn: conn, prepared: map[string]*sql.Stmt{}}
	return s, nil
}

func (s *sqliteDB) tx(ctx context.Context, f func(query.DBTX) error) error {
	shared, err := s.join(ctx, f)
	if shared == nil {
		return err
	}
	// Errors wait for the commit too: an error can depend on rows that another member of
	// this commit wrote.
	<-shared.done
	if shared.err != nil {
		return shared.err
	}
	return err
}

// one is tx: a transaction of one statement needs a savepoint too.
func (s *sqliteDB) one(ctx context.Context, f func(query.DBTX) error) error { return s.tx(ctx, f) }

// join runs f as a member of the open commit, or of a new one. It returns nil if f did
// not run.
func (s *sqliteDB) join(ctx context.Context, f func(query.DBTX) error) (shared *commit, err error) {
	// The wait does not end with ctx: the transaction before can rely on this one to
	// commit for both. Each transaction in the queue is short.
	s.waiting.Add(1)
	c := <-s.writer
	s.waiting.Add(-1)
	defer func() {
		if s.open != nil && (s.waiting.Load() == 0 || s.open.members >= maxShared) {
			_, err := c.Exec(context.Background(), "COMMIT")
			s.end(c, err)
		}
		s.writer <- c
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.open == nil {
		if _, err := c.Exec(ctx, "BEGIN IMMEDIATE"); err != nil {
			return nil, err
		}
		s.open = &commit{done: make(chan struct{})}
	}
	shared = s.open
	shared.members++
	// One member can be rolled back without the others. If SQLite has rolled back
	// everything by itself (a full disk), the savepoint is gone, and so is the whole
	// commit.
	const release = "RELEASE member"
	after := "ROLLBACK TO member"
	if _, err := c.Exec(context.Background(), "SAVEPOINT member"); err != nil {
		s.end(c, err)
		return shared, err
	}
	defer func() { // also if f panics
		_, gone := c.Exec(context.Background(), after)
		if gone == nil && after != release {
			_, gone = c.Exec(context.Background(), release)
		}
		if gone != nil {
			s.end(c, errors.Join(err, gone)) // err is why SQLite rolled back
		}
	}()
	if err = f(named{c}); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		after = release
	}
	return shared, err
}

// end reports the result to all members of the open commit.
func (s *sqliteDB) end(c *sqliteConn, err error) {
	if err != nil {
		if _, rerr := c.Exec(context.Background(), "ROLLBACK"); rerr != nil {
			err = errors.Join(err, fmt.Errorf("rollback: %w", rerr))
		}
	}
	if err == nil {
		s.counts.transactions.Add(int64(s.open.members))
		s.counts.commits.Add(1)
	}
	s.open.err = err
	close(s.open.done)
	s.open = nil
}

func (s *sqliteDB) reader() query.DBTX { return named{s.read} }
func (s *sqliteDB) pool() *sql.DB      { return s.write }

func (s *sqliteDB) close() error {
	c := <-s.writer
	return errors.Join(c.conn.Close(), s.read.db.Close(), s.write.Close())
}

// sqliteConn is the writing connection. It keeps every statement prepared, because
// compiling SQL takes longer than running most of our statements.
type sqliteConn struct {
	conn     *sql.Conn
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// prepare returns the prepared statement; callers do not close it.
func (c *sqliteConn) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
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

// Exec implements query.DBTX.
func (c *sqliteConn) Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error) {
	st, err := c.prepare(ctx, text)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return tagged(st.ExecContext(uninterrupted(ctx), args...))
}

// Query implements query.DBTX.
func (c *sqliteConn) Query(ctx context.Context, text string, args ...any) (pgx.Rows, error) {
	st, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return rowsOf(st.QueryContext(uninterrupted(ctx), args...))
}

// QueryRow implements query.DBTX.
func (c *sqliteConn) QueryRow(ctx context.Context, text string, args ...any) pgx.Row {
	st, err := c.prepare(ctx, text)
	if err != nil {
		return c.conn.QueryRowContext(ctx, text, args...) // reports the same error from Scan
	}
	return st.QueryRowContext(uninterrupted(ctx), args...)
}

// tagged returns the number of changed rows as the generated code reads it.
func tagged(r sql.Result, err error) (pgconn.CommandTag, error) {
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	n, err := r.RowsAffected()
	return pgconn.NewCommandTag("UPDATE " + strconv.FormatInt(n, 10)), err
}

// sqliteRows has those methods of pgx.Rows that the generated code calls.
type sqliteRows struct {
	pgx.Rows
	all *sql.Rows
	err error
}

func rowsOf(all *sql.Rows, err error) (pgx.Rows, error) {
	if err != nil {
		return nil, err
	}
	return &sqliteRows{all: all}, nil
}

func (r *sqliteRows) Next() bool           { return r.all.Next() }
func (r *sqliteRows) Scan(to ...any) error { return r.all.Scan(to...) }
func (r *sqliteRows) Close()               { r.err = errors.Join(r.err, r.all.Close()) }
func (r *sqliteRows) Err() error           { return errors.Join(r.err, r.all.Err()) }

// uninterrupted returns the context of one statement of a transaction. A statement does
// not start after ctx has ended, but it is never interrupted: SQLite would then roll back
// more than this transaction. It also saves the driver's goroutine for each statement.
func uninterrupted(ctx context.Context) context.Context {
	if ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// Busy reports whether an error means that another process holds the SQLite database.
func Busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// reader is the pool for reading. Every connection keeps every statement prepared.
type reader struct {
	db       *sql.DB
	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

func (r *reader) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
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

// Exec implements query.DBTX. SQLite refuses it on these connections.
func (r *reader) Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error) {
	return tagged(r.db.ExecContext(ctx, text, args...))
}

// Query implements query.DBTX.
func (r *reader) Query(ctx context.Context, text string, args ...any) (pgx.Rows, error) {
	st, err := r.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return rowsOf(st.QueryContext(ctx, args...))
}

// QueryRow implements query.DBTX.
func (r *reader) QueryRow(ctx context.Context, text string, args ...any) pgx.Row {
	st, err := r.prepare(ctx, text)
	if err != nil {
		return r.db.QueryRowContext(ctx, text, args...)
	}
	return st.QueryRowContext(ctx, args...)
}
