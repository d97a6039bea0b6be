package store

import (
	"context"

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

// QueryRow implements query.DBTX.
func (n named) QueryRow(ctx context.Context, text string, args ...any) pgx.Row {
	return namedRow{n.DBTX.QueryRow(ctx, text, args...), text}
}

type namedRow struct {
	pgx.Row
	text string
}

// Scan implements pgx.Row.
func (r namedRow) Scan(to ...any) error { return name(statementName(r.text), r.Row.Scan(to...)) }

// Query implements query.DBTX.
func (n named) Query(ctx context.Context, text string, args ...any) (pgx.Rows, error) {
	r, err := n.DBTX.Query(ctx, text, args...)
	return r, name(statementName(text), err)
}
