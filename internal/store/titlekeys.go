package store

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"

	"timbre.example/internal/legible"
)

// titleKeys is migration 15. It computes the keys of titles again, by a rule that SQL
// cannot express. If the titles of two works became equal, both works stay, and the title
// belongs to one of them; only a new work is refused. It also adds the position to the
// index of log entries by commitment.
func titleKeys() *goose.Migration {
	return goose.NewGoMigration(15,
		&goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			if err := index(ctx, tx, "commitment, network, idx"); err != nil {
				return err
			}
			for _, table := range []string{"works", "jobs"} {
				if err := rekey(ctx, tx, table); err != nil {
					return err
				}
			}
			return reclaim(ctx, tx)
		}},
		// Keys are only compared, so the keys of the new rule can stay.
		&goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error { return index(ctx, tx, "commitment") }})
}

func index(ctx context.Context, tx *sql.Tx, columns string) error {
	if _, err := tx.ExecContext(ctx, "DROP INDEX log_entries_by_commitment"); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "CREATE INDEX log_entries_by_commitment ON log_entries ("+columns+")")
	return err
}

// rows reads all rows of a query, so that the connection is free for the next statement.
func rows(ctx context.Context, tx *sql.Tx, text string, columns int) (all [][]string, err error) {
	found, err := tx.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		row, into := make([]string, columns), make([]any, columns)
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, found.Err()
}

// rekey computes the keys of a table's titles again. An erased work has no title and
// keeps no key.
func rekey(ctx context.Context, tx *sql.Tx, table string) error {
	all, err := rows(ctx, tx, "SELECT id, title, title_key FROM "+table+" WHERE title <> ''", 3)
	if err != nil {
		return err
	}
	for _, row := range all {
		if key := legible.Key(row[1]); key != row[2] {
			if _, err := tx.ExecContext(ctx, "UPDATE "+table+" SET title_key = $1 WHERE id = $2", key, row[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// reclaim moves each claim to the new key of its title. If another work has that key
// already, the claim of the younger work is dropped: the younger work can still fail, and
// would then free the title of the other.
func reclaim(ctx context.Context, tx *sql.Tx) error {
	all, err := rows(ctx, tx, `SELECT c.organization_id, c.network, c.external_user_ref, c.work_id, c.title_key,
		COALESCE((SELECT w.title FROM works w WHERE w.id = c.work_id), (SELECT MIN(j.title) FROM jobs j WHERE j.work_id = c.work_id AND j.kind = 'register'), '')
		FROM title_claims c ORDER BY c.work_id`, 6)
	if err != nil {
		return err
	}
	for _, row := range all {
		organization, network, ref, work, old, title := row[0], row[1], row[2], row[3], row[4], row[5]
		key := legible.Key(title)
		if title == "" || key == old {
			continue
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM title_claims WHERE organization_id = $1 AND network = $2 AND external_user_ref = $3 AND title_key = $4 AND work_id = $5", organization, network, ref, old, work); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO title_claims (organization_id, network, external_user_ref, title_key, work_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (organization_id, network, external_user_ref, title_key) DO UPDATE SET work_id = excluded.work_id WHERE title_claims.work_id > excluded.work_id",
			organization, network, ref, key, work); err != nil {
			return err
		}
	}
	return nil
}
