package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"timbre.example/internal/store/query"
)

// StatementTimeout is the timeout of one Postgres statement, of a commit, and of a new
// connection. After it, a server that disappeared silently counts as not answering. It is
// long for every statement that we run, and short for a person who waits. Migrations have
// no timeout.
const StatementTimeout = 5 * time.Second

var errLostBeforeCommit = errors.New("connection lost before the commit")

type postgres struct {
	db         *sql.DB
	migrates   *sql.DB // without StatementTimeout; connects only when it is used
	forgetting atomic.Bool
	counts     *counts
}

// maxConns is small, so that several instances fit in the hundred connections of a
// default server.
const maxConns = 24

// openPostgres makes a pool. The driver prepares each statement once for each connection.
func openPostgres(ctx context.Context, url string, c *counts) (engine, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = StatementTimeout // the pool also connects without a waiting caller
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	if err := db.PingContext(bounded(ctx)); err != nil {
		db.Close()
		return nil, err
	}
	migrates := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SET lock_timeout = "+strconv.FormatInt(lockTimeout.Milliseconds(), 10))
		return err
	}))
	migrates.SetMaxIdleConns(0)
	return &postgres{db: db, migrates: migrates, counts: c}, nil
}

func (p *postgres) tx(given context.Context, f func(query.DBTX) error) error {
	ctx, cancel := context.WithCancelCause(given)
	defer cancel(nil)
	// The timer starts again before each statement: many short statements together can
	// take longer.
	timer := time.AfterFunc(StatementTimeout, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	err := p.within(ctx, func() { timer.Reset(StatementTimeout) }, f)
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %v", context.DeadlineExceeded, err) // it says only that it was cancelled
	}
	return p.dropIdle(given, err)
}

// dropIdle closes the idle connections after a statement reached StatementTimeout (and
// not the caller's own timeout). The cause, such as a router that forgot the connection,
// probably affects the idle ones too, and each would cost another caller a timeout.
func (p *postgres) dropIdle(given context.Context, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || given.Err() != nil {
		return err
	}
	p.counts.timeouts.Add(1)
	if p.forgetting.CompareAndSwap(false, true) {
		go func() {
			p.db.SetMaxIdleConns(0)
			p.db.SetMaxIdleConns(maxConns)
			p.forgetting.Store(false)
		}()
	}
	return err
}

func (p *postgres) within(ctx context.Context, restart func(), f func(query.DBTX) error) error {
	// A pool sometimes returns dead connections after callers have cancelled, more often
	// than database/sql retries.
	tx, err := p.db.BeginTx(ctx, nil)
	if err == nil {
		defer tx.Rollback()
		err = f(statements{tx, ctx, restart})
	}
	switch {
	case errors.Is(err, driver.ErrBadConn):
		return errors.Join(errLostBeforeCommit, err)
	case err != nil:
		return err
	}
	restart()
	if err := tx.Commit(); err != nil {
		return err
	}
	p.counts.transactions.Add(1)
	p.counts.commits.Add(1)
	return nil
}

// statements runs the statements of one transaction. They end with the transaction's
// context, which begin derives from theirs.
type statements struct {
	tx      *sql.Tx
	ctx     context.Context
	restart func()
}

// begin starts the timer of one statement, unless its context has ended already.
func (s statements) begin(given context.Context) context.Context {
	if given.Err() != nil {
		return given
	}
	s.restart()
	return s.ctx
}

func (s statements) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return s.tx.ExecContext(s.begin(ctx), text, args...)
}

func (s statements) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return s.tx.PrepareContext(s.begin(ctx), text)
}

func (s statements) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return s.tx.QueryContext(s.begin(ctx), text, args...)
}

func (s statements) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	return s.tx.QueryRowContext(s.begin(ctx), text, args...)
}

// singly runs statements outside of transactions, each within StatementTimeout. The
// timeout includes the wait for a connection.
type singly struct{ *postgres }

func (s singly) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	result, err := s.db.ExecContext(bounded(ctx), text, args...)
	return result, s.dropIdle(ctx, err)
}

func (s singly) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	statement, err := s.db.PrepareContext(bounded(ctx), text)
	return statement, s.dropIdle(ctx, err)
}

func (s singly) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	rows, err := s.db.QueryContext(bounded(ctx), text, args...)
	return rows, s.dropIdle(ctx, err)
}

func (s singly) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	row := s.db.QueryRowContext(bounded(ctx), text, args...)
	_ = s.dropIdle(ctx, row.Err())
	return row
}

// bounded returns a context with StatementTimeout that no caller needs to cancel: rows
// are read after the call that requested them.
func bounded(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (p *postgres) reader() query.DBTX { return singly{p} }
func (p *postgres) pool() *sql.DB      { return p.migrates }
func (p *postgres) close() error       { return errors.Join(p.db.Close(), p.migrates.Close()) }

// dropped reports whether the server closed a connection that was in use.
func dropped(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
