package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// The files of the queries behind the console, the management API and the works API of organizations.
var consoleQueries = []string{
	"apikeys", "audit", "idempotency", "invitations", "keys", "ledger", "mails", "management", "managers", "member", "operators", "organization_works",
	"organizations", "origins", "outbox", "outbox_lanes", "people", "person_links", "requests", "search", "story", "tally", "webhooks",
}

// wholeReads are the queries that read a table without a condition on an index, or sort what they read. Each has the
// reason why the cost stays small.
var wholeReads = map[string]string{
	"AllOrigins":               "no page and no call uses it",
	"AnyPerson":                "it stops at the first row",
	"DailyCounts":              "the days of one chart, with a row for each code",
	"DeleteOldestKnownDevices": "one person has at most 20 devices",
	"DeletedWebhookEndpoints":  "the index has only deleted endpoints, which the worker removes",
	"FindOrganizations":        "operators only; organizations are found by a part of a name, and are few beside their works",
	"ListIdentities":           "one person's",
	"ListPasskeys":             "one person's",
	"ListSiteKeys":             "one organization's key pairs",
	"ListedWorksAfter":         "it sorts one page, which an index chose",
	"ListedWorksBefore":        "it sorts one page, which an index chose",
	"LockOperators":            "the index has only operators",
	"OrganizationWorks":        "it sorts what one page reads, which an index chose",
	"ReopenWebhookDelivery":    "one row by its id; on an empty table Postgres takes a partial index, whose condition it need not check",
	"TransfersOfTransaction":   "one transaction has three transfers",
	"UncountedEnds":            "the index has only ends that are not counted, and the worker counts them",
	"VersionsWithoutWords":     "the index has only versions without words, and the worker adds them",
	"WordedWorksAfter":         "it sorts one page, which an index chose",
	"WordedWorksBefore":        "it sorts one page, which an index chose",
}

// Every query of the console and of the management API finds its rows by an index, and in the order of that index. So
// its cost does not grow with the table.
//
// The tables are empty, and the databases may neither read a whole table nor sort while another plan exists. A plan
// that still does so has no index.
func TestConsoleQueriesAreReadByIndex(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, file := range consoleQueries {
		source, err := os.ReadFile("query/" + file + ".sql.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile("(?s)`-- name: (\\w+) :\\w+\n(.*?)`").FindAllStringSubmatch(string(source), -1) {
			texts[found[1]] = found[2]
		}
	}
	if len(texts) < 200 {
		t.Fatalf("%d queries", len(texts))
	}
	for name := range wholeReads {
		if texts[name] == "" {
			t.Errorf("wholeReads has %s, which is no query", name)
		}
	}
	var mu sync.Mutex
	met := map[string]bool{}
	t.Run("plans", func(t *testing.T) {
		for _, dialect := range []string{"sqlite", "postgres"} {
			t.Run(dialect, func(t *testing.T) {
				t.Parallel()
				raw := migrated(t, dialect)
				wrong := wholeOnSQLite
				if dialect == "postgres" {
					wrong = wholeOnPostgres
				}
				first := firstColumns(t, raw, dialect)
				for name, text := range texts {
					plan, err := planOf(t.Context(), raw, dialect, text)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					line := wrong(plan, first)
					if line != "" && wholeReads[name] == "" {
						t.Errorf("%s: %s\n\t%s", name, line, strings.Join(plan, "\n\t"))
					}
					if line != "" {
						mu.Lock()
						met[name] = true
						mu.Unlock()
					}
				}
			})
		}
	})
	for name := range wholeReads {
		if !met[name] && !t.Failed() && os.Getenv("TIMBRE_TEST_DATABASES") == "" {
			t.Errorf("wholeReads has %s, which is read by index", name)
		}
	}
	// The check itself finds a query without an index.
	for dialect, wrong := range map[string]func([]string, map[string]string) string{"sqlite": wholeOnSQLite, "postgres": wholeOnPostgres} {
		t.Run("check on "+dialect, func(t *testing.T) {
			t.Parallel()
			raw := migrated(t, dialect)
			first := firstColumns(t, raw, dialect)
			for _, text := range []string{
				"SELECT id FROM people WHERE name = $1",
				"SELECT id FROM people WHERE id > $1 ORDER BY created_at LIMIT $2",
				"SELECT email FROM people WHERE email LIKE $1 ORDER BY email LIMIT $2",
				"SELECT amount FROM ledger_entries WHERE account = $1", // the second column of the primary key
			} {
				plan, err := planOf(t.Context(), raw, dialect, text)
				if err != nil {
					t.Fatal(err)
				}
				if wrong(plan, first) == "" {
					t.Errorf("%s passes: %s", text, strings.Join(plan, "\n"))
				}
			}
		})
	}
}

// migrated returns one connection to a database with this release's schema.
func migrated(t *testing.T, dialect string) *sql.DB {
	t.Helper()
	driver, source := "sqlite", filepath.Join(t.TempDir(), "timbre.db")
	url := "sqlite:" + source
	if dialect == "postgres" {
		url = storetest.PostgresURL(t)
		driver, source = "pgx", url
	}
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	raw.SetMaxOpenConns(1) // the settings below are a connection's
	if dialect == "postgres" {
		for _, setting := range []string{"enable_seqscan = off", "enable_bitmapscan = off", "enable_sort = off", "plan_cache_mode = force_generic_plan"} {
			if _, err := raw.ExecContext(t.Context(), "SET "+setting); err != nil {
				t.Fatal(err)
			}
		}
	}
	return raw
}

// planOf returns the lines of a statement's plan, which does not depend on the arguments.
func planOf(ctx context.Context, raw *sql.DB, dialect, text string) (plan []string, err error) {
	arguments := 0
	for _, found := range regexp.MustCompile(`[$?](\d+)`).FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(found[1])
		if err != nil {
			return nil, err
		}
		arguments = max(arguments, n)
	}
	explain, args := "EXPLAIN QUERY PLAN "+text, make([]any, arguments)
	if dialect == "postgres" {
		if _, err := raw.ExecContext(ctx, "PREPARE asked AS "+text); err != nil {
			return nil, err
		}
		defer func() {
			if _, derr := raw.ExecContext(ctx, "DEALLOCATE asked"); err == nil {
				err = derr
			}
		}()
		explain, args = "EXPLAIN EXECUTE asked", nil
		if arguments > 0 {
			explain += "(" + strings.Join(slices.Repeat([]string{"NULL"}, arguments), ", ") + ")"
		}
	}
	rows, err := raw.QueryContext(ctx, explain, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", explain, err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if dialect == "postgres" {
			err = rows.Scan(&line)
		} else {
			err = rows.Scan(new(int), new(int), new(int), &line)
		}
		if err != nil {
			return nil, err
		}
		plan = append(plan, line)
	}
	return plan, rows.Err()
}

// wholeOnSQLite returns the line of a plan that reads a whole table, or sorts. The rows of a VALUES list, of a
// subquery and of a recursive query do not count.
func wholeOnSQLite(plan []string, _ map[string]string) string {
	inner := map[string]bool{}
	for _, line := range plan {
		if found := regexp.MustCompile(`^(?:CO-ROUTINE|MATERIALIZE) (\w+)`).FindStringSubmatch(line); found != nil {
			inner[found[1]] = true
		}
	}
	for _, line := range plan {
		if found := regexp.MustCompile(`^SCAN (\w+)`).FindStringSubmatch(line); found != nil && !inner[found[1]] && found[1] != "CONSTANT" && !strings.Contains(line, "VALUES CLAUSE") {
			return line
		}
		if strings.Contains(line, "TEMP B-TREE FOR") {
			return line
		}
	}
	return ""
}

// wholeOnPostgres is wholeOnSQLite for Postgres, where an index is also read from end to end, without a condition on
// its first column.
func wholeOnPostgres(plan []string, first map[string]string) string {
	for i, line := range plan {
		if strings.Contains(line, "Seq Scan on ") || regexp.MustCompile(`(?:^|-> +)Sort +\(`).MatchString(line) {
			return line
		}
		index := regexp.MustCompile(`Index (?:Only )?Scan (?:Backward )?using (\w+)`).FindStringSubmatch(line)
		if index == nil {
			continue
		}
		column := first[index[1]]
		if i+1 == len(plan) || !regexp.MustCompile(`Index Cond: .*\b`+regexp.QuoteMeta(column)+`\b`).MatchString(plan[i+1]) {
			return line
		}
	}
	return ""
}

// firstColumns returns the first column of each index on Postgres.
func firstColumns(t *testing.T, raw *sql.DB, dialect string) map[string]string {
	t.Helper()
	if dialect != "postgres" {
		return nil
	}
	rows, err := raw.QueryContext(t.Context(), "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, definition string
		if err := rows.Scan(&name, &definition); err != nil {
			t.Fatal(err)
		}
		_, columns, _ := strings.Cut(definition, "(")
		all[name] = regexp.MustCompile(`^\w+`).FindString(columns)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
