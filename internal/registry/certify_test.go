package registry

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/issuing"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/outbox"
	"timbre.example/internal/session"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
	"timbre.example/internal/works"
)

// certificateOf returns the row's key and the stored file.
func (s *song) certificateOf(version int64) (key, content string) {
	s.w.t.Helper()
	v, err := s.w.db.Read().GetVersion(s.w.t.Context(), query.GetVersionParams{WorkID: s.view().Done.WorkID, Version: version})
	if err != nil {
		s.w.t.Fatal(err)
	}
	if v.CertificateKey == "" {
		return "", ""
	}
	r, _, err := s.w.blobs.Store.Open(s.w.t.Context(), v.CertificateKey)
	if err != nil {
		s.w.t.Fatalf("the row names %s: %v", v.CertificateKey, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return v.CertificateKey, string(b)
}

func (s *song) wantCertificate(title string) {
	s.w.t.Helper()
	if key, got := s.certificateOf(1); got != "certificate of "+title+", version 1" || !strings.HasPrefix(key, "certificates/") {
		s.w.t.Errorf("under %q is %q", key, got)
	}
}

var errAway = errors.New("away")

// Each failure while a certificate is made: the registration is final all the same, and a
// retry makes the certificate.
func TestCertificateTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		op     string // the failing operation of the store
		stored bool
	}{
		"the file cannot be written":      {"put", false},
		"the file fails but was written":  {"put answered", true},
		"killed before it was made":       {"certificate.begun", false},
		"killed before the row":           {"certificate.stored", true},
		"making it fails":                 {"certify", false},
		"killed after the row, run again": {"certificate.committed", true},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				s := w.confirmed("Last Ferry", 1)
				w.advance()
				s.wantFinal()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.blobs.fail(func(op, _ string) error {
					if op == c.op {
						return errAway
					}
					return nil
				})
				w.reg.reached = func(point string) {
					if point == c.op {
						cancel()
					}
				}
				if c.op == "certify" {
					w.reg.Issuing.Certify = func(context.Context, issuing.Issue) ([]byte, error) { return nil, errAway }
				}
				err := w.reg.Issuing.CertifyDue(ctx)
				if c.op != "certify" && err == nil {
					t.Error("the worker returned no error")
				}
				key := files.Certificate(s.view().Done.WorkID, 1)
				if w.exists(key) != c.stored {
					t.Errorf("stored: %v, want %v", !c.stored, c.stored)
				}
				if named, _ := s.certificateOf(1); (named != "") != (c.op == "certificate.committed") {
					t.Errorf("the row names %q", named)
				}
				w.blobs.fail(nil)
				w.reg = w.another(w.db) // a restart
				w.pass(turns.Lease)
				if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.wantCertificate("Last Ferry")
			})
		})
	}
}

// A certificate that cannot be made never delays others, and is retried with growing pauses.
// Those that wait are made together; a newer one follows.
func TestCertificatesOfAnEarlierRelease(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var songs []*song
		titles := []string{"Song A", "Song B", "Song C", "Song D"}
		for i, title := range titles {
			songs = append(songs, w.confirmed(title, i))
		}
		w.advance()
		w.stop()
		broken := true
		var asked []string
		certify := w.reg.Issuing.Certify
		w.reg.Issuing.Certify = func(ctx context.Context, c issuing.Issue) ([]byte, error) {
			asked = append(asked, c.Title)
			if c.Title == "Song D" && broken {
				return nil, errAway
			}
			return certify(ctx, c)
		}
		w.reg.reached = func(point string) {
			if point == "certificate.committed" && len(songs) == len(titles) {
				songs = append(songs, w.confirmed("Song E", 9))
				w.advance()
			}
		}
		round := func(want ...string) {
			t.Helper()
			asked = nil
			if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(want, asked); d != "" {
				t.Error(d)
			}
		}
		round("Song D", "Song C", "Song B", "Song A", "Song E")
		for i, title := range append(titles[:3:3], "", "Song E") {
			if title != "" {
				songs[i].wantCertificate(title)
			}
		}
		if key, _ := songs[3].certificateOf(1); key != "" {
			t.Errorf("the broken one is %s", key)
		}
		round()
		w.pass(turns.FirstPause)
		round("Song D")
		w.pass(turns.FirstPause)
		round() // the pause is twice as long now
		broken = false
		w.pass(turns.FirstPause)
		round("Song D")
		songs[3].wantCertificate("Song D")
	})
}

// Two instances do not make the same certificate. If they do, since the first exceeds its
// lease, there is one file, which the row names.
func TestCertificateOfTwoWorkers(t *testing.T) {
	for name, late := range map[string]bool{"at once": false, "the first is late": true} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				s := w.confirmed("Last Ferry", 1)
				w.advance()
				other := w.another(w.db)
				made := 0
				certify := w.reg.Issuing.Certify
				other.Issuing.Certify = func(ctx context.Context, c issuing.Issue) ([]byte, error) { made++; return certify(ctx, c) }
				w.reg.Issuing.Certify = func(ctx context.Context, c issuing.Issue) ([]byte, error) {
					if late {
						w.pass(turns.Lease)
					}
					if err := other.Issuing.CertifyDue(ctx); err != nil {
						t.Error(err)
					}
					return certify(ctx, c)
				}
				if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
					t.Error(err)
				}
				if (made == 1) != late || made > 1 {
					t.Errorf("the other instance made %d", made)
				}
				s.wantCertificate("Last Ferry")
			})
		})
	}
}

// A final transaction wakes Run, which makes the certificate without a request.
func TestRunMakesCertificates(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.confirmed("Last Ferry", 1)
		made := make(chan struct{}, 1)
		w.reg.reached = func(point string) {
			if point == "certificate.committed" {
				made <- struct{}{}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.reg.Run(ctx); close(ended) }()
		<-made
		cancel()
		<-ended
		s.wantFinal()
		s.wantCertificate("Last Ferry")
	})
}

// A worker that is stopped at any point of a lease gives back what it had leased: another worker
// continues at once, without the time of a lease.
func TestStoppedWorkerGivesBack(t *testing.T) {
	for _, at := range []string{"timestamp.begun", "timestamp.answered", "timestamp.committed", "certificate.begun", "certificate.stored"} {
		t.Run(at, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				a := w.stamps(t)
				s := w.finality(t)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				w.reg.reached = func(point string) {
					if point == at {
						stop()
					}
				}
				err := w.reg.Issuing.StampDue(ctx)
				if err == nil {
					err = w.reg.Issuing.CertifyDue(ctx)
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("it was not stopped: %v", err)
				}
				w.reg = w.another(w.db) // no time passes
				w.mustStamp(t)
				if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
					t.Fatal(err)
				}
				if key, _ := s.certificateOf(1); key == "" {
					t.Error("the certificate waits for a lease")
				}
				s.wantStamped(t, a, true)
				if left, err := outbox.Count(t.Context(), w.db, outbox.Certificate); err != nil || left.Waiting != 0 {
					t.Errorf("%+v, %v", left, err)
				}
			})
		})
	}
}

// No certificate waits for a failed transaction.
func TestNoCertificateOfAFailure(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.net.Refuse(networktest.Stage, "not today")
		s := w.confirmed("Refused", 1)
		w.advance()
		s.wantFailed("not today")
		job, err := w.db.Read().GetJob(t.Context(), s.view().ID)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.certificate(t.Context(), s.caller, job.WorkID, 0)
		wantCode(t, err, fault.CodeWorkNotFound)
	})
}

// The session that began a registration can download its certificate after it has expired,
// until the session is deleted.
func TestCertificateOfAnExpiredSession(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.confirmed("Last Ferry", 1)
		w.advance()
		if s.certify(t) == "" {
			t.Fatal("no certificate")
		}
		expired := s.caller
		expired.Expired = true
		ask := func() error {
			t.Helper()
			if _, err := w.sessions.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := w.certificate(t.Context(), expired, s.view().Done.WorkID, 0)
			return err
		}
		w.pass(24 * time.Hour) // and the token's own five minutes
		if err := ask(); err != nil {
			t.Error(err)
		}
		w.pass(session.DefaultLifetime + time.Minute)
		wantCode(t, ask(), fault.CodeCommonAuthExpired)
	})
}

// A request for a certificate that is being made waits for it: a published widget that is
// refused leaves the screen with the access code.
func TestCertificateIsAwaited(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.confirmed("Last Ferry", 1)
		w.advance()
		awaited := 0
		made := func() {}
		w.reg.reached = func(point string) {
			if point == "certificate.awaited" {
				awaited++
				made()
			}
		}
		ask := func() (works.Download, error) {
			return w.certificate(t.Context(), s.caller, s.view().Done.WorkID, 0)
		}

		_, err := ask()
		wantCode(t, err, fault.CodeWorkCertificateUnavailable)
		if awaited != 0 {
			t.Error("waited, although AwaitCertificate is 0")
		}

		w.reg.Works.AwaitCertificate = 60 * time.Millisecond
		_, err = ask()
		wantCode(t, err, fault.CodeWorkCertificateUnavailable)
		if awaited != 2 { // after 50 ms and after the remaining 10
			t.Errorf("waited %d times", awaited)
		}

		w.reg.Works.AwaitCertificate = time.Minute
		gone, leave := context.WithCancel(t.Context())
		made = leave
		if _, err := w.certificate(gone, s.caller, s.view().Done.WorkID, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("the client left, and the answer is %v", err)
		}

		made = func() { s.certify(t) }
		if d, err := ask(); err != nil || d.URL == "" {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// A work that is redacted before its certificate is made is not counted as a failure.
func TestCertifySkipsRedacted(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		old := w.confirmed("Quince Lullaby", 1)
		w.confirmed("Last Ferry", 2)
		w.advance()
		ats := old.view().Done.AtsID
		certify := w.reg.Issuing.Certify
		w.reg.Issuing.Certify = func(ctx context.Context, e issuing.Issue) ([]byte, error) {
			if _, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, ats); err != nil {
				t.Error(err)
			}
			return certify(ctx, e)
		}
		if err := w.reg.Issuing.CertifyDue(t.Context()); err != nil {
			t.Error(err)
		}
		if n := w.metric("timbre_certificates_failed_total"); n != 0 {
			t.Errorf("%g failed", n)
		}
	})
}
