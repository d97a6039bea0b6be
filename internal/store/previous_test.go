package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// previous has the queries of the newest release, and the number of its last migration. Before the first release it
// has those of the commit that its header names.
func previous(t *testing.T) (queries []string, schema int64) {
	t.Helper()
	text, err := os.ReadFile("testdata/previous.sql")
	if err != nil {
		t.Fatal(err)
	}
	header, rest, _ := strings.Cut(string(text), "-- name: ")
	number := regexp.MustCompile(`(?m)^-- schema (\d+)$`).FindStringSubmatch(header)
	if number == nil {
		t.Fatal("testdata/previous.sql has no line \"-- schema\"")
	}
	if schema, err = strconv.ParseInt(number[1], 10, 64); err != nil {
		t.Fatal(err)
	}
	for one := range strings.SplitSeq(rest, "-- name: ") {
		queries = append(queries, "-- name: "+one)
	}
	if len(queries) < 100 {
		t.Fatalf("%d queries", len(queries))
	}
	return queries, schema
}

// A release works on the schema of the next one: its queries still compile, its inserts leave out no column that the
// new schema requires, and no new rule refuses its rows.
func TestPreviousReleaseOnThisSchema(t *testing.T) {
	t.Parallel()
	queries, schema := previous(t)
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			var url string
			var raw *sql.DB
			var err error
			if dialect == "sqlite" {
				path := filepath.Join(t.TempDir(), "timbre.db")
				url = "sqlite:" + path
				raw, err = sql.Open("sqlite", path)
			} else {
				url = storetest.EmptyPostgresURL(t)
				raw, err = sql.Open("pgx", url)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			db, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.UpTo(t.Context(), schema); err != nil {
				t.Fatal(err)
			}
			before := rulesOf(t, raw, dialect)
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			after := rulesOf(t, raw, dialect)
			for _, wrong := range refusals(before, after) {
				t.Errorf("the previous release does not work on this schema: %s", wrong)
			}
			for _, text := range queries {
				if err := compiles(t.Context(), raw, dialect, text); err != nil {
					name, _, _ := strings.Cut(strings.TrimPrefix(text, "-- name: "), " ")
					t.Errorf("the previous release's query %s: %v", name, err)
				}
			}
		})
	}
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// compiles reports whether the database accepts the statement, without running it.
func compiles(ctx context.Context, db *sql.DB, dialect, text string) error {
	if dialect == "postgres" {
		s, err := db.PrepareContext(ctx, text)
		if err == nil {
			err = s.Close()
		}
		return err
	}
	most := 0
	for _, found := range parameter.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(found[1])
		if err != nil {
			return err
		}
		most = max(most, n)
	}
	rows, err := db.QueryContext(ctx, "EXPLAIN "+text, make([]any, most)...) // it compiles, and shows the program
	if err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	return rows.Err()
}

// A rules is what a schema asks of rows: for each column of each table its type and whether an insert may leave it
// out, and the unique indexes.
type rules struct {
	columns map[string]map[string]column
	unique  map[string]map[string]bool // by table: the definitions
}

type column struct {
	kind     string
	nullable bool
	optional bool // an insert may leave it out
}

// refusals lists the places where a newer schema refuses what the release of the older one writes.
func refusals(before, after rules) (all []string) {
	for table, old := range before.columns {
		now, ok := after.columns[table]
		if !ok {
			all = append(all, fmt.Sprintf("table %s is gone", table))
			continue
		}
		for name, was := range old {
			is, ok := now[name]
			switch {
			case !ok:
				all = append(all, fmt.Sprintf("column %s.%s is gone", table, name))
			case is.kind != was.kind:
				all = append(all, fmt.Sprintf("column %s.%s has type %s, not %s", table, name, is.kind, was.kind))
			case was.nullable && !is.nullable:
				all = append(all, fmt.Sprintf("column %s.%s may not be NULL any more", table, name))
			case was.optional && !is.optional:
				all = append(all, fmt.Sprintf("column %s.%s has no default any more", table, name))
			}
		}
		for name, is := range now {
			if _, known := old[name]; !known && !is.optional {
				all = append(all, fmt.Sprintf("new column %s.%s is neither NULL nor has a default", table, name))
			}
		}
		for index := range after.unique[table] {
			if !before.unique[table][index] {
				all = append(all, fmt.Sprintf("table %s has a new unique index: %s", table, index))
			}
		}
	}
	return all
}

func rulesOf(t *testing.T, db *sql.DB, dialect string) rules {
	t.Helper()
	text := `SELECT m.name, c.name, c.type, NOT c."notnull", NOT c."notnull" OR c.dflt_value IS NOT NULL OR (c.pk = 1 AND c.type = 'INTEGER')
		FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	// SQLite names the indexes of constraints by itself, so the columns stand for the index. The condition of a
	// partial index is in its statement.
	unique := `SELECT m.name, (SELECT group_concat(i.name) FROM pragma_index_info(l.name) i) || COALESCE((SELECT ' ' || s.sql FROM sqlite_master s WHERE s.name = l.name), '')
		FROM sqlite_master m, pragma_index_list(m.name) l WHERE m.type = 'table' AND l."unique"`
	if dialect == "postgres" {
		text = `SELECT table_name, column_name, data_type, is_nullable = 'YES', is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES'
			FROM information_schema.columns WHERE table_schema = current_schema()`
		unique = `SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexdef LIKE 'CREATE UNIQUE%'`
	}
	r := rules{map[string]map[string]column{}, map[string]map[string]bool{}}
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, name string
		var c column
		if err := rows.Scan(&table, &name, &c.kind, &c.nullable, &c.optional); err != nil {
			t.Fatal(err)
		}
		if r.columns[table] == nil {
			r.columns[table], r.unique[table] = map[string]column{}, map[string]bool{}
		}
		r.columns[table][name] = c
	}
	if err := rows.Err(); err != nil || len(r.columns) < 20 {
		t.Fatalf("%d tables, %v", len(r.columns), err)
	}
	indexes, err := db.QueryContext(t.Context(), unique)
	if err != nil {
		t.Fatal(err)
	}
	defer indexes.Close()
	for indexes.Next() {
		var table, definition string
		if err := indexes.Scan(&table, &definition); err != nil {
			t.Fatal(err)
		}
		r.unique[table][definition] = true
	}
	if err := indexes.Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

// The comparison of schemas reports each change that the release before cannot live with.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		"ALTER TABLE works ADD COLUMN colour TEXT":                     "",
		"ALTER TABLE works ADD COLUMN colour TEXT NOT NULL DEFAULT ''": "",
		"CREATE TABLE colours (name TEXT PRIMARY KEY)":                 "",
		"CREATE INDEX works_by_colour ON works (title)":                "",
		"DROP TABLE budgets":                                           "table budgets is gone",
		"ALTER TABLE works RENAME COLUMN title TO name":                "column works.title is gone",
		"CREATE UNIQUE INDEX works_title ON works (title)":             "table works has a new unique index",
		"ALTER TABLE works RENAME TO songs":                            "table works is gone",
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "timbre.db")
			storetest.Open(t, "sqlite:"+path)
			raw, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			before := rulesOf(t, raw, "sqlite")
			if _, err := raw.ExecContext(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(refusals(before, rulesOf(t, raw, "sqlite")), "; ")
			if (want == "") != (got == "") || !strings.Contains(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// A release starts on the schema of the next release, and of no other newer one.
func TestServes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		newest, current, releases int64
		want                      bool
	}{
		{17, 18, 0, false},   // no release exists yet
		{17, 101, 1, true},   // the first release, and a migration of the second
		{17, 199, 1, true},   //
		{17, 201, 1, false},  // a migration of the third release
		{103, 104, 1, false}, // a build between the first release and the second
		{103, 201, 2, true},  // the second release, and a migration of the third
		{17, 201, 2, true},   // the second release brought no migration
		{17, 301, 2, false},
	} {
		if got := store.Serves(c.newest, c.current, c.releases); got != c.want {
			t.Errorf("migration %d of %d releases on schema %d: %v", c.newest, c.releases, c.current, got)
		}
	}
}

// A server migrates at each start. On the schema of a newer release it changes nothing.
func TestMigrateOnANewerSchema(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (90001, TRUE)"); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
		if n, err := db.Pending(t.Context()); n != -1 || err != nil {
			t.Errorf("pending %d, %v: want 1 migration ahead", n, err)
		}
	})
}
