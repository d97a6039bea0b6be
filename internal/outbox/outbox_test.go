package outbox_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/turns"
)

var errAway = errors.New("away")

// clock is a stopped clock.
func clock(db *store.DB) (pass func(time.Duration)) {
	now := time.Unix(1_700_000_000, 0)
	db.Now = func() time.Time { return now }
	return func(d time.Duration) { now = now.Add(d) }
}

func enqueue(t *testing.T, db *store.DB, of ...outbox.Delivery) {
	t.Helper()
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		for _, d := range of {
			if err := outbox.Enqueue(t.Context(), tx, d); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func certificate(org, subject string) outbox.Delivery {
	return outbox.Delivery{Kind: outbox.Certificate, Subject: subject, Work: "work of " + subject, Organization: org}
}

func finish(t *testing.T, db *store.DB, d outbox.Delivery) {
	t.Helper()
	if err := db.Tx(t.Context(), func(tx *store.Tx) error { return outbox.Finish(t.Context(), tx, d) }); err != nil {
		t.Fatal(err)
	}
}

// take takes one delivery, and wants this subject; "" wants none.
func take(t *testing.T, q *outbox.Queue, want string) outbox.Delivery {
	t.Helper()
	d, err := q.Take(t.Context())
	if errors.Is(err, sql.ErrNoRows) && want == "" {
		return d
	}
	if err != nil || d.Subject != want {
		t.Fatalf("%+v, %v: want %q", d, err, want)
	}
	return d
}

func wantCounts(t *testing.T, db *store.DB, want outbox.Counts) {
	t.Helper()
	got, err := outbox.Count(t.Context(), db, outbox.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A delivery exists exactly when the change that causes it is committed. A second enqueue
// changes nothing.
func TestEnqueue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		pass := clock(db)
		began := db.Now().UTC()
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			if err := outbox.Enqueue(t.Context(), tx, certificate("a", "1")); err != nil {
				return err
			}
			return errAway
		}); !errors.Is(err, errAway) {
			t.Fatal(err)
		}
		wantCounts(t, db, outbox.Counts{})
		enqueue(t, db, certificate("a", "1"))
		pass(time.Hour)
		q := &outbox.Queue{DB: db, Kind: outbox.Certificate}
		if _, err := q.Retry(t.Context(), take(t, q, "1"), errAway); err != nil {
			t.Fatal(err)
		}
		enqueue(t, db, certificate("a", "1"), outbox.Delivery{Kind: "another", Subject: "1", Organization: "a"})
		wantCounts(t, db, outbox.Counts{Waiting: 1, Failing: 1, Oldest: began})
	})
}

// Organizations take turns. Within one of them the newest and the oldest alternate, and a
// failed one comes after those that were never tried.
func TestOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		pass := clock(db)
		for i := range 4 {
			enqueue(t, db, certificate("a", fmt.Sprint("a", i)))
		}
		enqueue(t, db, certificate("b", "b0"), outbox.Delivery{Kind: "another", Subject: "c0", Organization: "c"})
		q := &outbox.Queue{DB: db, Kind: outbox.Certificate}
		if _, err := q.Retry(t.Context(), take(t, q, "a3"), errAway); err != nil {
			t.Fatal(err)
		}
		pass(turns.FirstPause)
		for _, want := range []string{"b0", "a2", "a0", "a1", "a3"} {
			finish(t, db, take(t, q, want))
		}
		take(t, q, "")
	})
}

// A lease gives a delivery to one worker, until the lease expires: then the first worker
// changes nothing any more. A returned delivery keeps its place and its attempts.
func TestLease(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		pass := clock(db)
		began := db.Now().UTC()
		enqueue(t, db, certificate("a", "1"))
		one, two := &outbox.Queue{DB: db, Kind: outbox.Certificate}, &outbox.Queue{DB: db, Kind: outbox.Certificate}
		late := take(t, one, "1")
		take(t, two, "")
		pass(turns.Lease)
		mine := take(t, two, "1")
		for name, give := range map[string]func() error{
			"return": func() error { return one.Return(t.Context(), late) },
			"retry":  func() error { _, err := one.Retry(t.Context(), late, errAway); return err },
		} {
			if err := give(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			take(t, one, "")
			wantCounts(t, db, outbox.Counts{Waiting: 1, Oldest: began})
		}
		if err := two.Return(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, db, outbox.Counts{Waiting: 1, Due: 1, Oldest: began})
		finish(t, db, late) // the result is there, also without the lease
		wantCounts(t, db, outbox.Counts{})
		// The commit went through, but its worker saw an error: no row comes back.
		if err := two.Return(t.Context(), mine); err != nil {
			t.Error(err)
		}
		if _, err := two.Retry(t.Context(), mine, errAway); err != nil {
			t.Error(err)
		}
		wantCounts(t, db, outbox.Counts{})
	})
}

// A postponed delivery is due at its time, or as soon as it is given back. A worker that lost its
// lease postpones nothing.
func TestPostpone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		pass := clock(db)
		q := &outbox.Queue{DB: db, Kind: outbox.Certificate}
		enqueue(t, db, certificate("a", "1"), certificate("a", "2"))
		all, err := q.TakeSome(t.Context(), 2)
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		until := db.Now().Add(time.Minute)
		if err := q.Postpone(t.Context(), all, []time.Time{until, until}); err != nil {
			t.Fatal(err)
		}
		take(t, q, "")
		if err := q.Return(t.Context(), all[0]); err != nil {
			t.Fatal(err)
		}
		late := take(t, q, all[0].Subject)
		if late.Attempts != 0 {
			t.Errorf("%+v", late)
		}
		finish(t, db, late)
		pass(time.Minute)
		second := take(t, q, all[1].Subject)
		pass(turns.Lease)
		take(t, q, second.Subject)
		if err := q.Postpone(t.Context(), []outbox.Delivery{second}, []time.Time{db.Now()}); err != nil {
			t.Error(err)
		}
		take(t, q, "")
		if err := q.Postpone(t.Context(), nil, nil); err != nil {
			t.Error(err)
		}
	})
}

// Retries wait longer and longer, and survive a restart. The row has the cause, as both
// databases can store it.
func TestRetry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		pass := clock(db)
		enqueue(t, db, certificate("a", "1"))
		for i := range 15 {
			q := &outbox.Queue{DB: db, Kind: outbox.Certificate} // each time after a restart
			d := take(t, q, "1")
			wait, err := q.Retry(t.Context(), d, errors.New("cause\x00 "+strings.Repeat("é", 400)))
			if want := min(turns.FirstPause<<i, turns.LastPause); err != nil || wait != want || d.Attempts != int64(i) {
				t.Fatalf("attempt %d: %+v waits %v, want %v: %v", i, d, wait, want, err)
			}
			pass(wait - time.Microsecond)
			take(t, q, "")
			pass(time.Microsecond)
		}
		var rows []query.Delivery
		err := db.Tx(t.Context(), func(tx *store.Tx) (err error) {
			now := store.Micros(tx.Now)
			rows, err = tx.LeaseTurn(t.Context(), query.LeaseTurnParams{Kind: string(outbox.Certificate), OrganizationID: "a", Now: now, Until: now, Newest: 1})
			return err
		})
		if err != nil || len(rows) != 1 || !strings.HasPrefix(rows[0].LastError, "cause é") || !utf8.ValidString(rows[0].LastError) || len(rows[0].LastError) > 500 {
			t.Errorf("%+v, %v", rows, err)
		}
	})
}
