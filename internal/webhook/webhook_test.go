package webhook_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/webhook"
)

// A delivery has every member of the wire contract, null where it does not apply, and its
// attempt is stored with what the receiver answered.
func TestPayloads(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-Receiver", "one")
			rw.Header().Set("Set-Cookie", "session=secret")
			rw.WriteHeader(http.StatusAccepted)
			fmt.Fprint(rw, "thanks\x00\xff")
		})
		e, _ := w.endpoint(r.URL + "/hook?token=t")
		tx := w.ended(func(e *webhook.Ended) { e.AccessCode = false })
		w.drain()
		d, attempts := w.one(e.ID)
		if d.State != webhook.Delivered || d.Attempts != 1 || d.LastStatus != 202 || d.EndedAt.IsZero() || d.Transaction != tx || len(attempts) != 1 {
			t.Fatalf("%+v %+v", d, attempts)
		}
		a := attempts[0]
		if a.Status != 202 || a.Number != 1 || a.Body != `thanks\x00\xff` || a.Error != "" || a.Duration <= 0 || a.URL != r.URL+"/hook?token=t" ||
			!slices.Contains(a.Headers, webhook.Header{Name: "X-Receiver", Value: "one"}) || !slices.Contains(a.Headers, webhook.Header{Name: "Set-Cookie", Value: "(left out)"}) {
			t.Errorf("%+v", a)
		}
		all := r.got()
		want := map[string]any{
			"event": "work_registered", "transaction_id": tx, "organization_id": w.org, "api_key_id": nil, "external_user_ref": nil, "network": "testnet", "ats_id": 7.0,
			"tx_hash": "0x01", "block_number": 3.0, "block_hash": "0x02", "access_code": nil, "explorer_url": "https://songs.example/t", "finalized_at": w.db.Now().UTC().Format(time.RFC3339),
		}
		if diff := cmp.Diff(want, all[0].json(t)); diff != "" {
			t.Error(diff)
		}
		if h := all[0].header; h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "Timbre/test" || h.Get("Webhook-Id") != d.ID || h.Get("Accept-Encoding") != "" {
			t.Errorf("%v", h)
		}

		failed := w.ended(func(e *webhook.Ended) {
			e.Event, e.Reason, e.APIKey, e.ExternalUserRef = webhook.WorkFailed, "refused", "key", "user-1"
		})
		w.tx(func(tx *store.Tx) error { return webhook.BalanceLow(t.Context(), tx, w.org, 5, 10) })
		if _, err := w.SendTest(t.Context(), w.org, e.ID, by); err != nil {
			t.Fatal(err)
		}
		w.drain()
		at := w.db.Now().UTC().Format(time.RFC3339)
		bodies := map[string]map[string]any{}
		for _, g := range r.got()[1:] {
			m := g.json(t)
			bodies[m["event"].(string)] = m
		}
		if diff := cmp.Diff(map[string]map[string]any{
			"work_failed": {"event": "work_failed", "transaction_id": failed, "organization_id": w.org, "api_key_id": "key", "external_user_ref": "user-1", "network": "testnet", "reason": "refused", "failed_at": at},
			"credits_low": {"event": "credits_low", "organization_id": w.org, "available": 5.0, "level": 10.0, "at": at},
			"test":        {"event": "test", "organization_id": w.org, "endpoint_id": e.ID, "at": at},
		}, bodies); diff != "" {
			t.Error(diff)
		}
	})
}

// An endpoint gets the events and the network that it chose. The endpoint of an API key gets
// the transactions of that key alone, and other organizations get nothing.
func TestFilters(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		make := func(in webhook.EndpointInput) string {
			in.URL = r.URL
			e, _, err := w.CreateEndpoint(t.Context(), w.org, in, by)
			if err != nil {
				t.Fatal(err)
			}
			return e.ID
		}
		all, failures, mainnet := make(webhook.EndpointInput{}), make(webhook.EndpointInput{Events: []webhook.Event{webhook.WorkFailed}}), make(webhook.EndpointInput{Network: "mainnet"})
		other := w.organization()
		if _, _, err := w.CreateEndpoint(t.Context(), other, webhook.EndpointInput{URL: r.URL}, by); err != nil {
			t.Fatal(err)
		}
		w.tx(func(tx *store.Tx) error {
			_, err := w.CreateForKey(t.Context(), tx, w.org, "key-1", r.URL, by)
			return err
		})
		w.tx(func(tx *store.Tx) error {
			_, err := w.CreateForKey(t.Context(), tx, w.org, "key-2", r.URL, by)
			return err
		})
		w.ended(nil)
		w.ended(func(e *webhook.Ended) { e.Event, e.APIKey = webhook.WorkUpdated, "key-1" })
		w.ended(func(e *webhook.Ended) { e.Event, e.Network = webhook.WorkFailed, "mainnet" })
		w.tx(func(tx *store.Tx) error { return webhook.BalanceLow(t.Context(), tx, w.org, 5, 10) })
		endpoints, err := w.ListEndpoints(t.Context(), w.org, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]webhook.Event{}
		for _, e := range endpoints {
			list, _, err := w.ListDeliveries(t.Context(), w.org, e.ID, webhook.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			name := e.APIKey
			if name == "" {
				name = e.ID
			}
			got[name] = []webhook.Event{}
			for _, d := range slices.Backward(list) {
				got[name] = append(got[name], d.Event)
			}
			slices.Sort(got[name])
		}
		if diff := cmp.Diff(map[string][]webhook.Event{
			all:      {webhook.CreditsLow, webhook.WorkFailed, webhook.WorkRegistered, webhook.WorkUpdated},
			failures: {webhook.WorkFailed}, mainnet: {webhook.CreditsLow, webhook.WorkFailed}, "key-1": {webhook.WorkUpdated}, "key-2": {},
		}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// The pauses are those of the contract, each at most a tenth longer; then the delivery has
// failed, stays readable, and can be replayed with the same id.
func TestSchedule(t *testing.T) {
	want := []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour}
	if !slices.Equal(webhook.Schedule, want) {
		t.Fatal(webhook.Schedule)
	}
	each(t, func(t *testing.T, w *world) {
		r := receive(t, status(http.StatusInternalServerError))
		e, _ := w.endpoint(r.URL)
		w.ended(nil)
		for i, pause := range want {
			w.drain()
			d, attempts := w.one(e.ID)
			if got := d.NextAttempt.Sub(w.db.Now()).Round(time.Microsecond); len(attempts) != i+1 || d.State != webhook.Waiting || got < pause-time.Millisecond || got > pause+pause/10+time.Millisecond {
				t.Fatalf("attempt %d: %d attempts, %s, the next in %v and not %v", i+1, len(attempts), d.State, got, pause)
			}
			w.pass(pause - time.Second)
			w.drain()
			if n := len(r.got()); n != i+1 {
				t.Fatalf("%d attempts before the pause", n)
			}
			w.pass(time.Second + pause/10)
		}
		w.drain()
		d, attempts := w.one(e.ID)
		if d.State != webhook.Failed || len(attempts) != len(want)+1 || d.EndedAt.IsZero() || attempts[0].Error != "The answer was 500, and not 2xx." {
			t.Fatalf("%+v", d)
		}
		w.pass(100 * time.Hour)
		w.drain()
		r.set(nil)
		if _, err := w.Replay(t.Context(), w.org, e.ID, d.ID, by); err != nil {
			t.Fatal(err)
		}
		w.drain()
		d, attempts = w.one(e.ID)
		if d.State != webhook.Delivered || len(attempts) != len(want)+2 || attempts[0].Number != int64(len(want)+2) {
			t.Fatalf("after the replay: %+v", d)
		}
		ids := map[string]bool{}
		signatures := map[string]bool{}
		for _, g := range r.got() {
			ids[g.header.Get("Webhook-Id")] = true
			signatures[g.header.Get("Webhook-Signature")] = true
		}
		if len(ids) != 1 || len(signatures) < 10 {
			t.Errorf("%d ids, %d signatures", len(ids), len(signatures))
		}
	})
}

// Answers decide what follows: 2xx acknowledges, some are tried again, other 4xx end it, and
// 410 disables the endpoint.
func TestAnswers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		e, _ := w.endpoint(r.URL)
		for code, want := range map[int]webhook.State{
			200: webhook.Delivered, 204: webhook.Delivered, 299: webhook.Delivered, 301: webhook.Waiting, 307: webhook.Waiting, 304: webhook.Waiting,
			400: webhook.Failed, 401: webhook.Failed, 404: webhook.Failed, 408: webhook.Waiting, 418: webhook.Failed, 425: webhook.Failed, 429: webhook.Waiting, 500: webhook.Waiting, 503: webhook.Waiting, 599: webhook.Waiting, 600: webhook.Waiting,
		} {
			r.set(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Location", r.URL+"/elsewhere")
				rw.WriteHeader(code)
			})
			before := len(r.got())
			d, err := w.SendTest(t.Context(), w.org, e.ID, by)
			if err != nil {
				t.Fatal(err)
			}
			w.drain()
			d, attempts, err := w.Delivery(t.Context(), w.org, e.ID, d.ID)
			if err != nil || d.State != want || len(attempts) != 1 || attempts[0].Status != int64(code) || (attempts[0].Error == "") != (want == webhook.Delivered) || len(r.got()) != before+1 {
				t.Errorf("%d: %+v %+v %v", code, d, attempts, err)
			}
		}
		r.set(status(http.StatusGone))
		if _, err := w.SendTest(t.Context(), w.org, e.ID, by); err != nil {
			t.Fatal(err)
		}
		w.drain()
		e, err := w.Endpoint(t.Context(), w.org, e.ID)
		if err != nil || e.Disabled != webhook.Gone || len(w.warned) != 1 || w.warned[0].Disabled != webhook.Gone {
			t.Errorf("after 410: %+v %v %+v", e, err, w.warned)
		}
	})
}

// Retry-After lengthens a pause, within a bound.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		n          int64
		after      time.Duration
		least, max time.Duration
	}{
		{1, 0, time.Second, 1100 * time.Millisecond}, {1, time.Minute, time.Minute, time.Minute}, {1, 1000 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{4, time.Second, 2 * time.Minute, 132 * time.Second}, {10, 0, 48 * time.Hour, 53 * time.Hour},
	} {
		for range 100 {
			if got, ok := webhook.Pause(c.n, c.after); !ok || got < c.least || got > c.max {
				t.Fatalf("%+v: %v", c, got)
			}
		}
	}
	if _, ok := webhook.Pause(11, time.Hour); ok {
		t.Error("an attempt after the last one")
	}
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		e, _ := w.endpoint(r.URL)
		for text, want := range map[string]time.Duration{"120": 2 * time.Minute, w.db.Now().Add(time.Hour).UTC().Format(http.TimeFormat): time.Hour, "-5": time.Second, "soon": time.Second, "99999999999999999999": time.Second} {
			r.set(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Retry-After", text)
				rw.WriteHeader(http.StatusServiceUnavailable)
			})
			d, err := w.SendTest(t.Context(), w.org, e.ID, by)
			if err != nil {
				t.Fatal(err)
			}
			w.drain()
			d, _, err = w.Delivery(t.Context(), w.org, e.ID, d.ID)
			if got := d.NextAttempt.Sub(w.db.Now()); err != nil || got < want-2*time.Second || got > want+want/10+time.Second {
				t.Errorf("%q: %v, want %v: %v", text, got, want, err)
			}
		}
	})
}

// A disabled endpoint gets nothing. Its deliveries are skipped, and can be replayed in a
// range when it is enabled again; a repeated replay repeats nothing.
func TestDisabledAndReplay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		e, _ := w.endpoint(r.URL)
		since := w.db.Now()
		w.ended(nil) // waits when the endpoint is disabled
		no, yes := false, true
		e, err := w.UpdateEndpoint(t.Context(), w.org, e.ID, webhook.EndpointChange{Enabled: &no, Revision: e.Revision}, by)
		if err != nil || e.Disabled != webhook.Manual || e.DisabledAt.IsZero() {
			t.Fatalf("%+v %v", e, err)
		}
		w.ended(nil)
		w.drain()
		skipped, _, err := w.ListDeliveries(t.Context(), w.org, e.ID, webhook.Filter{State: webhook.Skipped})
		if err != nil || len(skipped) != 2 || len(r.got()) != 0 {
			t.Fatalf("%d skipped, %v", len(skipped), err)
		}
		for name, f := range map[string]func() error{
			"replay": func() error { _, err := w.Replay(t.Context(), w.org, e.ID, skipped[0].ID, by); return err },
			"range": func() error {
				_, err := w.ReplayRange(t.Context(), w.org, e.ID, webhook.Range{Since: since, Until: since.Add(time.Hour)}, by)
				return err
			},
			"test": func() error { _, err := w.SendTest(t.Context(), w.org, e.ID, by); return err },
		} {
			if err := f(); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("%s on a disabled endpoint: %v", name, err)
			}
		}
		if e, err = w.UpdateEndpoint(t.Context(), w.org, e.ID, webhook.EndpointChange{Enabled: &yes}, by); err != nil || !e.Enabled() {
			t.Fatal(e, err)
		}
		w.pass(time.Second)
		for i, want := range []int{2, 0} {
			got, err := w.ReplayRange(t.Context(), w.org, e.ID, webhook.Range{Since: since, Until: w.db.Now()}, by)
			if err != nil || got.Count != want || got.Next != "" {
				t.Errorf("replay %d: %+v %v", i, got, err)
			}
		}
		w.drain()
		if n := len(r.got()); n != 2 {
			t.Errorf("%d deliveries", n)
		}
		for _, one := range []webhook.Range{{}, {Since: since}, {Since: since, Until: since}, {Since: since, Until: since.Add(1), After: "x"}} {
			if _, err := w.ReplayRange(t.Context(), w.org, e.ID, one, by); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("%+v: %v", one, err)
			}
		}
	})
}

// An endpoint that only fails is warned about and then disabled; a success ends the series.
func TestFailingEndpoint(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, status(http.StatusBadRequest))
		e, _ := w.endpoint(r.URL)
		send := func() webhook.Endpoint {
			t.Helper()
			w.ended(nil)
			w.drain()
			e, err := w.Endpoint(t.Context(), w.org, e.ID)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		if e := send(); e.FailingSince.IsZero() || len(w.warned) != 0 {
			t.Fatalf("%+v", e)
		}
		r.set(nil)
		if e := send(); !e.FailingSince.IsZero() {
			t.Fatalf("after a success: %+v", e)
		}
		r.set(status(http.StatusBadRequest))
		send()
		w.pass(webhook.WarnAfter)
		if e := send(); e.Warned.IsZero() || len(w.warned) != 1 || w.warned[0].Disabled != "" || !e.Enabled() {
			t.Fatalf("%+v %+v", e, w.warned)
		}
		send()
		w.pass(webhook.DisableAfter - webhook.WarnAfter)
		if e := send(); e.Disabled != webhook.Failing || len(w.warned) != 2 || w.warned[1].Disabled != webhook.Failing {
			t.Fatalf("%+v %+v", e, w.warned)
		}
		actions := w.texts("SELECT action FROM audit_entries WHERE action LIKE 'webhook%' ORDER BY action")
		if diff := cmp.Diff([]string{"webhook.created", "webhook.disabled", "webhook.warned"}, actions); diff != "" {
			t.Error(diff)
		}
		yes := true
		if e, err := w.UpdateEndpoint(t.Context(), w.org, e.ID, webhook.EndpointChange{Enabled: &yes}, by); err != nil || !e.FailingSince.IsZero() || !e.Warned.IsZero() {
			t.Errorf("enabled again: %+v %v", e, err)
		}
	})
}

// Another organization's endpoints and deliveries are unknown, in every function.
func TestOrganizationsAreApart(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		e, _ := w.endpoint(r.URL)
		second, _ := w.endpoint(r.URL)
		tx := w.ended(nil)
		w.drain()
		list, _, err := w.ListDeliveries(t.Context(), w.org, e.ID, webhook.Filter{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		id, other, ctx, actor := list[0].ID, w.organization(), t.Context(), audit.CommandLine()
		text := "x"
		for name, f := range map[string]func(org, endpoint string) error{
			"endpoint": func(org, e string) error { _, err := w.Endpoint(ctx, org, e); return err },
			"update": func(org, e string) error {
				_, err := w.UpdateEndpoint(ctx, org, e, webhook.EndpointChange{Description: &text}, actor)
				return err
			},
			"delete":     func(org, e string) error { return w.DeleteEndpoint(ctx, org, e, actor) },
			"rotate":     func(org, e string) error { _, _, err := w.RotateSecret(ctx, org, e, 0, actor, nil); return err },
			"deliveries": func(org, e string) error { _, _, err := w.ListDeliveries(ctx, org, e, webhook.Filter{}); return err },
			"delivery":   func(org, e string) error { _, _, err := w.Delivery(ctx, org, e, id); return err },
			"replay":     func(org, e string) error { _, err := w.Replay(ctx, org, e, id, actor); return err },
			"range": func(org, e string) error {
				_, err := w.ReplayRange(ctx, org, e, webhook.Range{Since: time.Unix(0, 0), Until: w.db.Now()}, actor)
				return err
			},
			"test": func(org, e string) error { _, err := w.SendTest(ctx, org, e, actor); return err },
		} {
			for _, c := range [][2]string{{other, e.ID}, {w.org, "nothing"}, {w.org, "\x00"}, {w.org, id}, {"", e.ID}} {
				if err := f(c[0], c[1]); !errors.Is(err, fault.CodeCommonNotFound) {
					t.Errorf("%s of %q: %v", name, c, err)
				}
			}
		}
		for _, c := range []string{"nothing", "", second.ID} { // of another endpoint, too
			if _, _, err := w.Delivery(ctx, w.org, e.ID, c); !errors.Is(err, fault.CodeCommonNotFound) {
				t.Errorf("delivery %q: %v", c, err)
			}
		}
		if _, _, err := w.Delivery(ctx, w.org, second.ID, id); !errors.Is(err, fault.CodeCommonNotFound) {
			t.Errorf("a delivery of another endpoint: %v", err)
		}
		if all, err := w.ListEndpoints(ctx, other, "", 10); err != nil || len(all) != 0 {
			t.Error(all, err)
		}
		_ = tx
	})
}

// Creating and revoking keys does not grow the endpoints: the oldest endpoints of revoked and
// expired keys go, and those of live keys and the organization's own stay.
func TestEndpointsOfEndedKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		w.endpoint(r.URL)
		other := w.organization()
		make := func(org, key string, expires time.Time) {
			t.Helper()
			w.tx(func(tx *store.Tx) error {
				if err := tx.InsertAPIKey(t.Context(), query.InsertAPIKeyParams{
					ID: key, OrganizationID: org, Hash: []byte(key), Name: key, WebhookUrl: r.URL, CreatedAt: store.Micros(tx.Now), ExpiresAt: sql.NullInt64{Int64: store.Micros(expires), Valid: !expires.IsZero()},
				}); err != nil {
					return err
				}
				_, err := w.CreateForKey(t.Context(), tx, org, key, r.URL, by)
				return err
			})
		}
		make(other, "other", w.db.Now().Add(time.Second))
		make(w.org, "live", time.Time{})
		make(w.org, "expired", w.db.Now().Add(time.Second))
		w.pass(time.Minute)
		for i := range 3 * webhook.MaxKeyEndpoints {
			key := fmt.Sprint("revoked ", i)
			make(w.org, key, time.Time{})
			w.tx(func(tx *store.Tx) error {
				_, err := tx.RevokeAPIKey(t.Context(), query.RevokeAPIKeyParams{ID: key, OrganizationID: w.org, Now: store.Micros(tx.Now)})
				return err
			})
			// The transactions that a key began still end at its endpoint.
			w.ended(func(e *webhook.Ended) { e.APIKey = key })
			w.pass(time.Second)
		}
		all, err := w.ListEndpoints(t.Context(), w.org, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[string]bool{}
		for _, e := range all {
			keys[e.APIKey] = true
		}
		if len(all) != webhook.MaxKeyEndpoints+1 || !keys["live"] || keys["expired"] || keys["revoked 0"] || !keys[fmt.Sprint("revoked ", 3*webhook.MaxKeyEndpoints-1)] || !keys[""] {
			t.Errorf("%d endpoints, of %v", len(all), keys)
		}
		if mine, err := w.ListEndpoints(t.Context(), other, "", 100); err != nil || len(mine) != 1 {
			t.Errorf("another organization has %d, %v", len(mine), err)
		}
		w.drain()
		if n := len(r.got()); n < 3*webhook.MaxKeyEndpoints { // each also goes to the organization's own
			t.Errorf("%d deliveries", n)
		}
	})
}

// However many are made at once, by two processes, an organization has at most MaxEndpoints.
func TestEndpointsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		two := w.another()
		results := make(chan error, webhook.MaxEndpoints+6)
		for i := range cap(results) {
			s := []*webhook.Service{w.Service, two}[i%2]
			go func() {
				_, _, err := s.CreateEndpoint(t.Context(), w.org, webhook.EndpointInput{URL: "https://hooks.example/" + strconv.Itoa(i)}, by)
				results <- err
			}()
		}
		refused := 0
		for range cap(results) {
			if err := <-results; errors.Is(err, fault.CodeCommonValidationFailed) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != 6 {
			t.Errorf("%d were refused, want 6", refused)
		}
	})
}
