package registry

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store/storetest"
)

// The checker that ends every test here finds each kind of damage.
func TestInvariantsAreChecked(t *testing.T) {
	t.Parallel()
	for damage, part := range map[string]string{
		"UPDATE ledger_accounts SET balance = balance + 1 WHERE account = 'available'":                  "entries sum to",
		"UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'spent'":                         "has entries",
		"DELETE FROM ledger_entries WHERE account = 'held'":                                             "has entries",
		"UPDATE ledger_transfers SET kind = 'release' WHERE kind = 'capture'":                           "has transfers",
		"UPDATE transactions SET total_credits = total_credits + 1":                                     "has transfers",
		"UPDATE transactions SET state = 'broadcast'":                                                   "is still broadcast",
		"UPDATE transactions SET version = 2":                                                           "and its transaction differ",
		"UPDATE transactions SET commitment = tx_hash":                                                  "differ",
		"DELETE FROM transactions":                                                                      "it has a transaction: false",
		"DELETE FROM versions":                                                                          "has no version",
		"UPDATE versions SET media_hash = commitment":                                                   "and its job differ",
		"UPDATE works SET latest_version = 2":                                                           "the latest is 2",
		"UPDATE works SET access_code_hash = NULL":                                                      "access code",
		"DELETE FROM title_claims":                                                                      "has not claimed its title",
		"DELETE FROM media_claims":                                                                      "has not claimed its audio",
		"UPDATE title_claims SET work_id = 'other'":                                                     "neither registered nor in flight",
		"UPDATE jobs SET state = 'expired'":                                                             "it has a transaction: true",
		"UPDATE jobs SET asset_key = 'assets/other'; UPDATE versions SET asset_key = 'assets/other'":    "object not found",
		"UPDATE versions SET certificate_key = 'certificates/' || work_id || '-1'":                      "object not found",
		"UPDATE versions SET certificate_key = 'certificates/other'":                                    "names the certificate",
		"UPDATE versions SET timestamp_until = 1, certificate_key = 'certificates/' || work_id || '-1'": "waits for a token",
		"INSERT INTO timestamps (work_id, version, token) SELECT work_id, version, x'30' FROM versions": "has another commitment",
		"INSERT INTO quota_counters SELECT organization_id, 0, FALSE, 5 FROM works":                     "counts 5 registrations",
		"UPDATE jobs SET session_jti = 'other'":                                                         "was spent on job",
	} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "timbre.db")
			url := "sqlite:" + path
			w := newWorld(t, url, storetest.Open(t, url), t.TempDir(), plenty)
			s := w.confirmed("Whole", 1)
			w.advance()
			s.wantFinal()
			w.check(false)
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), damage); err != nil {
				t.Fatal(err)
			}
			wrong, err := registrytest.Problems(t.Context(), registrytest.World{DatabaseURL: url, Blobs: w.blobs, Anchored: w.net.Anchored()})
			if err != nil || !strings.Contains(strings.Join(wrong, "\n"), part) {
				t.Fatalf("found %q, %v; want one that says %q", wrong, err, part)
			}
		})
	}
	t.Run("anchored twice", func(t *testing.T) {
		t.Parallel()
		url := "sqlite:" + filepath.Join(t.TempDir(), "timbre.db")
		w := newWorld(t, url, storetest.Open(t, url), t.TempDir(), plenty)
		w.confirmed("Whole", 1)
		w.advance()
		for _, n := range []int{0, 2} {
			anchored := w.net.Anchored()
			for k := range anchored {
				anchored[k] = n
			}
			if wrong, err := registrytest.Problems(t.Context(), registrytest.World{DatabaseURL: url, Anchored: anchored}); err != nil || len(wrong) == 0 {
				t.Fatalf("%d times: found %q, %v", n, wrong, err)
			}
		}
	})
}
