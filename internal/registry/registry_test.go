package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/intake"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/work"
	"timbre.example/internal/works"
)

func stepNames(v works.View) (names []string) {
	for _, s := range v.Steps {
		names = append(names, string(s.Code))
	}
	return names
}

func TestRegistration(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.begin("Porch  Light ", 1)
		p, err := s.prepare()
		if err != nil {
			t.Fatal(err)
		}
		if p.Price.Total != price || p.Media.Format == "" || len(p.Commitment) != 32 || p.JobID != s.slot.JobID {
			t.Fatalf("quote %+v", p)
		}
		if b := w.balance(); b != (credits.Balance{Available: plenty}) {
			t.Fatalf("a quote moved credits: %+v", b)
		}
		c, err := s.confirm()
		if err != nil {
			t.Fatal(err)
		}
		if b := w.balance(); b != (credits.Balance{Available: plenty - price, Held: price}) {
			t.Fatalf("after confirm %+v", b)
		}
		if c.TransactionID != s.slot.JobID || !strings.HasPrefix(c.AccessCode, "atc_") || len(c.AccessCode) != 68 {
			t.Fatalf("confirmed %+v", c)
		}
		w.advance()
		v := s.view()
		if diff := cmp.Diff([]string{"validating", "preparing_transaction", "signing", "submitting", "confirming", "completed"}, stepNames(v)); diff != "" {
			t.Fatal(diff)
		}
		if v.Done == nil || v.Done.AccessCode != c.AccessCode || v.Done.AtsID != 1 || v.Done.BlockNumber < 1 || v.Done.WorkID != p.WorkID || v.Done.Failure != nil {
			t.Fatalf("outcome %+v", v.Done)
		}
		if b := w.balance(); b != (credits.Balance{Available: plenty - price, Spent: price}) {
			t.Fatalf("after the end %+v", b)
		}
		work, err := w.db.Read().GetWork(t.Context(), p.WorkID)
		if err != nil || string(work.AccessCodeHash) != string(accesscode.Hash(c.AccessCode)) || work.Title != "Porch  Light" {
			t.Fatalf("work %+v, %v", work, err)
		}
		if st, err := w.reg.Works.Stats(t.Context(), "testnet"); err != nil || st.TotalWorks != 1 {
			t.Fatalf("stats %+v, %v", st, err)
		}
	})
}

// Each failure of a network, at each of its calls. The client sees the same registration,
// and the network receives it once.
func TestNetworkTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		plan  func(*networktest.Fake)
		state string // after the worker has run once
	}{
		"stage fails":                         {func(f *networktest.Fake) { f.Fail(networktest.Stage) }, "confirmed"},
		"broadcast fails":                     {func(f *networktest.Fake) { f.Fail(networktest.Broadcast) }, "staged"},
		"broadcast fails but went through":    {func(f *networktest.Fake) { f.FailAfter(-1) }, "staged"},
		"broadcast refuses for now":           {func(f *networktest.Fake) { f.Refuse(networktest.Broadcast, "busy") }, "staged"},
		"finding fails":                       {func(f *networktest.Fake) { f.Fail(networktest.Find) }, "broadcast"},
		"everything fails once":               {func(f *networktest.Fake) { f.Fail(networktest.Stage); f.FailAfter(-1); f.Fail(networktest.Find) }, "confirmed"},
		"broadcast fails twice, once through": {func(f *networktest.Fake) { f.FailAfter(-1); f.Fail(networktest.Broadcast) }, "staged"},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				s := w.quoted("Last Ferry", 1)
				c.plan(w.net)
				if _, err := s.confirm(); err != nil {
					t.Fatal(err)
				}
				if err := w.reg.Anchoring.Advance(t.Context(), w.net); err == nil {
					t.Fatal("the worker returned no error")
				}
				if got := s.state(); got != c.state {
					t.Fatalf("state %s, want %s", got, c.state)
				}
				w.check(true)
				w.reg = w.another(w.db) // a restart must not matter either
				for range 3 {
					_ = w.reg.Anchoring.Advance(t.Context(), w.net)
				}
				s.wantFinal()
			})
		})
	}
}

// Some transactions of a batch go through, and the call reports a failure.
func TestPartOfABatchWentThrough(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var songs []*song
		for i, title := range []string{"One", "Two", "Three", "Four"} {
			songs = append(songs, w.confirmed(title, i))
		}
		w.net.FailAfter(2)
		if err := w.reg.Anchoring.Advance(t.Context(), w.net); !errors.Is(err, networktest.ErrDown) {
			t.Fatalf("got %v", err)
		}
		w.check(true)
		w.advance()
		for _, s := range songs {
			s.wantFinal()
		}
		if n := w.net.Calls(networktest.Stage); n != 4 {
			t.Fatalf("staged %d times: what is staged must be sent as it is", n)
		}
	})
}

func TestFailureGivesEverythingBack(t *testing.T) {
	for name, plan := range map[string]func(*networktest.Fake){
		"refused when staged": func(f *networktest.Fake) { f.Refuse(networktest.Stage, "no more works today") },
		"failed on the chain": func(f *networktest.Fake) { f.IncludeFailed("no more works today") },
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				s := w.quoted("Orchard in Six", 1)
				plan(w.net)
				if _, err := s.confirm(); err != nil {
					t.Fatal(err)
				}
				w.advance()
				s.wantFailed("no more works today")
				if b := w.balance(); b != (credits.Balance{Available: plenty}) {
					t.Fatalf("balance %+v", b)
				}
				if names := stepNames(s.view()); names[len(names)-1] != "failed" {
					t.Fatalf("steps %v", names)
				}
				// The title and the audio are free again.
				again := w.confirmed("Orchard in Six", 1)
				w.advance()
				again.wantFinal()
			})
		})
	}
}

// A stopped network accepts no quote and no confirmation, holds nothing, and loses nothing:
// the same job continues afterwards.
func TestNetworkStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s, early := w.quoted("First Snow", 1), w.begin("Thaw", 2)
		before := w.balance()
		w.net.Stop("its database went back")
		_, first := s.confirm()
		_, second := early.prepare()
		for _, err := range []error{first, second} {
			wantCode(t, err, fault.CodeCommonServiceUnavailable)
			var f *fault.Error
			if errors.As(err, &f); f.RetryAfter != time.Minute || !errors.Is(err, network.ErrStopped) {
				t.Errorf("%v, retry after %v", err, f.RetryAfter)
			}
		}
		if err := w.reg.Stopped(t.Context()); !errors.Is(err, network.ErrStopped) {
			t.Errorf("stopped: %v", err)
		}
		if w.balance() != before {
			t.Errorf("held: %+v, was %+v", w.balance(), before)
		}
		w.check(true)
		w.net.Stop("")
		if err := w.reg.Stopped(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := early.prepare(); err != nil {
			t.Error(err)
		}
		if _, err := s.confirm(); err != nil {
			t.Error(err)
		}
	})
}

func TestDryRun(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.begin("First Snow", 1)
		w.net.Refuse(networktest.DryRun, "not this one")
		_, err := s.prepare()
		wantCode(t, err, fault.CodeRegistrationDryRunFailed)
		var f *fault.Error
		if errors.As(err, &f); !contains(f.Details["reason"], "not this one") {
			t.Fatalf("details %v", f.Details)
		}
		w.net.Fail(networktest.DryRun)
		_, err = s.prepare()
		wantCode(t, err, fault.CodeCommonServiceUnavailable)
		if _, err := s.prepare(); err != nil {
			t.Fatalf("the upload is gone after a refusal: %v", err)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTwoConfirmsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.quoted("Once", 1)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { _, errs[i] = s.confirm() })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			wantCode(t, err, fault.CodeTransactionAlreadyConfirmed)
			var f *fault.Error
			if errors.As(err, &f); f.Details["transaction_id"] != s.slot.JobID {
				t.Fatalf("details %v", f.Details)
			}
		}
		if won != 1 {
			t.Fatalf("%d of %d confirms were accepted", won, len(errs))
		}
		if b := w.balance(); b.Held != price {
			t.Fatalf("held %d", b.Held)
		}
	})
}

func TestTwoInitsWithOneToken(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		c := w.caller("")
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { _, errs[i] = w.initAs(c, describing("Same Token")) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			wantCode(t, err, fault.CodeSessionInvalidToken)
		}
		if won != 1 {
			t.Fatalf("%d inits", won)
		}
	})
}

// A refused init does not spend the token.
func TestRefusedInitLeavesTheToken(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.confirmed("Taken", 1)
		c := w.caller("")
		_, err := w.initAs(c, describing("  tAKEN "))
		wantCode(t, err, fault.CodeRegistrationDuplicateTitle)
		in := describing("Big")
		in.SizeBytes = 2 << 20
		_, err = w.initAs(c, in)
		wantCode(t, err, fault.CodeRegistrationAudioTooLarge)
		if _, err := w.initAs(c, describing("Free")); err != nil {
			t.Fatal(err)
		}
	})
}

// A title that looks the same is the same title. A title that only a machine might confuse
// with another is a different one.
func TestTitlesThatLookTheSame(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.confirmed("Love Song", 1)
		for _, title := range []string{"Love\u00a0Song", "Love\u3000Song", "LOVE\u2003 song", "L\u043eve Song", "Lоvе Sоng", "\uff2c\uff4f\uff56\uff45 \uff33ong", "𝐋𝐨𝐯𝐞 Song", "Ꮮove Song"} {
			_, err := w.initAs(w.caller(""), describing(title))
			wantCode(t, err, fault.CodeRegistrationDuplicateTitle)
		}
		// These have an invisible character and are refused as titles.
		for _, title := range []string{"Love\u200b Song", "Love\u200e Song", "Love\u3164Song", "\ufeffLove Song"} {
			_, err := w.initAs(w.caller(""), describing(title))
			wantCode(t, err, fault.CodeCommonValidationFailed)
		}
		for i, title := range []string{"Love Song 1", "Love Song l", "COH", "СОН"} {
			w.confirmed(title, i+2)
		}
		// Another end-user's titles do not conflict.
		if _, err := w.initAs(w.caller("somebody"), describing("Love Song")); err != nil {
			t.Error(err)
		}
	})
}

// Two registrations race for one title, or for one audio. The loser keeps its credits and
// its quote, and may continue if the winner fails.
func TestRaces(t *testing.T) {
	for name, c := range map[string]struct {
		titles [2]string
		seeds  [2]int
		code   fault.Code
	}{
		"title": {[2]string{"Race", "race"}, [2]int{1, 2}, fault.CodeRegistrationDuplicateTitle},
		"audio": {[2]string{"One", "Other"}, [2]int{1, 1}, fault.CodeWorkAlreadyRegistered},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				songs := []*song{w.quoted(c.titles[0], c.seeds[0]), w.quoted(c.titles[1], c.seeds[1])}
				errs := make([]error, 2)
				var wg sync.WaitGroup
				for i, s := range songs {
					wg.Go(func() { _, errs[i] = s.confirm() })
				}
				wg.Wait()
				winner, loser := songs[0], songs[1]
				err := errs[1]
				if errs[0] != nil {
					winner, loser, err = songs[1], songs[0], errs[0]
				}
				if (errs[0] == nil) == (errs[1] == nil) {
					t.Fatalf("not one winner: %v", errs)
				}
				wantCode(t, err, c.code)
				if b := w.balance(); b.Held != price {
					t.Fatalf("held %d, one registration costs %d", b.Held, price)
				}
				w.check(true)
				_, err = loser.confirm()
				wantCode(t, err, c.code)

				w.net.IncludeFailed("lost on the way")
				w.advance()
				winner.wantFailed("lost on the way")
				if _, err := loser.confirm(); err != nil {
					t.Fatalf("the loser cannot continue: %v", err)
				}
				w.advance()
				loser.wantFinal()
			})
		})
	}
}

// A refusal names the work that has the audio only to that work's end-user.
func TestOtherWorkIsNamedToItsEndUser(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.beginAs(w.caller("ada"), "Mine", 1)
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		c, err := s.confirm()
		if err != nil || c.AccessCode != "" {
			t.Fatalf("confirmed %+v, %v: an end-user's work has no access code", c, err)
		}
		w.advance()
		if v := s.view(); v.Done == nil || v.Done.AccessCode != "" {
			t.Fatalf("outcome %+v", v.Done)
		}
		for ref, want := range map[string]any{"ada": int64(1), "bob": nil, "": nil} {
			again := w.beginAs(w.caller(ref), "Again by "+ref, 1)
			_, err := again.prepare()
			wantCode(t, err, fault.CodeWorkAlreadyRegistered)
			var f *fault.Error
			if errors.As(err, &f); f.Details["ats_id"] != want {
				t.Errorf("%q receives work %v, want %v", ref, f.Details["ats_id"], want)
			}
		}
		// Another end-user may use the same title.
		if _, err := w.initAs(w.caller("bob"), describing("Mine")); err != nil {
			t.Fatal(err)
		}
	})
}

// One organization never sees another's titles, audio or jobs.
func TestOrganizationsAreSeparate(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		mine := w.quoted("Shared Name", 1)
		_, keys := w.organization(plenty)
		in := describing("Shared Name")
		in.Creators[0].FullName = "Bob Example" // another commitment
		c := w.callerOf(keys, "")
		slot, err := w.initAs(c, in)
		if err != nil {
			t.Fatal(err)
		}
		w.put(slot.UploadURL, wav(1))
		theirs := &song{w: w, caller: c, slot: slot}
		for _, f := range []func() error{
			func() error { _, err := w.reg.Intake.Prepare(t.Context(), theirs.by(), mine.slot.JobID); return err },
			func() error {
				_, err := w.reg.Intake.Confirm(t.Context(), theirs.by(), mine.slot.JobID, "req")
				return err
			},
			func() error {
				_, err := w.reg.Intake.RenewUpload(t.Context(), theirs.by(), mine.slot.JobID)
				return err
			},
		} {
			wantCode(t, f(), fault.CodeTransactionNotFound)
		}
		if _, err := theirs.prepare(); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*song{mine, theirs} {
			if _, err := s.confirm(); err != nil {
				t.Fatal(err)
			}
		}
		w.advance()
		mine.wantFinal()
		theirs.wantFinal()
	})
}

func TestInsufficientCredits(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		org, keys := w.organization(price - 1)
		s := w.beginAs(w.callerOf(keys, ""), "Poor", 1)
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		_, err := s.confirm()
		wantCode(t, err, fault.CodeRegistrationInsufficientCredits)
		w.check(true)
		w.grant(org, 1)
		if _, err := s.confirm(); err != nil {
			t.Fatalf("after a grant: %v", err)
		}
		w.advance()
		s.wantFinal()
		if b, err := credits.Of(t.Context(), w.db.Read(), org); err != nil || b != (credits.Balance{Spent: price}) {
			t.Fatalf("balance %+v, %v", b, err)
		}
	})
}

// Many confirms compete for the credits of one.
func TestCreditsForOneOfMany(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		_, keys := w.organization(price)
		var songs []*song
		for i := range 6 {
			s := w.beginAs(w.callerOf(keys, ""), "Song "+string(rune('A'+i)), i)
			if _, err := s.prepare(); err != nil {
				t.Fatal(err)
			}
			songs = append(songs, s)
		}
		errs := make([]error, len(songs))
		var wg sync.WaitGroup
		for i, s := range songs {
			wg.Go(func() { _, errs[i] = s.confirm() })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantCode(t, err, fault.CodeRegistrationInsufficientCredits)
			}
		}
		if won != 1 {
			t.Fatalf("%d confirmed with the credits of one", won)
		}
	})
}

func TestPrepareAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.begin("Twice", 1)
		first, err := s.prepare()
		if err != nil {
			t.Fatal(err)
		}
		w.pass(4 * time.Minute)
		renewed, err := s.prepare()
		if err != nil || !renewed.Expires.After(first.Expires) || record.Hex(renewed.Commitment) != record.Hex(first.Commitment) || renewed.Price != first.Price || renewed.Media != first.Media {
			t.Fatalf("renewed %+v of %+v, %v", renewed, first, err)
		}
		before, err := w.db.Read().GetJob(t.Context(), s.slot.JobID)
		if err != nil {
			t.Fatal(err)
		}
		w.put(s.slot.UploadURL, wav(2))
		other, err := s.prepare()
		if err != nil || record.Hex(other.MediaHash) == record.Hex(first.MediaHash) || record.Hex(other.Commitment) == record.Hex(first.Commitment) {
			t.Fatalf("the new file was not read: %+v, %v", other, err)
		}
		if w.exists(before.AssetKey) {
			t.Fatal("a file that no row names is left")
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		s.wantFinal()
	})
}

// Once its upload URL has expired, an upload is removed. The asset of a final work stays,
// and that of a failed one is removed.
func TestLeftoversAreSwept(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		keys := func(s *song) (upload, asset string) {
			job, err := w.db.Read().GetJob(t.Context(), s.slot.JobID)
			if err != nil {
				t.Fatal(err)
			}
			return job.UploadKey, job.AssetKey
		}
		final, failed := w.confirmed("Final", 1), w.quoted("Failed", 2)
		w.advance()
		final.wantFinal()
		w.net.IncludeFailed("not today")
		if _, err := failed.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		failed.wantFailed("not today")
		if status, text := w.tryPut(final.slot.UploadURL, wav(3)); status == http.StatusOK || !strings.Contains(text, "transaction.expired") { // no step would use it
			t.Errorf("PUT: %d %s", status, text)
		}
		abandoned := w.begin("Abandoned", 4)
		lateUpload, _ := keys(abandoned)
		finalUpload, finalAsset := keys(final)
		failedUpload, failedAsset := keys(failed)
		sweep := func() {
			t.Helper()
			if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if sweep(); !w.exists(finalUpload) || !w.exists(failedAsset) {
			t.Fatal("swept while the URL works")
		}
		w.pass(w.reg.Intake.Times.UploadSlot + blob.LongestUpload + 2*files.ClockSkew)
		if sweep(); w.exists(finalUpload) || w.exists(failedUpload) || w.exists(failedAsset) {
			t.Fatal("leftovers")
		}
		if !w.exists(finalAsset) {
			t.Fatal("the asset of a final work was swept")
		}
		// An upload that arrives after its job was swept.
		if err := w.blobs.Store.Copy(t.Context(), finalAsset, lateUpload, 1<<20); err != nil {
			t.Fatal(err)
		}
		w.pass(w.reg.Intake.Times.UploadSlot + blob.LongestUpload + 2*files.ClockSkew)
		sweep()
		if _, err := w.db.Read().GetJob(t.Context(), abandoned.slot.JobID); !errors.Is(err, sql.ErrNoRows) || w.exists(lateUpload) {
			t.Fatalf("an abandoned job is still there: %v", err)
		}
		sweep() // finds nothing to do
	})
}

// A new slot withdraws the quote: nothing can be confirmed before another prepare, and the
// earlier upload is still valid.
func TestRenewWithdrawsTheQuote(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.quoted("Renewed", 1)
		if _, err := w.reg.Intake.RenewUpload(t.Context(), s.by(), s.slot.JobID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.confirm(); !errors.Is(err, fault.CodeRegistrationUploadMissing) {
			t.Fatalf("confirmed without a quote: %v", err)
		}
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		s.wantFinal()
	})
}

// A renewal during a confirm has withdrawn the quote: nothing is confirmed, and no
// transaction exists that could be followed.
func TestRenewDuringConfirm(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t) // on SQLite nothing is written in between
	w := newWorld(t, url, storetest.Open(t, url), t.TempDir(), plenty)
	ctx := t.Context()
	s := w.quoted("Renewed", 1)
	job, err := w.db.Read().GetJob(ctx, s.slot.JobID)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	done := make(chan error, 1)
	err = w.db.Tx(ctx, func(tx *store.Tx) error { // as RenewUpload does
		if _, err := tx.SetJobUpload(ctx, query.SetJobUploadParams{Deadline: job.Deadline, UploadKey: job.UploadKey, Now: store.Micros(tx.Now), ID: job.ID}); err != nil {
			return err
		}
		go func() {
			_, err := s.confirm()
			done <- err
		}()
		for waits := 0; waits == 0; { // until it waits for the row, which it has already read
			if err := pool.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waits); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-done, fault.CodeRegistrationUploadMissing)
	w.settle()
}

// However a second file fails, the quote for the first file is still for the first
// file's bytes.
func TestQuoteKeepsItsBytes(t *testing.T) {
	for name, c := range map[string]struct {
		plan func(w *world)
		body []byte
		code fault.Code
	}{
		"no audio":            {func(*world) {}, []byte("this is no audio at all, just some text"), fault.CodeRegistrationInvalidAudioFormat},
		"empty":               {func(*world) {}, nil, fault.CodeRegistrationAudioEmpty},
		"dry run refuses":     {func(w *world) { w.net.Refuse(networktest.DryRun, "no") }, wav(2), fault.CodeRegistrationDryRunFailed},
		"network unavailable": {func(w *world) { w.net.Fail(networktest.DryRun) }, wav(2), fault.CodeCommonServiceUnavailable},
		"store fails": {func(w *world) {
			w.blobs.fail(func(op, _ string) error {
				if op == "open" {
					return errors.New("disk on fire")
				}
				return nil
			})
		}, wav(2), fault.CodeCommonServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				s := w.quoted("Steady", 1)
				w.put(s.slot.UploadURL, c.body)
				c.plan(w)
				_, err := s.prepare()
				wantCode(t, err, c.code)
				w.blobs.fail(nil)
				w.check(true) // compares the asset with the hash
				if _, err := s.confirm(); err != nil {
					t.Fatal(err)
				}
				w.advance()
				s.wantFinal()
			})
		})
	}
}

// Prepares and uploads of one job, all at once: the last quote is for the stored bytes.
func TestConcurrentPrepares(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.begin("Busy", 0)
		var wg sync.WaitGroup
		for i := range 2 { // simultaneous uploads to one URL; more are refused
			wg.Go(func() { w.put(s.slot.UploadURL, wav(i)); w.put(s.slot.UploadURL, wav(i+2)) })
		}
		for range 4 {
			wg.Go(func() {
				if _, err := s.prepare(); err != nil && !errors.Is(err, fault.CodeRegistrationUploadMissing) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		w.check(true)
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		s.wantFinal()
	})
}

// A confirm during a prepare accepts either the whole quote before it or the whole quote
// after it.
func TestConfirmDuringPrepare(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for i := range 5 {
			s := w.quoted("During "+string(rune('A'+i)), 2*i)
			w.put(s.slot.UploadURL, wav(2*i+1))
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := s.prepare(); err != nil && !errors.Is(err, fault.CodeTransactionAlreadyConfirmed) {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if _, err := s.confirm(); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			w.check(true)
		}
	})
}

// Prepares that arrive during another prepare share one more read of the file. Each one
// receives a result that covers its own upload.
func TestPreparesShare(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.begin("Shared", 1)
		const late = 5
		joined := make(chan struct{}, 100)
		w.reg.reached = func(point string) {
			if point == "prepare.joined" {
				joined <- struct{}{}
			}
		}
		var reads atomic.Int64
		first, wait := make(chan struct{}), make(chan struct{})
		w.blobs.fail(func(op, _ string) error {
			if op == "open" && reads.Add(1) == 1 {
				close(first)
				<-wait
			}
			return nil
		})
		results := make(chan intake.Prepared, 1+late)
		prepare := func() {
			p, err := s.prepare()
			if err != nil {
				t.Error(err)
			}
			results <- p
		}
		var wg sync.WaitGroup
		wg.Go(prepare)
		<-first
		w.put(s.slot.UploadURL, wav(2))
		for range late {
			wg.Go(prepare)
		}
		gone, leave := context.WithCancel(ctx)
		left := make(chan error, 1)
		go func() {
			_, err := w.reg.Intake.Prepare(gone, s.by(), s.slot.JobID)
			left <- err
		}()
		for range 1 + late + 1 {
			<-joined
		}
		leave() // gives up its place
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller that left received %v", err)
		}
		close(wait)
		wg.Wait()
		close(results)
		hashes := map[string]int{}
		for p := range results {
			hashes[record.Hex(p.MediaHash)]++
		}
		if n := reads.Load(); n != 2 || len(hashes) != 2 {
			t.Errorf("%d reads for %d prepares, quoting %v", n, 1+late, hashes)
		}
		w.check(true)
		// A refusal is shared only with the callers that are waiting for it.
		w.put(s.slot.UploadURL, nil)
		_, err := s.prepare()
		wantCode(t, err, fault.CodeRegistrationAudioEmpty)
		w.put(s.slot.UploadURL, wav(3))
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
	})
}

// A slow prepare that copied the upload must not change the quote of a prepare that finished
// meanwhile.
func TestSlowPrepareLosesToAQuickOne(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.begin("Slow", 1)
		var begun atomic.Bool
		quick := make(chan error, 1)
		w.blobs.fail(func(op, key string) error {
			if op == "open" && !begun.Swap(true) {
				// The slow prepare has copied the upload. Now the quick one runs from start
				// to end, in another process: within one process they take turns.
				w.put(s.slot.UploadURL, wav(2))
				_, err := w.another(w.db).Intake.Prepare(ctx, s.by(), s.slot.JobID)
				quick <- err
			}
			return nil
		})
		slow, err := s.prepare()
		if err != nil {
			t.Fatal(err)
		}
		if err := <-quick; err != nil {
			t.Fatal(err)
		}
		job, err := w.db.Read().GetJob(t.Context(), s.slot.JobID)
		if err != nil || record.Hex(job.MediaHash) != record.Hex(slow.MediaHash) {
			t.Fatalf("the job has %x, the answer said %x, %v", job.MediaHash, slow.MediaHash, err)
		}
		w.check(true)
	})
}

func TestDeadlines(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		early := w.begin("Never prepared", 1)
		slot, err := w.initAs(w.caller(""), describing("Nothing uploaded"))
		if err != nil {
			t.Fatal(err)
		}
		c := early.caller
		_, err = w.reg.Intake.Confirm(ctx, continues(c), early.slot.JobID, "req")
		wantCode(t, err, fault.CodeRegistrationUploadMissing)

		late := w.quoted("Quoted", 2)
		w.pass(DefaultTimes().Quote + time.Second)
		_, err = late.confirm()
		wantCode(t, err, fault.CodeTransactionExpired)
		// A new price needs no new upload.
		if again, err := late.prepare(); err != nil || !again.Expires.After(w.db.Now()) {
			t.Fatalf("quoted again %+v, %v", again, err)
		}

		// A job without a quote lives longer than its upload slot, and another slot renews
		// it. The token may have expired by then.
		w.pass(DefaultTimes().UploadSlot)
		expired := early.caller
		expired.Expired = true
		renewed, err := w.reg.Intake.RenewUpload(ctx, continues(expired), early.slot.JobID)
		if err != nil || !renewed.Expires.After(early.slot.Expires) {
			t.Fatalf("renewed %+v, %v", renewed, err)
		}
		w.put(renewed.UploadURL, wav(3))
		if _, err := w.reg.Intake.Prepare(ctx, continues(expired), early.slot.JobID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Intake.Confirm(ctx, continues(expired), early.slot.JobID, "req_"+early.slot.JobID); err != nil {
			t.Fatal(err)
		}
		// But it cannot begin anything.
		_, err = w.initAs(expired, describing("More"))
		wantCode(t, err, fault.CodeCommonAuthExpired)
		w.pass(intake.SlotsPerJob * DefaultTimes().UploadSlot)
		for _, s := range []string{late.slot.JobID, slot.JobID} {
			_, err = w.reg.Intake.Prepare(ctx, continues(w.caller("")), s)
			wantCode(t, err, fault.CodeTransactionExpired)
			_, err = w.reg.Intake.RenewUpload(ctx, continues(w.caller("")), s)
			wantCode(t, err, fault.CodeTransactionExpired)
		}
	})
}

// A host may renew its token during a job: a new session of the same end-user continues the
// job, and no other session does.
func TestContinuingAJob(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		otherOrg, keys := w.organization(plenty)
		s := w.beginAs(w.caller("ada"), "Ada's", 1)
		for name, c := range map[string]session.Caller{
			"another end-user": w.caller("grace"), "one without an account": w.caller(""), "another organization": w.callerOf(keys, "ada"),
		} {
			_, err := w.reg.Intake.Prepare(t.Context(), continues(c), s.slot.JobID)
			if !errors.Is(err, fault.CodeTransactionNotFound) {
				t.Errorf("%s (%s): %v", name, otherOrg, err)
			}
		}
		stale := w.caller("ada")
		stale.Expired = true
		_, err := w.reg.Intake.Prepare(t.Context(), continues(stale), s.slot.JobID)
		wantCode(t, err, fault.CodeCommonAuthExpired)
		fresh := w.caller("ada")
		if _, err := w.reg.Intake.Prepare(t.Context(), continues(fresh), s.slot.JobID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Intake.Confirm(t.Context(), continues(fresh), s.slot.JobID, "req"); err != nil {
			t.Fatal(err)
		}
		w.advance()
		s.wantFinal()
	})
}

func TestSweep(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		paid := w.confirmed("Paid", 1)
		open, quoted := w.begin("Open", 2), w.quoted("Quoted", 3)
		w.put(quoted.slot.UploadURL, wav(4)) // uploaded again and abandoned
		refused := w.begin("Refused", 0)
		w.put(refused.slot.UploadURL, []byte("no audio"))
		_, err := refused.prepare()
		wantCode(t, err, fault.CodeRegistrationInvalidAudioFormat)
		if n, err := w.reg.Erasing.Sweep(ctx); n != 0 || err != nil {
			t.Fatalf("swept %d, %v before any deadline", n, err)
		}
		keys := func(s *song) []string {
			j, err := w.db.Read().GetJob(ctx, s.slot.JobID)
			if err != nil {
				t.Fatal(err)
			}
			return []string{j.UploadKey, j.AssetKey}
		}
		left := append(keys(open)[:1], append(keys(quoted), keys(refused)[:1]...)...)
		for _, key := range left {
			if !w.exists(key) {
				t.Fatalf("%s is gone too early", key)
			}
		}
		w.pass(3 * time.Hour)
		if n, err := w.reg.Erasing.Sweep(ctx); n != 3 || err != nil {
			t.Fatalf("swept %d, %v", n, err)
		}
		for _, key := range left {
			if w.exists(key) {
				t.Errorf("%s is left", key)
			}
		}
		if !w.exists(keys(paid)[1]) {
			t.Fatal("the asset of a confirmed job was swept")
		}
		_, err = quoted.confirm()
		wantCode(t, err, fault.CodeTransactionExpired)
		if n, err := w.reg.Erasing.Sweep(ctx); n != 0 || err != nil {
			t.Fatalf("swept %d again, %v", n, err)
		}
		w.advance()
		paid.wantFinal()
	})
}

// The code is shown at confirm, and for a while after the end.
func TestAccessCodeIsShownForAWhile(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.quoted("Code", 1)
		c, err := s.confirm()
		if err != nil {
			t.Fatal(err)
		}
		w.advance()
		w.pass(DefaultTimes().Result - time.Minute)
		if got := s.view().Done.AccessCode; got != c.AccessCode {
			t.Fatalf("within the hour: %q", got)
		}
		w.pass(2 * time.Minute)
		if got := s.view().Done.AccessCode; got != "" {
			t.Fatalf("after the hour: %q", got)
		}
		_, err = w.reg.Works.Transaction(t.Context(), "00000000-0000-0000-0000-000000000000")
		wantCode(t, err, fault.CodeTransactionNotFound)
	})
}

// Transactions become final at any time and in any order.
func TestReceiptsInAnyOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.net.Hold()
		var songs []*song
		for i := range 5 {
			songs = append(songs, w.confirmed("Held "+string(rune('A'+i)), i))
		}
		w.advance()
		for _, s := range songs {
			if got := s.state(); got != "broadcast" {
				t.Fatalf("state %s", got)
			}
		}
		w.check(true)
		for _, i := range []int{3, 0, 4, 2, 1} {
			w.net.Finalize(songs[i].slot.JobID)
			w.advance()
			songs[i].wantFinal()
			w.check(true)
		}
	})
}

// One stuck row holds up no other: not the rows of its batch, not later rows, and not rows
// in later states.
func TestOneStuckRow(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		stuck := w.confirmed("Stuck", 100)
		var others []*song
		for i := range 3 {
			others = append(others, w.confirmed("Free "+string(rune('A'+i)), i))
		}
		// Its work already exists, as after a manual change of the database.
		row, err := w.db.Read().GetTransaction(t.Context(), stuck.slot.JobID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.db.Tx(t.Context(), func(tx *store.Tx) error { return meddle(t.Context(), tx, row.WorkID, w.org) }); err != nil {
			t.Fatal(err)
		}
		if err := w.reg.Anchoring.Advance(t.Context(), w.net); err == nil {
			t.Fatal("the error of the stuck row was not returned")
		}
		for _, s := range others {
			s.wantFinal()
		}
		if got := stuck.state(); got != "broadcast" {
			t.Fatalf("the stuck one is %s", got)
		}
		late := w.confirmed("Late", 50)
		_ = w.reg.Anchoring.Advance(t.Context(), w.net)
		late.wantFinal()
		unmeddle(t, w, row.WorkID)
	})
}

func TestStageOfOneRowFails(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		stuck, other := w.confirmed("Stuck", 1), w.confirmed("Free", 2)
		w.net.Fail(networktest.Stage)
		if err := w.reg.Anchoring.Advance(t.Context(), w.net); !errors.Is(err, networktest.ErrDown) {
			t.Fatalf("got %v", err)
		}
		if got := stuck.state(); got != "confirmed" {
			t.Fatalf("the first is %s", got)
		}
		other.wantFinal()
	})
}

func TestBroadcastRefusesOneOfABatch(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.net.Hold() // so that the whole batch is staged before anything ends
		stuck, other := w.confirmed("Stuck", 1), w.confirmed("Free", 2)
		w.net.Refuse(networktest.Broadcast, "malformed") // the batch
		w.net.Refuse(networktest.Broadcast, "malformed") // and then its first row alone
		if err := w.reg.Anchoring.Advance(t.Context(), w.net); err == nil {
			t.Fatal("the error was not returned")
		}
		if a, b := stuck.state(), other.state(); a != "staged" || b != "broadcast" {
			t.Fatalf("states %s and %s", a, b)
		}
	})
}

// meddle inserts a work where one will be made, and unmeddle removes it again.
func meddle(ctx context.Context, tx *store.Tx, workID, org string) error {
	return tx.InsertWork(ctx, query.InsertWorkParams{ID: workID, OrganizationID: org, Network: "mainnet", AtsID: 999, Owner: "nobody", Title: "In the way", ExternalUserRef: "nobody"})
}

func unmeddle(t *testing.T, w *world, workID string) {
	t.Helper()
	driver, dsn := "pgx", w.url
	if path, ok := strings.CutPrefix(w.url, "sqlite:"); ok {
		driver, dsn = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "DELETE FROM works WHERE id = $1", workID); err != nil {
		t.Fatal(err)
	}
}

// Several instances work on the same rows; each step happens once.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	w := newWorld(t, url, storetest.Open(t, url), t.TempDir(), plenty)
	second, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	other := w.another(second)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, r := range []*Registry{w.reg, other} {
		running.Go(func() { r.Run(ctx) })
		running.Go(func() { r.Works.Progress.Worker().Run(ctx) })
	}
	w.net.FailAfter(1)
	w.net.FailAfter(-1)
	w.net.Fail(networktest.Find)
	var clients sync.WaitGroup
	for i := range 12 {
		clients.Go(func() {
			s := w.quoted("Both "+string(rune('A'+i)), i)
			changed := work.NewSignal()
			stop := other.Works.Progress.Follow(s.slot.JobID, changed.Ring)
			defer stop()
			r := []*Registry{w.reg, other}[i%2]
			if _, err := r.Intake.Confirm(t.Context(), s.by(), s.slot.JobID, "req"); err != nil {
				t.Error(err)
				return
			}
			await(t, changed, func() bool { return s.view().Done != nil })
		})
	}
	clients.Wait()
	cancel()
	running.Wait()
	w.settle()
}

// Run takes a registration to its end by its wake-ups alone, and wakes the followers.
func TestRunTellsFollowers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.reg.Run(ctx); close(done) }()
		defer func() { cancel(); <-done }()
		w.net.Hold()
		s := w.quoted("Live", 1)
		changed := work.NewSignal()
		stop := w.reg.Works.Progress.Follow(s.slot.JobID, changed.Ring)
		defer stop()
		if n := w.reg.Works.Progress.Followers(); n != 1 {
			t.Fatalf("%d followers", n)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		await(t, changed, func() bool { return s.state() == "broadcast" })
		w.net.Release()
		await(t, changed, func() bool { return s.view().Done != nil })
		s.wantFinal()
	})
}

// await waits until the condition holds, and checks it at each signal.
func await(t testing.TB, changed <-chan struct{}, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for !ok() {
		select {
		case <-changed:
		case <-limit.C:
			t.Error("timed out")
			return
		}
	}
}

// A session for another action begins nothing, and is not spent.
func TestSessionsForOtherActions(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		good := w.caller("")
		for name, c := range map[string]struct {
			change func(*session.Caller, *intake.InitRequest)
			code   fault.Code
		}{
			"expired":         {func(c *session.Caller, _ *intake.InitRequest) { c.Expired = true }, fault.CodeCommonAuthExpired},
			"other action":    {func(c *session.Caller, _ *intake.InitRequest) { c.Action = session.Access }, fault.CodeSessionInvalidToken},
			"unknown network": {func(_ *session.Caller, in *intake.InitRequest) { in.Network = "moonnet" }, fault.CodeCommonValidationFailed},
			"other network":   {func(_ *session.Caller, in *intake.InitRequest) { in.Network = network.Mainnet }, fault.CodeSessionInvalidToken},
			"other end-user":  {func(_ *session.Caller, in *intake.InitRequest) { in.ExternalUserRef = "ada" }, fault.CodeCommonForbidden},
		} {
			who, in := good, describing("Refused")
			c.change(&who, &in)
			if _, err := w.initAs(who, in); !errors.Is(err, c.code) {
				t.Errorf("%s: got %v, want %s", name, err, c.code)
			}
		}
		w.beginAs(good, "Accepted", 1)
	})
}

// late is a network that refuses a transaction after another instance has sent it.
type late struct {
	network.Network
	other func()
}

func (n late) Stage(context.Context, network.Call) (network.Staged, error) {
	n.other()
	return network.Staged{}, fmt.Errorf("too late: %w", network.ErrRefused)
}

// A refusal based on an old state of the transaction does not end it after another instance
// has taken it further.
func TestStaleRefusal(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.confirmed("First Snow", 1)
		w.net.Hold()
		if err := w.reg.Anchoring.Advance(t.Context(), late{w.net, w.advance}); err != nil {
			t.Fatal(err)
		}
		if state := s.state(); state != "broadcast" {
			t.Fatalf("it is %s", state)
		}
		w.check(true)
		w.net.Release()
		w.advance()
		s.wantFinal()
	})
}

// The documentation names every worker.
func TestWorkersAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	url := storetest.SQLiteURL(t, t.TempDir())
	w := newWorld(t, url, storetest.Open(t, url), t.TempDir(), plenty)
	w.stamps(t)
	all := append(w.reg.Workers(), w.reg.Works.Progress.Worker(), w.sessions.Worker(slog.New(slog.DiscardHandler)))
	if len(all) != 12 {
		t.Errorf("%d workers", len(all))
	}
	for _, worker := range all {
		if worker.Name == "" || !strings.Contains(string(page), "`"+worker.Name+"`") {
			t.Errorf("docs/operating.md does not name %q", worker.Name)
		}
	}
}
