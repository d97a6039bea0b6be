package manage_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// The routes of webhooks, as a backend and a member call them: a secret is shown once, the
// second of two edits is refused, and deliveries are listed, read and replayed.
func TestWebhooks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		by, admin, viewer := w.all(), w.member(w.org, permission.Admin), w.member(w.org, permission.Viewer)
		status := http.StatusInternalServerError
		receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
		defer receiver.Close()

		once := by.with("Idempotency-Key", "k1")
		body := map[string]any{"url": receiver.URL, "description": " Backend ", "events": []string{"work_failed", "work_registered"}, "network": "testnet"}
		a := w.call(once, "POST", "/v1/webhooks", body).ok(201)
		made := into[map[string]any](a)
		id := made["id"].(string)
		if !strings.HasPrefix(made["secret"].(string), "whsec_") || made["secret"] != "whsec_"+made["secret_base64"].(string) || made["description"] != "Backend" || made["enabled"] != true || made["network"] != "testnet" {
			t.Errorf("%s", a.body)
		}
		if again := w.call(once, "POST", "/v1/webhooks", body).ok(201); again.body != a.body {
			t.Errorf("the same request again: %s", again.body)
		}
		inOrganization := "/v1/organizations/" + w.org + "/webhooks"
		list := w.call(viewer, "GET", inOrganization, nil).ok(200)
		if strings.Contains(list.body, "whsec_") || strings.Count(list.body, `"id"`) != 1 {
			t.Errorf("%s", list.body)
		}
		w.call(viewer, "POST", inOrganization, body).refused(403, fault.CodeCommonForbidden)
		w.call(by, "POST", "/v1/webhooks", map[string]any{"url": "http://10.0.0.1/", "events": []string{"x"}, "network": "moon", "description": strings.Repeat("x", 201)}).refused(422, fault.CodeCommonValidationFailed)

		w.call(admin, "PATCH", inOrganization+"/"+id, map[string]any{"description": "first", "revision": 1}).ok(200)
		if c := w.call(admin, "PATCH", inOrganization+"/"+id, map[string]any{"description": "second", "revision": 1}).refused(409, fault.CodeCommonConflict); c.err.Details["revision"] != 2.0 {
			t.Errorf("%s", c.body)
		}
		rotated := into[map[string]any](w.call(by, "POST", "/v1/webhooks/"+id+"/rotate-secret", map[string]any{"overlap_seconds": 60}).ok(200))
		if rotated["secret"] == made["secret"] || rotated["previous_secret_until"] == nil {
			t.Errorf("%v", rotated)
		}
		w.call(by, "POST", "/v1/webhooks/"+id+"/rotate-secret", map[string]any{"overlap_seconds": -1}).refused(422, fault.CodeCommonValidationFailed)

		sent := into[map[string]any](w.call(by, "POST", "/v1/webhooks/"+id+"/test", nil).ok(202))
		path := "/v1/webhooks/" + id + "/deliveries"
		deliver := func() map[string]any {
			t.Helper()
			w.must(w.hooks.Workers()[0].Step(t.Context()))
			w.hooks.Wait()
			return into[map[string]any](w.call(by, "GET", path+"/"+sent["id"].(string), nil).ok(200))
		}
		if d := deliver(); d["state"] != "waiting" || d["next_attempt_at"] == nil || d["attempts"].([]any)[0].(map[string]any)["status"] != 500.0 || d["event"] != "test" || d["payload"] == nil {
			t.Errorf("%v", d)
		}
		status = http.StatusNotFound
		w.call(by, "POST", path+"/"+sent["id"].(string)+"/replay", nil).ok(202)
		if d := deliver(); d["state"] != "failed" {
			t.Errorf("%v", d)
		}
		if l := w.call(by, "GET", path+"?state=failed&event=test&first=1", nil).ok(200); strings.Count(l.body, sent["id"].(string)) != 2 || strings.Contains(l.body, `"has_next_page":true`) {
			t.Errorf("%s", l.body)
		}
		status = http.StatusOK
		replay := map[string]any{"since": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "until": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
		for _, want := range []string{`"replayed":1`, `"replayed":0`} {
			if r := w.call(by, "POST", "/v1/webhooks/"+id+"/replay", replay).ok(202); !strings.Contains(r.body, want) {
				t.Errorf("%s, not %s", r.body, want)
			}
		}
		if d := deliver(); d["state"] != "delivered" || len(d["attempts"].([]any)) != 3 {
			t.Errorf("%v", d)
		}
		for _, bad := range []string{path + "?state=x", path + "?event=x", path + "?first=0", path + "?first=101", path + "?after=x", path + "?since=yesterday"} {
			w.call(by, "GET", bad, nil).refused(422, fault.CodeCommonValidationFailed)
		}
		other := bearer(w.key(w.organization("Other"), nil, permission.ScopeWebhooks).Token)
		for _, c := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/test"}, {"GET", "/deliveries"}, {"GET", "/deliveries/" + sent["id"].(string)}, {"POST", "/deliveries/" + sent["id"].(string) + "/replay"}} {
			w.call(other, c[0], "/v1/webhooks/"+id+c[1], nil).refused(404, fault.CodeCommonNotFound)
		}
		w.call(by, "DELETE", "/v1/webhooks/"+id, nil).ok(200)
		w.call(by, "DELETE", "/v1/webhooks/"+id, nil).refused(404, fault.CodeCommonNotFound)
	})
}
