package log_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence"
)

// faulty is a checkpoint store that fails on request.
type faulty struct {
	mu    sync.Mutex
	texts map[string]string
	// fault is called before each Swap; its error is returned. through is whether the
	// swap is done in spite of the error.
	fault func() (err error, through bool)
	loads error
}

func newFaulty() *faulty { return &faulty{texts: map[string]string{}} }

func (s *faulty) Place(name string) string { return "the faulty of " + name }

func (s *faulty) Load(_ context.Context, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts[name], s.loads
}

func (s *faulty) Swap(_ context.Context, name, old, new string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		if err, through := s.fault(); err != nil {
			if through && s.texts[name] == old {
				s.texts[name] = new
			}
			return err
		}
	}
	if s.texts[name] != old {
		return checkpoint.ErrSwapped
	}
	s.texts[name] = new
	return nil
}

// logged collects the lines of a logger, by level.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (h *logged) Enabled(context.Context, slog.Level) bool { return true }
func (h *logged) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *logged) WithGroup(string) slog.Handler            { return h }
func (h *logged) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, r.Level.String()+" "+r.Message)
	return nil
}

func (h *logged) count(part string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// guarded opens a log whose checkpoint is stored in a faulty store.
func guarded(t testing.TB, db *store.DB, s checkpoint.Store) (*log.Log, *logged) {
	t.Helper()
	h := &logged{}
	c := config()
	c.Checkpoints, c.Logger = s, slog.New(h)
	l, err := log.Open(t.Context(), db, c)
	if err != nil {
		t.Fatal(err)
	}
	return l, h
}

// stopOf returns why a log makes no block.
func stopOf(t testing.TB, err error) *log.Stop {
	t.Helper()
	var s *log.Stop
	if !errors.As(err, &s) || !errors.Is(err, network.ErrStopped) {
		t.Fatalf("not a stop: %v", err)
	}
	return s
}

// After every failure of a swap, the next look continues where the log was, and the block
// is the staged one.
func TestSwapFails(t *testing.T) {
	for _, through := range []bool{false, true} {
		t.Run(fmt.Sprint("through ", through), func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				s := newFaulty()
				l, _ := guarded(t, db, s)
				if err := l.Guard(t.Context()); err != nil {
					t.Fatal(err)
				}
				outside := serve(t, l)
				broadcast(t, l, stage(t, l, call(0))...)
				s.fault = func() (error, bool) { return errors.New("no answer"), through }
				if _, err := l.Sequence(t.Context()); err == nil {
					t.Fatal("a block without its checkpoint kept")
				}
				// Nothing of it is published: no answer shows it.
				if _, text, _ := outside.get("/checkpoint"); outside.checkpoint(string(text)).N != 0 {
					t.Error("published before it was kept")
				}
				if len(find(t, l, stage(t, l, call(0))...)) != 0 {
					t.Error("final before it was kept")
				}
				// Neither another entry nor a restart changes the staged block.
				broadcast(t, l, stage(t, l, call(1))...)
				s.fault = nil
				l, _ = guarded(t, db, s)
				for sequence(t, l) {
				}
				kept, _, err := l.Kept(t.Context())
				now, _ := l.LatestCheckpoint(t.Context())
				if err != nil || kept != now {
					t.Errorf("kept %q, published %q, %v", kept, now, err)
				}
				if b, err := l.Block(t.Context(), 1); err != nil || b.Added() != 1 {
					t.Errorf("block 1: %+v, %v", b, err)
				}
				serve(t, l).audit()
			})
		})
	}
}

// WentBack is called before the stop is recorded, and again if it failed or the process
// died in between. It is not called afterwards, and never because of the clock.
func TestWentBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newFaulty()
		newest, _ := guarded(t, db, s)
		fill(t, newest, 0, 2)
		older := storetest.SQLite(t)
		calls, fails := 0, true
		c := config()
		c.Checkpoints, c.Logger = s, slog.New(&logged{})
		c.WentBack = func(ctx context.Context) error {
			calls++
			if row, err := older.Read().GetLog(ctx, "testnet"); err != nil || row.Stopped != "" {
				t.Errorf("written down before: %q, %v", row.Stopped, err)
			}
			if fails {
				return errors.New("no answer")
			}
			return nil
		}
		again := func() *log.Log { // as after a restart
			l, err := log.Open(t.Context(), older, c)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := again()
		for range 2 {
			if err := l.Guard(t.Context()); err == nil || l.Stopped(t.Context()) != nil {
				t.Errorf("the failure is hidden: %v", err)
			}
		}
		fails = false
		for range 2 {
			l = again()
			// A running server also notices when its database is exchanged.
			broadcast(t, l, stage(t, l, call(7))...)
			_, err := l.Sequence(t.Context())
			stopOf(t, err)
		}
		if calls != 3 {
			t.Errorf("called %d times", calls)
		}
		s.texts[l.KeptName()] = "nonsense"
		stopOf(t, l.Guard(t.Context()))
		if calls != 3 {
			t.Error("called, and the database did not go back")
		}
	})
}

// If the place does not answer, or answers nonsense, no blocks are made.
func TestPlaceDoesNotAnswer(t *testing.T) {
	db := storetest.SQLite(t)
	s := newFaulty()
	l, _ := guarded(t, db, s)
	fill(t, l, 0, 1)
	s.loads = errors.New("no answer")
	broadcast(t, l, stage(t, l, call(1))...)
	if made, err := l.Sequence(t.Context()); made || err == nil || errors.Is(err, network.ErrStopped) {
		t.Errorf("%v, %v", made, err)
	}
	s.loads = nil
	good := s.texts[l.KeptName()]
	s.texts[l.KeptName()] = strings.Replace(good, "\n1\n", "\n9\n", 1) // without a valid signature
	_, err := l.Sequence(t.Context())
	if stopOf(t, err).Reason != log.Unreadable {
		t.Error(err)
	}
	s.texts[l.KeptName()] = good
	if !sequence(t, l) {
		t.Error("it does not go on")
	}
}

// A database that went back makes no block and says why. It continues as soon as the
// newest database is back.
func TestShorterAndDifferent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newFaulty()
		newest, _ := guarded(t, db, s)
		fill(t, newest, 0, 2)
		kept := s.texts[newest.KeptName()]

		// The same key, and a database restored from the first day.
		older, older2 := storetest.SQLite(t), storetest.SQLite(t)
		l, h := guarded(t, older, s)
		for range 3 {
			err := l.Guard(t.Context())
			stop := stopOf(t, err)
			if stop.Reason != log.Shorter || stop.KeptSize != 2 || stop.Size != 0 || !strings.Contains(err.Error(), "timbre log repair --network testnet") || !strings.Contains(err.Error(), s.Place(l.KeptName())) {
				t.Fatalf("%+v: %v", stop, err)
			}
		}
		if n := h.count("ERROR"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		broadcast(t, l, stage(t, l, call(7))...)
		if made, err := l.Sequence(t.Context()); made || stopOf(t, err) == nil {
			t.Errorf("%v, %v", made, err)
		}
		// Another process on this database, which makes no blocks, reports it too.
		other := open(t, older)
		if stopOf(t, other.Stopped(t.Context())).Reason != log.Shorter {
			t.Error("other processes do not know it")
		}
		if err := other.DryRun(t.Context(), call(8)); !errors.Is(err, network.ErrStopped) {
			t.Errorf("dry run: %v", err)
		}
		// Nothing was signed, and nothing outside was changed.
		if text, _ := l.LatestCheckpoint(t.Context()); !strings.Contains(text, "\n0\n") || s.texts[l.KeptName()] != kept {
			t.Errorf("%q, kept %q", text, s.texts[l.KeptName()])
		}

		// The same number of entries, but different ones; then more of them.
		for _, n := range []int{2, 3} {
			unguarded := open(t, older2)
			fill(t, unguarded, 10*n, n-int(must(unguarded.Blocks(t.Context(), 1<<62, 1))[0].Size))
			l, _ := guarded(t, older2, s)
			if stop := stopOf(t, l.Guard(t.Context())); stop.Reason != log.Different || stop.Size != int64(n) {
				t.Errorf("%+v", stop)
			}
		}

		// The newest database continues.
		fill(t, newest, 2, 1)
		if err := newest.Stopped(t.Context()); err != nil {
			t.Error(err)
		}
		serve(t, newest).audit()
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A block that was staged before a failover, and while the other database has
// newer blocks, is never published.
func TestOvertakenStagedBlock(t *testing.T) {
	db := storetest.SQLite(t)
	s := newFaulty()
	l, _ := guarded(t, db, s)
	fill(t, l, 0, 1)
	broadcast(t, l, stage(t, l, call(1))...)
	s.fault = func() (error, bool) { return errors.New("no answer"), false }
	if _, err := l.Sequence(t.Context()); err == nil {
		t.Fatal("made")
	}
	// Meanwhile another database of the same log makes its own block.
	s.fault = nil
	otherDB := storetest.SQLite(t)
	other := open(t, otherDB)
	fill(t, other, 20, 2)
	s.texts[l.KeptName()] = must(other.LatestCheckpoint(t.Context()))
	_, err := l.Sequence(t.Context())
	if stop := stopOf(t, err); stop.Reason != log.Shorter {
		t.Errorf("%+v", stop)
	}
	if size := must(l.Blocks(t.Context(), 1<<62, 1))[0].Size; size != 1 {
		t.Errorf("%d entries are published", size)
	}
}

// The stored checkpoint is corrected if the database continues it: after an upgrade, in a
// new place, and if the place itself went back. It is logged, and only once.
func TestAdoption(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		// The start of a log is not logged.
		s := newFaulty()
		l, h := guarded(t, db, s)
		if err := l.Guard(t.Context()); err != nil || h.count("WARN") != 0 {
			t.Fatal(err, h.lines)
		}
		fill(t, l, 0, 2)
		two := s.texts[l.KeptName()]
		fill(t, l, 2, 1)
		now := must(l.LatestCheckpoint(t.Context()))
		look := func(s checkpoint.Store, level, part string) {
			t.Helper()
			for i := range 2 {
				l, h := guarded(t, db, s)
				if err := l.Guard(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := h.count(level + " "); n != 1-i || n == 1 && h.count(part) != 1 {
					t.Errorf("start %d: %q", i, h.lines)
				}
				if kept, _, err := l.Kept(t.Context()); kept != now || err != nil {
					t.Errorf("kept %q, %v", kept, err)
				}
			}
		}
		s.texts[l.KeptName()] = two
		look(s, "INFO", "was older")
		delete(s.texts, l.KeptName())
		look(s, "WARN", "was missing")
		look(checkpoint.Dir(t.TempDir()), "WARN", "another place")
	})
	t.Run("upgrade", func(t *testing.T) {
		db := storetest.SQLite(t)
		fill(t, open(t, db), 0, 2) // a release that stored no checkpoint
		s := newFaulty()
		l, h := guarded(t, db, s)
		if err := l.Guard(t.Context()); err != nil || h.count("WARN the newest checkpoint is now also stored outside") != 1 {
			t.Errorf("%v, %q", err, h.lines)
		}
	})
}

// Several sequencers with one database and one place make one log.
func TestSequencersShareAPlace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newFaulty()
		var wg sync.WaitGroup
		const each, sequencers = 20, 4
		first, _ := guarded(t, db, s)
		for i := range sequencers {
			l, h := guarded(t, db, s)
			wg.Go(func() {
				for j := range each {
					if err := l.Broadcast(t.Context(), stage(t, l, call(i*each+j))); err != nil {
						t.Error(err)
					}
					if _, err := l.Sequence(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if h.count("ERROR") != 0 || h.count("WARN") != 0 {
					t.Errorf("%q", h.lines)
				}
			})
		}
		wg.Wait()
		for sequence(t, first) {
		}
		if now := must(first.LatestCheckpoint(t.Context())); s.texts[first.KeptName()] != now || !strings.Contains(now, fmt.Sprintf("\n%d\n", each*sequencers)) {
			t.Errorf("kept %q, published %q", s.texts[first.KeptName()], now)
		}
		serve(t, first).audit()
	})
}

// If the clock jumps, that is logged. A jump ahead keeps blocks from getting a time that
// can be wrong.
func TestClockJumps(t *testing.T) {
	db := storetest.SQLite(t)
	now, mono := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), time.Duration(0)
	db.Now = func() time.Time { return now }
	pass := func(d time.Duration) { now, mono = now.Add(d), mono+d }
	h := &logged{}
	c := config()
	c.Logger, c.Monotonic = slog.New(h), func() time.Duration { return mono }
	l, err := log.Open(t.Context(), db, c)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, l, 0, 1)
	wait := func(i int) {
		t.Helper()
		broadcast(t, l, stage(t, l, call(i))...)
	}
	last := func() network.Block { return must(l.Blocks(t.Context(), 1<<62, 1))[0] }

	// A small step in either direction is not logged.
	pass(time.Hour)
	now = now.Add(2 * time.Second)
	fill(t, l, 1, 1)
	if l.ClockJumps() != 0 {
		t.Error("a step of 2 s is a jump")
	}
	// A jump ahead within the tolerance is only logged.
	now = now.Add(30 * time.Second)
	fill(t, l, 2, 1)
	if l.ClockJumps() != 1 || h.count("WARN the clock of this machine jumped") != 1 {
		t.Errorf("%d jumps, %q", l.ClockJumps(), h.lines)
	}
	// A jump far ahead: no block is made, also without a waiting entry, and other
	// processes know it.
	before, was := last(), now
	now = now.Add(24 * time.Hour)
	if _, err := l.Sequence(t.Context()); stopOf(t, err).Reason != log.ClockJumped {
		t.Error(err)
	}
	wait(3)
	pass(20 * time.Second)
	_, err = l.Sequence(t.Context())
	if stop := stopOf(t, err); stop.Reason != log.ClockJumped || !stop.Until.Equal(now.Add(40*time.Second)) || stopOf(t, l.Stopped(t.Context())).Reason != log.ClockJumped {
		t.Errorf("%+v", stop)
	}
	if last() != before {
		t.Error("a block with a false time")
	}
	// The clock was corrected in time: the block has the true time.
	now = was.Add(21 * time.Second)
	mono += time.Second
	if !sequence(t, l) || !last().At.Equal(now) || l.ClockJumps() != 3 {
		t.Errorf("block at %v, now %v, %d jumps", last().At, now, l.ClockJumps())
	}
	if err := l.Stopped(t.Context()); err != nil {
		t.Error(err)
	}
	// The clock was not corrected within a minute: its time counts as true.
	now = now.Add(24 * time.Hour)
	wait(4)
	if _, err := l.Sequence(t.Context()); stopOf(t, err).Reason != log.ClockJumped {
		t.Error(err)
	}
	pass(time.Minute)
	if !sequence(t, l) || !last().At.Equal(now) {
		t.Errorf("block at %v, now %v", last().At, now)
	}
	// It was wrong after all: a restarted server does not use that time for other blocks
	// for a day.
	now = now.Add(-24 * time.Hour)
	wait(5)
	l, err = log.Open(t.Context(), db, c)
	if err != nil {
		t.Fatal(err)
	}
	future := last().At
	_, err = l.Sequence(t.Context())
	if stop := stopOf(t, err); stop.Reason != log.ClockBehind || !stop.Until.Equal(future) || !stop.Clock() || !strings.Contains(err.Error(), future.Format("2006-01-02 15:04:05 UTC")) {
		t.Errorf("%+v", stop)
	}
	if err := l.DryRun(t.Context(), call(6)); !errors.Is(err, network.ErrStopped) {
		t.Errorf("dry run: %v", err)
	}
	// The operator can override it.
	c.ClockTolerance = 25 * time.Hour
	l, err = log.Open(t.Context(), db, c)
	if err != nil {
		t.Fatal(err)
	}
	if !sequence(t, l) || !last().At.Equal(future) {
		t.Errorf("block at %v", last().At)
	}
	serve(t, l).audit()
}

// brought returns the evidence of an entry, as in a certificate.
func brought(t testing.TB, l *log.Log, n network.Staged) *evidence.Log {
	t.Helper()
	p, err := l.Prove(t.Context(), n.Hash)
	if err != nil {
		t.Fatal(err)
	}
	return p.Log
}
