package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// confirmable inserts a job whose transaction can be inserted.
func confirmable(t *testing.T, db *store.DB, id, work string) {
	t.Helper()
	if err := db.Exec(t.Context(), fmt.Sprintf(`INSERT INTO jobs (id, organization_id, session_jti, kind, network, state, work_id, title, title_key, creators, filename, max_bytes, deadline, commitment, created_at, updated_at)
		VALUES ('%s', 'o', 's', 'register', 'testnet', 'confirmed', '%s', '', '', '[]', '', 0, 0, CAST('c' AS %s), 1, 1)`, id, work, map[string]string{"sqlite": "BLOB", "postgres": "BYTEA"}[db.Dialect()])); err != nil {
		t.Fatal(err)
	}
}

func confirm(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	return tx.InsertTransaction(ctx, query.InsertTransactionParams{JobID: id, Steps: "[]", RequestID: "r", Now: 1})
}

// Changes of a transaction's row make no entry in an index: Postgres calls this a HOT update.
func TestStateChangesTouchNoIndex(t *testing.T) {
	t.Parallel()
	url := storetest.EmptyPostgresURL(t)
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(errors.Join(err, db.Close()))
	}
	bad, err := db.Strings(t.Context(), `SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'transactions'::regclass
		AND pg_get_indexdef(indexrelid) ~ '\m(state|staged|tx_hash|ats_id|version|block_number|block_hash|steps|failure|counted|updated_at)\M'`)
	if err != nil || len(bad) > 0 {
		t.Errorf("%v: %s", err, strings.Join(bad, "\n"))
	}
	const blocks, songs = 10, 32
	signed := make([]byte, 400) // as a network's call
	each := func(block int, f func(tx *store.Tx, id string, i int) (int64, error)) {
		t.Helper()
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			for i := range songs {
				if n, err := f(tx, fmt.Sprintf("j%d-%d", block, i), i); err != nil || n != 1 {
					return fmt.Errorf("%d rows, %w", n, err)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for block := range blocks {
		for i := range songs {
			confirmable(t, db, fmt.Sprintf("j%d-%d", block, i), fmt.Sprintf("w%d-%d", block, i))
		}
		each(block, func(tx *store.Tx, id string, _ int) (int64, error) { return confirm(t.Context(), tx, id) })
		each(block, func(tx *store.Tx, id string, _ int) (int64, error) {
			return tx.StageTransaction(t.Context(), query.StageTransactionParams{ID: id, Staged: signed, TxHash: signed[:32], Steps: `["staged"]`, Now: 2})
		})
		each(block, func(tx *store.Tx, id string, _ int) (int64, error) {
			return tx.BroadcastTransaction(t.Context(), query.BroadcastTransactionParams{ID: id, Steps: `["staged", "broadcast"]`, Now: 3})
		})
		each(block, func(tx *store.Tx, id string, i int) (int64, error) {
			if i%4 == 0 {
				return tx.FailTransaction(t.Context(), query.FailTransactionParams{ID: id, Seen: state.TransactionBroadcast, Failure: "{}", Steps: "[]", Now: 4})
			}
			return tx.FinishTransaction(t.Context(), query.FinishTransactionParams{ID: id, AtsID: int64(i + 1), Version: 1, BlockNumber: 1, BlockHash: signed[:32], Steps: "[]", Now: 4})
		})
	}
	if err := db.Close(); err != nil { // a connection that ends reports its counts
		t.Fatal(err)
	}
	again, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	read := func() int64 {
		t.Helper()
		rows, err := again.Strings(t.Context(), "SELECT CAST(n_tup_upd * 1000 + n_tup_hot_upd * 1000 / n_tup_upd AS TEXT) FROM pg_stat_user_tables WHERE relname = 'transactions' AND n_tup_upd > 0")
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			return 0
		}
		n, err := strconv.ParseInt(rows[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	got := read()
	for got/1000 < 3*blocks*songs && t.Context().Err() == nil { // the server processes end one after the other
		got = read()
	}
	if hot := got % 1000; got/1000 != 3*blocks*songs || hot < 700 {
		t.Errorf("%d changes, want %d; of a thousand %d touch no index, want 700", got/1000, 3*blocks*songs, hot)
	} else {
		t.Logf("of a thousand changes, %d touch no index", hot)
	}
}

// Of several confirms for one work, at the same time or one after the other, one has an effect.
func TestAWorkHasOneTransactionInFlight(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const many = 8
		for i := range many {
			confirmable(t, db, fmt.Sprint("j", i), "w")
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var won int64
		for i := range many {
			wg.Go(func() {
				if err := db.Tx(t.Context(), func(tx *store.Tx) error {
					n, err := confirm(t.Context(), tx, fmt.Sprint("j", i))
					mu.Lock()
					won += n
					mu.Unlock()
					return err
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		rows, err := db.Strings(t.Context(), "SELECT id FROM transactions")
		if err != nil || won != 1 || len(rows) != 1 {
			t.Errorf("%d confirmed, rows %v, %v", won, rows, err)
		}
	})
}

// The tables of the states have the transactions of the release before, from before the migration and
// from beside the new release.
func TestTheReleaseBeforeMovesStates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.DownTo(t.Context(), 38); err != nil {
			t.Fatal(err)
		}
		run := func(text string) {
			t.Helper()
			if err := db.Exec(t.Context(), text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		blob := map[string]string{"sqlite": "BLOB", "postgres": "BYTEA"}[db.Dialect()]
		begin := func(id, work, st string, ats int) {
			t.Helper()
			run(fmt.Sprintf(`INSERT INTO transactions (id, organization_id, network, kind, state, work_id, ats_id, commitment, total_credits, steps, request_id, created_at, updated_at)
				SELECT '%s', 'o', 'testnet', 'register', '%s', '%s', %d, CAST('c' AS %s), 0, '[]', '', 1, 1 WHERE TRUE
				ON CONFLICT (work_id) WHERE state IN ('confirmed', 'staged', 'broadcast') DO NOTHING`, id, st, work, ats, blob))
		}
		move := func(id, st string) {
			t.Helper()
			run(fmt.Sprintf("UPDATE transactions SET state = '%s', updated_at = updated_at + 1 WHERE id = '%s'", st, id))
		}
		for i, st := range []string{"confirmed", "staged", "broadcast", "final", "failed"} {
			begin(fmt.Sprint("a", i), fmt.Sprint("w", i), st, i)
		}
		run("UPDATE transactions SET counted = TRUE WHERE id = 'a4'")
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin("a5", "w0", "confirmed", 0) // of a work that has another one in flight
		begin("a6", "w6", "confirmed", 6)
		move("a0", "staged")
		move("a1", "broadcast")
		move("a2", "final")
		run("UPDATE transactions SET counted = TRUE WHERE id IN ('a2', 'a3')")
		move("a6", "failed")
		got := func(text string) string {
			t.Helper()
			rows, err := db.Strings(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(rows, ", ")
		}
		for text, want := range map[string]string{
			"SELECT transaction_id || ' ' || state || ' ' || work_id || ' ' || updated_at FROM in_flight ORDER BY 1":                                        "a0 staged w0 2, a1 broadcast w1 2",
			"SELECT transaction_id || ' ' || state || ' ' || ats_id || ' ' || CASE WHEN counted THEN 1 ELSE 0 END || ' ' || ended_at FROM ended ORDER BY 1": "a2 final 2 1 2, a3 final 3 1 1, a4 failed 4 1 1, a6 failed 6 0 2",
		} {
			if got := got(text); got != want {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		}
		// An operator drops the indexes of the release before; a second time drops nothing.
		if names, err := db.Retired(t.Context()); err != nil || len(names) != 8 {
			t.Errorf("%v, %v", names, err)
		}
		for range 2 {
			if err := db.Retire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if names, err := db.Retired(t.Context()); err != nil || len(names) != 0 {
				t.Errorf("after Retire: %v, %v", names, err)
			}
		}
		run("DELETE FROM transactions")
		if left := got("SELECT transaction_id FROM in_flight UNION ALL SELECT transaction_id FROM ended"); left != "" {
			t.Errorf("%s are left", left)
		}
	})
}
