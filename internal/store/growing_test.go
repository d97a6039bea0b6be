package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// A migration that needs the lock of a table gives up soon while another transaction has it: a
// statement behind the migration waits for seconds, not for that transaction. Then it goes on.
func TestMigrationWaitsForNobodyLong(t *testing.T) {
	t.Parallel()
	url := storetest.EmptyPostgresURL(t)
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.UpTo(t.Context(), 1); err != nil { // the second migration changes the table jobs
		t.Fatal(err)
	}
	raw, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	long, err := raw.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := long.ExecContext(t.Context(), "LOCK TABLE jobs IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() { migrated <- db.Migrate(t.Context()) }()
	// The migration waits for the lock, and no longer after some time.
	waits := func(want bool) {
		t.Helper()
		for {
			var n int
			if err := raw.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'jobs'::regclass").Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n > 0 == want {
				return
			}
			select {
			case err := <-migrated:
				t.Fatalf("the migration ended: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	waits(true)
	if _, err := raw.ExecContext(t.Context(), "SELECT COUNT(*) FROM jobs"); err != nil { // it queues behind the migration
		t.Fatal(err)
	}
	waits(false)
	if err := long.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	if n, err := db.Pending(t.Context()); n != 0 || err != nil {
		t.Errorf("pending %d, %v", n, err)
	}
}

// The build of a large index that was interrupted leaves an index that is not valid. The next
// start builds it again. A build goes on while the table is written.
func TestLargeIndexesAreBuiltAgain(t *testing.T) {
	t.Parallel()
	url := storetest.EmptyPostgresURL(t)
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.UpTo(t.Context(), 37); err != nil {
		t.Fatal(err)
	}
	insert := func(id string) string {
		return fmt.Sprintf(`INSERT INTO jobs (id, organization_id, session_jti, kind, network, state, work_id, title, title_key, creators, filename, max_bytes, deadline, created_at, updated_at)
			VALUES ('%s', 'o', '', 'register', 'testnet', 'open', 'w', '', '', '', '', 0, 0, 0, 0)`, id)
	}
	for _, id := range []string{"a", "b"} {
		if err := db.Exec(t.Context(), insert(id)); err != nil {
			t.Fatal(err)
		}
	}
	// A unique index cannot be built on these rows: the failed build leaves an index with this name.
	if err := db.Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY jobs_by_work ON jobs (work_id)"); err == nil {
		t.Fatal("two jobs of one work are unique")
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := db.Strings(t.Context(), "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indisvalid AND indexrelid = 'jobs_by_work'::regclass")
	if err != nil || len(found) != 1 || strings.Contains(found[0], "UNIQUE") {
		t.Errorf("%q, %v", found, err)
	}
	if err := db.Exec(t.Context(), insert("c")); err != nil {
		t.Error(err)
	}
}

// Old rows go in steps of a thousand, and the others stay.
func TestSweepGoesInSteps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Exec(t.Context(), `INSERT INTO sessions (jti, organization_id, site_key, expires_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600) SELECT 's' || CAST(i AS TEXT), 'o', 'k', i FROM n`); err != nil {
			t.Fatal(err)
		}
		var steps []int64
		n, err := db.Sweep(t.Context(), func(tx *store.Tx, most int32) (int64, error) {
			n, err := tx.SweepSessions(t.Context(), query.SweepSessionsParams{Before: 2501, Lim: most})
			steps = append(steps, n)
			return n, err
		})
		if got := fmt.Sprint(n, steps); err != nil || got != "2500 [1000 1000 500]" {
			t.Errorf("%s, %v", got, err)
		}
		left, err := db.Read().ListSessions(t.Context(), query.ListSessionsParams{OrganizationID: "o", Lim: 1000})
		if err != nil || len(left) != 100 {
			t.Errorf("%d are left, %v", len(left), err)
		}
	})
}
