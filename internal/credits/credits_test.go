package credits_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// ledger runs each call in its own transaction.
type ledger struct {
	t   testing.TB
	db  *store.DB
	org string
}

func (l ledger) do(f func(tx *store.Tx) error) error { return l.db.Tx(l.t.Context(), f) }

func (l ledger) grant(n int64) error {
	return l.do(func(tx *store.Tx) error {
		return credits.Grant(l.t.Context(), tx, audit.CommandLine(), l.org, n, "note")
	})
}
func (l ledger) hold(id string, n int64) error {
	return l.do(func(tx *store.Tx) error { return credits.Hold(l.t.Context(), tx, l.org, id, n) })
}
func (l ledger) capture(id string) error {
	return l.do(func(tx *store.Tx) error { return credits.Capture(l.t.Context(), tx, l.org, id) })
}
func (l ledger) release(id string) error {
	return l.do(func(tx *store.Tx) error { return credits.Release(l.t.Context(), tx, l.org, id) })
}

func (l ledger) balance() credits.Balance {
	l.t.Helper()
	b, err := credits.Of(l.t.Context(), l.db.Read(), l.org)
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

func TestTransfers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := ledger{t, db, "songs"}
		want := func(what string, available, held, spent int64) {
			t.Helper()
			if d := cmp.Diff(credits.Balance{Available: available, Held: held, Spent: spent}, l.balance()); d != "" {
				t.Errorf("%s: %s", what, d)
			}
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		want("new", 0, 0, 0)
		if err := l.hold("a", 1); !errors.Is(err, fault.CodeRegistrationInsufficientCredits) {
			t.Errorf("a hold on nothing: %v", err)
		}
		ok(l.hold("free", 0))
		for _, n := range []int64{0, -1, credits.MaxGrant + 1} {
			if err := l.grant(n); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("grant of %d: %v", n, err)
			}
		}
		if err := l.hold("a", -5); err == nil {
			t.Error("a negative hold was accepted")
		}
		ok(l.grant(100))
		ok(l.hold("a", 60))
		want("held", 40, 60, 0)
		ok(l.hold("a", 60)) // the same hold again
		want("held again", 40, 60, 0)
		if err := l.hold("b", 41); !errors.Is(err, fault.CodeRegistrationInsufficientCredits) {
			t.Errorf("overdraft: %v", err)
		}
		want("after the refusal", 40, 60, 0)
		ok(l.hold("b", 40))
		ok(l.capture("a"))
		ok(l.capture("a"))
		ok(l.release("a"))
		want("captured", 0, 40, 60)
		ok(l.release("b"))
		ok(l.release("b"))
		ok(l.capture("b"))
		want("released", 40, 0, 60)
		ok(l.capture("unknown"))
		ok(ledger{t, db, "nobody"}.release("unknown"))
		want("nothing held", 40, 0, 60)
		other := ledger{t, db, "other songs"}
		ok(other.grant(10))
		ok(other.hold("c", 3))
		totals, err := credits.Totals(t.Context(), db.Read())
		ok(err)
		if d := cmp.Diff(map[string]int64{"issued": 110, "available": 47, "held": 3, "spent": 60}, totals); d != "" {
			t.Error(d)
		}

		var got []string
		list, next, err := credits.Ledger(t.Context(), db.Read(), l.org, credits.Filter{}, "", 50)
		ok(err)
		for _, x := range list {
			got = append(got, fmt.Sprint(x.Kind, " ", x.Amount, " ", x.TransactionID, x.Note, " ", *x.Available))
		}
		if d := cmp.Diff([]string{"release 40 b 40", "capture 60 a 0", "hold 40 b 0", "hold 60 a 40", "grant 100 note 100"}, got); d != "" || next != "" {
			t.Error(d, next)
		}
		page, next, err := credits.Ledger(t.Context(), db.Read(), l.org, credits.Filter{}, list[1].ID, 2)
		if ok(err); len(page) != 2 || page[0].ID != list[2].ID || next != list[3].ID {
			t.Errorf("%+v, %s", page, next)
		}
		// A page that ends with a capture has its balance too.
		if page, _, err = credits.Ledger(t.Context(), db.Read(), l.org, credits.Filter{}, "", 2); err != nil || len(page) != 2 || *page[1].Available != 0 {
			t.Errorf("%+v, %v", page, err)
		}
		for _, c := range []struct {
			f    credits.Filter
			want []string
		}{
			{credits.Filter{Kind: credits.KindCapture}, []string{"capture a 0"}},
			{credits.Filter{Kind: credits.KindHold}, []string{"hold b 0", "hold a 40"}},
			{credits.Filter{TransactionID: "a"}, []string{"capture a 0", "hold a 40"}},
			{credits.Filter{TransactionID: "c"}, nil}, // of another organization
			{credits.Filter{Since: db.Now().Add(time.Hour)}, nil},
			{credits.Filter{Until: db.Now().Add(-time.Hour)}, nil},
			{credits.Filter{TransactionID: "b", Kind: credits.KindRelease, Since: db.Now().Add(-time.Hour), Until: db.Now().Add(time.Hour)}, []string{"release b 40"}},
		} {
			list, _, err := credits.Ledger(t.Context(), db.Read(), l.org, c.f, "", 50)
			ok(err)
			var got []string
			for _, x := range list {
				got = append(got, fmt.Sprint(x.Kind, " ", x.TransactionID, " ", *x.Available))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%+v: %s", c.f, d)
			}
		}
		for _, f := range []credits.Filter{{Kind: "gift"}, {TransactionID: "x'"}, {TransactionID: strings.Repeat("a", 37)}} {
			if _, _, err := credits.Ledger(t.Context(), db.Read(), l.org, f, "", 1); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("%+v: %v", f, err)
			}
		}
		var file strings.Builder
		ok(credits.WriteCSV(t.Context(), &file, db.Read(), l.org, credits.Filter{}))
		if lines := strings.Split(strings.TrimSpace(file.String()), "\r\n"); len(lines) != 6 || !strings.Contains(lines[3], ",hold,-40,40,0,b,,") {
			t.Errorf("%s", file.String())
		}
		if n, err := credits.Available(t.Context(), db.Read(), "nobody"); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// Random grants, holds, captures and releases give the same balances as a model.
func TestInvariants(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			l := ledger{t, db, fmt.Sprintf("org-%d", run)}
			var model credits.Balance
			var granted int64
			holds, settled := map[string]int64{}, map[string]bool{}
			for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
				id := fmt.Sprintf("%s-%d", l.org, rapid.IntRange(0, 4).Draw(rt, "transaction"))
				var err, want error
				switch rapid.IntRange(0, 3).Draw(rt, "what") {
				case 0:
					n := rapid.Int64Range(1, 100).Draw(rt, "grant")
					err = l.grant(n)
					granted += n
					model.Available += n
				case 1:
					n := rapid.Int64Range(1, 100).Draw(rt, "hold")
					err = l.hold(id, n)
					if _, again := holds[id]; again {
						break
					}
					if n > model.Available {
						want = fault.CodeRegistrationInsufficientCredits
						break
					}
					holds[id] = n
					model.Available, model.Held = model.Available-n, model.Held+n
				case 2:
					err = l.capture(id)
					if n, ok := holds[id]; ok && !settled[id] {
						settled[id] = true
						model.Held, model.Spent = model.Held-n, model.Spent+n
					}
				case 3:
					err = l.release(id)
					if n, ok := holds[id]; ok && !settled[id] {
						settled[id] = true
						model.Held, model.Available = model.Held-n, model.Available+n
					}
				}
				if !errors.Is(err, want) {
					rt.Fatalf("step %d: %v, want %v", i, err, want)
				}
				got := l.balance()
				if got != model {
					rt.Fatalf("step %d: %+v, the model has %+v", i, got, model)
				}
				if got.Available+got.Held+got.Spent != granted || min(got.Available, got.Held, got.Spent) < 0 {
					rt.Fatalf("step %d: %+v of %d granted", i, got, granted)
				}
			}
			rows, err := db.Read().ListBalances(t.Context(), l.org)
			if err != nil {
				rt.Fatal(err)
			}
			var sum int64
			for _, r := range rows {
				sum += r.Balance
			}
			if sum != 0 {
				rt.Fatalf("accounts sum to %d", sum)
			}
		})
	})
}

// Of 32 concurrent holds of 10 on a balance of 100, exactly ten succeed.
func TestOverdrawTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := ledger{t, db, "songs"}
		if err := l.grant(100); err != nil {
			t.Fatal(err)
		}
		results := together(32, func(i int) error { return l.hold(fmt.Sprint("t", i), 10) })
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else if !errors.Is(err, fault.CodeRegistrationInsufficientCredits) {
				t.Errorf("a refused hold returned %v", err)
			}
		}
		if won != 10 {
			t.Errorf("%d holds", won)
		}
		if d := cmp.Diff(credits.Balance{Held: 100}, l.balance()); d != "" {
			t.Error(d)
		}
	})
}

// Capture and release of one transaction run at once, while other transactions hold
// credits. Only one of the two succeeds, and the other uses no other hold.
func TestSettleTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := ledger{t, db, "songs"}
		if err := l.grant(1000); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if err := l.hold(fmt.Sprint("t", i), 10); err != nil {
				t.Fatal(err)
			}
		}
		for i, err := range together(32, func(i int) error {
			id := fmt.Sprint("t", i%8)
			if i%2 == i/8%2 {
				return l.capture(id)
			}
			return l.release(id)
		}) {
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		if b := l.balance(); b.Held != 20 || b.Available+b.Held+b.Spent != 1000 {
			t.Errorf("%+v", b)
		}
	})
}

func together(n int, f func(i int) error) []error {
	var wg sync.WaitGroup
	start := make(chan struct{})
	out := make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-start
			out[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return out
}
