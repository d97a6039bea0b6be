package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"timbre.example/internal/store/storetest"
)

// Works of test keys from before the column existed are marked, and so are their claims;
// nothing else is. Migrating down loses nothing of live keys.
func TestMigrateMarksTestKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dialect database.Dialect
		driver  string
		url     func(t *testing.T) string
	}{
		"sqlite":   {database.DialectSQLite3, "sqlite", func(t *testing.T) string { return filepath.Join(t.TempDir(), "timbre.db") }},
		"postgres": {database.DialectPostgres, "pgx", func(t *testing.T) string { return storetest.EmptyPostgresURL(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := sql.Open(c.driver, c.url(t))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			p, err := goose.NewProvider(c.dialect, db, os.DirFS("migrations"))
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if _, err := p.UpTo(ctx, 16); err != nil {
				t.Fatal(err)
			}
			exec := func(text string) {
				t.Helper()
				for one := range strings.SplitSeq(text, ";") {
					if _, err := db.ExecContext(ctx, one); err != nil {
						t.Fatalf("%v in %s", err, one)
					}
				}
			}
			exec(`INSERT INTO organizations (id, name, created_at) VALUES ('o', 'O', 0);
				INSERT INTO site_keys (site_key, organization_id, secret_hash, test, created_at) VALUES ('live', 'o', '1', FALSE, 0), ('test', 'o', '2', TRUE, 0);
				INSERT INTO sessions (jti, organization_id, site_key, expires_at) VALUES ('sl', 'o', 'live', 0), ('st', 'o', 'test', 0)`)
			// One work each: of a live key, of a test key, rehearsed, of a deleted
			// session, of a test key on the mainnet.
			for n, w := range []struct{ id, session, network, rehearse string }{
				{"a", "sl", "testnet", ""}, {"b", "st", "testnet", ""}, {"c", "gone", "testnet", "transaction.failed"}, {"d", "gone", "testnet", ""}, {"e", "st", "mainnet", ""},
			} {
				exec(strings.NewReplacer("$id", w.id, "$session", w.session, "$network", w.network, "$rehearse", w.rehearse, "$n", strconv.Itoa(n)).Replace(`
					INSERT INTO jobs (id, organization_id, session_jti, kind, network, state, work_id, title, title_key, creators, filename, max_bytes, deadline, created_at, updated_at, rehearse)
						VALUES ('j$id', 'o', '$session', 'register', '$network', 'confirmed', '$id', '', '$id', '', '', 1, 0, 0, 0, '$rehearse');
					INSERT INTO transactions (id, organization_id, network, kind, state, work_id, commitment, total_credits, steps, request_id, created_at, updated_at)
						VALUES ('j$id', 'o', '$network', 'register', 'final', '$id', '', 0, '[]', '', 0, 0);
					INSERT INTO works (id, organization_id, network, ats_id, owner, title, latest_version, created_at, updated_at) VALUES ('$id', 'o', '$network', $n, '', '', 1, 0, 0);
					INSERT INTO title_claims (organization_id, network, external_user_ref, title_key, work_id) VALUES ('o', '$network', '', '$id', '$id');
					INSERT INTO media_claims (organization_id, network, media_hash, work_id) VALUES ('o', '$network', '$id', '$id')`))
			}
			// A live key updated the work of a test key.
			exec(`INSERT INTO jobs (id, organization_id, session_jti, kind, network, state, work_id, title, title_key, creators, filename, max_bytes, deadline, created_at, updated_at)
				VALUES ('jb2', 'o', 'sl', 'add_version', 'testnet', 'expired', 'b', '', 'b', '', '', 1, 0, 0, 0)`)
			if _, err := p.UpTo(ctx, 17); err != nil {
				t.Fatal(err)
			}
			all := func(text string) string {
				t.Helper()
				rows, err := db.QueryContext(ctx, text)
				if err != nil {
					t.Fatal(err)
				}
				defer rows.Close()
				var out []string
				for rows.Next() {
					var one string
					if err := rows.Scan(&one); err != nil {
						t.Fatal(err)
					}
					out = append(out, one)
				}
				if err := rows.Err(); err != nil {
					t.Fatal(err)
				}
				return strings.Join(out, " ")
			}
			for text, want := range map[string]string{
				"SELECT id FROM works WHERE test ORDER BY id":                                      "b c",
				"SELECT id FROM jobs WHERE test ORDER BY id":                                       "jb jb2 jc",
				"SELECT id FROM transactions WHERE test ORDER BY id":                               "jb jc",
				"SELECT work_id FROM title_claims WHERE network = 'testnet/test' ORDER BY work_id": "b c",
				"SELECT work_id FROM media_claims WHERE network = 'testnet/test' ORDER BY work_id": "b c",
				"SELECT work_id FROM title_claims WHERE network = 'testnet' ORDER BY work_id":      "a d",
				"SELECT work_id FROM media_claims WHERE network = 'mainnet' ORDER BY work_id":      "e",
			} {
				if got := all(text); got != want {
					t.Errorf("%s: %q, want %q", text, got, want)
				}
			}
			// A live key claims the same title meanwhile, and keeps it.
			exec("INSERT INTO title_claims (organization_id, network, external_user_ref, title_key, work_id) VALUES ('o', 'testnet', '', 'b', 'x')")
			if _, err := p.DownTo(ctx, 16); err != nil {
				t.Fatal(err)
			}
			if got := all("SELECT work_id FROM title_claims WHERE network = 'testnet' ORDER BY work_id"); got != "a c d x" {
				t.Errorf("after the way back: %q", got)
			}
		})
	}
}
