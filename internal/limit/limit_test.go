package limit_test

import (
	"context"
	"database/sql"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"timbre.example/internal/limit"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// clock is a clock that a test sets.
type clock struct{ us atomic.Int64 }

func newClock(db *store.DB) *clock {
	c := &clock{}
	c.us.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	db.Now = c.now
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.us.Load()).UTC() }
func (c *clock) forward(d time.Duration) { c.us.Add(d.Microseconds()) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func rate(t testing.TB, text string) (r limit.Rate) {
	t.Helper()
	if err := r.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return r
}

// instance returns the limits of one more process; its session rate is the given rate.
func instance(db *store.DB, r limit.Rate) *limit.Budget {
	l := limit.New(db, limit.Rates{Session: r}, quiet())
	limit.Agree(l)
	return l.Session
}

// With any number of calls at the same time, exactly the burst is allowed.
func TestExactWhenAllCallAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		newClock(db)
		b := instance(db, rate(t, "60/1m,burst=20"))
		var wg sync.WaitGroup
		var let [2]atomic.Int64
		for i := range 200 {
			wg.Go(func() {
				if b.Take(t.Context(), "key "+strconv.Itoa(i%2)).Allowed {
					let[i%2].Add(1)
				}
			})
		}
		wg.Wait()
		if let[0].Load() != 20 || let[1].Load() != 20 {
			t.Errorf("let through: %d and %d, want 20 each", let[0].Load(), let[1].Load())
		}
	})
}

// Instances on one Postgres together allow the burst: exactly for a small burst; for a
// large one, less by the advances that other instances hold.
func TestInstancesShareABudget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rate        string
		least, most int64
	}{"small": {"60/1m,burst=20", 20, 20}, "large": {"600/1m,burst=640", 640 - 2*9, 640}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := storetest.PostgresURL(t)
			var all []*limit.Budget
			for range 3 {
				db := storetest.Open(t, url)
				newClock(db)
				all = append(all, instance(db, rate(t, c.rate)))
			}
			var wg sync.WaitGroup
			var let atomic.Int64
			for i := range 24 {
				wg.Go(func() {
					for range 60 {
						if all[i%len(all)].Take(t.Context(), "one").Allowed {
							let.Add(1)
						}
					}
				})
			}
			wg.Wait()
			if n := let.Load(); n < c.least || n > c.most {
				t.Errorf("%d were let through, want %d to %d", n, c.least, c.most)
			}
		})
	}
}

// A caller who waits for the time in the refusal is allowed again; one microsecond less
// is too short.
func TestRefill(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newClock(db)
		b := instance(db, rate(t, "120/1m,burst=3"))
		take := func() limit.State { return b.Take(t.Context(), "one") }
		for i := range 3 {
			if s := take(); !s.Allowed || s.Left != 2-i || s.Whole != time.Duration(i+1)*500*time.Millisecond {
				t.Errorf("call %d: %+v", i, s)
			}
		}
		for range 3 { // refusals spend nothing
			if s := take(); s.Allowed || s.Left != 0 || s.Wait != 500*time.Millisecond {
				t.Errorf("over the burst: %+v", s)
			}
		}
		c.forward(500*time.Millisecond - time.Microsecond)
		if s := take(); s.Allowed || s.Wait != time.Microsecond {
			t.Errorf("too early: %+v", s)
		}
		c.forward(time.Microsecond)
		if s := take(); !s.Allowed {
			t.Errorf("in time: %+v", s)
		}
		if s := take(); s.Allowed {
			t.Error("twice for one wait")
		}
		c.forward(time.Hour)
		for i := range 3 {
			if s := take(); !s.Allowed || s.Left != 2-i {
				t.Errorf("call %d, an hour later: %+v", i, s)
			}
		}
		if take().Allowed {
			t.Error("an hour's rest is worth more than the burst")
		}
	})
}

// A clock that was ahead for a while refuses no caller after it was corrected. This holds
// for a process that saw it, and for a process that starts then.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newClock(db)
		b := instance(db, rate(t, "120/1m,burst=3"))
		take := func(b *limit.Budget) limit.State { return b.Take(t.Context(), "one") }
		for _, ahead := range []time.Duration{2 * time.Hour, 26 * time.Hour} {
			c.forward(ahead)
			for range 4 {
				take(b)
			}
			c.forward(-ahead)
			for _, b := range []*limit.Budget{b, instance(db, rate(t, "120/1m,burst=3"))} {
				if s := take(b); !s.Allowed || s.Whole > 3*500*time.Millisecond {
					t.Errorf("%s back: %+v", ahead, s)
				}
			}
			for range 3 {
				take(b)
			}
			if s := take(b); s.Allowed || s.Wait > 500*time.Millisecond {
				t.Errorf("over the burst, %s back: %+v", ahead, s)
			}
			c.forward(time.Hour)
		}
	})
}

// Instances whose clocks differ share a budget as if they did not: the calls of one that is ahead
// use up no more than those of one that is behind.
func TestClocksDiffer(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	r := rate(t, "1/1m,burst=8")
	b := map[time.Duration]*limit.Budget{}
	var clocks []*clock
	for _, ahead := range []time.Duration{-40 * time.Second, 0, 50 * time.Second, 3 * time.Hour} {
		db := storetest.Open(t, url)
		c := newClock(db)
		c.forward(ahead)
		clocks = append(clocks, c)
		l := limit.New(db, limit.Rates{Session: r}, quiet())
		if err := l.Follow().Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		b[ahead] = l.Session
	}
	allowed := 0
	for range 4 {
		for _, one := range b {
			if one.Take(t.Context(), "one").Allowed {
				allowed++
			}
		}
	}
	if allowed != 8 {
		t.Errorf("%d calls were allowed, the burst is 8", allowed)
	}
	for _, c := range clocks {
		c.forward(time.Minute)
	}
	allowed = 0
	for _, one := range b {
		if s := one.Take(t.Context(), "one"); s.Allowed {
			allowed++
		} else if s.Wait > time.Minute+10*time.Second { // the clocks were compared by answers that may be late
			t.Errorf("refused for %s", s.Wait)
		}
	}
	if allowed != 1 {
		t.Errorf("%d calls were allowed a minute later, the rate is 1", allowed)
	}
}

// A database that stands still for a moment answers late. Such an answer compares the clocks
// badly, by up to half of that moment. The calls of this instance would then use up everybody's budget.
func TestALateAnswerComparesNoClocks(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	r := rate(t, "10/1s,burst=10")
	slow, other := storetest.Open(t, url), storetest.Open(t, url)
	late, early := limit.New(slow, limit.Rates{Session: r}, quiet()), limit.New(other, limit.Rates{Session: r}, quiet())
	for _, l := range []*limit.Limits{late, early} {
		if err := l.Follow().Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	right := slow.Now
	stands := time.Duration(0)
	slow.Now = func() time.Time { stands += 1300 * time.Millisecond; return right().Add(stands) } // each look at the clock is later
	if err := late.Follow().Step(t.Context()); err == nil {
		t.Error("clocks were compared with a late answer")
	}
	slow.Now = right
	if !late.Session.Take(t.Context(), "one").Allowed || !early.Session.Take(t.Context(), "one").Allowed {
		t.Error("a call is refused, and the burst is 10")
	}
}

// An instance that has just started with a wrong clock refuses no caller: its first call compares the
// clocks.
func TestAWrongClockAtTheStart(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	r := rate(t, "10/1s,burst=10")
	right := limit.New(storetest.Open(t, url), limit.Rates{Session: r}, quiet())
	for range 5 {
		if !right.Session.Take(t.Context(), "one").Allowed {
			t.Fatal("refused")
		}
	}
	for _, ahead := range []time.Duration{-16 * time.Second, 16 * time.Second} {
		db := storetest.Open(t, url)
		newClock(db).forward(ahead)
		if l := limit.New(db, limit.Rates{Session: r}, quiet()); !l.Session.Take(t.Context(), "one").Allowed {
			t.Errorf("refused by an instance whose clock is %s ahead", ahead)
		}
	}
	if !right.Session.Take(t.Context(), "one").Allowed {
		t.Error("refused after the calls of an instance with a wrong clock")
	}
}

// A clock that is set back while the first call compares it says nothing about the database's
// clock. Before, everybody was then refused for as long as the jump.
func TestAClockThatIsSetDuringTheFirstCall(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	rates := limit.Rates{Session: rate(t, "60/1m,burst=60")}
	other := limit.New(storetest.Open(t, url), rates, quiet())
	if !other.Session.Take(t.Context(), "one").Allowed {
		t.Fatal("refused")
	}
	for before := range 8 { // the clock is set after so many looks at it
		for _, ahead := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
			db := storetest.Open(t, url)
			right, looks := db.Now, 0
			db.Now = func() time.Time {
				if looks++; looks <= before {
					return right().Add(ahead)
				}
				return right()
			}
			l := limit.New(db, rates, quiet())
			for i := range 2 {
				if !l.Session.Take(t.Context(), "one").Allowed {
					t.Errorf("set by %s after %d looks: call %d is refused", -ahead, before, i+1)
				}
			}
		}
	}
	if !other.Session.Take(t.Context(), "one").Allowed {
		t.Error("refused after the calls of others")
	}
}

// For any calls of several instances: in no period do they allow more calls than the
// burst and what the period adds. A single caller that is not faster than the limit is
// never refused.
func TestNeverMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	a, b := storetest.Open(t, url), storetest.Open(t, url)
	c := newClock(a)
	b.Now = c.now
	keys := 0
	rapid.Check(t, func(rt *rapid.T) {
		keys++
		key := strconv.Itoa(keys)
		r := limit.Rate{Count: rapid.IntRange(1, 6000).Draw(rt, "count"), Per: time.Minute, Burst: rapid.IntRange(1, 400).Draw(rt, "burst")}
		every := math.Ceil(6e7 / float64(r.Count)) // microseconds
		both := []*limit.Budget{instance(a, r), instance(b, r)}
		var let []int64 // times of the allowed calls
		for range rapid.IntRange(1, 150).Draw(rt, "steps") {
			c.us.Add(int64(rapid.Float64Range(0, 3).Draw(rt, "pause") * every))
			if rapid.IntRange(0, 20).Draw(rt, "rest") == 0 {
				c.us.Add(int64(every) * int64(r.Burst) * 2)
			}
			one := both[rapid.IntRange(0, 1).Draw(rt, "instance")]
			for range rapid.IntRange(1, 8).Draw(rt, "calls") {
				if one.Take(context.Background(), key).Allowed {
					let = append(let, c.us.Load())
				}
			}
		}
		for i, from := range let {
			for j := i + r.Burst; j < len(let); j++ {
				if most := float64(r.Burst) + float64(let[j]-from)/every; float64(j-i+1) > most+1e-6 {
					rt.Fatalf("%d calls in %d µs, with %s", j-i+1, let[j]-from, r)
				}
			}
		}
		c.forward(time.Hour)
		for i := range 2 * r.Burst {
			if !both[0].Take(context.Background(), key).Allowed {
				rt.Fatalf("call %d at the rate of %s is refused", i, r)
			}
			c.us.Add(int64(every))
		}
	})
}

// A refused call is refused without the database until its time has come. A large budget
// asks the database rarely.
func TestHowOftenTheDatabaseIsAsked(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.PostgresURL(t))
	newClock(db)
	l := limit.New(db, limit.Rates{Session: rate(t, "60/1m,burst=1"), Organization: rate(t, "6000/1m,burst=600")}, quiet())
	limit.Agree(l)
	full := func(key string) int64 {
		us, err := db.Read().GetBudget(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return us
	}
	moved, last := 0, int64(0)
	for range 90 {
		l.Organization.Take(t.Context(), "o")
		if us := full("organization o"); us != last {
			moved, last = moved+1, us
		}
	}
	if moved != 10 {
		t.Errorf("90 calls of an organization asked %d times, want 10", moved)
	}
	l.Session.Take(t.Context(), "s")
	l.Session.Take(t.Context(), "s")
	if err := db.Close(); err != nil { // without the database it would count alone
		t.Fatal(err)
	}
	for range 100 {
		if l.Session.Take(t.Context(), "s").Allowed {
			t.Fatal("let through")
		}
	}
}

// A database that does not answer refuses no caller. Each instance then counts alone, and
// logs it once.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), storetest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	c := newClock(db)
	var logged strings.Builder
	l := limit.New(db, limit.Rates{Session: rate(t, "60/1m,burst=5")}, slog.New(slog.NewTextHandler(&logged, nil)))
	db.Close()
	for round := range 3 {
		for i := range 5 {
			if !l.Session.Take(t.Context(), "one").Allowed {
				t.Errorf("round %d: call %d is refused", round, i)
			}
		}
		if l.Session.Take(t.Context(), "one").Allowed {
			t.Errorf("round %d: more than the burst", round)
		}
		if alone, times := l.Alone(); !alone || times != int64(round+1) {
			t.Errorf("round %d: alone %t, for the %d. time", round, alone, times)
		}
		c.forward(10 * time.Second)
		if alone, _ := l.Alone(); alone {
			t.Errorf("round %d: the database is not tried again", round)
		}
	}
	if n := strings.Count(logged.String(), "\n"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &logged)
	}
}

// Rows whose time has passed are deleted; rows that still count are not.
func TestSweep(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.PostgresURL(t))
	c := newClock(db)
	b := instance(db, rate(t, "60/1m,burst=5"))
	b.Take(t.Context(), "old")
	c.forward(2 * time.Second)
	b.Take(t.Context(), "new")
	if err := db.One(t.Context(), func(tx *store.Tx) error {
		return tx.SweepBudgets(t.Context(), query.SweepBudgetsParams{Last: "z", Now: store.Micros(tx.Now)})
	}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"session old": false, "session new": true} {
		if _, err := db.Read().GetBudget(t.Context(), key); (err == nil) != want {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Memory is bounded by the number of keys and by time. A busy key is never deleted.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	c := newClock(db)
	b := instance(db, rate(t, "60/1m,burst=2"))
	for i := range 3 * limit.MaxKeys {
		if i%1000 == 0 {
			if s := b.Take(t.Context(), "busy"); s.Allowed != (i < 2000) {
				t.Fatalf("after %d others: %+v", i, s)
			}
		}
		b.Take(t.Context(), strconv.Itoa(i))
		if n := limit.Remembered(b); n > limit.MaxKeys {
			t.Fatalf("%d keys are remembered", n)
		}
	}
	for range 2 {
		c.forward(3 * time.Second)
		b.Take(t.Context(), "one")
	}
	if n := limit.Remembered(b); n > 2 {
		t.Errorf("%d idle keys are remembered", n)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"off": "off", "300/1m,burst=100": "300/1m,burst=100", "5/1s": "5/1s,burst=5", "10/1h,burst=1": "10/1h,burst=1", "90/90s": "90/1m30s,burst=90",
	} {
		if got := rate(t, text).String(); got != want {
			t.Errorf("%s is read as %s", text, got)
		}
	}
	for _, text := range []string{"", "on", "300", "300/", "/1m", "0/1m", "-1/1m", "x/1m", "1/0s", "1/1ms", "1/1500ms", "1/2h", "1/1m,burst=0", "1/1m,burst=", "1/1m,burst=x", "1/1m, burst=2", "9999999/1m", "1/1m,burst=9999999"} {
		var r limit.Rate
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %s", text, r)
		}
	}
	var off *limit.Budget
	if policy, standing := off.Headers(off.Take(t.Context(), "x")); policy != "" || standing != "" || !off.Take(t.Context(), "x").Allowed {
		t.Error("a limit that is off")
	}
	db := storetest.SQLite(t)
	newClock(db)
	b := instance(db, rate(t, "120/1m,burst=60"))
	policy, standing := b.Headers(b.Take(t.Context(), "x"))
	if policy != `"session";q=120;w=60;timbre-burst=60` || standing != `"session";r=59;t=1` {
		t.Errorf("%s and %s", policy, standing)
	}
}

// The table is not in Postgres's write-ahead log, also after several starts of a server.
func TestUnlogged(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	raw, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for range 2 {
		storetest.Open(t, url)
		var kept string
		if err := raw.QueryRowContext(t.Context(), "SELECT relpersistence FROM pg_class WHERE relname = 'budgets'").Scan(&kept); err != nil || kept != "u" {
			t.Errorf("%q %v", kept, err)
		}
	}
}

// The cost of the limit for a call, compared with a bare commit: in memory, with many
// small budgets, and with one large budget that all callers share.
func BenchmarkTake(b *testing.B) {
	each := func(b *testing.B, f func(n int64)) {
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				f(n.Add(1))
			}
		})
	}
	plenty := limit.Rate{Count: 1_000_000, Per: time.Second, Burst: 1_000_000}
	small := limit.Rate{Count: 1_000_000, Per: time.Second, Burst: 63}
	b.Run("memory", func(b *testing.B) {
		l := instance(storetest.SQLite(b), small)
		each(b, func(n int64) { l.Take(b.Context(), strconv.FormatInt(n%10_000, 10)) })
	})
	db := storetest.Open(b, storetest.PostgresURL(b))
	b.Run("small", func(b *testing.B) {
		l := instance(db, small)
		each(b, func(n int64) { l.Take(b.Context(), strconv.FormatInt(n%10_000, 10)) })
	})
	b.Run("large", func(b *testing.B) {
		l := instance(db, plenty)
		each(b, func(int64) { l.Take(b.Context(), "hot") })
	})
	b.Run("floor", func(b *testing.B) {
		each(b, func(int64) {
			if err := db.One(b.Context(), func(tx *store.Tx) error {
				return tx.InsertSession(b.Context(), query.InsertSessionParams{Jti: uuid.NewString()})
			}); err != nil {
				b.Error(err)
			}
		})
	})
}
