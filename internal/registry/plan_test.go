package registry

import (
	"database/sql"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The next turn is found by an index, however much one organization has waiting: no query of
// a queue reads more than a few pages.
func TestTurnsAreFoundByIndex(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const rows = 20_000
		db, nothing := w.raw(t), "x'00'"
		if w.db.Dialect() == "postgres" {
			nothing = `'\x00'::bytea`
		}
		exec := func(text string) {
			t.Helper()
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		numbers := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", rows)
		// A third of the items is due, the others are put off. One organization has both
		// kinds, the other has only items that are put off.
		const due, org = "CASE WHEN i - i / 3 * 3 = 0 THEN 0 ELSE 9000000000000000000 END", "CASE WHEN i - i / 3 * 3 = 1 THEN 'a' ELSE 'b' END"
		exec("INSERT INTO works (id, organization_id, network, ats_id, owner, title, latest_version, created_at, updated_at) VALUES ('w', 'b', 'testnet', 999999, '', '', 1, 0, 0)")
		version := "INSERT INTO versions (work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote, tx_hash, block_number, block_hash, registered_at, organization_id, timestamp_until, certificate_at, timestamp_at) " + numbers +
			"SELECT 'w', i + %d, '%s' || CAST(i AS TEXT), %s, %[3]s, '', %[3]s, 'c', '', '', '', %[3]s, 0, %[3]s, 0, " + org + ", %[4]d, " + due + ", " + due + " FROM n"
		exec(fmt.Sprintf(version, 0, "certificate-", nothing, 0))
		exec(fmt.Sprintf(version, rows, "token-", nothing, 9_000_000_000_000_000_000))
		exec("INSERT INTO deliveries (kind, subject, work_id, organization_id, created_at, due_at, attempts) " + numbers + "SELECT 'certificate', 'certificate-' || CAST(i AS TEXT), 'w', " + org + ", i, " + due + ", CASE WHEN i < 10 THEN 1 ELSE 0 END FROM n")
		exec("INSERT INTO erasures (object_key, organization_id, since, due_at) " + numbers + "SELECT 'assets/' || CAST(i AS TEXT), " + org + ", 0, " + due + " FROM n")
		exec("INSERT INTO transactions (id, organization_id, network, kind, state, work_id, commitment, total_credits, steps, request_id, created_at, updated_at) " + numbers +
			"SELECT 'plan-' || CAST(i AS TEXT), " + org + ", 'testnet', 'register', 'confirmed', 'plan-' || CAST(i AS TEXT), " + nothing + ", 0, '[]', '', 0, 0 FROM n")
		exec("INSERT INTO sessions (jti, organization_id, site_key, end_user, expires_at) " + numbers + "SELECT 'plan-' || CAST(i AS TEXT), 'b', 'k', 'u' || CAST(i AS TEXT), 0 FROM n")
		exec("ANALYZE")
		for _, q := range []struct {
			file, name string
			args       []string // $1, $2, …
		}{
			{"outbox", "dueOrganizations", []string{"'certificate'", "5", "8", "'a'"}},
			{"outbox", "dueOrganizations", []string{"'certificate'", "5", "8", "''"}},
			{"outbox", "finishDelivery", []string{"'certificate'", "'certificate-3'"}},
			{"erasing", "dropDeliveries", []string{"'another'"}},
			{"issuing", "nextUnstamped", []string{"5", "''"}},
			{"issuing", "overdueTimestamps", []string{"5", "256"}},
			{"anchoring", "organizationsInFlight", []string{"'testnet'", "'confirmed'"}},
			{"anchoring", "inFlight", []string{"'testnet'", "'confirmed'", "'b'", "''", "16"}},
			{"anchoring", "fewInFlight", []string{"'testnet'", "'confirmed'", "32"}}, // each row is one lookup of four pages
			{"sessions", "revokeSession", []string{"1", "'plan-7'", "'b'", "'k'", "''"}},
			{"sessions", "revokeEndUser", []string{"1", "'k'", "'u8'", "'b'"}},
			{"erasing", "nextErasing", []string{"5", "5", "''"}},
			{"erasing", "dueErasures", []string{"'b'", "5", "5", "16"}},
		} {
			w.cheap(t, db, generated(t, q.file, q.name), q.args)
		}
		exec("DELETE FROM sessions WHERE jti LIKE 'plan-%'")
		exec("DELETE FROM transactions WHERE id LIKE 'plan-%'")
		exec("DELETE FROM erasures")
		exec("DELETE FROM deliveries")
		exec("DELETE FROM versions WHERE work_id = 'w'")
		exec("DELETE FROM works WHERE id = 'w'")
	})
}

// cheap runs a query as the database plans it, and checks how much it reads.
func (w *world) cheap(t *testing.T, db *sql.DB, text string, args []string) {
	t.Helper()
	for i, arg := range args {
		text = regexp.MustCompile(fmt.Sprintf(`\$%d\b|\?%[1]d\b`, i+1)).ReplaceAllLiteralString(text, arg)
	}
	explain := "EXPLAIN QUERY PLAN "
	if w.db.Dialect() == "postgres" {
		explain = "EXPLAIN (ANALYZE, BUFFERS) "
	}
	rows, err := db.QueryContext(t.Context(), explain+text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var line string
		if w.db.Dialect() == "postgres" {
			err = rows.Scan(&line)
		} else {
			err = rows.Scan(new(int), new(int), new(int), &line)
		}
		if err != nil {
			t.Fatal(err)
		}
		plan = append(plan, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, line := range plan {
		// SQLite names the tables that it reads without an index or sorts.
		if w.db.Dialect() == "sqlite3" && (regexp.MustCompile(`^SCAN (versions|deliveries|transactions|erasures|sessions|[a-z])\b`).MatchString(line) && line != "SCAN o" || strings.Contains(line, "TEMP B-TREE FOR ORDER")) {
			t.Errorf("%s\n%s", text, strings.Join(plan, "\n"))
			break
		}
		// The first line of Postgres' buffers is the sum of all.
		if m := regexp.MustCompile(`Buffers: shared hit=(\d+)(?: read=(\d+))?`).FindStringSubmatch(line); m != nil {
			hit, _ := strconv.Atoi(m[1])
			read, _ := strconv.Atoi(m[2])
			if hit+read > 200 {
				t.Errorf("it reads %d pages: %s\n%s", hit+read, text, strings.Join(plan, "\n"))
			}
			break
		}
	}
}

// generated returns the text of a query as the server sends it.
func generated(t *testing.T, file, name string) string {
	t.Helper()
	source, err := os.ReadFile("../store/query/" + file + ".sql.go")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\nconst " + name + " = `(.*?)`").FindStringSubmatch(string(source))
	if m == nil {
		t.Fatalf("query %s is missing", name)
	}
	return m[1]
}

// raw is a connection of the test's own.
func (w *world) raw(t *testing.T) *sql.DB {
	t.Helper()
	driver, url := "pgx", w.url
	if path, ok := strings.CutPrefix(w.url, "sqlite:"); ok {
		driver, url = "sqlite", path
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
