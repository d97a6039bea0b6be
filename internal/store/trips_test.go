package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// counted opens a Postgres whose round trips are counted, with all statements of f prepared.
func counted(t *testing.T) (*store.DB, *storetest.Trips) {
	t.Helper()
	url := storetest.EmptyPostgresURL(t)
	storetest.Open(t, url)
	trips, err := storetest.CountTrips(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trips.Close() })
	db, err := store.Open(t.Context(), trips.URL+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	trips.Made()
	return db, trips
}

func spend(tx *store.Tx, jti string, n *int64) func(*store.Tx) error {
	return func(tx *store.Tx) (err error) {
		*n, err = tx.SpendSession(context.Background(), query.SpendSessionParams{Jti: jti, JobID: sql.NullString{String: "j", Valid: true}, Now: store.Micros(tx.Now)})
		return err
	}
}

// BEGIN goes with the first statement, what needs no answer with the next one, and COMMIT
// with the last.
func TestTripsOfATransaction(t *testing.T) {
	t.Parallel()
	db, trips := counted(t)
	var n, m int64
	for _, c := range []struct {
		name string
		f    func(*store.Tx) error
		want string
	}{
		{"nothing", func(*store.Tx) error { return nil }, "[]"},
		{"one", insertSession("one"), "[[InsertSession]]"},
		{"several", func(tx *store.Tx) error { return errors.Join(insertSession("a")(tx), insertSession("b")(tx)) }, "[[InsertSession InsertSession]]"},
		{"an answer", func(tx *store.Tx) error {
			if err := insertSession("c")(tx); err != nil {
				return err
			}
			if err := spend(tx, "c", &n)(tx); err != nil {
				return err
			}
			return insertSession("d")(tx)
		}, "[[BEGIN InsertSession SpendSession] [InsertSession COMMIT]]"},
		{"together", func(tx *store.Tx) error {
			return tx.Together(insertSession("e"), spend(tx, "e", &n), func(tx *store.Tx) error {
				if err := spend(tx, "a", &m)(tx); err != nil {
					return err
				}
				return spend(tx, "a", &m)(tx)
			})
		}, "[[BEGIN InsertSession SpendSession SpendSession] [SpendSession] [COMMIT]]"},
		{"each", func(tx *store.Tx) error {
			return tx.Each(3, func(tx *store.Tx, i int) error { return insertSession(fmt.Sprint("each ", i))(tx) })
		}, "[[InsertSession InsertSession InsertSession]]"},
		{"nested", func(tx *store.Tx) error {
			return tx.Each(2, func(tx *store.Tx, i int) error {
				return tx.Together(spend(tx, fmt.Sprint("each ", i), &n), spend(tx, "none", &m))
			})
		}, "[[BEGIN SpendSession SpendSession SpendSession SpendSession] [COMMIT]]"},
	} {
		n, m = -1, -1
		if err := db.Tx(t.Context(), c.f); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := fmt.Sprint(trips.Made()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if n != 1 || m != 0 {
		t.Errorf("the last answers are %d and %d", n, m)
	}
	var read []query.Session
	if err := db.Each(t.Context(), 3, func(q *query.Queries, i int) error {
		s, err := q.GetSession(t.Context(), fmt.Sprint("each ", i))
		read = append(read, s)
		return err
	}); err != nil || len(read) != 3 || read[1].JobID.String != "j" {
		t.Errorf("read %v, %v", read, err)
	}
	if got := fmt.Sprint(trips.Made()); got != "[[GetSession GetSession GetSession]]" {
		t.Errorf("reads: %s", got)
	}
}

// Both databases return the same error: that of the first function that failed.
func TestTogetherFails(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var n int64
		ok := func(tx *store.Tx) error { return spend(tx, "x", &n)(tx) }
		late := func(err error) func(*store.Tx) error {
			return func(tx *store.Tx) error { return errors.Join(ok(tx), ok(tx), err) }
		}
		soon := func(err error) func(*store.Tx) error { return func(*store.Tx) error { return err } }
		for name, all := range map[string][]func(*store.Tx) error{
			"in order": {ok, late(first), soon(second), ok}, "the second was faster": {late(first), soon(second)}, "alone": {ok, soon(first)},
		} {
			err := db.Tx(t.Context(), func(tx *store.Tx) error {
				if err := insertSession("lost " + name)(tx); err != nil {
					return err
				}
				_ = tx.Together(all...) // an error that is ignored ends the transaction too
				return nil
			})
			if !errors.Is(err, first) || errors.Is(err, second) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := db.Read().GetSession(t.Context(), "lost "+name); !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("%s committed: %v", name, err)
			}
		}
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("recovered %v", got)
				}
			}()
			_ = db.Tx(t.Context(), func(tx *store.Tx) error { return tx.Together(ok, func(*store.Tx) error { panic("boom") }) })
		}()
		if err := db.Tx(t.Context(), insertSession("after")); err != nil {
			t.Error(err)
		}
	})
}

// An error of a statement without an answer comes later, and names the statement.
func TestALateErrorNamesItsStatement(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.PostgresURL(t))
	twice := func(tx *store.Tx) error {
		return tx.InsertCreditWarning(t.Context(), query.InsertCreditWarningParams{ID: "twice"})
	}
	if err := db.Tx(t.Context(), twice); err != nil {
		t.Fatal(err)
	}
	other := query.OpenAccountParams{OrganizationID: "o", Account: "available"}
	for name, f := range map[string]func(*store.Tx) error{
		"at the commit": twice,
		"at a later statement": func(tx *store.Tx) error {
			if err := twice(tx); err != nil {
				return err
			}
			_, err := tx.GetSession(t.Context(), "none")
			if err == nil {
				t.Error("a statement behind the failed one has no error")
			}
			return err
		},
		"ignored": func(tx *store.Tx) error {
			_ = twice(tx)
			_, _ = tx.GetSession(t.Context(), "none")
			return nil
		},
		"in a part that has ended": func(tx *store.Tx) error {
			return tx.Together(twice, func(tx *store.Tx) error { _, err := tx.GetSession(t.Context(), "none"); return err })
		},
	} {
		err := db.Tx(t.Context(), func(tx *store.Tx) error {
			if err := tx.OpenAccount(t.Context(), other); err != nil {
				return err
			}
			return f(tx)
		})
		if err == nil || !strings.Contains(err.Error(), "InsertCreditWarning: ") || store.Unavailable(err) || store.Unknown(err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := db.Read().GetBalance(t.Context(), query.GetBalanceParams(other)); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("%s committed: %v", name, err)
		}
	}
}

// More statements than are kept back are sent in between, and values of every type that the
// schema has come back as they were.
func TestManyLateStatements(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const many = 1000
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			for i := range many {
				if err := insertSession(fmt.Sprintf("%04d", i))(tx); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		all, err := db.Read().ListSessions(t.Context(), query.ListSessionsParams{OrganizationID: "o", Lim: many + 1})
		if err != nil || len(all) != many || all[0].Jti != "0999" || all[many-1].RevokedAt.Valid {
			t.Fatalf("%d sessions, %v", len(all), err)
		}
		job := query.InsertJobParams{ID: "j", OrganizationID: "o", Kind: "register", Network: "testnet", WorkID: "w", Title: "\u00e9\u4e16\U0001F3B5", MaxBytes: 1 << 40, MediaHash: []byte{0, 1, 255}, HashOnly: true, Media: "{}", Now: 7}
		if err := db.Tx(t.Context(), func(tx *store.Tx) error { return tx.InsertJob(t.Context(), job) }); err != nil {
			t.Fatal(err)
		}
		got, err := db.Read().GetJob(t.Context(), "j")
		if err != nil || got.Title != job.Title || got.MaxBytes != job.MaxBytes || !reflect.DeepEqual(got.MediaHash, job.MediaHash) || !got.HashOnly || got.DeclaredHash != nil || got.State != "open" || got.UpdatedAt != 7 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// A connection that is lost before the commit costs a retry. One that is lost during the commit
// leaves its outcome unknown, and Repeat finds out.
func TestALostConnection(t *testing.T) {
	t.Parallel()
	db, trips := counted(t)
	has := func(name string) func(storetest.Trip) bool {
		return func(trip storetest.Trip) bool { return slices.Contains(trip, name) }
	}
	var n int64
	runs := 0
	f := func(id string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			runs++
			if tx.Again != (runs > 1 && strings.HasPrefix(id, "repeat")) {
				t.Errorf("%s: run %d has Again %t", id, runs, tx.Again)
			}
			if err := insertSession(id)(tx); err != nil {
				return err
			}
			return spend(tx, id, &n)(tx)
		}
	}
	for _, c := range []struct {
		id, lost string
		run      func(context.Context, func(*store.Tx) error) error
		unknown  bool
		runs     int
		spent    int64
	}{
		{"before", "SpendSession", db.Tx, false, 2, 1},
		{"during", "COMMIT", db.Tx, true, 1, 1},
		{"repeat", "COMMIT", db.Repeat, false, 2, 0}, // it was spent by the first run
		{"repeat before", "SpendSession", db.Repeat, false, 2, 1},
	} {
		runs, n = 0, -1
		trips.LoseAnswer(has(c.lost))
		if c.id == "repeat before" {
			c.id = "before repeat"
		}
		err := c.run(t.Context(), f(c.id))
		if store.Unknown(err) != c.unknown || err != nil && !c.unknown || runs != c.runs || n != c.spent {
			t.Errorf("%s: %v after %d runs, spent %d", c.id, err, runs, n)
		}
		if c.unknown && (!store.Unavailable(err) || !strings.Contains(err.Error(), "database: ")) {
			t.Errorf("%s: %v", c.id, err)
		}
		if s, err := db.Read().GetSession(t.Context(), c.id); err != nil || !s.JobID.Valid {
			t.Errorf("%s: %+v, %v", c.id, s, err)
		}
	}
	runs = 0
	trips.LoseAnswer(has("InsertSession"))
	if err := db.One(t.Context(), insertSession("one")); !store.Unknown(err) {
		t.Errorf("one statement: %v", err)
	}
	trips.LoseAnswer(has("GetSession"))
	if s, err := db.Read().GetSession(t.Context(), "one"); err != nil || s.Jti != "one" {
		t.Errorf("a read is not repeated: %v", err)
	}
}

// A migration of a running server changes the columns of prepared statements.
func TestATableChangesMeanwhile(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.PostgresURL(t))
	if err := db.Tx(t.Context(), insertSession("a")); err != nil {
		t.Fatal(err)
	}
	read := func() {
		t.Helper()
		if s, err := db.Read().GetSession(t.Context(), "a"); err != nil || s.Jti != "a" {
			t.Errorf("%+v, %v", s, err)
		}
		if err := db.Tx(t.Context(), func(tx *store.Tx) error { _, err := tx.GetSession(t.Context(), "a"); return err }); err != nil {
			t.Error(err)
		}
	}
	read()
	if err := db.Exec(t.Context(), "ALTER TABLE sessions ALTER COLUMN origin TYPE VARCHAR"); err != nil {
		t.Fatal(err)
	}
	read()
}

// A caller's deadline ends the wait for an answer, and its cancellation does not: the callers with deadlines
// go on without the database.
func TestADeadlineEndsARoundTrip(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.PostgresURL(t))
	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.Number(late, "SELECT CAST(1 AS BIGINT) FROM pg_sleep(10)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	canceled, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // cancels while the server works on the statement
		for n := int64(0); n == 0 && t.Context().Err() == nil; {
			n, _ = db.Number(t.Context(), "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT CAST(3%'")
		}
		stop()
	}()
	if n, err := db.Number(canceled, "SELECT CAST(3 AS BIGINT) FROM pg_sleep(1)"); err != nil || n != 3 || canceled.Err() == nil {
		t.Errorf("after the cancellation: %d, %v, %v", n, err, canceled.Err())
	}
	if n, err := db.Number(t.Context(), "SELECT CAST(2 AS BIGINT)"); err != nil || n != 2 {
		t.Errorf("then: %d, %v", n, err)
	}
}
