package api_test

import (
	"strings"
	"testing"

	"timbre.example/internal/fault"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
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
