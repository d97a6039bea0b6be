package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// largeIndex is an index of a table that grows: its name, its table with the columns and, if it is partial, the condition.
type largeIndex struct{ name, on string }

// reindex creates indexes and drops others, for a migration of tables that grow. On Postgres it
// does so CONCURRENTLY: reads and writes go on, and a long transaction delays only the migration.
// After a failure it begins again. On SQLite it is one transaction: no other process uses the file.
func reindex(ctx context.Context, db *sql.DB, dialect string, create, drop []largeIndex) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	how := ""
	begin, end := []string{"BEGIN IMMEDIATE"}, "COMMIT"
	if dialect == "postgres" {
		// A build waits for transactions that are older than it, such as a backup. Nothing waits
		// for the build.
		how, begin, end = "CONCURRENTLY ", []string{"SET lock_timeout = 0"}, ""
		broken, err := invalid(ctx, conn)
		if err != nil {
			return err
		}
		for _, i := range create {
			if broken[i.name] {
				begin = append(begin, "DROP INDEX CONCURRENTLY "+i.name)
			}
		}
	}
	texts := begin
	for _, i := range create {
		texts = append(texts, "CREATE INDEX "+how+"IF NOT EXISTS "+i.name+" ON "+i.on)
	}
	for _, i := range drop {
		texts = append(texts, "DROP INDEX "+how+"IF EXISTS "+i.name)
	}
	if end != "" {
		texts = append(texts, end)
	}
	for _, text := range texts {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			if dialect != "postgres" {
				_, rerr := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
				err = errors.Join(err, rerr)
			}
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// invalid returns the indexes that a failed build has left.
func invalid(ctx context.Context, conn *sql.Conn) (map[string]bool, error) {
	found, err := conn.QueryContext(ctx, "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid AND pg_table_is_visible(c.oid)")
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	all := map[string]bool{}
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			return nil, err
		}
		all[name] = true
	}
	return all, found.Err()
}
