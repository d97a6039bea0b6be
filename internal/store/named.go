package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"timbre.example/internal/store/query"
)

// named names the statement in the errors of a database that does not answer: its own
// say only "unexpected EOF", or that time is over.
type named struct{ query.DBTX }

func (n named) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	r, err := n.DBTX.ExecContext(ctx, text, args...)
	return r, name(statement(text), err)
}

func (n named) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	r, err := n.DBTX.QueryContext(ctx, text, args...)
	return r, name(statement(text), err)
}

// nameError is an error that has its name.
type nameError struct{ error }

func (e nameError) Unwrap() error { return e.error }

// name says of an error of the database what failed.
func name(what string, err error) error {
	if err == nil || errors.As(err, new(nameError)) || !Unavailable(err) {
		return err
	}
	return nameError{fmt.Errorf("database: %s: %w", what, err)}
}

// statement is the name of a query of ours: "-- name: SpendBudget :one".
func statement(text string) string {
	rest, ours := strings.CutPrefix(text, "-- name: ")
	what, _, _ := strings.Cut(rest, " ")
	if !ours {
		return "statement"
	}
	return what
}
