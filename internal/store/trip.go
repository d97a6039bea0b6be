package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"timbre.example/internal/store/query"
)

// line carries statements to Postgres, in their order.
type line interface {
	// ask returns when all statements have their answers: one round trip. Its error is that
	// of the first statement that failed; the later ones did not run, and have it too.
	ask(ctx context.Context, all ...*statement) error
	// tell takes a statement whose answer no caller needs. It may be sent with the next one,
	// and then its error is that of a later statement, or of the commit.
	tell(ctx context.Context, s *statement) error
}

// statement is a statement and, after its round trip, its answer.
type statement struct {
	text string
	args []any
	told bool // its error is another statement's too, so it names its statement
	read bool // it returns rows

	tag    pgconn.CommandTag
	fields []field
	rows   [][][]byte
	err    error
}

// field is what is needed to read a column.
type field struct {
	oid    uint32
	format int16
}

func (s *statement) reset() { s.fields, s.rows, s.err = nil, nil, nil }

// fail gives all statements the error.
func fail(all []*statement, err error) error {
	for _, s := range all {
		if s.err == nil {
			s.err = err
		}
	}
	return err
}

// trip sends statements in one round trip and reads their answers into memory. Without BEGIN
// and COMMIT among them, they are one transaction.
func trip(ctx context.Context, conn *pgx.Conn, all []*statement) error {
	if len(all) == 1 && len(all[0].args) > 0 { // without arguments the driver has another protocol
		s := all[0]
		s.err = s.failed(s.alone(ctx, conn))
		return s.err
	}
	b := &pgx.Batch{QueuedQueries: make([]*pgx.QueuedQuery, 0, len(all))}
	for _, s := range all {
		b.Queue(s.text, s.args...)
	}
	answers := conn.SendBatch(ctx, b)
	for i, s := range all {
		if s.err = s.failed(s.answer(answers)); s.err != nil {
			_ = answers.Close() // the same error
			return fail(all[i:], s.err)
		}
	}
	if err := answers.Close(); err != nil { // of the commit of an implicit transaction
		return fail(all, name(statementName(all[len(all)-1].text), err))
	}
	return nil
}

// failed adds the name of the statement to its error.
func (s *statement) failed(err error) error {
	if err != nil && s.told {
		return nameError{fmt.Errorf("database: %s: %w", statementName(s.text), err)}
	}
	return name(statementName(s.text), err)
}

// alone runs the statement in a round trip of its own.
func (s *statement) alone(ctx context.Context, conn *pgx.Conn) (err error) {
	if !s.read {
		s.tag, err = conn.Exec(ctx, s.text, s.args...)
		return err
	}
	rows, err := conn.Query(ctx, s.text, s.args...)
	if err != nil {
		return err
	}
	return s.keep(rows)
}

// answer reads the next answer of a batch.
func (s *statement) answer(answers pgx.BatchResults) (err error) {
	if !s.read {
		s.tag, err = answers.Exec()
		return err
	}
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	return s.keep(rows)
}

// keep copies rows into memory.
func (s *statement) keep(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		if s.fields == nil {
			for _, f := range rows.FieldDescriptions() {
				s.fields = append(s.fields, field{f.DataTypeOID, f.Format})
			}
		}
		s.rows = append(s.rows, copied(rows.RawValues()))
	}
	rows.Close()
	s.tag = rows.CommandTag()
	return rows.Err()
}

// copied copies the values of a row out of the connection's buffer.
func copied(values [][]byte) [][]byte {
	size := 0
	for _, v := range values {
		size += len(v)
	}
	buffer, out := make([]byte, 0, size), make([][]byte, len(values))
	for i, v := range values {
		if v != nil {
			at := len(buffer)
			buffer = append(buffer, v...)
			out[i] = buffer[at:len(buffer):len(buffer)]
		}
	}
	return out
}

// types are decoders. They are not safe for concurrent use.
var types = sync.Pool{New: func() any { return pgtype.NewMap() }}

// scan decodes a row.
func (s *statement) scan(row [][]byte, to []any) error {
	if len(to) != len(row) {
		return fmt.Errorf("store: %d destinations for %d columns", len(to), len(row))
	}
	m := types.Get().(*pgtype.Map)
	defer types.Put(m)
	for i, t := range to {
		if err := m.Scan(s.fields[i].oid, s.fields[i].format, row[i], t); err != nil {
			return fmt.Errorf("store: column %d of %s: %w", i+1, statementName(s.text), err)
		}
	}
	return nil
}

// caller runs the generated queries on a line.
type caller struct{ line }

// Exec implements query.DBTX. No caller reads the answer of a query that is marked :exec.
func (c caller) Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error) {
	s := &statement{text: text, args: args}
	if answerless(text) {
		s.told = true
		return s.tag, c.tell(ctx, s)
	}
	err := c.ask(ctx, s)
	return s.tag, err
}

// Query implements query.DBTX.
func (c caller) Query(ctx context.Context, text string, args ...any) (pgx.Rows, error) {
	s := &statement{text: text, args: args, read: true}
	if err := c.ask(ctx, s); err != nil {
		return nil, err
	}
	return &answer{s: s}, nil
}

// QueryRow implements query.DBTX.
func (c caller) QueryRow(ctx context.Context, text string, args ...any) pgx.Row {
	s := &statement{text: text, args: args, read: true}
	_ = c.ask(ctx, s)
	return firstRow{s}
}

type firstRow struct{ s *statement }

// Scan implements pgx.Row.
func (r firstRow) Scan(to ...any) error {
	switch {
	case r.s.err != nil:
		return r.s.err
	case len(r.s.rows) == 0:
		return sql.ErrNoRows
	}
	return r.s.scan(r.s.rows[0], to)
}

// answer is the rows of a statement. It has those methods that the generated code calls.
type answer struct {
	pgx.Rows
	s  *statement
	at int
}

func (a *answer) Next() bool           { a.at++; return a.at <= len(a.s.rows) }
func (a *answer) Scan(to ...any) error { return a.s.scan(a.s.rows[a.at-1], to) }
func (a *answer) Close()               {}
func (a *answer) Err() error           { return nil }

// answerless reports whether a generated query is marked :exec.
func answerless(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	return strings.HasSuffix(first, " :exec")
}

var _ query.DBTX = caller{}
