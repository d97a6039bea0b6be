package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"timbre.example/internal/store/query"
)

// named adds the name of the statement to errors of a database that does not answer. The
// errors themselves only say "unexpected EOF", or that a timeout expired.
type named struct{ query.DBTX }

func (n named) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	r, err := n.DBTX.ExecContext(ctx, text, args...)
	return r, name(statement(text), err)
}

func (n named) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	r, err := n.DBTX.QueryContext(ctx, text, args...)
	return r, name(statement(text), err)
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

// statement returns the name of a generated query, from its "-- name: SpendBudget :one".
func statement(text string) string {
	rest, ok := strings.CutPrefix(text, "-- name: ")
	what, _, _ := strings.Cut(rest, " ")
	if !ok {
		return "statement"
	}
	return what
}
