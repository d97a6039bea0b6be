package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/record"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/story"
)

// The calls of a registration share a correlation id, refused ones included. The request log has
// none of the things that a person wrote, and no secret.
func TestCallsAreLogged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b := w.mint(map[string]any{"external_user_ref": "ann-of-the-host"})
		b.post("/v1/works/init", map[string]any{"title": "", "network": "testnet"})
		job := b.post("/v1/works/init", work("A title of a song", map[string]any{"external_user_ref": "ann-of-the-host"})).get("job_id")
		b.post("/v1/works/prepare", map[string]string{"job_id": job})
		w.put(b.post("/v1/works/upload", map[string]string{"job_id": job}).get("upload_url"), wav("x", 5000))
		b.post("/v1/works/prepare", map[string]string{"job_id": job})
		code := b.post("/v1/works/confirm", map[string]string{"job_id": job}).get("access_code")
		head := b.head()
		head["Origin"], head["Content-Type"] = "https://elsewhere.example", "application/json"
		if a := w.call("POST", "/v1/works/prepare", head, asJSON(map[string]string{"job_id": job})); a.code != fault.CodeSessionOriginNotAllowed {
			t.Fatalf("another origin: %s", a.body)
		}
		w.call("POST", "/v1/sessions", map[string]string{"Content-Type": "application/json", "Origin": site}, asJSON(map[string]any{"secret_key": "csk_" + strings.Repeat("0", 64)}))
		w.must(w.requests.Write(t.Context()))
		p, err := w.requests.List(t.Context(), w.org, requestlog.Filter{First: 100})
		w.must(err)
		var got []string
		session := p.Calls[0].Caller.Session
		for i := len(p.Calls) - 1; i >= 0; i-- {
			c := p.Calls[i]
			got = append(got, c.Method+" "+c.Route+" "+c.Code)
			if c.Correlation() != session || session == "" || c.AddressClass != requestlog.Loopback || c.Took <= 0 || c.Caller.ID != w.keys.SiteKey {
				t.Errorf("call %+v", c)
			}
			row := strings.ToLower(strings.Join([]string{c.Route, c.Reason, c.Origin, c.Caller.ID, c.Caller.Session}, " "))
			for _, secret := range []string{"title of a song", "ann-of", b.token, code, w.keys.SecretKey} {
				if secret != "" && strings.Contains(row, strings.ToLower(secret)) {
					t.Errorf("%+v has %s", c, secret)
				}
			}
		}
		want := []string{"POST /v1/sessions ", "POST /v1/works/init common.validation_failed", "POST /v1/works/init ", "POST /v1/works/prepare registration.upload_missing", "POST /v1/works/upload ", "POST /v1/works/prepare ", "POST /v1/works/confirm ", "POST /v1/works/prepare session.origin_not_allowed"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("calls:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if p.Calls[6].Reason == "" || p.Calls[0].Origin != "https://elsewhere.example" {
			t.Errorf("%+v, %+v", p.Calls[6], p.Calls[0])
		}
	})
}

// The whole story of a registration is found by its id and by the id of each of its requests.
func TestStory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		s := story.New(db, w.requests)
		b := w.mint(map[string]any{"allowed_network": "mainnet"})
		id := b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared("A song", map[string]any{"network": "mainnet"})}).get("transaction_id")
		w.done(id)
		w.must(w.requests.Write(t.Context()))
		p, err := w.requests.List(t.Context(), w.org, requestlog.Filter{First: 100})
		w.must(err)
		ids := []string{id, id[:18], strings.ToUpper(id)}
		for _, c := range p.Calls {
			ids = append(ids, c.RequestID)
		}
		for _, by := range ids {
			got, err := s.Read(t.Context(), w.org, by)
			w.must(err)
			if got.Attempt == nil || got.Attempt.ID != id || got.Attempt.Status != story.Registered || got.Attempt.Title != "A song" || len(got.Calls) != len(p.Calls) {
				t.Fatalf("by %s: %+v", by, got)
			}
			if n := len(got.Steps); n != 6 || got.Steps[n-1].Code != record.StepCompleted {
				t.Errorf("steps %+v", got.Steps)
			}
			if len(got.Transfers) != 2 || got.Transfers[0].Kind != "hold" || got.Transfers[1].Kind != "capture" || got.Transfers[0].Credits != got.Quote.Total || got.Transfers[1].Credits != got.Quote.Total || got.Quote.Total == 0 {
				t.Errorf("transfers %+v of quote %+v", got.Transfers, got.Quote)
			}
			if r := got.Registration; r == nil || r.Version != 1 || r.TxHash == "" || r.Certificate == story.CertificateNone || got.Confirmed != p.Calls[0].RequestID {
				t.Errorf("registration %+v, confirmed by %s", r, got.Confirmed)
			}
			if text := fmt.Sprintf("%+v", got); strings.Contains(text, "atc_") || strings.Contains(text, b.token) {
				t.Errorf("the story has a secret: %s", text)
			}
		}

		// A failed one.
		keys, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), w.org, "", true)
		w.must(err)
		w.keys = keys
		b = w.mint(map[string]any{"rehearse": "transaction.failed"})
		id = b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared("Another song", nil)}).get("transaction_id")
		w.done(id)
		got, err := s.Read(t.Context(), w.org, id)
		w.must(err)
		if got.Attempt.Status != story.Failed || got.Failure == nil || got.Failure.Code != fault.CodeTransactionFailed || got.Attempt.Failure != fault.CodeTransactionFailed || !got.Attempt.Test || got.Registration != nil {
			t.Errorf("failed: %+v, %+v", got.Attempt, got)
		}

		// Another organization sees nothing.
		for _, by := range ids {
			if got, err := s.Read(t.Context(), "another", by); !errors.Is(err, fault.CodeTransactionNotFound) {
				t.Errorf("by %s: %+v, %v", by, got, err)
			}
		}
	})
}
