package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/fault"
	"timbre.example/internal/idempotency"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

type onceInput struct {
	Body struct {
		Title string `json:"title" required:"false"`
		Fails string `json:"fails" required:"false"`
	}
}

type onceOutput struct {
	Body struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	}
}

// onceRouter is one of the processes on a database. Each of its calls makes a row in the
// outbox.
func onceRouter(t *testing.T, db *store.DB) *Router {
	r := New(Config{
		PublicURL: "https://songs.example", Version: "test", Log: slog.New(slog.DiscardHandler), Limits: &limit.Limits{}, Streams: 1,
		Metrics: metrics.New("test", "testnet"), Ping: healthy, Once: &idempotency.Requests{DB: db},
	}, nil)
	o := NewOperations(r, nil)
	guard := Guard[string]{Check: func(ctx huma.Context) (string, error) { return ctx.Header("X-Key-Id"), nil }}
	body := Body[string, onceInput]{Most: 4096, Once: func(key string) string { return key }}
	made := func(keeps bool) func(context.Context, string, *onceInput) (*onceOutput, error) {
		return func(ctx context.Context, _ string, in *onceInput) (*onceOutput, error) {
			out := &onceOutput{}
			out.Body.ID, out.Body.URL = rand.Text(), "https://store.example/?a=<&>\u2028"
			if in.Body.Fails == "before" {
				return nil, fault.CommonValidationFailed(nil)
			}
			err := db.Tx(ctx, func(tx *store.Tx) error {
				if err := tx.EnqueueDelivery(ctx, query.EnqueueDeliveryParams{Kind: "test", Subject: out.Body.ID, OrganizationID: "o", Now: 1}); err != nil {
					return err
				}
				if keeps {
					if err := Keep(ctx, tx, out.Body); err != nil {
						return err
					}
				}
				if in.Body.Fails == "rollback" {
					return fault.CommonInternal()
				}
				return nil
			})
			switch in.Body.Fails {
			case "committed": // the connection is lost at the commit: it went through
				return nil, fault.CommonServiceUnavailable(store.RetryAfter)
			case "panic":
				panic("handler")
			}
			return out, err
		}
	}
	for _, path := range []string{"/v1/made", "/v1/organizations/{org}/made"} {
		RegisterBody(o, huma.Operation{Method: "POST", Path: path, OperationID: "make" + path[3:6], DefaultStatus: 201}, guard, body, made(true))
	}
	RegisterBody(o, huma.Operation{Method: "POST", Path: "/v1/made-after", OperationID: "make-after", DefaultStatus: 201}, guard, body, made(false))
	return r
}

func ask(r http.Handler, path, body, id string, keys ...string) (answer *httptest.ResponseRecorder, code fault.Code) {
	q := httptest.NewRequest("POST", path, strings.NewReader(body))
	q.RemoteAddr = "127.0.0.1:4711"
	q.Header.Set("Authorization", "Bearer afo_sk_live_"+id)
	q.Header.Set("X-Key-Id", id)
	for _, k := range keys {
		q.Header.Add("Idempotency-Key", k)
	}
	answer = httptest.NewRecorder()
	r.ServeHTTP(answer, q)
	var refusal fault.Envelope
	_ = json.Unmarshal(answer.Body.Bytes(), &refusal)
	return answer, refusal.Error.Code
}

func rows(t *testing.T, db *store.DB) int64 {
	t.Helper()
	n, err := db.Read().CountDeliveries(t.Context(), query.CountDeliveriesParams{Kind: "test", Now: 1})
	if err != nil {
		t.Fatal(err)
	}
	return n.Waiting
}

// Of 100 equal requests at once, to four processes on one database, one has an effect. All
// others receive its answer, or are told to retry and receive it then.
func TestHundredEqualRequests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		routers := make([]*Router, 4)
		for i := range routers {
			routers[i] = onceRouter(t, db)
		}
		for _, path := range []string{"/v1/made", "/v1/made-after"} {
			before := rows(t, db)
			answers := make([]string, 100)
			var wg sync.WaitGroup
			start := make(chan struct{})
			for i := range answers {
				wg.Go(func() {
					<-start
					for {
						a, code := ask(routers[i%4], path, `{"title":"Song"}`, "k", "key "+path)
						if code == fault.CodeIdempotencyInProgress {
							if a.Code != 409 || a.Header().Get("Retry-After") != "1" {
								t.Errorf("%d, Retry-After %q", a.Code, a.Header().Get("Retry-After"))
							}
							continue // at once: a test does not sleep
						}
						if a.Code != 201 {
							t.Errorf("%d %s", a.Code, a.Body)
						}
						answers[i] = a.Body.String()
						return
					}
				})
			}
			close(start)
			wg.Wait()
			for _, a := range answers {
				if a != answers[0] || !strings.Contains(a, `https://store.example/?a=<&>\u2028`) {
					t.Fatalf("%s, and %s", a, answers[0])
				}
			}
			if n := rows(t, db) - before; n != 1 {
				t.Errorf("%s: %d effects", path, n)
			}
		}
	})
}

func TestOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := onceRouter(t, db)
		effects := int64(0)
		expect := func(what string, a *httptest.ResponseRecorder, status int, made int64) {
			t.Helper()
			effects += made
			if n := rows(t, db); a.Code != status || n != effects {
				t.Errorf("%s: %d %s, %d effects, want %d and %d", what, a.Code, a.Body, n, status, effects)
			}
		}
		first, _ := ask(r, "/v1/made", `{"title":"Song"}`, "k", "1")
		expect("first", first, 201, 1)
		if first.Header().Get("Idempotent-Replayed") != "" {
			t.Error("the first answer is no repeated one")
		}
		for path, body := range map[string]string{
			"/v1/made":                 `{"title":"Song","unknown":1}`,
			"/v1/organizations/o/made": "{ \"fails\":\"\",\n\"title\":\"So\\u006eg\"}",
		} {
			again, _ := ask(r, path, body, "k", "1")
			expect(body, again, 201, 0)
			if again.Body.String() != first.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" || again.Header().Get("Content-Type") != first.Header().Get("Content-Type") {
				t.Errorf("%s differs from %s, or has other headers: %v", again.Body, first.Body, again.Header())
			}
		}
		for name, keys := range map[string][]string{"empty": {""}, "repeated": {"1", "1"}, "control": {"a\tb"}, "long": {strings.Repeat("x", 256)}, "not ASCII": {"é"}} {
			a, code := ask(r, "/v1/made", `not JSON`, "k", keys...)
			expect(name, a, 400, 0)
			if code != fault.CodeCommonBadRequest || !strings.Contains(a.Body.String(), `"reason":"idempotency_key"`) {
				t.Errorf("%s: %s", name, a.Body)
			}
		}
		a, code := ask(r, "/v1/made", `{"title":"Another"}`, "k", "1")
		if expect("another body", a, 422, 0); code != fault.CodeIdempotencyKeyReused {
			t.Error(code)
		}
		a, code = ask(r, "/v1/made-after", `{"title":"Song"}`, "k", "1")
		if expect("another path", a, 422, 0); code != fault.CodeIdempotencyKeyReused {
			t.Error(code)
		}
		a, _ = ask(r, "/v1/made", `{"title":"Song"}`, "other", "1")
		expect("another API key", a, 201, 1)
		a, _ = ask(r, "/v1/made", `{"title":"Song"}`, "", "1", "1")
		expect("a caller without API key", a, 201, 1)
		a, _ = ask(r, "/v1/made", `{"title":"Song"}`, "k")
		expect("no header", a, 201, 1)

		// A refusal is not kept, whatever its status, nor is a panic.
		for _, how := range []string{"before", "rollback"} {
			a, _ = ask(r, "/v1/made", `{"fails":"`+how+`"}`, "k", how)
			expect(how, a, map[string]int{"before": 422, "rollback": 500}[how], 0)
			a, _ = ask(r, "/v1/made", `{"title":"Song"}`, "k", how)
			expect(how+", then corrected", a, 201, 1)
		}
		a, _ = ask(r, "/v1/made-after", `{"fails":"panic"}`, "k", "panic")
		expect("panic", a, 500, 1)
		a, _ = ask(r, "/v1/made-after", `{}`, "k", "panic")
		expect("panic, then corrected", a, 201, 1)

		// The effect was committed, and the answer with it, although the caller read 503.
		a, _ = ask(r, "/v1/made", `{"fails":"committed"}`, "k", "lost")
		expect("committed", a, 503, 1)
		a, _ = ask(r, "/v1/made", `{"fails":"committed"}`, "k", "lost")
		expect("committed, again", a, 201, 0)
	})
}
