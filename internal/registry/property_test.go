package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"timbre.example/internal/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// Clients, faults of network and object store, jumps of the clock, restarts and two workers,
// in any order and at once. In the end every job has ended, and all stored data agrees.
func TestAnyInterleaving(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return storetest.SQLiteURL(t, t.TempDir()) },
		"postgres": func(t *testing.T) string { return storetest.PostgresURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const budget = 4 * time.Second
			until, found := time.Now().Add(budget), false
			rapid.Check(t, func(rt *rapid.T) {
				if time.Now().After(until) && !found { // after a failure rapid shrinks the example
					return
				}
				defer func() { found = found || rt.Failed() }()
				u := url(t)
				db, err := store.Open(rt.Context(), u)
				if err != nil {
					rt.Fatal(err)
				}
				defer db.Close()
				if err := db.Migrate(rt.Context()); err != nil {
					rt.Fatal(err)
				}
				m := &machine{world: newWorld(rt, u, db, t.TempDir(), 4*price)}
				m.second = m.another(db)
				rt.Repeat(map[string]func(*rapid.T){
					"init": m.init, "put": m.put, "update": m.update, "register": m.register, "register again": m.register,
					"act": m.act, "act again": m.act, "act at once": m.actAtOnce,
					"network fault": m.networkFault, "store fault": m.storeFault, "finality": m.finality,
					"clock": m.clock, "restart": m.restart, "grant": m.giveCredits,
				})
				m.settle()
				for _, s := range m.accepted {
					if s.view().Done == nil {
						rt.Errorf("%s was confirmed and never ended", s.slot.JobID)
					}
				}
			})
		})
	}
}

type machine struct {
	*world
	second   *Registry
	songs    []*song
	mu       sync.Mutex
	accepted []*song
	codes    []string // of confirmed works, final or not
}

func (m *machine) init(t *rapid.T) {
	title := rapid.SampledFrom([]string{"Ferry", " ferry", "Snow", "Porch"}).Draw(t, "title")
	ref := rapid.SampledFrom([]string{"", "", "ada"}).Draw(t, "end-user")
	c := m.caller(ref)
	slot, err := m.initAs(c, describing(title))
	if errors.Is(err, fault.CodeRegistrationDuplicateTitle) {
		return
	} else if err != nil {
		t.Fatalf("init: %v", err)
	}
	s := &song{w: m.world, caller: c, slot: slot}
	m.songs = append(m.songs, s)
	m.upload(t, s)
}

// register takes every step of a client, until one is refused.
func (m *machine) register(t *rapid.T) {
	before := len(m.songs)
	m.init(t)
	if len(m.songs) == before {
		return
	}
	for _, what := range []string{"prepare", "confirm"} {
		if err := m.client(what, m.reg, m.songs[before])(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// update begins a version of a confirmed work. The access code opens the work only once it
// is final.
func (m *machine) update(t *rapid.T) {
	if len(m.codes) == 0 {
		t.Skip("nothing to update")
	}
	code := rapid.SampledFrom(m.codes).Draw(t, "code")
	c, err := m.reg.Access.EditorByCode(t.Context(), m.callerFor(session.UpdateVersion, m.keys, ""), code, true)
	if errors.Is(err, fault.CodeAccessCodeNotFound) {
		return
	} else if err != nil {
		t.Fatalf("unlock: %v", err)
	}
	in := intake.UpdateRequest{Creators: describing("").Creators, NewFile: rapid.Bool().Draw(t, "new recording"), Filename: "mix.wav"}
	slot, err := m.reg.Intake.InitUpdate(t.Context(), c, in)
	if errors.Is(err, fault.CodeVersionAlreadyInProgress) {
		return
	} else if err != nil {
		t.Fatalf("init of an update: %v", err)
	}
	s := &song{w: m.world, editor: c, slot: slot}
	m.songs = append(m.songs, s)
	if in.NewFile {
		m.upload(t, s)
	}
}

func (m *machine) pick(t *rapid.T) *song {
	if len(m.songs) == 0 {
		t.Skip("no song yet")
	}
	// The latest songs are the most likely to change.
	return m.songs[len(m.songs)-1-rapid.IntRange(0, min(4, len(m.songs)-1)).Draw(t, "song")]
}

func (m *machine) put(t *rapid.T) {
	if s := m.pick(t); s.slot.UploadURL != "" {
		m.upload(t, s)
	}
}

func (m *machine) upload(t *rapid.T, s *song) {
	body := []byte("no audio")
	if seed := rapid.IntRange(0, 8).Draw(t, "audio"); seed < 8 {
		body = wav(seed / 2)
	}
	status, text := m.tryPut(s.slot.UploadURL, body)
	if status != http.StatusOK && status != http.StatusTeapot { // the latter: refused, the slot has expired
		t.Fatalf("PUT: %d %s", status, text)
	}
}

// allowed are the refusals that each step may return here.
var allowed = map[string][]fault.Code{
	"prepare": {fault.CodeTransactionAlreadyConfirmed, fault.CodeTransactionExpired, fault.CodeRegistrationUploadMissing, fault.CodeRegistrationInvalidAudioFormat,
		fault.CodeRegistrationDryRunFailed, fault.CodeCommonServiceUnavailable, fault.CodeWorkAlreadyRegistered},
	"confirm": {fault.CodeTransactionAlreadyConfirmed, fault.CodeTransactionExpired, fault.CodeRegistrationUploadMissing, fault.CodeRegistrationDuplicateTitle,
		fault.CodeWorkAlreadyRegistered, fault.CodeRegistrationInsufficientCredits, fault.CodeVersionAlreadyInProgress},
	"renew": {fault.CodeTransactionAlreadyConfirmed, fault.CodeTransactionExpired, fault.CodeCommonValidationFailed}, // the last: the recording stays
}

// action draws a step of a client or a worker, which runs alone or beside another.
func (m *machine) action(t *rapid.T) func(context.Context) error {
	what := rapid.SampledFrom([]string{"prepare", "prepare", "confirm", "confirm", "advance", "advance", "sweep", "renew"}).Draw(t, "what")
	r := m.reg
	if rapid.Bool().Draw(t, "on the second") {
		r = m.second
	}
	switch what {
	case "advance": // with injected faults it may fail; it must succeed in the end
		return func(ctx context.Context) error { _ = r.Anchoring.Advance(ctx, m.net); return nil }
	case "sweep":
		return func(ctx context.Context) error { _, _ = r.Erasing.Sweep(ctx); return nil }
	}
	return m.client(what, r, m.pick(t))
}

// client is a step of a client. It returns an error only for an answer that the step may not
// return.
func (m *machine) client(what string, r *Registry, s *song) func(context.Context) error {
	return func(ctx context.Context) error {
		var err error
		switch what {
		case "prepare":
			_, err = r.Intake.Prepare(ctx, s.by(), s.slot.JobID)
		case "confirm":
			var c intake.Confirmed
			if c, err = r.Intake.Confirm(ctx, s.by(), s.slot.JobID, "req_"+s.slot.JobID); err == nil {
				m.mu.Lock()
				m.accepted = append(m.accepted, s)
				if c.AccessCode != "" {
					m.codes = append(m.codes, c.AccessCode)
				}
				m.mu.Unlock()
			}
		case "renew":
			_, err = r.Intake.RenewUpload(ctx, s.by(), s.slot.JobID)
		}
		if err != nil && !slices.ContainsFunc(allowed[what], func(c fault.Code) bool { return errors.Is(err, c) }) {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
}

func (m *machine) act(t *rapid.T) {
	if err := m.action(t)(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) actAtOnce(t *rapid.T) {
	actions := make([]func(context.Context) error, rapid.IntRange(2, 4).Draw(t, "actions"))
	for i := range actions {
		actions[i] = m.action(t)
	}
	errs := make([]error, len(actions))
	var wg sync.WaitGroup
	for i, do := range actions {
		wg.Go(func() { errs[i] = do(t.Context()) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) networkFault(t *rapid.T) {
	op := rapid.SampledFrom([]networktest.Op{networktest.DryRun, networktest.Stage, networktest.Broadcast, networktest.Find}).Draw(t, "op")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		m.net.Fail(op)
	case 1:
		m.net.FailAfter(rapid.IntRange(-1, 2).Draw(t, "through"))
	case 2:
		if op != networktest.Find {
			m.net.Refuse(op, "not today")
		}
	case 3:
		m.net.IncludeFailed("dropped")
	}
}

func (m *machine) storeFault(t *rapid.T) {
	which := rapid.SampledFrom([]string{"copy", "open", "delete"}).Draw(t, "op")
	var once sync.Once
	m.blobs.fail(func(op, _ string) (err error) {
		if op == which {
			once.Do(func() { err = errors.New("disk on fire") })
		}
		return err
	})
}

func (m *machine) finality(t *rapid.T) {
	if waiting := m.net.Waiting(); len(waiting) > 0 {
		some := rapid.Permutation(waiting).Draw(t, "order")
		m.net.Finalize(some[:rapid.IntRange(0, len(some)).Draw(t, "some")]...)
		return
	}
	m.net.Hold()
}

func (m *machine) clock(t *rapid.T) {
	m.pass(time.Duration(rapid.IntRange(1, 480).Draw(t, "seconds")) * time.Second)
}

func (m *machine) restart(*rapid.T) { m.reg = m.another(m.db) }

func (m *machine) giveCredits(*rapid.T) { m.grant(m.org, price) }
