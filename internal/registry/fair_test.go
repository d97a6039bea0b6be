package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/anchoring"
	"timbre.example/internal/erasing"
	"timbre.example/internal/fault"
	"timbre.example/internal/issuing"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/turns"
)

// hostile is another organization with so many final songs. Its id may come before or after
// that of the world's organization.
func (w *world) hostile(t *testing.T, songs int) (org string, keys account.KeyPair) {
	t.Helper()
	org, keys = w.organization(plenty)
	for i := range songs {
		w.orderOf(t, keys, fmt.Sprintf("Hostile %d", i), 100+i)
	}
	return org, keys
}

// orderOf takes a song of an organization through confirm.
func (w *world) orderOf(t *testing.T, keys account.KeyPair, title string, seed int) *song {
	t.Helper()
	s := w.beginAs(w.callerOf(keys, ""), title, seed)
	if _, err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.confirm(); err != nil {
		t.Fatal(err)
	}
	return s
}

// An organization with many waiting certificates delays another's by those that are made together.
func TestCertificatesTakeTurns(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		_, keys := w.hostile(t, 24)
		w.advance()
		var made []string
		certify := w.reg.Issuing.Certify
		w.reg.Issuing.Certify = func(ctx context.Context, c issuing.Issue) ([]byte, error) {
			made = append(made, c.Title)
			switch len(made) {
			case 2: // in the middle, while the flood continues
				w.confirmed("Normal", 1)
				w.orderOf(t, keys, "Hostile, later", 99)
				w.advance()
			case 40:
				t.Error("it does not end")
			}
			return certify(ctx, c)
		}
		if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if at := position(made, "Normal"); at < 0 || at > 9 { // those that are being made, and one more
			t.Errorf("the normal one came at place %d of %q", at, made)
		}
		if len(made) != 26 {
			t.Errorf("made %q", made)
		}
	})
}

// A certificate that exceeds its timeout has failed. The others are made meanwhile; the
// failed one is retried and counted.
func TestCertificateTime(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.stop()
		w.hostile(t, 1)
		normal := w.confirmed("Normal", 1)
		w.advance()
		slow := 0
		certify := w.reg.Issuing.Certify
		w.reg.Issuing.Certify = func(ctx context.Context, c issuing.Issue) ([]byte, error) {
			if at, ok := ctx.Deadline(); !ok || time.Until(at) > issuing.CertificateTime {
				t.Errorf("it may take until %v", at)
			}
			if c.Title != "Normal" {
				slow++
				return nil, fmt.Errorf("certificate: %w", context.DeadlineExceeded)
			}
			return certify(ctx, c)
		}
		for _, wait := range []time.Duration{0, turns.FirstPause, 2 * turns.FirstPause} {
			w.pass(wait)
			if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
				t.Error(err)
			}
			normal.wantCertificate("Normal")
		}
		if counted := w.metric("timbre_certificates_failed_total"); slow != 3 || counted != 3 {
			t.Errorf("tried %d times, %g counted", slow, counted)
		}
		w.reg.Issuing.Certify = certify
		w.pass(4 * turns.FirstPause)
		if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
			t.Error(err)
		}
		if b, err := w.reg.Backlog(t.Context()); err != nil || b.CertificatesWaiting != 0 {
			t.Errorf("%d wait, %v", b.CertificatesWaiting, err)
		}
	})
}

func position(list []string, what string) int {
	for i, s := range list {
		if s == what {
			return i
		}
	}
	return -1
}

// Versions without an answer of the authority, even a flood of them, delay no other token.
// Each is requested with growing pauses.
func TestTimestampsTakeTurns(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.stamps(t)
		w.stop()
		org, _ := w.hostile(t, 5)
		normal := w.confirmed("Normal", 1)
		w.advance()
		sum := [32]byte{}
		row, err := w.db.Read().GetTransaction(t.Context(), normal.view().ID)
		if err != nil {
			t.Fatal(err)
		}
		copy(sum[:], row.Commitment)
		asked, tokens := 0, 0
		ask := w.reg.Issuing.Stamp
		w.reg.Issuing.Stamp = func(ctx context.Context, of [32]byte) ([]byte, error) {
			asked++
			if of != sum {
				return nil, errAway
			}
			tokens++
			return ask(ctx, of)
		}
		for range 3 { // each failed request makes the pause longer
			w.mustStamp(t)
			w.pass(4 * turns.FirstPause)
		}
		if tokens != 1 || asked > 4 {
			t.Errorf("%d tokens after %d asks", tokens, asked)
		}
		var tries int64
		for _, row := range w.versionsOf(t, org) {
			tries += row.TimestampTries
		}
		if tries != int64(asked-tokens) {
			t.Errorf("%d tries are kept of %d", tries, asked-tokens)
		}
	})
}

// versionsOf returns the versions of an organization that have no certificate.
func (w *world) versionsOf(t *testing.T, org string) (all []query.Version) {
	t.Helper()
	orgs, err := w.db.Read().GetOrganization(t.Context(), org)
	if err != nil {
		t.Fatal(err)
	}
	for id := int64(1); ; id++ {
		work, err := w.db.Read().WorkByAtsID(t.Context(), query.WorkByAtsIDParams{Network: string(network.Testnet), AtsID: id})
		if err != nil {
			return all
		}
		if work.OrganizationID != orgs.ID {
			continue
		}
		rows, err := w.db.Read().Versions(t.Context(), work.ID)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
}

// An organization with many transactions delays another's by one page of a state, not by all
// of its own.
func TestAnchoringTakesTurns(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		orders := anchoring.Batch/2 + 40
		_, keys := w.organization(plenty)
		songs := w.manyOrders(t, keys, orders)
		normal := w.confirmed("Normal", 1) // the last of all
		before := 0
		w.reg.reached = func(point string) {
			if point == "stage.committed" && normal.state() != "staged" && before == 0 {
				t.Error("the normal one was not on the first page")
			}
			if point == "final.committed" && before == 0 {
				for _, id := range songs {
					row, err := w.db.Read().GetTransaction(t.Context(), id)
					if err != nil {
						t.Error(err)
					} else if row.State == "final" {
						before++
					}
				}
				normal.wantFinal()
			}
		}
		w.advance()
		if before > anchoring.Batch/2 {
			t.Errorf("%d of the others were final with it", before)
		}
		w.reg.reached = func(string) {}
		for _, id := range songs {
			if row, err := w.db.Read().GetTransaction(t.Context(), id); err != nil || row.State != "final" {
				t.Fatalf("%s is %s, %v", id, row.State, err)
			}
		}
	})
}

// manyOrders confirms hash-only jobs: no file is read.
func (w *world) manyOrders(t *testing.T, keys account.KeyPair, n int) (ids []string) {
	t.Helper()
	for i := range n {
		ids = append(ids, w.orderOf(t, keys, fmt.Sprintf("Order %d", i), 1000+i).slot.JobID)
	}
	return ids
}

// An organization with many files to remove delays another's by one turn. A file that cannot
// be removed is retried with growing pauses, and never delays others.
func TestErasuresTakeTurns(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.stop()
		const many = 5 * erasing.ErasuresInTurn
		hostile, _ := w.organization(0)
		if err := w.db.Tx(t.Context(), func(tx *store.Tx) error {
			for i := range many {
				if err := tx.InsertErasure(t.Context(), query.InsertErasureParams{ObjectKey: fmt.Sprintf("assets/hostile/%03d", i), OrganizationID: hostile, Now: 1}); err != nil {
					return err
				}
			}
			return tx.InsertErasure(t.Context(), query.InsertErasureParams{ObjectKey: "assets/normal/1", OrganizationID: w.org, Now: store.Micros(tx.Now)})
		}); err != nil {
			t.Fatal(err)
		}
		var removed []string
		stuck := 0
		w.blobs.fail(func(op, key string) error {
			if key == "assets/hostile/001" {
				stuck++
				return errAway
			}
			removed = append(removed, key)
			return nil
		})
		if err := w.reg.Erasing.Erase(t.Context()); err == nil {
			t.Error("no error")
		}
		if at := position(removed, "assets/normal/1"); at < 0 || at > erasing.ErasuresInTurn || len(removed) != many {
			t.Errorf("the normal one was removed as number %d of %d", at, len(removed))
		}
		for i, wait := range []time.Duration{turns.FirstPause, 2 * turns.FirstPause, 4 * turns.FirstPause} {
			w.pass(wait - time.Millisecond)
			if err := w.reg.Erasing.Erase(t.Context()); err != nil || stuck != i+1 {
				t.Errorf("tried %d times, too early: %v", stuck, err)
			}
			w.pass(time.Millisecond)
			if err := w.reg.Erasing.Erase(t.Context()); err == nil || stuck != i+2 {
				t.Errorf("tried %d times: %v", stuck, err)
			}
		}
		w.blobs.fail(nil)
		w.pass(turns.LastPause)
		if err := w.reg.Erasing.Erase(t.Context()); err != nil {
			t.Error(err)
		}
		w.pass(24 * time.Hour)
		if err := w.reg.Erasing.Erase(t.Context()); err != nil {
			t.Error(err)
		}
		end := store.Micros(w.db.Now().Add(24 * time.Hour))
		if org, err := w.db.Read().NextErasing(t.Context(), query.NextErasingParams{Now: end, Before: end}); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("left: of %q, %v", org, err)
		}
	})
}

// junk is a file that is refused after it is read.
var junk = []byte(strings.Repeat("this is no sound\n", 50))

// A file is read once. Every instance remembers that it was refused or accepted until
// another file is uploaded.
func TestReadOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		reads := 0
		w.blobs.fail(func(op, _ string) error {
			if op == "open" {
				reads++
			}
			return nil
		})
		s := w.begin("Quince Lullaby", 1)
		w.put(s.slot.UploadURL, junk)
		refused := func() string {
			t.Helper()
			_, err := w.another(w.db).Intake.Prepare(t.Context(), s.by(), s.slot.JobID)
			wantCode(t, err, fault.CodeRegistrationInvalidAudioFormat)
			var f *fault.Error
			errors.As(err, &f)
			return string(f.MarshalEnvelope("req"))
		}
		first := refused()
		for range 3 {
			if again := refused(); again != first {
				t.Errorf("now %s, before %s", again, first)
			}
		}
		if reads != 1 {
			t.Errorf("read %d times", reads)
		}
		if n := w.filesBelow("assets"); n != 0 {
			t.Errorf("%d copies of it are left", n)
		}

		w.put(s.slot.UploadURL, junk) // the same bytes, but a new upload
		refused()
		w.put(s.slot.UploadURL, wav(1))
		quote, err := s.prepare()
		if err != nil || reads != 3 {
			t.Fatalf("read %d times, %v", reads, err)
		}
		for range 3 {
			again, err := s.prepare()
			if err != nil || record.Hex(again.Commitment) != record.Hex(quote.Commitment) || again.Media != quote.Media {
				t.Errorf("%+v, %v", again, err)
			}
		}
		if reads != 3 {
			t.Errorf("read %d times, though nothing changed", reads)
		}
		// Another refused file leaves the quote valid, and is remembered too.
		w.put(s.slot.UploadURL, junk)
		refused()
		refused()
		if reads != 4 {
			t.Errorf("read %d times", reads)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		w.blobs.fail(nil)
		w.advance()
		s.wantFinal()
	})
}

// A valid file that is refused for another reason is not read again.
func TestRefusedUnread(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.confirmed("Quince Lullaby", 1)
		w.advance()
		reads := 0
		w.blobs.fail(func(op, _ string) error {
			if op == "open" {
				reads++
			}
			return nil
		})
		s := w.begin("Another Title", 1)
		for range 4 {
			_, err := s.prepare()
			wantCode(t, err, fault.CodeWorkAlreadyRegistered)
		}
		if reads != 1 {
			t.Errorf("read %d times", reads)
		}
		caller, in := w.caller(""), describing("Announced")
		in.SHA256 = strings.Repeat("ab", 32)
		slot, err := w.initAs(caller, in)
		if err != nil {
			t.Fatal(err)
		}
		w.put(slot.UploadURL, wav(7))
		for range 4 {
			_, err := (&song{w: w, caller: caller, slot: slot}).prepare()
			wantCode(t, err, fault.CodeRegistrationUploadMissing)
		}
		if reads != 2 {
			t.Errorf("read %d times", reads)
		}
		// A refusal by the network costs no second read either.
		quiet := w.begin("Quiet", 8)
		for range 3 {
			w.net.Refuse(networktest.DryRun, "not today")
			_, err := quiet.prepare()
			wantCode(t, err, fault.CodeRegistrationDryRunFailed)
		}
		if reads != 3 {
			t.Errorf("read %d times", reads)
		}
	})
}

// The answer is the file's own, whether or not the reading can be stored.
func TestStoringAReadingFails(t *testing.T) {
	for _, at := range []string{"prepare.copied", "prepare.refused"} {
		t.Run(at, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				s := w.begin("Quince Lullaby", 1)
				w.put(s.slot.UploadURL, junk)
				ctx, kill := context.WithCancel(t.Context())
				defer kill()
				w.reg.reached = func(point string) {
					if point == at {
						kill()
					}
				}
				w.reg.Intake.Prepare(ctx, s.by(), s.slot.JobID)
				w.reg = w.another(w.db)
				_, err := s.prepare()
				wantCode(t, err, fault.CodeRegistrationInvalidAudioFormat)
				w.put(s.slot.UploadURL, wav(1))
				if _, err := s.prepare(); err != nil {
					t.Fatal(err)
				}
				w.finishes(s)
			})
		})
	}
}

// Slow files of one organization's visitors leave another organization's prepare its turn.
func TestPreparesTakeTurns(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		_, keys := w.organization(plenty)
		var slow []*song
		for i := range 10 {
			slow = append(slow, w.beginAs(w.callerOf(keys, ""), fmt.Sprint("Slow ", i), 10+i))
		}
		normal := w.begin("Normal", 1)
		begun, release, ended := make(chan struct{}, len(slow)), make(chan struct{}), make(chan error, len(slow))
		w.blobs.fail(func(op, key string) error {
			if op == "open" && !strings.Contains(key, normal.slot.JobID) {
				begun <- struct{}{}
				<-release
			}
			return nil
		})
		for _, s := range slow {
			go func() { _, err := s.prepare(); ended <- err }()
		}
		for range w.reg.Intake.Prepares / 2 {
			<-begun
		}
		if _, err := normal.prepare(); err != nil { // while the slow ones are still running
			t.Errorf("the normal one: %v", err)
		}
		if n := len(begun); n != 0 {
			t.Errorf("%d more of theirs are read than half", n)
		}
		close(release)
		for range slow {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

// While new transactions keep coming, a transaction that was not final at the first look is
// checked again.
func TestAdvanceEnds(t *testing.T) {
	t.Parallel()
	url := storetest.SQLiteURL(t, t.TempDir())
	w := newWorld(t, url, storetest.Open(t, url), t.TempDir(), plenty)
	w.net.Hold()
	for i := range anchoring.Batch { // so many that a page has one of each organization
		_, keys := w.organization(plenty)
		w.orderOf(t, keys, "One of many", 1000+i)
	}
	came := 0
	w.reg.reached = func(point string) {
		if point == "stage.committed" && came < 3*anchoring.PagesInTurn {
			came++
			w.confirmed(fmt.Sprintf("Further %d", came), came)
		}
	}
	w.advance()
	if came > anchoring.PagesInTurn {
		t.Errorf("it continued for %d pages", came)
	}
	select {
	case <-w.reg.Anchoring.Signal(network.Testnet):
	default:
		t.Error("the rest was not continued")
	}
	w.reg.reached = func(string) {}
	w.advance()
	w.settle()
}
