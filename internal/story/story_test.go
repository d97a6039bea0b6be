package story_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/record"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/story"
)

// idOf returns a UUIDv7 of a time.
func idOf(t *testing.T, at time.Time) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		id[i] = byte(at.UnixMilli() >> (8 * (5 - i)))
	}
	return id.String()
}

type world struct {
	t  *testing.T
	db *store.DB
	*story.Service
	requests *requestlog.Log
	n        int64
}

func newWorld(t *testing.T, db *store.DB) *world {
	requests := requestlog.New(db, time.Hour, slog.New(slog.DiscardHandler))
	return &world{t: t, db: db, Service: story.New(db, requests), requests: requests}
}

// add adds an attempt of an organization in a status, begun at a time. ref is the reference of
// its end-user.
func (w *world) add(organization string, n network.Name, s story.Status, ref string, at time.Time) string {
	w.t.Helper()
	id, ctx := idOf(w.t, at), w.t.Context()
	w.n++
	err := w.db.Tx(ctx, func(tx *store.Tx) error {
		now := store.Micros(at)
		if err := tx.InsertJob(ctx, query.InsertJobParams{
			ID: id, OrganizationID: organization, SessionJti: "jti-" + id, Kind: record.KindRegister, Network: string(n), ExternalUserRef: ref, WorkID: "w-" + id, Title: "A song", TitleKey: "a song",
			Creators: "[]", Filename: "song.wav", Media: "{}", Deadline: now + 60_000_000, Now: now,
		}); err != nil || s == story.Begun {
			return err
		}
		if s == story.Expired {
			_, err := tx.ExpireJob(ctx, query.ExpireJobParams{ID: id, Now: now, Before: now + 61_000_000})
			return err
		}
		steps := func() error {
			for _, step := range []func() (int64, error){
				func() (int64, error) {
					return tx.PrepareJob(ctx, query.PrepareJobParams{ID: id, MediaHash: []byte("m"), Media: "{}", MerkleRoot: []byte("r"), Commitment: []byte(id), Quote: `{"total":7}`, TotalCredits: 7, QuoteUntil: now + 2, Deadline: now + 60_000_000, Now: now, Seen: now})
				},
				func() (int64, error) { return tx.ConfirmJob(ctx, query.ConfirmJobParams{ID: id, Now: now}) },
				func() (int64, error) {
					return tx.InsertTransaction(ctx, query.InsertTransactionParams{JobID: id, Steps: "[]", RequestID: "req_" + id, Now: now})
				},
			} {
				if n, err := step(); err != nil || n != 1 {
					return fmt.Errorf("%d rows, %w", n, err)
				}
			}
			return nil
		}
		if err := steps(); err != nil || s == story.Running {
			return err
		}
		if s == story.Failed {
			_, err := tx.FailTransaction(ctx, query.FailTransactionParams{ID: id, Failure: `{"code":"transaction.failed","details":{"reason":"no"}}`, Steps: "[]", Now: now, Seen: state.TransactionConfirmed})
			return err
		}
		if _, err := tx.StageTransaction(ctx, query.StageTransactionParams{ID: id, Staged: []byte("s"), TxHash: []byte(id), Steps: "[]", Now: now}); err != nil {
			return err
		}
		if _, err := tx.BroadcastTransaction(ctx, query.BroadcastTransactionParams{ID: id, Steps: "[]", Now: now}); err != nil {
			return err
		}
		_, err := tx.FinishTransaction(ctx, query.FinishTransactionParams{ID: id, AtsID: w.n, Version: 1, BlockNumber: 1, BlockHash: []byte("b"), Steps: "[]", Now: now})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// list reads all pages of a filter.
func (w *world) list(organization string, f story.Filter) (ids []string) {
	w.t.Helper()
	for {
		p, err := w.List(w.t.Context(), organization, f)
		if err != nil {
			w.t.Fatalf("%+v: %v", f, err)
		}
		for _, a := range p.Attempts {
			ids = append(ids, a.ID)
		}
		if !p.More {
			return ids
		}
		f.Before = p.Next
	}
}

func TestList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		begin := time.Now().Truncate(time.Second).Add(-time.Hour)
		type made struct {
			id     string
			n      network.Name
			s      story.Status
			ref    string
			number int64
			at     time.Time
		}
		var all []made
		for i := range 40 {
			m := made{n: network.Names()[i%2], s: story.Statuses()[i%5], at: begin.Add(time.Duration(i) * time.Second)}
			if i%3 == 0 {
				m.ref = "ann"
			}
			m.id = w.add("o1", m.n, m.s, m.ref, m.at)
			if m.s == story.Registered {
				m.number = w.n
			}
			all = append(all, m)
			w.add("o2", m.n, m.s, m.ref, m.at)
		}
		want := func(keep func(made) bool) (ids []string) {
			for _, m := range slices.Backward(all) {
				if keep(m) {
					ids = append(ids, m.id)
				}
			}
			return ids
		}
		check := func(f story.Filter, keep func(made) bool) {
			t.Helper()
			for _, f.First = range []int{1, 3, 50} {
				if got, want := w.list("o1", f), want(keep); !slices.Equal(got, want) {
					t.Errorf("%+v: %d attempts, want %d\n%v\n%v", f, len(got), len(want), got, want)
				}
			}
		}
		check(story.Filter{}, func(made) bool { return true })
		for _, s := range story.Statuses() {
			check(story.Filter{Status: s}, func(m made) bool { return m.s == s })
			check(story.Filter{Status: s, Network: network.Testnet}, func(m made) bool { return m.s == s && m.n == network.Testnet })
			check(story.Filter{Status: s, Text: "ann", Network: network.Mainnet}, func(m made) bool { return m.s == s && m.ref == "ann" && m.n == network.Mainnet })
		}
		since, until := begin.Add(10*time.Second), begin.Add(20*time.Second)
		check(story.Filter{Since: since, Until: until}, func(m made) bool { return !m.at.Before(since) && m.at.Before(until) })
		check(story.Filter{Since: since, Status: story.Failed}, func(m made) bool { return !m.at.Before(since) && m.s == story.Failed })
		check(story.Filter{Text: "nobody"}, func(made) bool { return false })
		check(story.Filter{Text: "%"}, func(made) bool { return false })
		for _, m := range all[:10] {
			check(story.Filter{Text: " " + strings.ToUpper(m.id)}, func(x made) bool { return x.id == m.id })
			check(story.Filter{Text: m.id[:18]}, func(x made) bool { return x.id == m.id })
			if m.number > 0 {
				check(story.Filter{Text: fmt.Sprintf("#%d", m.number)}, func(x made) bool { return x.id == m.id })
			}
		}
		if _, err := w.List(t.Context(), "o1", story.Filter{Before: "x\x00"}); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Errorf("a cursor that is none: %v", err)
		}
		for _, text := range []string{"\x00", "\xff", "req_", strings.Repeat("9", 15), "'; DROP TABLE jobs; --"} {
			if _, err := w.List(t.Context(), "o1", story.Filter{Text: text}); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		// The attempts of o2 are absent for o1, by each way.
		other, err := w.List(t.Context(), "o2", story.Filter{First: 1})
		if err != nil {
			t.Fatal(err)
		}
		id := other.Attempts[0].ID
		if got := w.list("o1", story.Filter{Text: id}); len(got) != 0 {
			t.Errorf("found an attempt of another organization: %v", got)
		}
		for _, id := range []string{id, id[:18], "req_" + id, "", "x", "%"} {
			if s, err := w.Read(t.Context(), "o1", id); !errors.Is(err, fault.CodeTransactionNotFound) {
				t.Errorf("read %q of another organization: %+v, %v", id, s, err)
			}
		}
	})
}

// A search whose filter leaves out nearly everything reads a bounded number of rows, and its
// next page continues.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	begin := time.Now().Add(-time.Hour)
	oldest := w.add("o1", network.Testnet, story.Expired, "ann", begin)
	for i := range 1200 {
		w.add("o1", network.Testnet, story.Begun, "ann", begin.Add(time.Duration(i+1)*time.Millisecond))
	}
	f := story.Filter{Text: "ann", Status: story.Expired, First: 50}
	p, err := w.List(t.Context(), "o1", f)
	if err != nil || len(p.Attempts) != 0 || !p.More {
		t.Fatalf("%+v, %v", p, err)
	}
	if got := w.list("o1", f); len(got) != 1 || got[0] != oldest {
		t.Errorf("%v", got)
	}
}

// A call can name a job of another organization. Its story has the call, and nothing of the job.
func TestForeignJobInACall(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		foreign := w.add("o2", network.Testnet, story.Running, "", time.Now())
		const id = "req_01ARZ3NDEKTSV4RRFFQ69G5FAV"
		w.requests.Record(requestlog.Call{Organization: "o1", RequestID: id, Job: foreign, Route: "/v1/works/prepare", Code: "transaction.not_found", Caller: requestlog.Caller{Session: "s1"}, At: time.Now()})
		if err := w.requests.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := w.Read(t.Context(), "o1", id)
		if err != nil || s.Attempt != nil || len(s.Calls) != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		if got := w.list("o1", story.Filter{Text: id, First: 5}); len(got) != 0 {
			t.Errorf("%v", got)
		}
		// Neither when its own session is the one of the other organization's job.
		if s, err := w.Read(t.Context(), "o1", foreign); !errors.Is(err, fault.CodeTransactionNotFound) {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// An id is shown without half of its random bits, so that it opens nothing.
func TestShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	id := w.add("o1", network.Mainnet, story.Begun, "", time.Now())
	s, err := w.Read(t.Context(), "o1", id)
	if err != nil || len(s.Attempt.Short()) != 18 || !strings.HasPrefix(id, s.Attempt.Short()) {
		t.Fatalf("%+v, %v", s.Attempt, err)
	}
	// Two attempts with one beginning are neither.
	twin := bytes.Clone([]byte(id))
	for i := len(twin) - 1; ; i-- {
		if twin[i] != 'f' {
			twin[i] = 'f'
			break
		}
	}
	if err := w.db.Tx(t.Context(), func(tx *store.Tx) error {
		return tx.InsertJob(t.Context(), query.InsertJobParams{ID: string(twin), OrganizationID: "o1", Kind: record.KindRegister, Network: "testnet", WorkID: "w", Creators: "[]", Media: "{}"})
	}); err != nil {
		t.Fatal(err)
	}
	if s, err := w.Read(t.Context(), "o1", id[:18]); !errors.Is(err, fault.CodeTransactionNotFound) {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := w.Read(t.Context(), "o1", id); err != nil || s.Attempt.ID != id {
		t.Errorf("%+v, %v", s, err)
	}
}
