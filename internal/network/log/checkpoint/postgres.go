package checkpoint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver
)

// timeout is the timeout of a statement.
const timeout = 10 * time.Second

// Postgres is a Store in the table timbre_checkpoints of a Postgres database, which must
// be another than the log's.
type Postgres struct {
	db *sql.DB
	// Name describes the database for people.
	name string
}

var _ Store = (*Postgres)(nil)

// NewPostgres opens the database at url. name describes it for people, without a
// password. NewPostgres makes no connection; the first Load or Swap creates the table.
func NewPostgres(url, name string) (*Postgres, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	db.SetMaxOpenConns(2)
	return &Postgres{db, name}, nil
}

// Close closes the connections.
func (p *Postgres) Close() error { return p.db.Close() }

// Place implements Store.
func (p *Postgres) Place(name string) string {
	return "the row " + name + " of timbre_checkpoints in " + p.name
}

// table creates the table if it is missing. Two processes that create it at the same time
// can get an error in spite of IF NOT EXISTS, so table then checks once more.
func (p *Postgres) table(ctx context.Context) error {
	there := func() (ok bool, err error) {
		err = p.db.QueryRowContext(ctx, "SELECT to_regclass('timbre_checkpoints') IS NOT NULL").Scan(&ok)
		return ok, err
	}
	if ok, err := there(); err != nil || ok {
		return err
	}
	_, err := p.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS timbre_checkpoints (name TEXT PRIMARY KEY, checkpoint TEXT NOT NULL)")
	if ok, again := there(); again == nil && ok {
		return nil
	}
	return err
}

// Load implements Store.
func (p *Postgres) Load(ctx context.Context, name string) (text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err = p.table(ctx); err == nil {
		err = p.db.QueryRowContext(ctx, "SELECT checkpoint FROM timbre_checkpoints WHERE name = $1", name).Scan(&text)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	return text, nil
}

// Swap implements Store.
func (p *Postgres) Swap(ctx context.Context, name, old, new string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := p.table(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	statement, args := "UPDATE timbre_checkpoints SET checkpoint = $2 WHERE name = $1 AND checkpoint = $3", []any{name, new, old}
	if old == "" {
		statement, args = "INSERT INTO timbre_checkpoints (name, checkpoint) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", args[:2]
	}
	result, err := p.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	} else if n == 0 {
		return ErrSwapped
	}
	return nil
}
