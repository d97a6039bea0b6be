package registry

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/files"
	"timbre.example/internal/issuing"
	"timbre.example/internal/network"
	"timbre.example/internal/outbox"
	"timbre.example/internal/turns"
)

// before runs a query of the release before, which knows no deliveries.
func (w *world) before(t *testing.T, name string, args ...any) {
	t.Helper()
	all, err := os.ReadFile("../store/testdata/previous.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(all), "-- name: "+name+" ")
	_, text, _ = strings.Cut(text, "\n")
	text, _, _ = strings.Cut(text, "-- name: ")
	if !ok {
		t.Fatalf("the release before has no query %s", name)
	}
	w.exec(t, text, args...)
}

func (w *world) exec(t *testing.T, text string, args ...any) {
	t.Helper()
	if _, err := w.raw(t).ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func (w *world) counts(t *testing.T) outbox.Counts {
	t.Helper()
	c, err := outbox.Count(t.Context(), w.db, outbox.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) mustCertify(t *testing.T) {
	t.Helper()
	if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The release before works on the same database: nothing is lost, and nothing is made twice.
func TestReleaseBeforeMakesCertificates(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.mustCertify(t) // so the next comparison is a minute away
		final, made, erased := w.confirmed("Made final by it", 1), w.confirmed("Certified by it", 2), w.confirmed("Erased by it", 3)
		w.advance()
		// It makes a version final without a delivery.
		w.exec(t, "DELETE FROM deliveries WHERE subject = $1", final.view().ID)
		// It makes a certificate and leaves the delivery.
		id := made.view().Done.WorkID
		key := files.Certificate(id, 1)
		if err := w.blobs.Put(t.Context(), key, []byte("certificate of Certified by it, version 1")); err != nil {
			t.Fatal(err)
		}
		w.before(t, "SetCertificate", key, id, 1)
		// It erases a work and leaves the delivery.
		if _, err := w.reg.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, erased.view().Done.AtsID); err != nil {
			t.Fatal(err)
		}
		w.exec(t, "INSERT INTO deliveries (kind, subject, work_id, organization_id, created_at) VALUES ('certificate', $1, $2, $3, 0)", erased.view().ID, erased.view().Done.WorkID, w.org)

		var asked []string
		certify := w.reg.Issuing.Certify
		w.reg.Issuing.Certify = func(ctx context.Context, c issuing.Issue) ([]byte, error) {
			asked = append(asked, c.Title)
			return certify(ctx, c)
		}
		w.mustCertify(t)
		if n := w.counts(t); len(asked) != 0 || n.Waiting != 0 {
			t.Errorf("made %q, %+v", asked, n)
		}
		w.pass(time.Minute)
		w.mustCertify(t)
		if len(asked) != 1 || asked[0] != "Made final by it" {
			t.Errorf("made %q", asked)
		}
		final.wantCertificate("Made final by it")
		made.wantCertificate("Certified by it")
	})
}

// The comparison also removes the deliveries that no turn has reached yet: a postponed one keeps
// its error no longer than a minute after the erasure.
func TestReleaseBeforeErases(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.confirmed("Erased by it", 1)
		w.advance()
		w.reg.Issuing.Certify = func(context.Context, issuing.Issue) ([]byte, error) {
			return nil, errors.New("it cannot draw Ada Example")
		}
		for range 8 {
			w.mustCertify(t)
			w.pass(turns.LastPause)
		}
		w.mustCertify(t)
		if c := w.counts(t); c.Failing != 1 {
			t.Fatalf("%+v", c)
		}
		// It erases the work and leaves the delivery, whose next attempt is an hour away.
		w.exec(t, "UPDATE deliveries SET work_id = ''")
		if _, err := w.reg.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, s.view().Done.AtsID); err != nil {
			t.Fatal(err)
		}
		w.exec(t, "UPDATE deliveries SET work_id = $1", s.view().Done.WorkID)
		w.pass(time.Minute)
		w.mustCertify(t)
		if c := w.counts(t); c.Waiting != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// The cause of a failure and the number of attempts survive a restart.
func TestFailureIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.stop()
		s := w.confirmed("Last Ferry", 1)
		w.advance()
		for range 3 {
			w.reg = w.another(w.db)
			w.reg.Issuing.Certify = func(context.Context, issuing.Issue) ([]byte, error) { return nil, errAway }
			w.mustCertify(t)
			w.pass(turns.LastPause)
		}
		var cause string
		var attempts int
		if err := w.raw(t).QueryRowContext(t.Context(), "SELECT last_error, attempts FROM deliveries").Scan(&cause, &attempts); err != nil || cause != "away" || attempts != 3 {
			t.Errorf("%q after %d attempts, %v", cause, attempts, err)
		}
		w.reg = w.another(w.db)
		w.mustCertify(t)
		s.wantCertificate("Last Ferry")
	})
}
