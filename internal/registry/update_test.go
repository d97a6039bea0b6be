package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/session"
	"timbre.example/internal/store/query"
)

// versionPrice is the price of a version in the tests: 12 + 20, and 5 percent rounded up.
// Small files cost no storage.
const versionPrice = 34

func (w *world) version(workID string, n int64) query.Version {
	w.t.Helper()
	v, err := w.db.Read().GetVersion(w.t.Context(), query.GetVersionParams{WorkID: workID, Version: n})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func TestUpdate(t *testing.T) {
	for name, seed := range map[string]int{"keeps the recording": -1, "brings a recording": 2} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				code := w.registered("Porch Light", 1)
				spent := w.balance().Spent
				s := w.updating(code, seed, "Ada Example", "Ben Example")
				p, err := s.prepare()
				if err != nil {
					t.Fatal(err)
				}
				if p.Price.Total != versionPrice || p.Price.Deposit != 20 || p.Price.VersionDeposit != 20 {
					t.Fatalf("quote %+v", p.Price)
				}
				c, err := s.confirm()
				if err != nil {
					t.Fatal(err)
				}
				if c.AccessCode != "" {
					t.Error("an update gives out a code")
				}
				w.advance()
				s.wantFinal()
				v := s.view()
				if v.Kind != "add_version" || v.Done.AtsID != 1 || v.Done.WorkID != s.editor.WorkID() || v.Done.AccessCode != "" {
					t.Fatalf("outcome %s %+v", v.Kind, v.Done)
				}
				now, err := w.reg.Works.Work(t.Context(), w.holder(code).Reader())
				if err != nil {
					t.Fatal(err)
				}
				wantFile := map[bool]string{true: "mix.wav", false: "take.wav"}[seed >= 0]
				if now.LatestVersion != 2 || now.Title != "Porch Light" || now.Filename != wantFile || len(now.Creators) != 2 || now.Creators[1].FullName != "Ben Example" {
					t.Fatalf("the work is now %+v", now)
				}
				one, two := w.version(now.ID, 1), w.version(now.ID, 2)
				if same := string(one.MediaHash) == string(two.MediaHash) && one.AssetKey == two.AssetKey; same != (seed < 0) {
					t.Fatalf("versions %+v and %+v", one, two)
				}
				if got := w.balance().Spent - spent; got != versionPrice {
					t.Fatalf("spent %d", got)
				}
			})
		})
	}
}

// After any failure of the network, the update ends once, as a registration does. If it is
// refused, the work keeps all that it had.
func TestUpdateAndTheNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		plan func(*networktest.Fake)
		fail bool
	}{
		"accepted without an answer": {func(f *networktest.Fake) { f.FailAfter(-1); f.Fail(networktest.Find) }, false},
		"refused":                    {func(f *networktest.Fake) { f.Refuse(networktest.Stage, "no more versions") }, true},
		"fails on the chain":         {func(f *networktest.Fake) { f.IncludeFailed("no more versions") }, true},
	} {
		for recording, seed := range map[string]int{"kept": -1, "new": 2} {
			t.Run(name+", recording "+recording, func(t *testing.T) {
				onBoth(t, func(t *testing.T, w *world) {
					code := w.registered("Last Ferry", 1)
					before := w.balance()
					s := w.updating(code, seed, "Ben Example")
					if _, err := s.prepare(); err != nil {
						t.Fatal(err)
					}
					c.plan(w.net)
					if _, err := s.confirm(); err != nil {
						t.Fatal(err)
					}
					for range 3 {
						_ = w.reg.Anchoring.Advance(t.Context(), w.net)
						w.reg = w.another(w.db) // a restart must not matter
					}
					if !c.fail {
						s.wantFinal()
						return
					}
					s.wantFailed("no more versions")
					if w.balance() != before {
						t.Errorf("balance %+v, before %+v", w.balance(), before)
					}
					// The work still has its title and its first recording.
					_, err := w.initAs(w.caller(""), describing("Last Ferry"))
					wantCode(t, err, fault.CodeRegistrationDuplicateTitle)
					_, err = w.begin("Other", 1).prepare()
					wantCode(t, err, fault.CodeWorkAlreadyRegistered)
					// And it can be updated again, with the same recording.
					again := w.updating(code, seed, "Ben Example")
					if _, err := again.prepare(); err != nil {
						t.Fatal(err)
					}
					if _, err := again.confirm(); err != nil {
						t.Fatal(err)
					}
					w.advance()
					again.wantFinal()
					w.pass(24 * time.Hour)
					if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
				})
			})
		}
	}
}

func TestOneUpdateAtATime(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		code := w.registered("First Snow", 1)
		one, two := w.updating(code, -1, "Ada Example"), w.updating(code, 2, "Ben Example")
		for _, s := range []*song{one, two} {
			if _, err := s.prepare(); err != nil {
				t.Fatal(err)
			}
		}
		w.net.Hold()
		if _, err := one.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		_, err := two.confirm()
		wantCode(t, err, fault.CodeVersionAlreadyInProgress)
		third := w.holder(code)
		_, err = w.reg.Intake.InitUpdate(t.Context(), third, intake.UpdateRequest{Creators: describing("").Creators})
		wantCode(t, err, fault.CodeVersionAlreadyInProgress)
		w.net.Release()
		w.advance()
		one.wantFinal()
		// The end-user agreed to a change of the earlier version.
		_, err = two.confirm()
		wantCode(t, err, fault.CodeVersionAlreadyInProgress)
		// The refused init has not spent its session.
		if _, err := w.reg.Intake.InitUpdate(t.Context(), third, intake.UpdateRequest{Creators: describing("").Creators}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestManyUpdatesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		code := w.registered("Orchard in Six", 1)
		songs := make([]*song, 8)
		for i := range songs {
			songs[i] = w.updating(code, -1, "Ada Example")
			if _, err := songs[i].prepare(); err != nil {
				t.Fatal(err)
			}
		}
		errs := make([]error, len(songs))
		var wg sync.WaitGroup
		for i, s := range songs {
			wg.Go(func() { _, errs[i] = s.confirm() })
		}
		wg.Wait()
		went := 0
		for _, err := range errs {
			if err == nil {
				went++
			} else {
				wantCode(t, err, fault.CodeVersionAlreadyInProgress)
			}
		}
		if went != 1 {
			t.Fatalf("%d updates succeeded at once", went)
		}
	})
}

func TestUpdateRefusals(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		code, other := w.registered("One", 1), w.registered("Two", 2)

		// Another work's recording is refused at prepare and, if it was claimed in between,
		// at confirm.
		_, err := w.updating(code, 2, "Ada Example").prepare()
		wantCode(t, err, fault.CodeWorkAlreadyRegistered)
		late, quick := w.updating(code, 3, "Ada Example"), w.updating(other, 3, "Ada Example")
		for _, s := range []*song{late, quick} {
			if _, err := s.prepare(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := quick.confirm(); err != nil {
			t.Fatal(err)
		}
		_, err = late.confirm()
		wantCode(t, err, fault.CodeWorkAlreadyRegistered)

		// Every invalid field, in one answer.
		_, err = w.reg.Intake.InitUpdate(ctx, w.holder(code), intake.UpdateRequest{NewFile: true})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.CodeCommonValidationFailed || len(f.Details["fields"].([]fault.Field)) != 2 {
			t.Fatalf("got %v", err)
		}
		_, err = w.reg.Intake.InitUpdate(ctx, w.holder(code), intake.UpdateRequest{NewFile: true, Filename: "a.wav", Creators: describing("").Creators, Announced: intake.Announced{SizeBytes: 1<<20 + 1}})
		wantCode(t, err, fault.CodeRegistrationAudioTooLarge)
		_, err = w.reg.Access.EditorByCode(ctx, w.caller(""), code, true)
		wantCode(t, err, fault.CodeSessionInvalidToken)

		// Only callers who may update the work can continue its job.
		s := w.updating(code, -1, "Ada Example")
		page, err := w.reg.Access.EditorByCode(ctx, w.callerFor(session.UpdateVersion, w.keys, "ada"), code, true)
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]access.Maker{
			"another work's code":     w.holder(other),
			"no code":                 access.Editor{},
			"a registering session":   continues(w.caller("")),
			"another end-user's page": page,
		} {
			if _, err := w.reg.Intake.Prepare(ctx, m, s.slot.JobID); !errors.Is(err, fault.CodeTransactionNotFound) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if _, err := w.reg.Intake.Prepare(ctx, w.holder(code), s.slot.JobID); err != nil { // the page renewed its token
			t.Error(err)
		}
	})
}

func TestAccessCodes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		unlock := func(c session.Caller, code string, begins bool) error {
			_, err := w.reg.Access.EditorByCode(ctx, c, code, begins)
			return err
		}
		code := w.registered("Porch Light", 1)
		mine := w.callerFor(session.UpdateVersion, w.keys, "")
		for _, bad := range []string{"", "atc_", code + "0", "atc_" + strings.Repeat("g", 64), " " + code} {
			wantCode(t, unlock(mine, bad, true), fault.CodeAccessCodeFormatInvalid)
		}
		if err := unlock(mine, strings.ToUpper(code), true); err != nil {
			t.Errorf("in capitals: %v", err)
		}
		wantCode(t, unlock(mine, "atc_"+strings.Repeat("0", 64), true), fault.CodeAccessCodeNotFound)

		// Other organizations, other networks, and another work's session.
		_, keys := w.organization(0)
		wantCode(t, unlock(w.callerFor(session.UpdateVersion, keys, ""), code, true), fault.CodeAccessCodeNotFound)
		elsewhere, narrow := mine, mine
		elsewhere.Network, narrow.AtsID = "mainnet", 2
		wantCode(t, unlock(elsewhere, code, true), fault.CodeAccessCodeNotFound)
		wantCode(t, unlock(narrow, code, true), fault.CodeSessionInvalidToken)

		// Replaced: the session that did it may repeat the call, and no other session.
		next, err := w.reg.Works.ReplaceCode(ctx, mine, code)
		if err != nil || next == code {
			t.Fatalf("replaced by %q, %v", next, err)
		}
		if again, err := w.reg.Works.ReplaceCode(ctx, mine, code); err != nil || again != next {
			t.Fatalf("asked again, got %q, %v; the first time %q", again, err, next)
		}
		expired := mine
		expired.Expired = true // it can only repeat the call
		away, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := w.reg.Works.ReplaceCode(away, expired, code); !errors.Is(err, context.Canceled) || errors.Is(err, fault.CodeAccessCodeExpired) {
			t.Errorf("without the database: %v", err) // after "expired" the session would not ask again
		}
		_, err = w.reg.Works.ReplaceCode(ctx, w.callerFor(session.UpdateVersion, w.keys, ""), code)
		wantCode(t, err, fault.CodeAccessCodeExpired)
		wantCode(t, unlock(mine, code, false), fault.CodeAccessCodeExpired)
		wantCode(t, unlock(w.callerFor(session.UpdateVersion, keys, ""), code, true), fault.CodeAccessCodeNotFound)
		if err := unlock(mine, next, true); err != nil {
			t.Fatal(err)
		}
		third, err := w.reg.Works.ReplaceCode(ctx, mine, next)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.reg.Works.ReplaceCode(ctx, mine, code) // replaced two generations ago: neither code is right
		wantCode(t, err, fault.CodeAccessCodeExpired)
		w.check(false)

		// An expired lifetime stops new updates, and lets an update in progress finish.
		if _, err := account.ChangeOrganization(ctx, w.db, audit.CommandLine(), w.org, 0, func(o *account.Organization) { o.AccessCodeTTL = time.Hour }); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour - 2*time.Minute)
		s := w.updating(third, 4, "Ada Example")
		w.pass(2 * time.Minute)
		wantCode(t, unlock(mine, third, true), fault.CodeAccessCodeExpired)
		c, err := w.reg.Access.EditorByCode(ctx, w.callerFor(session.UpdateVersion, w.keys, ""), third, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Intake.Prepare(ctx, c, s.slot.JobID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Intake.Confirm(ctx, c, s.slot.JobID, "req_"+s.slot.JobID); err != nil {
			t.Fatal(err)
		}
		_, err = w.reg.Works.ReplaceCode(ctx, w.callerFor(session.UpdateVersion, w.keys, ""), third)
		wantCode(t, err, fault.CodeAccessCodeExpired)
	})
}

// A replaced code is not shown again by the transaction that made it.
func TestReplacedCodeIsNotShown(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.quoted("Porch Light", 1)
		c, err := s.confirm()
		if err != nil {
			t.Fatal(err)
		}
		w.advance()
		if _, err := w.reg.Works.ReplaceCode(t.Context(), w.callerFor(session.UpdateVersion, w.keys, ""), c.AccessCode); err != nil {
			t.Fatal(err)
		}
		if got := s.view().Done.AccessCode; got != "" {
			t.Fatalf("shown %q", got)
		}
	})
}

func TestQuota(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		code := w.registered("Before", 0) // counts, since it is of this month
		if _, err := account.ChangeOrganization(t.Context(), w.db, audit.CommandLine(), w.org, 0, func(o *account.Organization) { o.Quota = 3 }); err != nil {
			t.Fatal(err)
		}
		var songs []*song
		for i, title := range []string{"A", "B", "C", "D", "E"} {
			songs = append(songs, w.quoted(title, i+1))
		}
		songs = append(songs, w.updating(code, -1, "Ada Example"))
		if _, err := songs[5].prepare(); err != nil {
			t.Fatal(err)
		}
		errs := make([]error, len(songs))
		instances := []*Registry{w.reg, w.another(w.db)}
		var wg sync.WaitGroup
		for i, s := range songs {
			wg.Go(func() {
				_, errs[i] = instances[i%2].Intake.Confirm(t.Context(), s.by(), s.slot.JobID, "req_"+s.slot.JobID)
			})
		}
		wg.Wait()
		var refused []error
		for _, err := range errs {
			if err != nil {
				refused = append(refused, err)
			}
		}
		if len(refused) != 4 {
			t.Fatalf("%d of 6 were refused, want 4: %v", len(refused), refused)
		}
		var f *fault.Error
		if !errors.As(refused[0], &f) || f.Code != fault.CodeCommonQuotaExceeded || f.Details["limit"] != int64(3) || f.Details["used"] != int64(3) {
			t.Fatalf("got %v %v", refused[0], f.Details)
		}
		until := f.Details["resets_at"].(time.Time)
		if until.Day() != 1 || until.Hour() != 0 || f.RetryAfterSeconds() != 0 {
			t.Fatalf("resets at %s, Retry-After %d", until, f.RetryAfterSeconds())
		}
		_, err := w.initAs(w.caller(""), describing("F"))
		wantCode(t, err, fault.CodeCommonQuotaExceeded)

		// A transaction that fails on the network does not count.
		w.net.IncludeFailed("no")
		w.advance()
		if _, err := w.initAs(w.caller(""), describing("F")); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Until(until) + time.Second) // and the month ends
		i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
		wantCode(t, errs[i], fault.CodeCommonQuotaExceeded)
		s := w.quoted("G", 20)
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
	})
}

// An update without enough credits charges nothing, and can be confirmed after a top-up.
func TestUpdateWithoutCredits(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.org, w.keys = w.organization(price + versionPrice - 1)
		code := w.registered("Porch Light", 1)
		s := w.updating(code, -1, "Ada Example")
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		before := w.balance()
		_, err := s.confirm()
		wantCode(t, err, fault.CodeRegistrationInsufficientCredits)
		if w.balance() != before {
			t.Fatalf("balance %+v, before %+v", w.balance(), before)
		}
		w.grant(w.org, 1)
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		if b := w.balance(); b != (credits.Balance{Spent: before.Spent, Held: versionPrice}) {
			t.Fatalf("balance %+v", b)
		}
	})
}
