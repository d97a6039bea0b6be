package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/certificate"
	"timbre.example/internal/files"
	"timbre.example/internal/lasting"
	"timbre.example/internal/network"
	"timbre.example/internal/outbox"
	"timbre.example/internal/turns"
)

const raised = ", raised"

// raises gives the world an authority that raises signatures while why is nil.
func (w *world) raises(why *error) {
	w.raise = func(_ context.Context, file []byte) ([]byte, certificate.Level, error) {
		switch {
		case *why != nil:
			return file, certificate.LevelB, *why
		case bytes.HasSuffix(file, []byte(raised)):
			return file, certificate.LevelLTA, nil
		}
		return append(bytes.Clone(file), raised...), certificate.LevelLTA, nil
	}
	w.reg = w.another(w.db)
}

func (w *world) low(t *testing.T) outbox.Counts {
	t.Helper()
	c, err := outbox.Count(t.Context(), w.db, outbox.Signature)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) mustRaise(t *testing.T) {
	t.Helper()
	if err := w.reg.Issuing.RaiseDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A signature that cannot be raised delays nothing: the certificate is there, at a lower level.
// It is raised later, unless no attempt can help.
func TestRaisedLater(t *testing.T) {
	for name, c := range map[string]struct {
		why   error
		waits int64
	}{
		"at once":       {nil, 0},
		"later":         {errAway, 1},
		"never higher":  {fmt.Errorf("no address; %w", lasting.ErrHighest), 0},
		"the time ends": {context.DeadlineExceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				why := c.why
				w.raises(&why)
				s := w.confirmed("Last Ferry", 1)
				w.advance()
				s.wantFinal()
				if s.certify(t) == "" {
					t.Fatal("no certificate")
				}
				const issued = "certificate of Last Ferry, version 1"
				_, first := s.certificateOf(1)
				if (first == issued+raised) != (why == nil) || w.low(t).Waiting != c.waits {
					t.Fatalf("%q, %+v", first, w.low(t))
				}
				for range 2 { // a failure keeps the file, and its cause
					w.mustRaise(t)
					w.pass(turns.Lease)
				}
				if _, now := s.certificateOf(1); now != first || w.low(t).Failing != c.waits {
					t.Errorf("%q, %+v", now, w.low(t))
				}
				if c.waits == 0 {
					return
				}
				var cause string
				if err := w.raw(t).QueryRowContext(t.Context(), "SELECT last_error FROM deliveries WHERE kind = 'signature'").Scan(&cause); err != nil || cause != "level B-B: "+why.Error() {
					t.Errorf("%q, %v", cause, err)
				}
				why = nil
				w.pass(time.Hour)
				w.mustRaise(t)
				if _, now := s.certificateOf(1); now != issued+raised || w.low(t).Waiting != 0 {
					t.Errorf("later: %q, %+v", now, w.low(t))
				}
			})
		})
	}
}

// The worker is killed at each point, or the store fails, also after it stored the file: the
// certificate is whole at each moment, and is raised once.
func TestRaiseKilled(t *testing.T) {
	for _, at := range []string{"certificate.raised", "signature.begun", "signature.stored", "put", "put answered"} {
		t.Run(at, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				why := errAway
				w.raises(&why)
				s := w.confirmed("Last Ferry", 1)
				w.advance()
				s.wantFinal()
				if at != "certificate.raised" {
					s.certify(t)
				} else {
					why = nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.reg.reached = func(point string) {
					if point == at {
						cancel()
					}
				}
				why = nil
				w.blobs.fail(func(op, _ string) error {
					if op == at {
						return errAway
					}
					return nil
				})
				err := w.reg.Issuing.CertifyDue(ctx)
				if at != "certificate.raised" {
					err = w.reg.Issuing.RaiseDue(ctx)
				}
				if !errors.Is(err, context.Canceled) && !errors.Is(err, errAway) {
					t.Fatalf("it was not stopped: %v", err)
				}
				w.blobs.fail(nil)
				w.reg = w.another(w.db)
				w.pass(turns.Lease)
				s.certify(t)
				w.mustRaise(t)
				if _, now := s.certificateOf(1); now != "certificate of Last Ferry, version 1"+raised || w.low(t).Waiting != 0 {
					t.Errorf("%q, %+v", now, w.low(t))
				}
			})
		})
	}
}

// A certificate whose work is redacted while it is raised does not come back.
func TestRaisedWhileRedacted(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		why := errAway
		w.raises(&why)
		s := w.confirmed("Last Ferry", 1)
		w.advance()
		s.wantFinal()
		s.certify(t)
		done := s.view().Done
		why = nil
		raise := w.reg.Issuing.Raise
		w.reg.Issuing.Raise = func(ctx context.Context, file []byte) ([]byte, certificate.Level, error) {
			if _, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, done.AtsID); err != nil {
				t.Error(err)
			}
			return raise(ctx, file)
		}
		w.mustRaise(t)
		if w.exists(files.Certificate(done.WorkID, 1)) || w.low(t).Waiting != 0 {
			t.Errorf("the certificate is there again, %+v", w.low(t))
		}
	})
}
