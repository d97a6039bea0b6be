package log_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence"
)

// seedOf returns the seed of the key with this number, from 2 upwards.
func seedOf(number int) []byte { return bytes.Repeat([]byte{byte(100 + number)}, 32) }

// publicOf returns the public half of a seed.
func publicOf(seed []byte) ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}

// rekeyed opens a log with all of its keys and a place for its checkpoints.
func rekeyed(t testing.TB, db *store.DB, kept checkpoint.Store, change func(*log.Config)) *log.Log {
	t.Helper()
	c := config()
	c.Checkpoints, c.NextKey = kept, seedOf
	if change != nil {
		change(&c)
	}
	l, err := log.Open(t.Context(), db, c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// add registers n works, each in a block of its own.
func add(t testing.TB, l *log.Log, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		broadcast(t, l, stage(t, l, call(i))...)
		if !sequence(t, l) {
			t.Fatal("no block was made")
		}
	}
}

func pageOf(t testing.TB, l *log.Log) evidence.KeyPage {
	t.Helper()
	p, err := l.KeyPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// After a rotation the new key signs the next block, the origin stays, and every block has the
// one key of its size. Evidence of both keys verifies with either key and the page.
func TestRotate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		kept := checkpoint.Dir(t.TempDir())
		l := rekeyed(t, db, kept, nil)
		other := rekeyed(t, db, kept, nil) // another process, which learns of the change by itself
		reader := rekeyed(t, db, nil, func(c *log.Config) { c.Key, c.NextKey, c.PublicKey = nil, nil, publicOf(config().Key) })
		first := l.VerifierKey()
		add(t, l, 0, 3)
		if err := l.Rotate(t.Context(), 3); err == nil {
			t.Fatal("a number was left out")
		}
		for range 2 { // the second time changes nothing
			if err := l.Rotate(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
		}
		second := l.VerifierKey()
		if second == first || strings.SplitN(second, "+", 2)[0] != origin {
			t.Fatal(second)
		}
		add(t, other, 3, 2)
		add(t, l, 5, 1)
		p := pageOf(t, reader)
		if got := p.Keys(); len(got) != 2 || got[0] != first || got[1] != second || p.Changes[1].After.N != 3 || p.Changes[1].Block != 3 {
			t.Fatalf("%+v", p)
		}
		for i := range 6 {
			hash := stage(t, l, call(i))[0].Hash
			proof, err := reader.Prove(t.Context(), hash)
			if err != nil {
				t.Fatal(err)
			}
			want := first
			if i >= 3 {
				want = second
			}
			tree, key, err := p.Open(proof.Log.Checkpoint)
			if err != nil || key != want || proof.Log.Key != want || tree.N != int64(i+1) {
				t.Errorf("entry %d: %v, key %s, size %d", i, err, key, tree.N)
			}
		}
		// x/mod reads the page and the newest checkpoint with both keys.
		var both []note.Verifier
		for _, key := range p.Keys() {
			v, err := note.NewVerifier(key)
			if err != nil {
				t.Fatal(err)
			}
			both = append(both, v)
		}
		if n, err := note.Open([]byte(p.Text), note.VerifierList(both...)); err != nil || len(n.Sigs) != 2 {
			t.Error(n, err)
		}
		newest, err := l.LatestCheckpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := note.Open([]byte(newest), note.VerifierList(both...)); err != nil || len(n.Sigs) != 1 || n.Sigs[0].Hash != both[1].KeyHash() {
			t.Error(n, err)
		}
		for path, want := range map[string]string{"/keys": p.Text, "/key": second + "\n"} {
			w := httptest.NewRecorder()
			reader.Handler(nil).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Body.String() != want {
				t.Errorf("%s: %d %q", path, w.Code, w.Body)
			}
		}
	})
}

// A process that lacks the new key signs nothing after the rotation.
func TestRotateWithoutTheNewKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		kept := checkpoint.Dir(t.TempDir())
		old := rekeyed(t, db, kept, func(c *log.Config) { c.NextKey = nil })
		l := rekeyed(t, db, kept, nil)
		add(t, old, 0, 1)
		if err := l.Rotate(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		broadcast(t, old, stage(t, old, call(1))...)
		if made, err := old.Sequence(t.Context()); made || err == nil {
			t.Fatal("a process with the former key alone made a block")
		}
		// A file of keys may have the new seed and only the public half of the first one.
		fresh := rekeyed(t, db, kept, func(c *log.Config) { c.Key, c.PublicKey = nil, publicOf(config().Key) })
		if !sequence(t, fresh) {
			t.Error("the process with the new key made no block")
		}
	})
}

// Several processes make blocks while another one rotates: every block has the one key that the
// page gives it.
func TestRotateWhileBlocksAreMade(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		kept := checkpoint.Dir(t.TempDir())
		l := rekeyed(t, db, kept, nil)
		var all sync.WaitGroup
		for worker := range 3 {
			one := rekeyed(t, db, kept, nil)
			all.Go(func() {
				for i := range 5 {
					broadcast(t, one, stage(t, one, call(worker*100+i))...)
					if _, err := one.Sequence(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for number := 2; number < 6; number++ {
			if err := l.Rotate(t.Context(), number); err != nil {
				t.Error(err)
			}
		}
		all.Wait()
		for sequence(t, l) {
		}
		p := pageOf(t, l)
		blocks, err := l.Blocks(t.Context(), 1000, 100)
		if err != nil || len(p.Keys()) != 5 {
			t.Fatal(err, p.Keys())
		}
		if last := blocks[0]; last.Size != 15 {
			t.Errorf("%d entries", last.Size)
		}
		for _, b := range blocks {
			if _, _, err := p.Open(b.Checkpoint); err != nil {
				t.Errorf("block %d: %v", b.Number, err)
			}
		}
	})
}

// place is a store that fails before or after it stores, at its n-th call for the key page.
type place struct {
	checkpoint.Store
	before, after bool
}

func (p *place) Swap(ctx context.Context, name, old, new string) error {
	if !strings.HasSuffix(name, "-keys") {
		return p.Store.Swap(ctx, name, old, new)
	}
	if p.before {
		return errors.New("the place does not answer")
	}
	err := p.Store.Swap(ctx, name, old, new)
	if err == nil && p.after {
		err = errors.New("the connection broke after the write")
	}
	return err
}

// A rotation that stops between its steps is completed by the next process, and no block is made
// before.
func TestRotateStopsHalfway(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after the write %t", after), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				dir := checkpoint.Dir(t.TempDir())
				broken := &place{dir, !after, after}
				l := rekeyed(t, db, broken, nil)
				add(t, l, 0, 2)
				if err := l.Rotate(t.Context(), 2); err == nil {
					t.Fatal("the place failed")
				}
				if p := pageOf(t, l); len(p.Keys()) != 1 {
					t.Fatal("the change was published before it was kept")
				}
				broadcast(t, l, stage(t, l, call(2))...)
				if made, err := l.Sequence(t.Context()); made != after || (err == nil) != after { // a kept change is completed first
					t.Fatalf("a block: %t, %v", made, err)
				}
				next := rekeyed(t, db, dir, nil)
				if sequence(t, next) == after {
					t.Fatal("not one block in all")
				}
				if err := next.Rotate(t.Context(), 2); err != nil {
					t.Fatal(err)
				}
				p := pageOf(t, next)
				newest, err := next.LatestCheckpoint(t.Context())
				if err != nil || len(p.Keys()) != 2 {
					t.Fatal(err, p.Keys())
				}
				if _, key, err := p.Open(newest); err != nil || key != p.Key() {
					t.Error(key, err)
				}
			})
		})
	}
}

// A database that went back before a rotation or an end learns of it from the place outside.
func TestKeysOfARestoredDatabase(t *testing.T) {
	t.Parallel()
	for _, end := range []bool{false, true} {
		t.Run(fmt.Sprintf("end %t", end), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				kept := checkpoint.Dir(t.TempDir())
				l := rekeyed(t, db, kept, nil)
				add(t, l, 0, 1)
				before := pageOf(t, l)
				change := func() error { return l.Rotate(t.Context(), 2) }
				if end {
					change = func() error { return l.End(t.Context()) }
				}
				if err := change(); err != nil {
					t.Fatal(err)
				}
				after := pageOf(t, l)
				if err := db.Tx(t.Context(), func(tx *store.Tx) error {
					n, err := tx.GrowLogKeys(t.Context(), query.GrowLogKeysParams{Network: "testnet", Before: after.Text, Keys: before.Text})
					if n != 1 {
						t.Error("the database did not go back")
					}
					return err
				}); err != nil {
					t.Fatal(err)
				}
				restored := rekeyed(t, db, kept, nil)
				broadcast(t, restored, stage(t, restored, call(1))...)
				sequence(t, restored)
				if got := pageOf(t, rekeyed(t, db, nil, nil)); got.Text != after.Text {
					t.Error("the restored database goes on with its old keys")
				}
				newest, err := restored.LatestCheckpoint(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, key, err := after.Open(newest); err != nil || !end && key != after.Key() {
					t.Error(key, err)
				}
			})
		})
	}
}

// An ended log makes no block, refuses what waits and what comes, and stays ended.
func TestEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		kept := checkpoint.Dir(t.TempDir())
		l := rekeyed(t, db, kept, nil)
		other := rekeyed(t, db, kept, nil)
		add(t, l, 0, 2)
		waiting := stage(t, l, call(2))
		broadcast(t, l, waiting...)
		for range 2 {
			if err := l.End(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		last, ended := pageOf(t, other).Ended()
		if !ended || last.N != 2 {
			t.Fatal(last, ended)
		}
		if err := other.DryRun(t.Context(), call(3)); !errors.Is(err, network.ErrRefused) {
			t.Error(err)
		}
		if !sequence(t, other) {
			t.Fatal("what waits was not decided")
		}
		if r := find(t, other, waiting...); len(r) != 1 || !strings.Contains(r[0].Failure, "ended") {
			t.Error(r)
		}
		if sequence(t, l) {
			t.Error("an ended log made a block")
		}
		if err := l.Rotate(t.Context(), 2); err == nil {
			t.Error("an ended log has a new key")
		}
		if err := l.Stopped(t.Context()); err != nil {
			t.Error(err) // reads go on, and the server stays ready
		}
		if newest, err := l.LatestCheckpoint(t.Context()); err != nil || !strings.Contains(newest, "\n2\n") {
			t.Error(newest, err)
		}
	})
}
