package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Unavailable reports whether an error of this package or of a query means that the
// database does not answer. It is false if the database refused a statement.
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
		// 57P: the server is stopping or accepts no connections now. 53: it lacks
		// resources. 08: it noticed a connection error itself. 57014 and 25P03: it ended a
		// statement or a transaction after a timeout.
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "08") || pg.Code == "57014" || pg.Code == "25P03"
	}
	return errors.As(err, &connect) || errors.As(err, &netErr) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) ||
		sqliteUnavailable(err) || dropped(err)
}

// sqliteUnavailable reports whether an error means that the database file cannot be used
// now: locked for too long, unreadable, or on a full disk.
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

// dropped reports whether the server closed a connection that was in use.
func dropped(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) ||
		errors.As(err, &pg) && pg.Code == "57P01"
}

// stale reports whether a migration changed a table since the statement was prepared. The
// driver has forgotten the statement, and prepares it again.
func stale(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "0A000" && pg.Routine == "RevalidateCachedQuery"
}

var errLostBeforeCommit = errors.New("connection lost before the commit")

// repeatable reports whether the transaction must run again: Postgres asks for it, a migration
// changed a table, or the connection was lost before the commit was sent.
func repeatable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "23505") || stale(err) || errors.Is(err, errLostBeforeCommit)
}

// Unknown reports whether an error left the outcome of a transaction unknown: the connection
// was lost during the commit.
func Unknown(err error) bool { return errors.As(err, new(unknownError)) }

type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

// nameError is an error that already has a name.
type nameError struct{ error }

func (e nameError) Unwrap() error { return e.error }

// name adds to a database error what failed.
func name(what string, err error) error {
	if err == nil || errors.As(err, new(nameError)) || !Unavailable(err) {
		return err
	}
	return nameError{fmt.Errorf("database: %s: %w", what, err)}
}

// statementName returns the name of a generated query, from its "-- name: SpendBudget :one".
func statementName(text string) string {
	rest, ok := strings.CutPrefix(text, "-- name: ")
	what, _, _ := strings.Cut(rest, " ")
	if !ok {
		return text // such as COMMIT
	}
	return what
}
