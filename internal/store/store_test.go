package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

func insertSession(jti string) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		return tx.InsertSession(context.Background(), query.InsertSessionParams{
			Jti: jti, OrganizationID: "o", SiteKey: "k", ExpiresAt: store.Micros(tx.Now.Add(time.Hour)),
		})
	}
}

func TestTxCommitsOrLeavesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		boom := errors.New("boom")
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			if err := insertSession("a")(tx); err != nil {
				return err
			}
			return boom
		}); !errors.Is(err, boom) {
			t.Fatalf("got %v, want the function's own error", err)
		}
		if _, err := db.Read().GetSession(ctx, "a"); !errors.Is(err, sql.ErrNoRows) {
			t.Fatalf("rolled back row: %v", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = db.Tx(ctx, func(tx *store.Tx) error {
				_ = insertSession("p")(tx)
				panic("boom")
			})
		}()
		if _, err := db.Read().GetSession(ctx, "p"); !errors.Is(err, sql.ErrNoRows) {
			t.Fatalf("row of a transaction that panicked: %v", err)
		}
		cancelled, cancel := context.WithCancel(ctx)
		if err := db.Tx(cancelled, func(tx *store.Tx) error {
			defer cancel()
			return insertSession("c")(tx)
		}); err == nil {
			t.Fatal("a cancelled transaction committed")
		}
		if err := db.Tx(ctx, insertSession("b")); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Read().GetSession(ctx, "b"); err != nil {
			t.Fatal(err)
		}
	})
}

// Every number in the SQL text stands for the argument with that number, also if the
// number is used twice or out of order. SQLite's driver could bind by position instead.
func TestArgumentsAreBoundByNumber(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var a, b, c int64
		err := db.Tx(t.Context(), func(tx *store.Tx) error {
			if err := insertSession("n")(tx); err != nil {
				return err
			}
			n, err := tx.SpendSession(t.Context(), query.SpendSessionParams{Jti: "n", JobID: sql.NullString{String: "j1", Valid: true}, Now: store.Micros(tx.Now)})
			a = n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Tx(t.Context(), func(tx *store.Tx) error {
			if err := tx.OpenAccount(t.Context(), query.OpenAccountParams{OrganizationID: "o", Account: "available"}); err != nil {
				return err
			}
			if b, err = tx.MoveBalance(t.Context(), query.MoveBalanceParams{Amount: 5, OrganizationID: "o", Account: "available"}); err != nil {
				return err
			}
			c, err = tx.MoveBalance(t.Context(), query.MoveBalanceParams{Amount: -6, OrganizationID: "o", Account: "available"})
			return err
		})
		if err != nil || a != 1 || b != 1 || c != 0 {
			t.Fatalf("spent %d, credited %d, overdrew %d, err %v; want 1, 1, 0, nil", a, b, c, err)
		}
		s, err := db.Read().GetSession(t.Context(), "n")
		if err != nil || s.JobID.String != "j1" || s.SiteKey != "k" {
			t.Fatalf("session %+v, err %v", s, err)
		}
	})
}

func TestOneOfManySpendsASession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Tx(t.Context(), insertSession("once")); err != nil {
			t.Fatal(err)
		}
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				err := db.Tx(t.Context(), func(tx *store.Tx) error {
					n, err := tx.SpendSession(t.Context(), query.SpendSessionParams{Jti: "once", JobID: sql.NullString{String: "j", Valid: true}, Now: store.Micros(tx.Now)})
					won.Add(n)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d spent it", won.Load())
		}
	})
}

func TestMigrateTwiceAtOnce(t *testing.T) {
	t.Parallel()
	url := storetest.EmptyPostgresURL(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			db, err := store.Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if err := db.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			if n, err := db.Pending(t.Context()); n != 0 || err != nil {
				t.Errorf("pending %d, %v", n, err)
			}
		})
	}
	wg.Wait()
}

func TestAnAbsentDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), "postgres://postgres@/none?host=/nonexistent&connect_timeout=1")
	if !store.Unavailable(err) {
		t.Fatalf("got %v", err)
	}
}

// A context that ends while a transaction starts leaves no open transaction behind.
func TestACancelledBeginBlocksNobody(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i := range 300 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = db.Tx(ctx, insertSession(fmt.Sprint("cancelled ", i)))
			}()
			cancel()
			<-done
			if err := db.Tx(t.Context(), insertSession(fmt.Sprint("after ", i))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	if err := db.Read().InsertSession(t.Context(), query.InsertSessionParams{Jti: "x"}); err == nil {
		t.Fatal("wrote through the reading pool")
	}
}

// The URL of a Postgres sets the number of connections; without a number it is that of this package.
func TestConnectionsOfTheURL(t *testing.T) {
	t.Parallel()
	url := storetest.EmptyPostgresURL(t)
	for parameter, want := range map[string]int32{"": store.MaxConns, "&pool_max_conns=3": 3} {
		db, err := store.Open(t.Context(), url+parameter)
		if err != nil {
			t.Fatal(err)
		}
		if got := db.Conns(); got != want {
			t.Errorf("%q: %d connections, want %d", parameter, got, want)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A server that disappears silently counts as not answering. Every statement then returns
// an error within StatementTimeout, and later statements work when the server is back.
func TestASilentDatabase(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	direct := storetest.EmptyPostgresURL(t)
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Open(t, direct)
	proxy := faultproxy.New(t, "unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"))
	db, err := store.Open(ctx, "postgres://postgres@"+proxy.Addr+u.Path+"?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx := func() error { return db.Tx(ctx, insertSession("a")) }
	calls := map[string]func() error{
		"read":  func() error { _, err := db.Read().AllOrigins(ctx); return err },
		"count": func() error { _, err := db.Read().LastNumber(ctx, "testnet"); return err },
		"one":   func() error { return db.One(ctx, insertSession("b")) },
		"tx":    tx,
		"half": func() error { // the connection breaks during the transaction
			return db.Tx(ctx, func(tx *store.Tx) error {
				if err := insertSession("c")(tx); err != nil {
					return err
				}
				proxy.Swallow()
				return insertSession("d")(tx)
			})
		},
		"commit": func() error { // or before the commit
			return db.Tx(ctx, func(tx *store.Tx) error {
				err := insertSession("e")(tx)
				proxy.Swallow()
				return err
			})
		},
	}
	together := func(names ...string) {
		t.Helper()
		var wg sync.WaitGroup
		for _, name := range names {
			wg.Go(func() {
				begun := time.Now()
				err := calls[name]()
				if took := time.Since(begun); !store.Unavailable(err) || took > 3*store.StatementTimeout {
					t.Errorf("%s: %v after %s", name, err, took)
				}
			})
		}
		wg.Wait()
	}
	if err := tx(); err != nil {
		t.Fatal(err)
	}
	together("half", "commit")
	if c := db.Counts(); c.Timeouts == 0 || c.Transactions != 1 || c.Commits != 1 {
		t.Errorf("after one commit and two silences: %+v", c)
	}
	// With more callers than connections, each waits no longer than one timeout.
	together(append(slices.Repeat([]string{"read", "one", "count"}, 10), "tx")...)
	proxy.Pass()
	// A connection that was being opened while the server was silent can still break.
	err = db.Ping(ctx)
	for begun := time.Now(); err != nil && time.Since(begun) < store.StatementTimeout; err = db.Ping(ctx) {
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Read().GetSession(ctx, "a"); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"c", "d"} {
		if _, err := db.Read().GetSession(ctx, id); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("%s of a transaction that never committed: %v", id, err)
		}
	}
	proxy.Refuse()
	proxy.Cut()
	for _, name := range []string{"read", "one", "tx"} {
		begun := time.Now()
		if err := calls[name](); !store.Unavailable(err) || time.Since(begun) > store.StatementTimeout {
			t.Errorf("refused %s: %v after %s", name, err, time.Since(begun))
		}
	}
}

// StatementTimeout applies to each statement, not to a whole transaction.
func TestALongTransaction(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.PostgresURL(t))
	begun := time.Now()
	err := db.Tx(t.Context(), func(tx *store.Tx) error {
		for i := 0; time.Since(begun) < store.StatementTimeout+500*time.Millisecond; i++ {
			if err := insertSession(fmt.Sprint(i))(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// After the migration, a search by commitment also finds log entries that are older than
// that search.
func TestMigrateFillsCommitments(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		want := map[byte]string{1: "create", 2: "update 17"}
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			for n, action := range want {
				body := fmt.Appendf(nil, "timbre-log/v1\n%s\ncommitment %x\nprotocol 1\nnonce %064d\n", action, bytes.Repeat([]byte{n, 0xab}, 16), n)
				if err := tx.InsertLogEntry(ctx, query.InsertLogEntryParams{Network: "testnet", TxHash: bytes.Repeat([]byte{n}, 32), Body: body}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // filled-in values stay
			if err := db.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			for n := range want {
				rows, err := db.Read().ListLogEntriesOfCommitment(ctx, query.ListLogEntriesOfCommitmentParams{Network: "testnet", Commitment: bytes.Repeat([]byte{n, 0xab}, 16), Lim: 5})
				if err != nil || len(rows) != 1 || !bytes.Equal(rows[0].TxHash, bytes.Repeat([]byte{n}, 32)) {
					t.Errorf("commitment of entry %d: %v, %v", n, rows, err)
				}
			}
		}
	})
}

// Versions from before the column for the organization are processed in turn. So are
// those that a process of the release before makes on the new schema.
func TestMigrateGivesVersionsTurns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		nothing := "x'00'"
		if db.Dialect() == "postgres" {
			nothing = `'\x00'::bytea`
		}
		insert := func(id string) {
			t.Helper()
			text := strings.NewReplacer("$id", id, "$n", nothing).Replace(`INSERT INTO versions (work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote, tx_hash, block_number, block_hash, registered_at)
				VALUES ('$id', 1, '$id', $n, $n, '', $n, 'c', '', '', '', $n, 0, $n, 0)`)
			if err := db.Exec(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
		work := func(id string, atsID int) {
			t.Helper()
			if err := db.Exec(ctx, `INSERT INTO works (id, organization_id, network, ats_id, owner, title, latest_version, created_at, updated_at) VALUES ($1, 'o', 'testnet', $2, '', '', 1, 0, 0)`, id, atsID); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.DownTo(ctx, 13); err != nil {
			t.Fatal(err)
		}
		work("before", 1)
		insert("before")
		if err := db.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		work("beside", 2)
		insert("beside")
		// The migration enqueued the certificate of the first. The sweep does so for the second.
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			n, err := tx.EnqueueUnqueued(ctx, 1)
			if err == nil && n != 1 {
				t.Errorf("the sweep enqueued %d", n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var turns []string
		due, err := db.Read().DueOrganizations(ctx, query.DueOrganizationsParams{Kind: "certificate", Lim: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, organization := range due {
			if err := db.Tx(ctx, func(tx *store.Tx) error {
				rows, err := tx.LeaseTurn(ctx, query.LeaseTurnParams{Kind: "certificate", OrganizationID: organization, Until: 1, Newest: 10})
				for _, row := range rows {
					turns = append(turns, organization+" "+row.WorkID)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(turns, ", "); got != "- beside, o before" {
			t.Errorf("turns of %s", got)
		}
	})
}

// The migration enqueues the certificates of an older database, also those whose retry
// waits, and no others. The sweep finds the changes that the release before makes on the new schema.
func TestMigrateEnqueuesCertificates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		nothing := "x'00'"
		if db.Dialect() == "postgres" {
			nothing = `'\x00'::bytea`
		}
		n := 0
		insert := func(id, creators, key string, until, at, tries int) {
			t.Helper()
			n++
			if err := db.Exec(ctx, `INSERT INTO works (id, organization_id, network, ats_id, owner, title, latest_version, created_at, updated_at) VALUES ($1, 'o', 'testnet', $2, '', '', 1, 0, 0)`, id, n); err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(`INSERT INTO versions (work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, certificate_key, timestamp_until, certificate_at, certificate_tries, filename, asset_key, quote, tx_hash, block_number, block_hash, registered_at, organization_id)
				VALUES ($1, 1, $2, $n, $n, '', $n, $3, $4, $5, $6, $7, '', '', '', $n, 0, $n, 1, 'o')`, "$n", nothing)
			if err := db.Exec(ctx, text, id, "t-"+id, creators, key, until, at, tries); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.DownTo(ctx, 17); err != nil {
			t.Fatal(err)
		}
		insert("failed", "c", "", 0, 77, 3)
		insert("fresh", "c", "", 0, 0, 0)
		insert("made", "c", "certificates/made", 0, 0, 0)
		insert("erased", "", "", 0, 0, 0)
		insert("unstamped", "c", "", 99, 0, 0)
		if err := db.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		want := func(when string, want ...string) {
			t.Helper()
			got, err := db.Strings(ctx, `SELECT subject || ' of ' || work_id || ' at ' || CAST(due_at AS TEXT) || ' after ' || CAST(attempts AS TEXT) FROM deliveries WHERE kind = 'certificate' AND organization_id = 'o' ORDER BY subject`)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %q, %v", when, got, err)
			}
		}
		want("migrated", "t-failed of failed at 77 after 3", "t-fresh of fresh at 0 after 0")

		insert("beside", "c", "", 0, 0, 0)
		for _, text := range []string{
			"UPDATE versions SET certificate_key = 'k' WHERE work_id = 'fresh'",
			"UPDATE versions SET creators = '' WHERE work_id = 'failed'",
			"UPDATE versions SET timestamp_until = 0 WHERE work_id = 'unstamped'",
		} {
			if err := db.Exec(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
		differ := func(want bool) {
			t.Helper()
			lacks, err := db.Read().HasUnqueued(ctx)
			unneeded, err2 := db.Read().HasUnneeded(ctx)
			if lacks != want || unneeded != want || err != nil || err2 != nil {
				t.Errorf("differ: %t %t, %v %v", lacks, unneeded, err, err2)
			}
		}
		differ(true)
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			if _, err := tx.EnqueueUnqueued(ctx, 5); err != nil {
				return err
			}
			_, err := tx.DropUnneeded(ctx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		want("compared", "t-beside of beside at 0 after 0", "t-unstamped of unstamped at 0 after 0")
		differ(false)
	})
}

// Two titles that the older release distinguished and that look the same are one title to
// the new release. No row is lost, and no row conflicts with another.
func TestMigrateMakesTitleKeysAnew(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		if err := db.DownTo(ctx, 14); err != nil {
			t.Fatal(err)
		}
		// The older rule: NFC, case folded, ASCII spaces.
		works := [][3]string{
			{"1", "Love Song", "love song"}, {"2", "Love\u00a0Song", "love\u00a0song"}, {"3", "L\u043eve Song", "l\u043eve song"}, {"4", "Other", "other"}, {"5", "\uff2fther", "\uff4fther"}, {"6", "", ""},
			{"7", "Moon\u200blight", "moon\u200blight"}, {"8", "СОН", "сон"}, {"9", "COH", "coh"},
			{"91", "\uff24awn", "\uff44awn"}, {"92", "Dawn", "dawn"}, // the younger one had the key
		}
		for i, w := range works {
			for _, text := range []string{
				`INSERT INTO works (id, organization_id, network, ats_id, owner, title, title_key, external_user_ref, latest_version, created_at, updated_at) VALUES ($1, 'o', 'testnet', $2, 'x', $3, $4, 'ada', 1, 0, 0)`,
				`INSERT INTO jobs (id, organization_id, session_jti, kind, network, external_user_ref, state, work_id, ats_id, title, title_key, creators, filename, max_bytes, deadline, created_at, updated_at) VALUES ($1, 'o', 's', 'register', 'testnet', 'ada', 'confirmed', $1, $2, $3, $4, '', '', 0, 0, 0, 0)`,
			} {
				if err := db.Exec(ctx, text, w[0], i+1, w[1], w[2]); err != nil {
					t.Fatal(err)
				}
			}
			if w[2] != "" {
				if err := db.Exec(ctx, `INSERT INTO title_claims (organization_id, network, external_user_ref, title_key, work_id) VALUES ('o', 'testnet', 'ada', $1, $2)`, w[2], w[0]); err != nil {
					t.Fatal(err)
				}
			}
		}
		// A work that is not final has no row yet.
		for _, text := range []string{
			`INSERT INTO jobs (id, organization_id, session_jti, kind, network, external_user_ref, state, work_id, title, title_key, creators, filename, max_bytes, deadline, created_at, updated_at) VALUES ('j', 'o', 's', 'register', 'testnet', 'ada', 'confirmed', 'w', $1, $2, '', '', 0, 0, 0, 0)`,
			`INSERT INTO title_claims (organization_id, network, external_user_ref, work_id, title_key) SELECT 'o', 'testnet', 'ada', 'w', CAST($2 AS TEXT) WHERE CAST($1 AS TEXT) <> ''`,
		} {
			if err := db.Exec(ctx, text, "Ｎｅｗ", "ｎｅｗ"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // a second run changes nothing
			if err := db.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			for text, want := range map[string]string{
				"SELECT title_key FROM works ORDER BY id":                               "love song|love song|love song|other|other||moonlight|сон|coh|dawn|dawn",
				"SELECT title_key FROM jobs ORDER BY work_id":                           "love song|love song|love song|other|other||moonlight|сон|coh|dawn|dawn|new",
				"SELECT title FROM works ORDER BY id":                                   "Love Song|Love\u00a0Song|L\u043eve Song|Other|\uff2fther||Moon\u200blight|СОН|COH|\uff24awn|Dawn",
				"SELECT title_key || ' ' || work_id FROM title_claims ORDER BY work_id": "love song 1|other 4|moonlight 7|сон 8|coh 9|dawn 91|new w",
				"SELECT CAST(COUNT(*) AS TEXT) FROM works WHERE organization_id = 'o'":  "11",
			} {
				got, err := db.Strings(ctx, text)
				if err != nil || strings.Join(got, "|") != want {
					t.Errorf("%s: %+q, %v; want %+q", text, strings.Join(got, "|"), err, want)
				}
			}
		}
	})
}
