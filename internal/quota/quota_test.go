package quota_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/quota"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

func tx(t *testing.T, db *store.DB, f func(context.Context, *store.Tx) error) error {
	t.Helper()
	return db.Tx(t.Context(), func(tx *store.Tx) error { return f(t.Context(), tx) })
}

// confirmed inserts a transaction as a process does that moves no counter.
func confirmed(ctx context.Context, tx *store.Tx, id string, test bool) error {
	now := store.Micros(tx.Now)
	if err := tx.InsertJob(ctx, query.InsertJobParams{ID: id, OrganizationID: "o", Network: "testnet", Kind: "register", WorkID: id, Creators: "[]", Media: "{}", Test: test, Now: now}); err != nil {
		return err
	}
	if _, err := tx.PrepareJob(ctx, query.PrepareJobParams{ID: id, Seen: now, Media: "{}", Commitment: []byte{0}, Quote: "{}", QuoteUntil: now + 1, Now: now}); err != nil {
		return err
	}
	if _, err := tx.ConfirmJob(ctx, query.ConfirmJobParams{ID: id, Now: now}); err != nil {
		return err
	}
	n, err := tx.InsertTransaction(ctx, query.InsertTransactionParams{JobID: id, Steps: "[]", Now: now})
	if err == nil && n != 1 {
		err = fmt.Errorf("%d transactions", n)
	}
	return err
}

// A month has as many registrations as its quota, however many confirms run at once. The next
// month begins again, and test keys are counted separately.
func TestClaim(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 1, 31, 23, 59, 0, 0, time.UTC)
		db.Now = func() time.Time { return now }
		of := quota.Of{Organization: "o", Limit: 5}
		// Two registrations were confirmed before the quota was set, and one with a test key.
		for id, test := range map[string]bool{"a": false, "b": false, "c": true} {
			if err := tx(t, db, func(ctx context.Context, tx *store.Tx) error { return confirmed(ctx, tx, id, test) }); err != nil {
				t.Fatal(err)
			}
		}
		errs := make([]error, 12)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				errs[i] = tx(t, db, func(ctx context.Context, tx *store.Tx) error { return quota.Claim(ctx, tx, of) })
			})
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			var f *fault.Error
			if errors.As(err, &f) && f.Code == fault.CodeCommonQuotaExceeded && f.Details["used"] == int64(5) && f.Details["resets_at"].(time.Time).Equal(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != len(errs)-3 {
			t.Errorf("%d of %d refused", refused, len(errs))
		}
		check := func(of quota.Of, want bool) {
			t.Helper()
			err := tx(t, db, func(ctx context.Context, tx *store.Tx) error { return quota.Check(ctx, tx, of) })
			if (err == nil) != want {
				t.Errorf("%+v: %v", of, err)
			}
		}
		check(of, false)
		check(quota.Of{Organization: "o", Limit: 6}, true)
		check(quota.Of{Organization: "o", Limit: 0}, true)
		check(quota.Of{Organization: "o", Test: true, Limit: 1}, false)
		check(quota.Of{Organization: "o", Test: true, Limit: 2}, true)
		check(quota.Of{Organization: "p", Limit: 1}, true)
		begun := now
		now = now.Add(time.Hour) // February
		check(of, true)
		// A failure counts for the month of its confirm.
		if err := tx(t, db, func(ctx context.Context, tx *store.Tx) error { return quota.Return(ctx, tx, "o", false, begun) }); err != nil {
			t.Fatal(err)
		}
		now = begun
		check(of, true)
		// After a change of the setting the transactions are counted: there are two.
		if err := tx(t, db, func(ctx context.Context, tx *store.Tx) error { return quota.Forget(ctx, tx, "o") }); err != nil {
			t.Fatal(err)
		}
		check(quota.Of{Organization: "o", Limit: 3}, true)
		check(quota.Of{Organization: "o", Limit: 2}, false)
	})
}

// A claim of a transaction that is rolled back does not count.
func TestClaimIsUndone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		of, undo := quota.Of{Organization: "o", Limit: 1}, errors.New("undo")
		for range 3 {
			if err := tx(t, db, func(ctx context.Context, tx *store.Tx) error { return errors.Join(quota.Claim(ctx, tx, of), undo) }); !errors.Is(err, undo) || errors.Is(err, fault.CodeCommonQuotaExceeded) {
				t.Fatal(err)
			}
		}
	})
}
