// Package store opens the database, SQLite or Postgres, and runs transactions on it. Both
// use the same SQL and the same schema.
//
// It has the rules of connections, the migrations and the generated queries (package
// query). It knows what a transaction is and when to retry it. It does not know works,
// credits or sessions.
package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store/query"
)

// RetryAfter is the retry time that clients receive while the database is unavailable.
const RetryAfter = 2 * time.Second

// DB is an open database, safe for concurrent use.
type DB struct {
	engine  engine
	dialect string
	counts  *counts
	// Now is the clock, with a resolution of microseconds. Tests replace it.
	Now func() time.Time

	closing sync.Once
	closed  error
}

// Counts are what the connections of this process met since Open.
type Counts struct {
	// Timeouts are statements and commits that did not end within StatementTimeout.
	Timeouts int64
	// Retries are the transactions that ran again: the database asked for it, or the
	// connection was lost before the commit.
	Retries int64
	// Transactions ended with a commit. On SQLite several share one of the Commits.
	Transactions, Commits int64
}

type counts struct{ timeouts, retries, transactions, commits atomic.Int64 }

// Counts returns what the connections of this process met.
func (db *DB) Counts() Counts {
	c := db.counts
	return Counts{Timeouts: c.timeouts.Load(), Retries: c.retries.Load(), Transactions: c.transactions.Load(), Commits: c.commits.Load()}
}

// engine is the difference between the two databases.
type engine interface {
	// tx runs f in one transaction that can write.
	tx(ctx context.Context, f func(query.DBTX) error) error
	// one is tx for an f that runs one statement.
	one(ctx context.Context, f func(query.DBTX) error) error
	// reader serves single statements that do not write.
	reader() query.DBTX
	// pool is the connection pool for migrations.
	pool() *sql.DB
	close() error
}

// Tx is one transaction: its queries, and the one time that all its rows get.
//
// On Postgres a query that is marked :exec is sent with the next one, or with the commit. An
// error of it is then returned there, with the name of the query. Its arguments must not
// change meanwhile.
type Tx struct {
	*query.Queries
	Now time.Time
	// Again says that it is unknown whether an earlier run of the function was committed:
	// see [DB.Repeat].
	Again bool

	db     query.DBTX
	line   line  // nil on SQLite
	failed error // of Together
}

// Open opens a database: sqlite:PATH or postgres://…. It does not migrate.
func Open(ctx context.Context, url string) (*DB, error) {
	db := &DB{Now: time.Now, counts: &counts{}}
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		db.dialect = "sqlite3"
		db.engine, err = openSQLite(ctx, rest, db.counts)
	case "postgres", "postgresql":
		db.dialect = "postgres"
		db.engine, err = openPostgres(ctx, url, db.counts)
	default:
		return nil, fmt.Errorf("store: a database URL must begin with sqlite: or postgres://, not %q", scheme+":")
	}
	if err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	return db, nil
}

// Close waits for running statements and closes the database. A second call does nothing.
func (db *DB) Close() error {
	db.closing.Do(func() { db.closed = db.engine.close() })
	return db.closed
}

// Dialect is "sqlite3" or "postgres".
func (db *DB) Dialect() string { return db.dialect }

// Ping checks that the database answers.
func (db *DB) Ping(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "ping the database")
	var one int
	return db.engine.reader().QueryRow(ctx, "SELECT 1").Scan(&one)
}

// Read returns the queries outside of a transaction, for single reads. Writing through it
// fails on SQLite.
func (db *DB) Read() *query.Queries { return query.New(db.engine.reader()) }

// Tx runs f in one transaction, and commits it if f returns nil. Tx runs f again after a
// deadlock, a serialization failure, a violated unique index, or a connection that is lost
// before the commit. After the unique index, f reads the row that another transaction has
// committed meanwhile. So f must change nothing outside of the database.
//
// A connection that is lost during the commit leaves its outcome unknown: see [Unknown].
func (db *DB) Tx(ctx context.Context, f func(*Tx) error) error {
	return db.transact(ctx, db.engine.tx, false, f)
}

// One is Tx for an f whose statements are one round trip, which is a transaction by itself: a
// single statement, or the single statements of one Together. They are committed, also when f
// returns an error of its own afterwards.
func (db *DB) One(ctx context.Context, f func(*Tx) error) error {
	return db.transact(ctx, db.engine.one, false, f)
}

// Repeat is Tx for an f that may run again after it was committed: it finds what it did
// before, and returns the same result. When the outcome of a commit is unknown, Repeat runs f
// again with tx.Again set, for up to StatementTimeout.
func (db *DB) Repeat(ctx context.Context, f func(*Tx) error) (err error) {
	defer operation.Wrap(&err, "transaction")
	var unknown error
	for begun := time.Now(); ; {
		err := db.transact(ctx, db.engine.tx, unknown != nil, f)
		switch {
		case Unknown(err):
			unknown = err
		case unknown == nil || !Unavailable(err) && ctx.Err() == nil:
			return err
		}
		if time.Since(begun) > StatementTimeout || ctx.Err() != nil {
			return unknown
		}
		db.counts.retries.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(repeatEvery):
		}
	}
}

// repeatEvery is the pause before a transaction with an unknown outcome runs again.
const repeatEvery = 50 * time.Millisecond

func (db *DB) transact(ctx context.Context, run func(context.Context, func(query.DBTX) error) error, again bool, f func(*Tx) error) error {
	for try := 1; ; try++ {
		err := run(ctx, func(q query.DBTX) error {
			tx := &Tx{Queries: query.New(q), Now: db.now(), Again: again, db: q}
			if c, ok := q.(caller); ok {
				tx.line = c.line
			}
			if err := f(tx); err != nil {
				return err
			}
			return tx.failed
		})
		if try < maxTries && repeatable(err) && ctx.Err() == nil {
			db.counts.retries.Add(1)
			continue
		}
		return name("transaction", err)
	}
}

// maxTries is how often a transaction runs that the database does not commit.
const maxTries = 5

// sweepAtOnce is how many rows one transaction of Sweep deletes.
const sweepAtOnce = 1000

// Sweep deletes old rows in small steps: it runs f in one transaction after the other, until f
// deletes fewer rows than most. So no step keeps a lock for long, whatever has gathered. It returns
// how many rows went.
func (db *DB) Sweep(ctx context.Context, f func(tx *Tx, most int32) (int64, error)) (deleted int64, err error) {
	defer operation.Wrap(&err, "delete old rows")
	for {
		var n int64
		if err := db.Tx(ctx, func(tx *Tx) (err error) {
			n, err = f(tx, sweepAtOnce)
			return err
		}); err != nil {
			return deleted, err
		}
		if deleted += n; n < sweepAtOnce {
			return deleted, nil
		}
	}
}

func (db *DB) now() time.Time { return db.Now().UTC().Truncate(time.Microsecond) }

// Micros is the stored form of a time.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time is the inverse of Micros.
func Time(us int64) time.Time { return time.UnixMicro(us).UTC() }

// FirstID returns the beginning of the smallest UUIDv7 of a time: ids of later times are larger,
// and ids of earlier times are smaller. A millisecond is one time.
func FirstID(t time.Time) string {
	ms := min(max(t.UnixMilli(), 0), 1<<48-1)
	return fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff)
}

// LastID is larger than every UUID, in every collation of the databases.
const LastID = "g"

// Scrub removes deleted rows from the database's files. SQLite overwrites deleted pages
// by itself; Scrub empties its journal of older pages. While another connection reads an
// older state, Scrub cannot, and the next checkpoint does it. On Postgres, VACUUM removes
// deleted rows.
func (db *DB) Scrub(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "checkpoint the journal of the database")
	if db.dialect == "postgres" {
		return nil
	}
	_, err = db.engine.pool().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// ClockSkew returns how far the database's clock is ahead of this process's, and the largest
// error of that: half the time until the answer came, which may be seconds while the database
// stands still. On SQLite both are the same clock.
func (db *DB) ClockSkew(ctx context.Context) (ahead, within time.Duration, err error) {
	defer operation.Wrap(&err, "read the database's clock")
	if db.dialect != "postgres" {
		return 0, 0, nil
	}
	var us int64
	before := db.Now()
	err = db.engine.reader().QueryRow(ctx, "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)").Scan(&us)
	within = db.Now().Sub(before) / 2
	return time.UnixMicro(us).Sub(before.Add(within)), within.Abs(), err
}
