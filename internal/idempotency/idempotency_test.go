package idempotency_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/idempotency"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// world is one database. The effect of a request is a row in the outbox.
type world struct {
	t        *testing.T
	db       *store.DB
	requests *idempotency.Requests
	now      time.Time
}

func each(t *testing.T, f func(w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &world{t: t, db: db, requests: &idempotency.Requests{DB: db}, now: time.Unix(1_800_000_000, 0)}
		db.Now = func() time.Time { return w.now }
		f(w)
	})
}

func request(key, body string) idempotency.Request {
	return idempotency.Request{Caller: "key-1", Token: "afo_sk_live_secret", Key: key, Fingerprint: sha256.Sum256([]byte(body))}
}

func (w *world) begin(q idempotency.Request) (*idempotency.Claim, string, error) {
	claim, answer, err := w.requests.Begin(w.t.Context(), q)
	if answer == nil {
		return claim, "", err
	}
	if answer.Status != 201 {
		w.t.Errorf("status %d", answer.Status)
	}
	return claim, string(answer.Body), err
}

func (w *world) claim(q idempotency.Request) *idempotency.Claim {
	w.t.Helper()
	c, body, err := w.begin(q)
	if err != nil || c == nil {
		w.t.Fatalf("no claim: %q, %v", body, err)
	}
	return c
}

// run has the effect, and stores the answer with it.
func (w *world) run(c *idempotency.Claim, body string) error {
	return w.db.Tx(w.t.Context(), func(tx *store.Tx) error {
		if err := tx.EnqueueDelivery(w.t.Context(), query.EnqueueDeliveryParams{Kind: "test", Subject: rand.Text(), OrganizationID: "o", Now: 1}); err != nil {
			return err
		}
		return c.Answer(w.t.Context(), tx, idempotency.Answer{Status: 201, Body: []byte(body)})
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) effects(want int64) {
	w.t.Helper()
	n, err := w.db.Read().CountDeliveries(w.t.Context(), query.CountDeliveriesParams{Kind: "test", Now: 1})
	if w.must(err); n.Waiting != want {
		w.t.Errorf("%d effects, want %d", n.Waiting, want)
	}
}

func (w *world) refused(q idempotency.Request, code fault.Code) (wait time.Duration) {
	w.t.Helper()
	c, body, err := w.begin(q)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code || c != nil {
		w.t.Fatalf("%v, %q, want %s", err, body, code)
	}
	return f.RetryAfter
}

func (w *world) answered(q idempotency.Request, want string) {
	w.t.Helper()
	c, body, err := w.begin(q)
	if err != nil || c != nil || body != want {
		w.t.Errorf("%q, %v, want %q", body, err, want)
	}
}

func TestAnswers(t *testing.T) {
	each(t, func(w *world) {
		q, secret := request("a", "body"), `{"upload_url":"https://store.example/?signature=s3cr3t"}`
		c := w.claim(q)
		if wait := w.refused(q, fault.CodeIdempotencyInProgress); wait != time.Second {
			w.t.Errorf("wait %s", wait)
		}
		w.refused(request("a", "other"), fault.CodeIdempotencyKeyReused)
		w.must(w.run(c, secret))
		w.answered(q, secret)
		w.refused(request("a", "other"), fault.CodeIdempotencyKeyReused)
		w.effects(1)

		// Another caller's key is another key, whatever the bytes of both.
		other := q
		other.Caller = "key-2"
		w.must(w.claim(other).Release(w.t.Context()))

		// The row has neither the answer nor the key, and another token does not open it.
		row := w.row()
		if text := string(row.Answer) + row.ID + row.Request; strings.Contains(text, "s3cr3t") || bytes.Contains(row.Answer, []byte("upload")) {
			w.t.Errorf("stored: %q", text)
		}
		stolen := q
		stolen.Token = "afo_sk_live_other"
		if _, body, err := w.begin(stolen); err == nil {
			w.t.Errorf("another token opened %q", body)
		}

		// The answer stays for 24 hours, and not longer.
		w.now = w.now.Add(idempotency.Kept - time.Microsecond)
		w.answered(q, secret)
		w.now = w.now.Add(time.Microsecond)
		w.must(w.run(w.claim(request("a", "other")), "{}"))
		w.effects(2)
	})
}

func (w *world) row() query.IdempotentRequest {
	w.t.Helper()
	// The id is the hash of the caller and the key, as documented in the schema.
	sum := sha256.Sum256([]byte("key-1\x00a"))
	row, err := w.db.Read().GetIdempotentRequest(w.t.Context(), hex.EncodeToString(sum[:]))
	w.must(err)
	return row
}

// A request that ends without an effect gives its key back.
func TestReleased(t *testing.T) {
	each(t, func(w *world) {
		c := w.claim(request("a", "body"))
		w.must(c.Release(w.t.Context()))
		w.must(w.run(w.claim(request("a", "corrected")), "{}"))
		// The transaction went through, although its caller saw an error: the answer stays.
		w.must(c.Release(w.t.Context()))
		c = w.claim(request("b", "body"))
		w.must(w.run(c, `{"b":1}`))
		w.must(c.Release(w.t.Context()))
		w.answered(request("b", "body"), `{"b":1}`)
		w.effects(2)
	})
}

// A process is killed after its claim. Equal requests wait for the lease, and not longer.
func TestKilled(t *testing.T) {
	each(t, func(w *world) {
		q := request("a", "body")
		killed := w.claim(q)
		w.now = w.now.Add(10 * time.Second)
		if wait := w.refused(q, fault.CodeIdempotencyInProgress); wait != idempotency.Lease-10*time.Second {
			w.t.Errorf("wait %s", wait)
		}
		w.now = w.now.Add(idempotency.Lease - 10*time.Second)
		c := w.claim(q)
		w.refused(q, fault.CodeIdempotencyInProgress)
		// The first process was not killed, only slow: its effect is undone.
		if err := w.run(killed, "first"); !errors.Is(err, fault.CodeIdempotencyInProgress) {
			w.t.Error(err)
		}
		w.effects(0)
		w.must(killed.Release(w.t.Context()))
		w.refused(q, fault.CodeIdempotencyInProgress)
		w.must(w.run(c, "second"))
		if err := w.run(killed, "first"); !errors.Is(err, fault.CodeIdempotencyInProgress) {
			w.t.Error(err)
		}
		w.answered(q, "second")
		w.effects(1)
	})
}

// Old answers are deleted in batches, and the others stay.
func TestSweep(t *testing.T) {
	each(t, func(w *world) {
		const old = 1201 // three batches
		w.must(w.db.Tx(w.t.Context(), func(tx *store.Tx) error {
			for range old {
				if _, err := tx.ClaimIdempotentRequest(w.t.Context(), query.ClaimIdempotentRequestParams{ID: rand.Text(), Claim: "c", Now: store.Micros(tx.Now)}); err != nil {
					return err
				}
			}
			return nil
		}))
		w.now = w.now.Add(time.Microsecond)
		w.must(w.run(w.claim(request("young", "")), "{}"))
		w.now = w.now.Add(idempotency.Kept - time.Microsecond)
		if n, err := w.requests.Sweep(w.t.Context()); err != nil || n != old {
			w.t.Errorf("%d rows, %v", n, err)
		}
		w.answered(request("young", ""), "{}")
		if n, err := w.requests.Sweep(w.t.Context()); err != nil || n != 0 {
			w.t.Errorf("%d rows, %v", n, err)
		}
	})
}

func TestValid(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"": false, "a": true, "a b~!": true, strings.Repeat("x", 255): true, strings.Repeat("x", 256): false, "é": false, "a\tb": false, "a\x00": false, "\x7f": false,
	} {
		if idempotency.Valid(key) != want {
			t.Errorf("%q", key)
		}
	}
}
