package registry

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/fault"
	"timbre.example/internal/issuing"
	"timbre.example/internal/store/query"
	"timbre.example/internal/timestamp"
	"timbre.example/internal/timestamp/tsatest"
	"timbre.example/internal/turns"
	"timbre.example/proof/evidence"
)

// stamps gives the world a real authority.
func (w *world) stamps(t *testing.T) *tsatest.Authority {
	t.Helper()
	a := tsatest.New(t)
	c, err := timestamp.New(a.URL, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w.stamp = c.Stamp
	w.reg = w.another(w.db)
	return a
}

// finality is a song that is final and waits for its token.
func (w *world) finality(t *testing.T) *song {
	t.Helper()
	s := w.confirmed("Last Ferry", 1)
	w.advance()
	s.wantFinal()
	if key := s.certify(t); key != "" {
		t.Fatalf("the certificate %s did not wait for the token", key)
	}
	if _, err := w.reg.Issuing.Evidence(t.Context(), s.view().Done.WorkID, 1); !errors.Is(err, fault.CodeWorkCertificateUnavailable) {
		t.Fatalf("evidence that would change: %v", err)
	}
	return s
}

// certify makes all certificates that can be made, and returns the key of the song's.
func (s *song) certify(t *testing.T) (key string) {
	t.Helper()
	if err := s.w.reg.Issuing.CertifyDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	key, _ = s.certificateOf(1)
	return key
}

func (w *world) mustStamp(t *testing.T) {
	t.Helper()
	if err := w.reg.Issuing.StampDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantStamped: the certificate was made of evidence with a valid token, or without one, and
// the evidence never changes afterwards.
func (s *song) wantStamped(t *testing.T, a *tsatest.Authority, want bool) {
	t.Helper()
	id := s.view().Done.WorkID
	var shown []byte
	certify := s.w.reg.Issuing.Certify
	s.w.reg.Issuing.Certify = func(ctx context.Context, e issuing.Issue) ([]byte, error) {
		shown, _ = evidence.Encode(e.Evidence)
		return certify(ctx, e)
	}
	if s.certify(t) == "" {
		t.Fatal("no certificate")
	}
	again, err := s.w.reg.Issuing.Evidence(t.Context(), id, 1)
	if err != nil {
		t.Fatal(err)
	}
	if now, err := evidence.Encode(again); err != nil || shown != nil && !bytes.Equal(now, shown) {
		t.Errorf("evidence is not what the certificate was made of: %v", err)
	}
	if (len(again.Tokens()) > 0) != want {
		t.Errorf("it has a token: %v", !want)
	} else if want {
		r, err := evidence.Verify(again, evidence.Options{Authorities: a.Roots()})
		if last, _ := r.Check(evidence.CheckTokenAuthority); err != nil || last.Status != evidence.OK {
			t.Errorf("%+v %v", r, err)
		}
	}
	asked := a.Asked()
	s.w.pass(time.Hour)
	s.w.mustStamp(t)
	if a.Asked() != asked {
		t.Error("a decided version was requested again")
	}
}

// The worker is killed at each point on the way to a token: the version still gets exactly
// one token.
func TestTimestampKilled(t *testing.T) {
	for _, at := range []string{"timestamp.begun", "timestamp.answered", "timestamp.committed", "certificate.stored"} {
		t.Run(at, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				a := w.stamps(t)
				s := w.finality(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.reg.reached = func(point string) {
					if point == at {
						cancel()
					}
				}
				err := w.reg.Issuing.StampDue(ctx)
				if err == nil && at == "certificate.stored" {
					err = w.reg.Issuing.CertifyDue(ctx)
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("it was not killed: %v", err)
				}
				w.reg = w.another(w.db)
				w.pass(turns.Lease)
				w.mustStamp(t)
				s.wantStamped(t, a, true)
			})
		})
	}
}

// An authority that does not answer is asked with growing pauses, and the certificate waits.
// After the timeout the certificate is made without a token, and does not change later.
func TestTimestampAuthorityUnavailable(t *testing.T) {
	for name, back := range map[string]bool{"it comes back": true, "it comes back too late": false} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				a := w.stamps(t)
				s := w.finality(t)
				asks := 0
				w.reg.Issuing.Stamp = func(context.Context, [32]byte) ([]byte, error) { asks++; return nil, errAway }
				for waited, wait := time.Duration(0), turns.FirstPause; waited < issuing.TimestampTimeout-issuing.LastTimestampPause; wait = min(2*wait, issuing.LastTimestampPause) {
					w.mustStamp(t)
					w.mustStamp(t) // too early
					w.pass(wait)
					if waited += wait; s.certify(t) != "" {
						t.Fatalf("a certificate without a token after %v", waited)
					}
				}
				if asks != 14 { // after 1, 2, 4, 8, 16 and 32 s, and then each minute
					t.Errorf("asked %d times", asks)
				}
				if back {
					w.reg.Issuing.Stamp = w.stamp
					w.pass(issuing.LastTimestampPause)
					w.mustStamp(t)
				} else {
					w.pass(2 * issuing.LastTimestampPause)
					w.mustStamp(t)
					w.reg.Issuing.Stamp = w.stamp
				}
				s.wantStamped(t, a, back)
			})
		})
	}
}

// Without an authority in the configuration, waiting versions go without a token.
func TestTimestampAuthorityRemoved(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		a := w.stamps(t)
		s := w.finality(t)
		asks := w.reg.Issuing.Stamp
		w.reg.Issuing.Stamp = nil
		if s.certify(t) == "" {
			t.Error("no certificate")
		}
		w.reg.Issuing.Stamp = asks
		s.wantStamped(t, a, false)
	})
}

// Two workers do not request the same token. If they do, since the authority answers the
// first one late, one token is kept.
func TestTimestampOfTwoWorkers(t *testing.T) {
	for name, late := range map[string]bool{"at once": false, "the first is late": true} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				a := w.stamps(t)
				s := w.finality(t)
				other, ask := w.another(w.db), w.reg.Issuing.Stamp
				w.reg.Issuing.Stamp = func(ctx context.Context, sum [32]byte) ([]byte, error) {
					if late {
						w.pass(turns.Lease)
					}
					before := a.Asked()
					if err := other.Issuing.StampDue(ctx); err != nil {
						t.Error(err)
					}
					if got := a.Asked() - before; (got == 1) != late || got > 1 {
						t.Errorf("the other one asked %d times", got)
					}
					return ask(ctx, sum)
				}
				w.mustStamp(t)
				w.reg.Issuing.Stamp = w.stamp
				s.wantStamped(t, a, true)
			})
		})
	}
}

// A final transaction wakes Run, and so does its token: no step waits for the poll.
func TestRunStamps(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.stamps(t)
		s := w.confirmed("Last Ferry", 1)
		made := make(chan struct{}, 1)
		w.reg.reached = func(point string) {
			if point == "certificate.committed" {
				made <- struct{}{}
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.reg.Run(ctx); close(ended) }()
		select {
		case <-made:
		case <-time.After(30 * time.Second):
			t.Error("no certificate")
		}
		stop()
		<-ended
		v, err := w.db.Read().Timestamp(t.Context(), query.TimestampParams{WorkID: s.view().Done.WorkID, Version: 1})
		if err != nil || len(v) == 0 {
			t.Errorf("%d bytes, %v", len(v), err)
		}
	})
}

// Of a backlog the newest versions are stamped first, also new ones.
func TestNewestStampedFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var asked [][32]byte
		var songs []*song
		w.stamps(t)
		ask := w.reg.Issuing.Stamp
		w.reg.Issuing.Stamp = func(ctx context.Context, sum [32]byte) ([]byte, error) {
			asked = append(asked, sum)
			if len(asked) == 1 {
				s := w.confirmed("New", 9)
				w.advance()
				s.wantFinal()
				songs = append(songs, s)
			}
			return ask(ctx, sum)
		}
		for i, title := range []string{"A", "B"} {
			songs = append(songs, w.confirmed(title, i))
		}
		w.advance()
		if err := w.reg.Issuing.StampDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, sum := range asked {
			for i, s := range songs {
				v, err := w.db.Read().GetTransaction(t.Context(), s.view().ID)
				if err != nil {
					t.Fatal(err)
				}
				if [32]byte(v.Commitment) == sum {
					got = append(got, []string{"A", "B", "New"}[i])
				}
			}
		}
		if d := cmp.Diff([]string{"B", "New", "A"}, got); d != "" {
			t.Error(d)
		}
	})
}
