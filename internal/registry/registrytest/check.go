// Package registrytest checks the invariants of a registry's database: credits, claims,
// jobs, transactions, works and files must agree.
//
// It reads one snapshot of a database with its own SQL, so it shares no mistake with the
// code that wrote the rows. It may read a database that is in use. It never writes.
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

// World is what Check reads.
type World struct {
	// DatabaseURL has the form that store.Open takes.
	DatabaseURL string
	// Blobs holds the files of versions and of prepared jobs; nil: files are not checked.
	Blobs blob.Store
	// Anchored counts how often each commitment is on the networks; nil: the built-in logs
	// in the same database are read.
	Anchored map[[32]byte]int
	// InFlight allows unfinished transactions.
	InFlight bool
}

// Check fails the test for every violated invariant.
func Check(t testing.TB, w World) {
	t.Helper()
	wrong, err := Problems(context.WithoutCancel(t.Context()), w)
	if err != nil {
		t.Errorf("reading the database: %v", err)
	}
	for _, text := range wrong {
		t.Error("invariant: " + text)
	}
}

// Problems describes every violated invariant; the list is empty when everything agrees.
func Problems(ctx context.Context, w World) ([]string, error) {
	db, err := Open(w.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var opts *sql.TxOptions // on SQLite one transaction sees one state in any case
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
	c.quotas()
	c.jobsAndTransactions()
	c.worksAndVersions()
	c.claims()
	c.codes()
	c.sessions()
	c.keys()
	c.timestamps()
	c.deliveries()
	c.found()
	c.webhooks()
	c.network()
	c.files()
	return c.wrong, c.err
}

// Open opens a database for reading, for tests with their own queries. The URL has the form
// that store.Open takes.
func Open(url string) (*sql.DB, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)")
	}
	return sql.Open("pgx", url)
}
