// Package registrytest says whether a database is one that a registry may leave
// behind: money, claims, jobs, transactions, works and files that agree.
//
// It reads a database as it stands, in one snapshot, with SQL of its own, so
// that it shares no mistake with the code that wrote it. It may look at a
// database in use. It never writes.
package registrytest

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver
	_ "modernc.org/sqlite"             // the "sqlite" driver

	"timbre.example/internal/blob"
)

// World is what there is to look at.
type World struct {
	// DatabaseURL as store.Open takes it.
	DatabaseURL string
	// Blobs holds the files of versions and of prepared jobs; nil: not checked.
	Blobs blob.Store
	// Anchored says how often each commitment is on the networks. Nil: the
	// built-in logs in the same database are asked.
	Anchored map[[32]byte]int
	// InFlight allows transactions that have not ended.
	InFlight bool
}

// Check fails the test for everything that is wrong.
func Check(t testing.TB, w World) {
	t.Helper()
	wrong, err := Problems(context.WithoutCancel(t.Context()), w)
	if err != nil {
		t.Errorf("looking at the database: %v", err)
	}
	for _, text := range wrong {
		t.Error("invariant: " + text)
	}
}

// Problems lists what is wrong, in words; none when everything agrees.
func Problems(ctx context.Context, w World) ([]string, error) {
	db, err := Open(w.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var opts *sql.TxOptions // one transaction sees one state on SQLite in any case
	if !strings.HasPrefix(w.DatabaseURL, "sqlite:") {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	c := &checker{ctx: ctx, tx: tx, world: w}
	c.read()
	if c.err != nil {
		return nil, c.err
	}
	c.ledger()
	c.jobsAndTransactions()
	c.worksAndVersions()
	c.claims()
	c.codes()
	c.sessions()
	c.timestamps()
	c.network()
	c.files()
	return c.wrong, c.err
}

// Open opens a database for reading, with a URL as store.Open takes it, for
// tests that count rows of their own.
func Open(url string) (*sql.DB, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)")
	}
	return sql.Open("pgx", url)
}
