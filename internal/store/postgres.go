package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"timbre.example/internal/store/query"
)

// Patience is how long Postgres may take over one statement, over a commit, or
// to let us in: a server that has vanished without a word is then one that does
// not answer. It is long for anything that we ask and short for somebody who
// waits. Migrations may take as long as they take.
const Patience = 5 * time.Second

var errLostBeforeCommit = errors.New("connection lost before the commit")

type postgres struct {
	db         *sql.DB
	migrates   *sql.DB // without Patience; connects only when it is used
	forgetting atomic.Bool
}

// maxConns lets several instances fit in a default server's hundred.
const maxConns = 24

// openPostgres makes a pool. The driver prepares each statement once a
// connection by itself.
func openPostgres(ctx context.Context, url string) (engine, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = Patience // the pool connects also when nobody waits for it any more
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	if err := db.PingContext(bounded(ctx)); err != nil {
		db.Close()
		return nil, err
	}
	migrates := stdlib.OpenDB(*config)
	migrates.SetMaxIdleConns(0)
	return &postgres{db: db, migrates: migrates}, nil
}

func (p *postgres) tx(given context.Context, f func(query.DBTX) error) error {
	ctx, cancel := context.WithCancelCause(given)
	defer cancel(nil)
	// Wound up again before each statement: many short ones may take long.
	patience := time.AfterFunc(Patience, func() { cancel(context.DeadlineExceeded) })
	defer patience.Stop()
	err := p.within(ctx, func() { patience.Reset(Patience) }, f)
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %v", context.DeadlineExceeded, err) // it says only that it was cancelled
	}
	return p.heard(given, err)
}

// heard drops the idle connections when Patience with one was at its end, and
// not the caller's own: what made it dumb, a router that forgot it, made the
// others so too, and each would cost somebody his Patience.
func (p *postgres) heard(given context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && given.Err() == nil && p.forgetting.CompareAndSwap(false, true) {
		go func() {
			p.db.SetMaxIdleConns(0)
			p.db.SetMaxIdleConns(maxConns)
			p.forgetting.Store(false)
		}()
	}
	return err
}

func (p *postgres) within(ctx context.Context, wind func(), f func(query.DBTX) error) error {
	// A pool in which callers hang up hands out dead connections now and then,
	// more often than database/sql tries again.
	tx, err := p.db.BeginTx(ctx, nil)
	if err == nil {
		defer tx.Rollback()
		err = f(statements{tx, ctx, wind})
	}
	switch {
	case errors.Is(err, driver.ErrBadConn):
		return errors.Join(errLostBeforeCommit, err)
	case err != nil:
		return err
	}
	wind()
	return tx.Commit()
}

// statements are those of one transaction. They end with the transaction's
// context, which is made of the one that they are given.
type statements struct {
	tx   *sql.Tx
	ctx  context.Context
	wind func()
}

// begin gives one statement its time, unless its context has ended already.
func (s statements) begin(given context.Context) context.Context {
	if given.Err() != nil {
		return given
	}
	s.wind()
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

// singly runs statements outside transactions, each within Patience, which
// includes the wait for a connection.
type singly struct{ *postgres }

func (s singly) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	result, err := s.db.ExecContext(bounded(ctx), text, args...)
	return result, s.heard(ctx, err)
}

func (s singly) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	statement, err := s.db.PrepareContext(bounded(ctx), text)
	return statement, s.heard(ctx, err)
}

func (s singly) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	rows, err := s.db.QueryContext(bounded(ctx), text, args...)
	return rows, s.heard(ctx, err)
}

func (s singly) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	row := s.db.QueryRowContext(bounded(ctx), text, args...)
	_ = s.heard(ctx, row.Err())
	return row
}

// bounded ends after Patience by itself: rows are read after the call that
// asked for them, by somebody who has nothing to cancel.
func bounded(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (p *postgres) reader() query.DBTX { return singly{p} }
func (p *postgres) pool() *sql.DB      { return p.migrates }
func (p *postgres) close() error       { return errors.Join(p.db.Close(), p.migrates.Close()) }

// dropped recognizes a connection that the server dropped in use.
func dropped(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
