package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"timbre.example/internal/store/query"
)

// named adds the name of the statement to errors of a database that does not answer. The
// errors themselves only say "unexpected EOF", or that a timeout expired.
type named struct{ query.DBTX }

// Exec implements query.DBTX.
func (n named) Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error) {
	r, err := n.DBTX.Exec(ctx, text, args...)
	return r, name(statementName(text), err)
}

// Query implements query.DBTX.
func (n named) Query(ctx context.Context, text string, args ...any) (pgx.Rows, error) {
	r, err := n.DBTX.Query(ctx, text, args...)
	return r, name(statementName(text), err)
}

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
