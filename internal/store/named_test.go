package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"timbre.example/internal/store/query"
)

// broken is a database whose connection breaks during a statement.
type broken struct{ query.DBTX }

func (broken) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, io.ErrUnexpectedEOF
}

func (broken) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, io.ErrUnexpectedEOF
}

func (broken) QueryRow(context.Context, string, ...any) pgx.Row { return brokenRow{} }

type brokenRow struct{}

func (brokenRow) Scan(...any) error { return io.ErrUnexpectedEOF }

// A log line that says only "unexpected EOF" does not help the operator.
func TestErrorsNameTheDatabase(t *testing.T) {
	t.Parallel()
	q := query.New(named{broken{}})
	_, err := q.AllOrigins(t.Context())
	if err == nil || err.Error() != "database: AllOrigins: unexpected EOF" || !Unavailable(err) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a query: %v", err)
	}
	if _, err := q.AnyPerson(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "database: AnyPerson: ") {
		t.Errorf("one row: %v", err)
	}
	if again := name("transaction", err); again != err {
		t.Errorf("named twice: %v", again)
	}
	if err := q.SweepBudgets(t.Context(), query.SweepBudgetsParams{Last: "z", Now: 1}); err == nil || !strings.HasPrefix(err.Error(), "database: SweepBudgets: ") {
		t.Errorf("a statement: %v", err)
	}
	for _, other := range []error{nil, sql.ErrNoRows, context.Canceled, errors.New("another's")} {
		if got := name("transaction", other); got != other {
			t.Errorf("%v became %v", other, got)
		}
	}
}
