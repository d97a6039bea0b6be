package store_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// TestDownUndoesEachMigration: after each migration's Down, the schema is as before its Up.
// Tests go back to older schemas with these sections; a server never does.
func TestDownUndoesEachMigration(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		versions, err := db.Versions()
		if err != nil || len(versions) < 10 {
			t.Fatalf("%d migrations, %v", len(versions), err)
		}
		if err := db.DownTo(ctx, 0); err != nil {
			t.Fatalf("down to nothing: %v", err)
		}
		last := int64(0)
		for _, v := range versions {
			before := schema(t, db)
			if err := db.UpTo(ctx, v); err != nil {
				t.Fatalf("migration %d, up: %v", v, err)
			}
			if err := db.DownTo(ctx, last); err != nil {
				t.Fatalf("migration %d, down: %v", v, err)
			}
			after := schema(t, db)
			for _, one := range slices.Sorted(maps.Keys(before)) {
				if !after[one] {
					t.Errorf("migration %d: its Down removes or changes %s", v, one)
				}
			}
			for _, one := range slices.Sorted(maps.Keys(after)) {
				if !before[one] {
					t.Errorf("migration %d: its Down leaves %s", v, one)
				}
			}
			if err := db.UpTo(ctx, v); err != nil {
				t.Fatalf("migration %d, up again: %v", v, err)
			}
			last = v
		}
	})
}

// schema returns the columns and the indexes of the database.
func schema(t *testing.T, db *store.DB) map[string]bool {
	t.Helper()
	texts := []string{
		`SELECT m.name || '.' || p.name || ' ' || p.type || ' ' || p."notnull" || ' ' || COALESCE(p.dflt_value, '') FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'`,
		`SELECT name || ': ' || sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`,
	}
	if db.Dialect() == "postgres" {
		texts = []string{
			`SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '') FROM information_schema.columns WHERE table_schema = current_schema()`,
			`SELECT indexname || ': ' || indexdef FROM pg_indexes WHERE schemaname = current_schema()`,
		}
	}
	all := map[string]bool{}
	for _, text := range texts {
		found, err := db.Strings(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			if !strings.Contains(one, "goose") {
				all[strings.Join(strings.Fields(one), " ")] = true
			}
		}
	}
	return all
}
