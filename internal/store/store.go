// Package store opens the database, SQLite or Postgres, and runs transactions
// on it: one SQL text, one schema, two engines.
//
// It holds the connection rules, the migrations and the generated queries
// (package query). It knows what a transaction is and when to try one again;
// it never knows what a work, a credit or a session means.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"timbre.example/internal/store/query"
)

// Unavailable reports whether an error of this package, or of a query, means
// that the database does not answer, as opposed to refusing what we asked.
func Unavailable(err error) bool {
	var (
		connect *pgconn.ConnectError
		pg      *pgconn.PgError
		netErr  net.Error
	)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, sql.ErrNoRows):
		return false
	case errors.As(err, &pg):
		// 57P: the server is going down or cannot take connections now.
		// 53: out of resources. 08: connection trouble it noticed itself.
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "08")
	}
	return errors.As(err, &connect) || errors.As(err, &netErr) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) ||
		sqliteUnavailable(err) || dropped(err)
}

// DB is an open database, safe for concurrent use.
type DB struct {
	engine  engine
	dialect string
	// Now is the clock: microseconds are as fine as it gets. Tests replace it.
	Now func() time.Time
}

// engine is what differs between the two databases.
type engine interface {
	// tx runs f in one transaction that may write.
	tx(ctx context.Context, f func(query.DBTX) error) error
	// reader serves single statements that do not write.
	reader() query.DBTX
	// pool is the connection pool that migrations run on.
	pool() *sql.DB
	close() error
}

// Tx is one transaction: the queries, and the one moment that all its rows say
// they happened at.
type Tx struct {
	*query.Queries
	Now time.Time
}

// Open opens a database: sqlite:PATH or postgres://…. It does not migrate.
func Open(ctx context.Context, url string) (*DB, error) {
	db := &DB{Now: time.Now}
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		db.dialect = "sqlite3"
		db.engine, err = openSQLite(ctx, rest)
	case "postgres", "postgresql":
		db.dialect = "postgres"
		db.engine, err = openPostgres(ctx, url)
	default:
		return nil, fmt.Errorf("store: a database URL starts with sqlite: or postgres://, not %q", scheme+":")
	}
	if err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	return db, nil
}

// Close waits for running statements and closes the database.
func (db *DB) Close() error { return db.engine.close() }

// Dialect is "sqlite3" or "postgres".
func (db *DB) Dialect() string { return db.dialect }

// Ping asks the database for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return db.engine.reader().QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// Read returns the queries outside any transaction, for single reads. Writing
// through it fails on SQLite.
func (db *DB) Read() *query.Queries { return query.New(named{db.engine.reader()}) }

// Tx runs f in one transaction and commits it when f returns nil. When the
// database asks for another try (a deadlock, a lost serialization) f runs again
// from the start, so f must change nothing but the database.
func (db *DB) Tx(ctx context.Context, f func(*Tx) error) error {
	for try := 1; ; try++ {
		err := db.engine.tx(ctx, func(q query.DBTX) error {
			return f(&Tx{Queries: query.New(named{q}), Now: db.now()})
		})
		if try < 5 && again(err) && ctx.Err() == nil {
			continue
		}
		return name("transaction", err)
	}
}

// One is Tx for an f that runs a single statement, which is a transaction
// without being asked.
func (db *DB) One(ctx context.Context, f func(*Tx) error) error {
	p, ok := db.engine.(*postgres)
	if !ok {
		return db.Tx(ctx, f)
	}
	return name("statement", f(&Tx{Queries: query.New(named{p.reader()}), Now: db.now()}))
}

func (db *DB) now() time.Time { return db.Now().UTC().Truncate(time.Microsecond) }

// Micros is how a time is stored.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time is the inverse of Micros.
func Time(us int64) time.Time { return time.UnixMicro(us).UTC() }

// again reports whether the transaction is to be run once more: Postgres asks
// for it, or its connection was lost before the commit was sent. After that
// nobody knows whether it was committed, and the caller decides.
func again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01") || errors.Is(err, errLostBeforeCommit)
}

// Scrub takes out of the database's files what rows that are gone left there. On
// SQLite pages are overwritten as rows go, and this empties the journal of those
// that were written before; while somebody reads an older state it does not, and
// the next checkpoint will. On Postgres, VACUUM does it.
func (db *DB) Scrub(ctx context.Context) error {
	if db.dialect == "postgres" {
		return nil
	}
	_, err := db.engine.pool().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// ClockSkew is how far the database's clock is ahead of this process's. On
// SQLite they are the same clock.
func (db *DB) ClockSkew(ctx context.Context) (time.Duration, error) {
	if db.dialect != "postgres" {
		return 0, nil
	}
	var us int64
	before := time.Now()
	err := db.engine.reader().QueryRowContext(ctx, "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)").Scan(&us)
	middle := before.Add(time.Since(before) / 2)
	return time.UnixMicro(us).Sub(middle), err
}
