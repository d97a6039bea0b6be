package store

import (
	"context"
	"errors"
	"strings"

	"timbre.example/internal/operation"
)

// Retire drops the indexes that only the release before uses. No process of that release may run
// after it: its registrations would fail.
func (db *DB) Retire(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "drop the indexes of the release before")
	return patiently(ctx, func(ctx context.Context) error { return reindex(ctx, db.engine.pool(), db.dialect, nil, retired) })
}

// Retired returns the names of the indexes that Retire would drop.
func (db *DB) Retired(ctx context.Context) (names []string, err error) {
	defer operation.Wrap(&err, "find the indexes of the release before")
	all := make([]string, len(retired))
	for i, r := range retired {
		all[i] = "'" + r.name + "'"
	}
	text := "SELECT name FROM sqlite_master WHERE type = 'index' AND name IN (" + strings.Join(all, ", ") + ") ORDER BY name"
	if db.dialect == "postgres" {
		text = "SELECT CAST(indexname AS TEXT) FROM pg_indexes WHERE schemaname = current_schema() AND indexname IN (" + strings.Join(all, ", ") + ") ORDER BY indexname"
	}
	found, err := db.engine.pool().QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, found.Err()
}
