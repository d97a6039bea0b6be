package store

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"
)

// growing is migration 38: indexes of tables that grow with the works, and the removal of one
// that a wider index replaces.
func growing(dialect string) *goose.Migration {
	added := []largeIndex{
		// The jobs of a work that is erased.
		{"jobs_by_work", "jobs (work_id)"},
		// An end-user's works, latest change first. The index before lacks the column test.
		{"works_of_end_user", "works (organization_id, network, test, external_user_ref, updated_at, id)"},
	}
	removed := []largeIndex{{"works_own", "works (organization_id, network, external_user_ref, updated_at, id)"}}
	return goose.NewGoMigration(38,
		&goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error { return reindex(ctx, db, dialect, added, removed) }},
		&goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error { return reindex(ctx, db, dialect, removed, added) }})
}
