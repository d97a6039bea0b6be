package log_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// story gives a log a number of blocks, each with an odd number of entries, at fixed
// times: two databases with one story have the same log.
func story(t testing.TB, db *store.DB, s *faulty, blocks int) (*log.Log, []network.Staged) {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	db.Now = func() time.Time { return now }
	c := config()
	c.Monotonic = func() time.Duration { return now.Sub(time.Time{}) }
	if s != nil { // not a nil *faulty in the interface
		c.Checkpoints = s
	}
	l, err := log.Open(t.Context(), db, c)
	if err != nil {
		t.Fatal(err)
	}
	var all []network.Staged
	for block := range blocks {
		now = now.Add(time.Minute)
		var calls []network.Call
		for range block%3 + 1 {
			one := call(len(all) + len(calls))
			if len(all) > 0 && len(calls) == 1 {
				one.AtsID = 1 // another version
			}
			calls = append(calls, one)
		}
		staged := stage(t, l, calls...)
		broadcast(t, l, staged...)
		if !sequence(t, l) {
			t.Fatal("no block")
		}
		all = append(all, staged...)
	}
	now = now.Add(time.Hour)
	return l, all
}

// restored returns a log of ten blocks, and a database that went back to the fourth.
func restored(t testing.TB, older *store.DB) (s *faulty, newest, back *log.Log, all []network.Staged) {
	t.Helper()
	s = newFaulty()
	newest, all = story(t, storetest.SQLite(t), s, 10)
	story(t, older, nil, 4)
	c := config()
	c.Checkpoints = s
	back, err := log.Open(t.Context(), older, c)
	if err != nil {
		t.Fatal(err)
	}
	if stop := stopOf(t, back.Guard(t.Context())); stop.Reason != log.Shorter || stop.Size != 7 || stop.KeptSize != 19 {
		t.Fatalf("%+v", stop)
	}
	return s, newest, back, all
}

func repair(t testing.TB, l *log.Log) *log.Repair {
	t.Helper()
	r, err := l.Repair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// From certificates alone, from the published files alone, and from both, the log is
// restored exactly, and continues.
func TestRepair(t *testing.T) {
	for name, bring := range map[string]func(t *testing.T, r *log.Repair, newest *log.Log, all []network.Staged){
		"certificates": func(t *testing.T, r *log.Repair, newest *log.Log, all []network.Staged) {
			for i, s := range all {
				if err := r.AddEvidence(brought(t, newest, s), fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			}
		},
		"bundles": func(t *testing.T, r *log.Repair, newest *log.Log, _ []network.Staged) {
			outside := serve(t, newest)
			if paths := r.Bundles(); !slices.Equal(paths, []string{"tile/entries/000.p/19"}) {
				t.Errorf("bundles %q", paths)
			}
			for _, path := range r.Bundles() {
				_, data, _ := outside.get("/" + path)
				if err := r.AddBundle(path, data); err != nil {
					t.Error(err)
				}
			}
		},
		"both, in part": func(t *testing.T, r *log.Repair, newest *log.Log, all []network.Staged) {
			_, data, _ := serve(t, newest).get("/tile/entries/000.p/12")
			if err := r.AddBundle("tile/entries/000.p/12", data); err != nil {
				t.Error(err)
			}
			for _, s := range all[10:] {
				if err := r.AddEvidence(brought(t, newest, s), "a certificate"); err != nil {
					t.Error(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				s, newest, back, all := restored(t, db)
				// One entry was waiting when the copy was made: its transaction is in the
				// database.
				broadcast(t, back, all[8])
				r := repair(t, back)
				bring(t, r, newest, all)
				p, err := r.Plan(t.Context())
				if err != nil || len(p.Missing) != 0 || len(p.Entries) != 12 || p.Target.N != 19 {
					t.Fatalf("%+v, %v", p, err)
				}
				if err := back.Guard(t.Context()); err == nil {
					t.Error("a plan changed something")
				}
				if err := r.Apply(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				if p.Lost != 11 {
					t.Errorf("%d lost", p.Lost)
				}
				if err := back.Guard(t.Context()); err != nil {
					t.Fatal(err)
				}
				for n := int64(0); n <= 10; n++ {
					was, is := must(newest.Block(t.Context(), n)), must(back.Block(t.Context(), n))
					if was != is {
						t.Errorf("block %d is %+v, and was %+v", n, is, was)
					}
				}
				was, is := find(t, newest, all...), find(t, back, all...)
				if !slices.Equal(was, is) {
					t.Errorf("receipts %+v, and were %+v", is, was)
				}
				for i, one := range all {
					if e := must(back.Entry(t.Context(), one.Hash)); e.Lost != (i >= 7 && i != 8) {
						t.Errorf("entry %d: lost %v", i, e.Lost)
					}
				}
				// A registry that still has the transaction sends it again.
				broadcast(t, back, all[9])
				if must(back.Entry(t.Context(), all[9].Hash)).Lost {
					t.Error("still lost")
				}
				// The log continues after the restored entries.
				next := stage(t, back, call(100))
				broadcast(t, back, next...)
				if !sequence(t, back) {
					t.Fatal("no block")
				}
				got := find(t, back, next...)[0]
				last := int64(0)
				for _, r := range was {
					last = max(last, r.AtsID)
				}
				if got.AtsID != last+1 || got.BlockNumber != 11 {
					t.Errorf("work %d in block %d", got.AtsID, got.BlockNumber)
				}
				if s.texts[back.KeptName()] != must(back.LatestCheckpoint(t.Context())) {
					t.Error("the next checkpoint is not kept")
				}
				serve(t, back).audit()
				// The database that was the newest is now the older one.
				if stop := stopOf(t, newest.Guard(t.Context())); stop.Reason != log.Shorter {
					t.Errorf("%+v", stop)
				}
			})
		})
	}
}

// Missing entries are listed, wrong ones are not trusted, and nothing is changed.
func TestRepairRefuses(t *testing.T) {
	for _, x := range []struct {
		name  string
		bring func(t *testing.T, r *log.Repair, newest *log.Log, all []network.Staged)
		want  func(p *log.Restored, err error) bool
	}{
		{"nothing", func(*testing.T, *log.Repair, *log.Log, []network.Staged) {}, func(p *log.Restored, err error) bool {
			return err == nil && slices.Equal(p.Missing, []network.Span{{First: 7, Last: 18}})
		}},
		{"holes", func(t *testing.T, r *log.Repair, newest *log.Log, all []network.Staged) {
			for i, s := range all {
				if i != 9 && i != 12 && i != 13 {
					if err := r.AddEvidence(brought(t, newest, s), ""); err != nil {
						t.Error(err)
					}
				}
			}
		}, func(p *log.Restored, err error) bool {
			return err == nil && fmt.Sprint(p.Missing) == "[9 12–13]"
		}},
		{"a bundle of another log", func(t *testing.T, r *log.Repair, _ *log.Log, _ []network.Staged) {
			other := open(t, storetest.SQLite(t))
			fill(t, other, 0, 19)
			_, data, _ := serve(t, other).get("/tile/entries/000.p/19")
			if err := r.AddBundle("tile/entries/000.p/19", data); err != nil {
				t.Error(err)
			}
		}, func(p *log.Restored, err error) bool {
			return err != nil && strings.Contains(err.Error(), "root hash")
		}},
		{"too many forks", func(t *testing.T, r *log.Repair, newest *log.Log, _ []network.Staged) {
			for range 2 {
				other := open(t, storetest.SQLite(t))
				fill(t, other, 0, 19)
				_, data, _ := serve(t, other).get("/tile/entries/000.p/19")
				if err := r.AddBundle("tile/entries/000.p/19", data); err != nil {
					t.Error(err)
				}
			}
		}, func(p *log.Restored, err error) bool {
			return err != nil && strings.Contains(err.Error(), "contradict")
		}},
		{"damaged evidence", func(t *testing.T, r *log.Repair, newest *log.Log, all []network.Staged) {
			for _, damage := range []func(e *[3]string){
				func(e *[3]string) { e[0] = strings.Replace(e[0], "ats ", "ats 9", 1) },
				func(e *[3]string) { e[1] = strings.Replace(e[1], "\n19\n", "\n20\n", 1) },
				func(e *[3]string) { e[2] = "elsewhere.example/log/testnet" },
			} {
				e := *brought(t, newest, all[18])
				parts := [3]string{e.Leaf, e.Checkpoint, e.Origin}
				damage(&parts)
				e.Leaf, e.Checkpoint, e.Origin = parts[0], parts[1], parts[2]
				if err := r.AddEvidence(&e, ""); err == nil {
					t.Error("believed")
				}
			}
			if err := r.AddEvidence(nil, ""); err == nil {
				t.Error("evidence of no log is believed")
			}
			for path, data := range map[string]string{"tile/entries/000.p/1": "\x00", "tile/entries/000.p/2": "\x00\x01a", "tile/0/000": "", "tile/entries/x": "", "tile/entries/000.p/3": strings.Repeat("\x00\x00", 4)} {
				if err := r.AddBundle(path, []byte(data)); err == nil {
					t.Errorf("%s: %q is believed", path, data)
				}
			}
		}, func(p *log.Restored, err error) bool {
			return err == nil && len(p.Missing) == 1
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			db := storetest.SQLite(t)
			_, newest, back, all := restored(t, db)
			r := repair(t, back)
			x.bring(t, r, newest, all)
			p, err := r.Plan(t.Context())
			if !x.want(p, err) {
				t.Errorf("%v, %+v", err, p)
			}
			if err == nil {
				err = r.Apply(t.Context(), p)
			}
			if err == nil || must(back.Blocks(t.Context(), 1<<62, 1))[0].Number != 4 {
				t.Errorf("changed: %v", err)
			}
		})
	}
}

// Certificates of a fork with the same key are among the right ones. The entries that
// reproduce the stored checkpoint are found.
func TestRepairAmongForks(t *testing.T) {
	_, newest, back, all := restored(t, storetest.SQLite(t))
	fork, _ := story(t, storetest.SQLite(t), nil, 4)
	wrong := stage(t, fork, call(500))
	broadcast(t, fork, wrong...)
	sequence(t, fork)
	r := repair(t, back)
	if err := r.AddEvidence(brought(t, fork, wrong[0]), "the fork's"); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if err := r.AddEvidence(brought(t, newest, s), ""); err != nil {
			t.Fatal(err)
		}
	}
	p, err := r.Plan(t.Context())
	if err == nil {
		err = r.Apply(t.Context(), p)
	}
	if err == nil {
		err = back.Guard(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if list, err := back.Entries(t.Context(), 7, 8); err != nil || list[0].Hash != all[7].Hash {
		t.Errorf("%+v, %v", list, err)
	}
}

// A fork with the same key is longer than the stored checkpoint. It is never written, and
// does not hide the right entries.
func TestRepairAmongLongerForks(t *testing.T) {
	_, newest, back, all := restored(t, storetest.SQLite(t))
	fork, wrong := story(t, storetest.SQLite(t), nil, 8)
	for i := range 6 {
		one := stage(t, fork, call(500+i))
		broadcast(t, fork, one...)
		sequence(t, fork)
		wrong = append(wrong, one...)
	}
	r := repair(t, back)
	bring := func(l *log.Log, list []network.Staged) {
		t.Helper()
		for _, s := range list {
			if err := r.AddEvidence(brought(t, l, s), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	bring(fork, wrong)
	p, err := r.Plan(t.Context())
	if err == nil || len(p.Forks) != 1 || p.Forks[0].N != 21 || p.Target.N != 19 {
		t.Fatalf("of the fork alone: %d forks, target %d, %v", len(p.Forks), p.Target.N, err)
	}
	bring(newest, all)
	if p, err = r.Plan(t.Context()); err != nil || len(p.Forks) != 1 || p.Target.N != 19 {
		t.Fatalf("of both: %d forks, target %d, %v", len(p.Forks), p.Target.N, err)
	}
	if err := r.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := back.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// If no checkpoint was stored, or it went back too, the newest certificate shows what
// existed.
func TestRepairFromACertificateAlone(t *testing.T) {
	s, newest, back, all := restored(t, storetest.SQLite(t))
	s.texts = map[string]string{}
	if err := back.Guard(t.Context()); err != nil { // without a stored checkpoint it accepts the database
		t.Fatal(err)
	}
	r := repair(t, back)
	for _, one := range all {
		if err := r.AddEvidence(brought(t, newest, one), "certificate.pdf"); err != nil {
			t.Fatal(err)
		}
	}
	p, err := r.Plan(t.Context())
	if err != nil || p.Target.N != 19 || p.Target.From != "certificate.pdf" {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := r.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := back.Guard(t.Context()); err != nil || s.texts[back.KeptName()] != must(newest.LatestCheckpoint(t.Context())) {
		t.Errorf("%v", err)
	}
}

// A repair does not overwrite what a server did meanwhile.
func TestRepairIsOvertaken(t *testing.T) {
	s, newest, back, all := restored(t, storetest.SQLite(t))
	r := repair(t, back)
	for _, one := range all {
		if err := r.AddEvidence(brought(t, newest, one), ""); err != nil {
			t.Fatal(err)
		}
	}
	p, err := r.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.texts = map[string]string{}
	fill(t, back, 900, 1)
	if err := r.Apply(t.Context(), p); err == nil {
		t.Error("written over another block")
	}
	if stop := (*log.Stop)(nil); errors.As(back.Guard(t.Context()), &stop) {
		t.Error(stop)
	}
}

// Two copies of one database both continue: only one of them makes the block.
func TestTwoCopies(t *testing.T) {
	s := newFaulty()
	a, _ := story(t, storetest.SQLite(t), s, 3)
	dbB := storetest.SQLite(t)
	story(t, dbB, nil, 3)
	c := config()
	c.Checkpoints = s
	b, err := log.Open(t.Context(), dbB, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	// b has looked and staged; before it swaps, a makes its block.
	broadcast(t, b, stage(t, b, call(50))...)
	broadcast(t, a, stage(t, a, call(60))...)
	raced := false
	s.fault = func() (error, bool) {
		if raced {
			return nil, false
		}
		raced = true
		s.mu.Unlock() // a swaps within this swap
		defer s.mu.Lock()
		if !sequence(t, a) {
			t.Error("a made no block")
		}
		return nil, false
	}
	if made, err := b.Sequence(t.Context()); made || err != nil {
		t.Errorf("b: %v, %v", made, err)
	}
	_, err = b.Sequence(t.Context())
	if stop := stopOf(t, err); stop.Reason != log.Shorter {
		t.Errorf("%+v", stop)
	}
	if size := must(b.Blocks(t.Context(), 1<<62, 1))[0].Size; size != 6 {
		t.Errorf("b published %d entries", size)
	}
}

// A staged block whose checkpoint is stored already lacks nothing: it is published
// without a repair.
func TestNothingToRepairOfAStagedBlock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newFaulty()
		l, _ := guarded(t, db, s)
		fill(t, l, 0, 1)
		s.fault = func() (error, bool) { return errors.New("no answer"), true }
		broadcast(t, l, stage(t, l, call(1))...)
		if _, err := l.Sequence(t.Context()); err == nil {
			t.Fatal("the swap was answered")
		}
		if p, err := repair(t, l).Plan(t.Context()); err != nil || len(p.Missing) > 0 || len(p.Entries) > 0 {
			t.Errorf("missing %v, %d come back, %v", p.Missing, len(p.Entries), err)
		}
		s.fault = nil
		if !sequence(t, l) {
			t.Error("it is not published")
		}
	})
}
