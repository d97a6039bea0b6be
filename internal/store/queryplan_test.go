package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
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

// largeReads are the queries that read more than some rows, or sort what they read. Each has the reason why the cost stays
// small while the works grow.
var largeReads = map[string]string{
	"AbandonBlockStamps":                 "once a minute; the index has only blocks that wait for a date",
	"AddBlockStamps":                     "64 new blocks at a time",
	"AllOrigins":                         "timbre doctor, not a server",
	"AnyPerson":                          "it stops at the first row",
	"AttemptsOfNumber":                   "it sorts two pages, which indexes chose",
	"ChangedTransactions":                "it sorts two pages, which indexes chose",
	"CountBlockStamps":                   "for the metrics; the index has only blocks that wait for a date",
	"CountDeliveries":                    "what waits in the outbox, for the metrics; a scrape is cached",
	"CountErasures":                      "files that wait for their deletion, for the metrics",
	"CountInFlight":                      "transactions in flight; the worker takes them further every second",
	"CountManyOrganizationWorks":         "an organization's days, and its erased works",
	"CountRenewals":                      "for the metrics; the index has only tokens that are not enrolled yet",
	"CountUncertified":                   "certificates that wait, for the metrics",
	"CountLogAnchors":                    "for the metrics; one row for each log",
	"CountUnstamped":                     "time stamps that wait, for the metrics",
	"CountUnprovedSubstrateTransactions": "for the metrics; the index has only versions without a proof",
	"DailyCounts":                        "the days of one chart, with a row for each code",
	"DeleteOldestKnownDevices":           "one person has at most 20 devices",
	"DeletedWebhookEndpoints":            "the index has only deleted endpoints, which the worker removes",
	"DropUnneeded":                       "the sweep of what another release left: what waits in the outbox",
	"DueBlockStamps":                     "it sorts blocks of one microsecond",
	"EndSessions":                        "after a restore, some sessions at a time",
	"EnqueueUnqueued":                    "the index has only versions without a certificate",
	"ExpiredJobs":                        "it sorts jobs of one microsecond",
	"FindOrganizations":                  "operators only; organizations are found by a part of a name, and are few beside their works",
	"HasUnqueued":                        "the index has only versions without a certificate",
	"HurryWitnessed":                     "certificates that wait for witnesses, a minute at most",
	"JobsOfWork":                         "one work's",
	"Leftovers":                          "it sorts jobs of one microsecond",
	"ListIdentities":                     "one person's",
	"ListLogEntries":                     "256 entries, of a tile",
	"ListLogEntriesOfCommitment":         "equal registrations have the same commitment; the caller asks for some",
	"ListLogWitnesses":                   "the witnesses of one log",
	"ListPasskeys":                       "one person's",
	"ListSessions":                       "the command line; sessions go after two days",
	"ListSiteKeys":                       "one organization's key pairs",
	"ListSubstrateAccounts":              "the accounts of a seed, at most 256",
	"ListWaitingLogEntries":              "entries that wait for the next block",
	"ListedWorksAfter":                   "it sorts one page, which an index chose",
	"ListedWorksBefore":                  "it sorts one page, which an index chose",
	"LockOperators":                      "the index has only operators",
	"NewestFiles":                        "it stops at the twentieth file",
	"OwnWorks":                           "it sorts one page, which an index chose",
	"RevokeSessions":                     "it ends all that it reads, the sessions of a site; they go after two days",
	"StagedBytes":                        "the index has only jobs with an upload that is not paid",
	"StampingBehind":                     "one row for each log and kind of date",
	"SumBalances":                        "four rows for each organization, for the metrics; a scrape is cached",
	"TransfersOfTransaction":             "one transaction has three transfers",
	"UncountedEnds":                      "the index has only ends that are not counted, and the worker counts them",
	"UnwatchedTimestamps":                "the index has only tokens that are not enrolled yet",
	"VersionsWithoutWords":               "the index has only versions without words, and the worker adds them",
	"WordedWorksAfter":                   "it sorts one page, which an index chose",
	"WordedWorksBefore":                  "it sorts one page, which an index chose",
	"WorksByID":                          "it sorts one page, whose ids the caller has",
}

// Every query of the product finds its rows by an index, and in the order of that index. So its cost does not grow with the
// works.
//
// On Postgres the tables have some rows, and statistics of a million: three organizations share them, and nearly every other
// value is a different one. A plan fails if it reads a table as a whole or sorts, and also if it costs more than maxCost. SQLite
// plans without statistics, as in a server: so its plan is the same for every size.
func TestEveryQueryIsReadByIndex(t *testing.T) {
	t.Parallel()
	texts := queryTexts(t)
	for name := range largeReads {
		if texts[name] == "" {
			t.Errorf("largeReads names %s, but no query has this name", name)
		}
	}
	var mu sync.Mutex
	met := map[string]bool{}
	t.Run("plans", func(t *testing.T) {
		for _, dialect := range []string{"sqlite", "postgres"} {
			t.Run(dialect, func(t *testing.T) {
				t.Parallel()
				p := planner(t, dialect)
				p.findsGrowing(t)
				for _, name := range slices.Sorted(maps.Keys(texts)) {
					plan, err := p.plan(t.Context(), texts[name])
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					wrong := p.wrong(plan)
					if wrong != "" && largeReads[name] == "" {
						t.Errorf("%s: %s\n\t%s", name, wrong, strings.Join(plan, "\n\t"))
					}
					if wrong != "" {
						mu.Lock()
						met[name] = true
						mu.Unlock()
					}
				}
			})
		}
	})
	for name := range largeReads {
		if !met[name] && !t.Failed() && os.Getenv("TIMBRE_TEST_DATABASES") == "" {
			t.Errorf("largeReads has %s, which reads some rows by an index", name)
		}
	}
}

// queryTexts returns the generated queries by name.
func queryTexts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("query/*.sql.go")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile("(?s)`-- name: (\\w+) :\\w+\n(.*?)`").FindAllStringSubmatch(string(source), -1) {
			texts[found[1]] = found[2]
		}
	}
	if len(texts) < 350 {
		t.Fatalf("%d queries", len(texts))
	}
	return texts
}

// queryPlanner plans queries for a million rows.
type queryPlanner struct {
	raw     *sql.DB
	dialect string
	first   map[string]string // the first column of each index on Postgres
}

func planner(t *testing.T, dialect string) queryPlanner {
	t.Helper()
	p := queryPlanner{raw: migrated(t, dialect), dialect: dialect}
	if dialect != "postgres" {
		return p
	}
	believe(t, p.raw)
	p.first = firstColumns(t, p.raw)
	return p
}

// findsGrowing checks that the check itself finds queries that grow.
func (p queryPlanner) findsGrowing(t *testing.T) {
	t.Helper()
	all := []string{
		"SELECT id FROM people WHERE name = $1",
		"SELECT id FROM people WHERE id > $1 ORDER BY created_at LIMIT $2",
		"SELECT email FROM people WHERE email LIKE $1 ORDER BY email LIMIT $2",
		"SELECT amount FROM ledger_entries WHERE account = $1", // the second column of the primary key
		"DELETE FROM title_claims WHERE work_id = $1",
	}
	if p.dialect == "postgres" { // SQLite does not show how much of an index it reads
		all = append(all, "SELECT COUNT(*) FROM works WHERE network = $1 AND title <> $2",
			"SELECT COUNT(*) FROM transactions WHERE organization_id = $1 AND created_at >= $2 AND state <> 'failed'")
	}
	for _, text := range all {
		plan, err := p.plan(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if p.wrong(plan) == "" {
			t.Errorf("%s passes: %s", text, strings.Join(plan, "\n"))
		}
	}
}

func (p queryPlanner) wrong(plan []string) string {
	if p.dialect == "postgres" {
		return wrongOnPostgres(plan, p.first)
	}
	return wrongOnSQLite(plan)
}

// migrated returns one connection to a database with this release's schema.
func migrated(t *testing.T, dialect string) *sql.DB {
	t.Helper()
	driver, source := "sqlite", filepath.Join(t.TempDir(), "timbre.db")
	url := "sqlite:" + source
	if dialect == "postgres" {
		url = storetest.EmptyPostgresURL(t)
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
		// A statement that runs often gets a plan that does not know its arguments.
		if _, err := raw.ExecContext(t.Context(), "SET plan_cache_mode = force_generic_plan"); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// believed is how many rows Postgres believes to be in each table, and filled how many there are.
const (
	believed = 1_000_000
	filled   = 1000
)

// few are the columns with few values, and those that a partial index has only while something waits.
var few = map[string]string{
	"organization_id": "'o' || i % 3", "network": "'testnet'", "kind": "CASE WHEN i % 3 = 0 THEN 'add_version' ELSE 'register' END", "external_user_ref": "CASE WHEN i % 2 = 0 THEN '' ELSE 'u' || i % 40 END",
	"state":       "CASE WHEN i % 50 = 0 THEN (ARRAY['open', 'prepared', 'confirmed', 'staged', 'broadcast', 'failed', 'expired'])[1 + i % 7] ELSE 'final' END",
	"endpoint_id": "'e' || i % 3", "event": "'work_registered'", "role": "'member'", "version": "1", "level": "0", "position": "i", "amount": "1", "site_key": "'k' || i % 5",
	"account": "(ARRAY['available', 'held', 'spent'])[1 + i % 3]", "code": "CASE WHEN i % 9 = 0 THEN 'common.conflict' ELSE '' END", "action": "'a' || i % 9", "actor_id": "'p' || i % 20",
	"caller": "'k' || i % 5", "correlation_id": "CASE WHEN i % 2 = 0 THEN '' ELSE 'c' || i END", "reason": "''", "day": "i % 400", "lane": "'l' || i % 3", "counted": "i % 100 > 0", "erased": "i % 2 = 0",
	"timestamp_until": rare, "upload_bytes": rare, "deleted_at": rare, "previous_until": rare, "attempts": rare, "tries": rare, "words": "CASE WHEN i % 100 = 0 THEN 0 ELSE 1 END",
	"certificate_key": "CASE WHEN i % 100 = 0 THEN '' ELSE 'c' || i END", "upload_key": "CASE WHEN i % 100 = 0 THEN 'u' || i ELSE '' END", "redacted_at": rareTime, "revoked_at": rareTime, "suspended_at": rareTime, "commitment": "CASE WHEN i > 0 THEN decode(md5(i::text), 'hex') END",
}

const (
	rare     = "CASE WHEN i % 100 = 0 THEN i ELSE 0 END"
	rareTime = "CASE WHEN i % 100 = 0 THEN i END"
)

// small are the tables with some rows for each organization or person, however many works it has.
var small = []string{
	"api_keys", "credit_warnings", "erasures", "identities", "invitations", "known_devices", "ledger_accounts", "log_repairs", "logos", "logs", "memberships", "origins", "organizations", "passkeys",
	"people", "person_links", "person_sessions", "quota_counters", "recovery_codes", "site_keys", "webhook_endpoints",
}

// A transaction in flight is final after a moment: Postgres believes in 10,000 of them.
const inFlight = 10_000

// believe fills each table and makes Postgres believe that it has a million rows: small tables and true plans. The rows need
// no sense, so that a new table needs no line here.
func believe(t *testing.T, raw *sql.DB) {
	t.Helper()
	run := func(text string) {
		if _, err := raw.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	run("SET session_replication_role = replica") // without foreign keys
	rows, err := raw.QueryContext(t.Context(), `SELECT table_name, column_name, data_type FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name NOT LIKE 'goose%' ORDER BY table_name, ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	columns, values := map[string][]string{}, map[string][]string{}
	for rows.Next() {
		var table, column, kind string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			t.Fatal(err)
		}
		value := few[column]
		if value != "" && kind == "text" && slices.Contains(small, table) {
			value = "'v' || i"
		}
		if value == "" || kind != "text" && strings.Contains(value, "'") {
			value = map[string]string{
				"text": "'v' || i", "bigint": "i", "integer": "i", "boolean": "i % 50 = 0", "bytea": "decode(md5(i::text), 'hex')",
			}[kind]
		}
		if value == "" {
			t.Fatalf("%s.%s: %s", table, column, kind)
		}
		columns[table], values[table] = append(columns[table], column), append(values[table], value)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	var inserts strings.Builder // one transaction
	for table := range columns {
		fmt.Fprintf(&inserts, "INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) i ON CONFLICT DO NOTHING;", table, strings.Join(columns[table], ", "), strings.Join(values[table], ", "), filled)
	}
	run(inserts.String())
	run("VACUUM ANALYZE")
	run(fmt.Sprintf("UPDATE pg_class SET reltuples = reltuples * %d WHERE relkind IN ('r', 'i') AND relnamespace = current_schema()::regnamespace AND reltuples > 0", believed/filled))
	run(fmt.Sprintf("UPDATE pg_class SET reltuples = reltuples / %d WHERE oid = 'in_flight'::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'in_flight'::regclass)", believed/inFlight))
	run("SET session_replication_role = origin")
}

// plan returns the lines of a statement's plan, which does not depend on the arguments. A page has a hundred rows.
func (p queryPlanner) plan(ctx context.Context, text string) (plan []string, err error) {
	text = regexp.MustCompile(`LIMIT [$?]\d+`).ReplaceAllString(text, "LIMIT 100")
	numbers := map[string]int{} // the others, without gaps
	text = regexp.MustCompile(`[$?]\d+`).ReplaceAllStringFunc(text, func(old string) string {
		if numbers[old] == 0 {
			numbers[old] = len(numbers) + 1
		}
		return old[:1] + strconv.Itoa(numbers[old])
	})
	raw, arguments := p.raw, len(numbers)
	explain, args := "EXPLAIN QUERY PLAN "+text, make([]any, arguments)
	if p.dialect == "postgres" {
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
		if p.dialect == "postgres" {
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

// wrongOnSQLite returns the line of a plan that reads a whole table, or sorts. The rows of a VALUES list, of a
// subquery and of a recursive query do not count.
func wrongOnSQLite(plan []string) string {
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
		if strings.Contains(line, "TEMP B-TREE FOR") || strings.HasPrefix(line, "SEARCH deliveries ") && strings.HasSuffix(line, "(kind=?)") { // all that waits
			return line
		}
	}
	return ""
}

// maxCost is the largest cost of a plan, in Postgres's unit. A row that is found by its key costs 8, and a thousand rows of an
// index in its order cost about 300. The smallest scan of a million rows costs more than 10,000.
const maxCost = 1500

// wrongOnPostgres is wrongOnSQLite for Postgres, where an index is also read from end to end, without a condition on
// its first column. A sort of a page is allowed.
func wrongOnPostgres(plan []string, first map[string]string) string {
	numbers := regexp.MustCompile(`cost=[0-9.]+\.\.([0-9.]+) rows=(\d+)`)
	for i, line := range plan {
		found := numbers.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		cost, err := strconv.ParseFloat(found[1], 64)
		if err != nil || i == 0 && cost > maxCost {
			return line
		}
		rows, err := strconv.Atoi(found[2])
		if err != nil || strings.Contains(line, "Seq Scan on ") || regexp.MustCompile(`(?:^|-> +)(?:Incremental )?Sort +\(`).MatchString(line) && rows > 1000 {
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
func firstColumns(t *testing.T, raw *sql.DB) map[string]string {
	t.Helper()
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
