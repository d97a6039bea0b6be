package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"syscall"

	"timbre.example/internal/store/query"
)

var errLostBeforeCommit = errors.New("connection lost before the commit")

type postgres struct{ db *sql.DB }

// openPostgres keeps at most 24 connections, so that several instances fit in
// a default server's hundred. The driver prepares each statement once a
// connection by itself.
func openPostgres(ctx context.Context, url string) (engine, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(24)
	db.SetMaxIdleConns(24)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return &postgres{db}, nil
}

func (p *postgres) tx(ctx context.Context, f func(query.DBTX) error) error {
	// A pool in which callers hang up hands out dead connections now and then,
	// more often than database/sql tries again.
	tx, err := p.db.BeginTx(ctx, nil)
	if err == nil {
		defer tx.Rollback()
		err = f(tx)
	}
	switch {
	case errors.Is(err, driver.ErrBadConn):
		return errors.Join(errLostBeforeCommit, err)
	case err != nil:
		return err
	}
	return tx.Commit()
}

func (p *postgres) reader() query.DBTX { return p.db }
func (p *postgres) pool() *sql.DB      { return p.db }
func (p *postgres) close() error       { return p.db.Close() }

// dropped recognizes a connection that the server dropped in use.
func dropped(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
