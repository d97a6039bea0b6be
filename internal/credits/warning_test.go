package credits_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

func organization(t *testing.T, db *store.DB, level int64) string {
	t.Helper()
	o, err := account.CreateOrganization(t.Context(), db, audit.CommandLine(), "Songs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := account.ChangeOrganization(t.Context(), db, audit.CommandLine(), o.ID, 0, func(o *account.Organization) { o.LowCredits = level }); err != nil {
		t.Fatal(err)
	}
	return o.ID
}

// Each crossing of the level makes one warning, which is passed on once.
func TestWarnings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		l := ledger{t, db, organization(t, db, 50)}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		balances := func() (all []string) {
			list, err := credits.Warnings(ctx, db.Read(), l.org, 10)
			must(err)
			for _, w := range list {
				all = append(all, fmt.Sprint(w.Balance, " < ", w.Level))
			}
			return all
		}
		must(l.grant(100))
		must(l.hold("a", 50)) // exactly the level is not below it
		if got := balances(); got != nil {
			t.Error(got)
		}
		must(l.hold("b", 1))
		must(l.hold("b", 1)) // repeated
		must(l.hold("c", 9)) // below it already
		must(l.capture("a"))
		must(l.release("b")) // 41 are left
		must(l.grant(9))     // 50
		must(l.hold("d", 20))
		if d := cmp.Diff([]string{"30 < 50", "49 < 50"}, balances()); d != "" {
			t.Error(d)
		}
		// A hold that is refused warns of nothing.
		must(l.grant(70))
		if err := l.hold("e", 1000); !errors.Is(err, fault.CodeRegistrationInsufficientCredits) {
			t.Error(err)
		}
		if got := balances(); len(got) != 2 {
			t.Error(got)
		}
		// An error of one repeats all, and then each receives everything once.
		var told []string
		fails := errors.New("no room")
		teller := &credits.Teller{DB: db, Tell: []func(context.Context, *store.Tx, credits.Warning) error{
			func(_ context.Context, _ *store.Tx, w credits.Warning) error {
				told = append(told, fmt.Sprint(w.Organization == l.org, w.Balance))
				return nil
			},
			func(context.Context, *store.Tx, credits.Warning) error { return fails },
		}}
		for range 2 {
			if err := teller.Due(ctx); !errors.Is(err, fails) {
				t.Fatal(err)
			}
		}
		if n, err := outbox.Count(ctx, db, credits.Low); err != nil || n.Waiting != 2 || n.Failing != 2 {
			t.Fatalf("%+v, %v", n, err)
		}
		fails, told = nil, nil
		now := db.Now()
		db.Now = func() time.Time { return now.Add(24 * time.Hour) }
		must(teller.Due(ctx))
		must(teller.Due(ctx))
		slices.Sort(told)
		if d := cmp.Diff([]string{"true 30", "true 49"}, told); d != "" {
			t.Error(d)
		}
		if n, err := outbox.Count(ctx, db, credits.Low); err != nil || n.Waiting != 0 {
			t.Errorf("%+v, %v", n, err)
		}
	})
}

// The estimate takes what was spent in the last 30 days as the use of the future.
func TestEstimate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		now := time.Now()
		at := func(d time.Duration) { db.Now = func() time.Time { return now.Add(d) } }
		at(0)
		l := ledger{t, db, organization(t, db, 0)}
		want := func(what string, later time.Duration, spent int64, days int, ends time.Duration) {
			t.Helper()
			when := now.Add(later)
			e, err := credits.EstimateEnd(ctx, db.Read(), l.org, when)
			if err != nil || e.Spent != spent || e.Days != days || (e.EndsAt == nil) != (ends < 0) {
				t.Fatalf("%s: %+v, %v", what, e, err)
			}
			if e.EndsAt != nil && e.EndsAt.Sub(when.Add(ends)).Abs() > time.Second {
				t.Errorf("%s: ends %s, want %s", what, e.EndsAt, when.Add(ends))
			}
		}
		const day = 24 * time.Hour
		want("no ledger", 0, 0, 30, -1)
		for _, err := range []error{l.grant(1000), l.hold("a", 100)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		want("held, not spent", 0, 0, 1, -1)
		if err := l.capture("a"); err != nil {
			t.Fatal(err)
		}
		want("100 on the first day", time.Second, 100, 1, 9*day)
		want("100 in 10 days", 10*day, 100, 10, 90*day)
		// The ids of transfers have the time of this test, so all of them are older now.
		want("nothing in 30 days", 31*day, 0, 30, -1)
		for _, err := range []error{l.hold("b", 900), l.capture("b")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		want("nothing left", time.Second, 1000, 1, 0)
	})
}

// A grant names its actor and its reason in the audit log.
func TestGrantsAreRecorded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		org := organization(t, db, 0)
		by := audit.Actor{Kind: audit.Operator, ID: "p1", Name: "ops@timbre.example", RequestID: "req_1"}
		grant := func(amount int64, note string) error {
			return db.Tx(ctx, func(tx *store.Tx) error { return credits.Grant(ctx, tx, by, org, amount, note) })
		}
		for _, c := range []struct {
			amount int64
			note   string
		}{{0, ""}, {-1, ""}, {credits.MaxGrant + 1, ""}, {1, strings.Repeat("x", 201)}, {1, "two\nlines"}, {1, "a\u202eb"}, {1, "\xff"}, {1, "a\x00"}} {
			if err := grant(c.amount, c.note); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("%d %q: %v", c.amount, c.note, err)
			}
		}
		if err := grant(7, " welcome "); err != nil {
			t.Fatal(err)
		}
		page, err := audit.List(ctx, db, audit.Filter{Organization: org, Action: "credits.granted"}, "", 10)
		if err != nil || len(page.Entries) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		if d := cmp.Diff([]audit.Change{{Field: "amount", New: "7"}, {Field: "note", New: "welcome"}}, page.Entries[0].Changes); d != "" || page.Entries[0].Actor != by {
			t.Error(d, page.Entries[0].Actor)
		}
	})
}
