package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// A test key costs nothing and is counted separately. Test keys and live keys never
// conflict.
func TestTestKeysAreSeparate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{maxSize: 64 << 20})
		w.work()
		_, err := account.ChangeOrganization(t.Context(), db, audit.CommandLine(), w.org, 0, func(o *account.Organization) { o.Quota = 1 })
		w.must(err)
		live := w.keys
		test, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), w.org, "", true)
		w.must(err)
		before := w.balance()
		for _, keys := range []account.KeyPair{test, live} { // the same title and the same bytes, each using the whole quota
			w.keys = keys
			b := w.mint(map[string]any{"external_user_ref": "ada"})
			job, url := b.init("Same Song", nil)
			if a := w.put(url, wav("same", 11<<20)); a.code != "" {
				t.Fatalf("%s", a.body)
			}
			a := b.post("/v1/works/prepare", map[string]string{"job_id": job})
			var q struct {
				Storage int64 `json:"storage_fee_credits"`
				Total   int64 `json:"total_price_credits"`
			}
			a.into(&q)
			if a.code != "" || keys.Test != (q.Total == 0) || keys.Test != (q.Storage == 0) {
				t.Fatalf("test %t: %s", keys.Test, a.body)
			}
			if a = b.post("/v1/works/confirm", map[string]string{"job_id": job}); a.code != "" {
				t.Fatalf("test %t: %s", keys.Test, a.body)
			}
			w.done(a.get("transaction_id"))
			if keys.Test && w.balance() != before {
				t.Errorf("the test key spent: %+v, before %+v", w.balance(), before)
			}
			var list struct {
				Total int `json:"total_count"`
				Works []struct {
					Title string
				}
			}
			w.call("GET", "/v1/works?network=testnet", b.head(), nil).into(&list)
			if list.Total != 1 || len(list.Works) != 1 {
				t.Errorf("test %t: lists %+v", keys.Test, list)
			}
			// Within one kind of key, duplicates are refused as usual.
			r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/works/init", asJSON(work("Same Song", nil)))
			w.must(err)
			for k, v := range w.mint(nil).head() {
				r.Header.Set(k, v)
			}
			res, err := w.client.Do(r)
			w.must(err)
			if res.Body.Close(); res.StatusCode != http.StatusTooManyRequests { // quota: without Retry-After, unlike all other 429s
				t.Errorf("test %t: a second one: %d", keys.Test, res.StatusCode)
			}
		}
		_, err = account.ChangeOrganization(t.Context(), db, audit.CommandLine(), w.org, 0, func(o *account.Organization) { o.Quota = 0 })
		w.must(err)
		for _, keys := range []account.KeyPair{test, live} {
			w.keys = keys
			if a := w.mint(map[string]any{"external_user_ref": "ada"}).post("/v1/works/init", work("Same Song", nil)); a.code != fault.CodeRegistrationDuplicateTitle {
				t.Errorf("test %t: the same title again: %s", keys.Test, a.body)
			}
			b := w.mint(map[string]any{"external_user_ref": "ada"})
			job, url := b.init("Another Title", nil)
			w.put(url, wav("same", 11<<20))
			if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != fault.CodeWorkAlreadyRegistered {
				t.Errorf("test %t: the same recording again: %s", keys.Test, a.body)
			}
		}
		w.keys = test
		for _, action := range []string{"register", "update_version", "access"} {
			a := w.tryMint(map[string]any{"action_type": action, "allowed_network": "mainnet"})
			if a.code != fault.CodeCommonValidationFailed || a.rules() != "allowed_network test_key" {
				t.Errorf("%s on mainnet: %s", action, a.body)
			}
		}
	})
}

// The id of a transaction opens its certificate only to sessions of the same kind of key.
func TestTransactionsOfTheOtherKind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		test, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), w.org, "", true)
		w.must(err)
		kinds := []account.KeyPair{w.keys, test}
		for i, keys := range kinds {
			w.keys = keys
			id := w.registered("Song")
			at := "/v1/works/" + w.done(id).Done.WorkID + "/download/certificate?transaction=" + id
			late := w.mint(nil).head()
			eventually(t, func() bool { return w.call("GET", at, late, nil).code == "" })
			w.keys = kinds[1-i]
			if a := w.call("GET", at, w.mint(nil).head(), nil); a.code != fault.CodeCommonForbidden {
				t.Errorf("a session of the other kind (test %t): %s", w.keys.Test, a.body)
			}
		}
	})
}

// A backend ends sessions by id, by token and by end-user; the next call is refused.
func TestRevokeByBackend(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		revoke := func(body map[string]any) answer {
			t.Helper()
			if body["secret_key"] == nil {
				body["secret_key"] = w.keys.SecretKey
			}
			return w.call("POST", "/v1/sessions/revoke", map[string]string{"Content-Type": "application/json"}, asJSON(body))
		}
		list := func(b tab) answer { return w.call("GET", "/v1/works", b.head(), nil) }
		ada := map[string]any{"external_user_ref": "ada"}
		for name, by := range map[string]func(tab) map[string]any{
			"session_id":        func(b tab) map[string]any { return map[string]any{"session_id": session.TokenID(b.token)} },
			"token":             func(b tab) map[string]any { return map[string]any{"token": b.token} },
			"external_user_ref": func(tab) map[string]any { return map[string]any{"external_user_ref": "ada"} },
		} {
			b := w.mint(ada)
			job := b.prepared("By "+name, nil)
			if a := list(b); a.code != "" {
				t.Fatalf("%s", a.body)
			}
			a := revoke(by(b))
			var said struct{ Revoked int }
			if a.into(&said); a.code != "" || said.Revoked != 1 {
				t.Fatalf("%s: %s", name, a.body)
			}
			if a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: a page may read the answer", name)
			}
			for what, a := range map[string]answer{"list": list(b), "confirm": b.post("/v1/works/confirm", map[string]string{"job_id": job})} {
				if a.code != fault.CodeSessionInvalidToken || a.err.Details["reason"] != "revoked" {
					t.Errorf("%s, then %s: %s", name, what, a.body)
				}
			}
			if a := list(w.mint(ada)); a.code != "" {
				t.Errorf("%s: a session that was minted after: %s", name, a.body)
			}
			revoke(map[string]any{"external_user_ref": "ada"})
		}
		// A page's preflight finds no route.
		a := w.call("OPTIONS", "/v1/sessions/revoke", map[string]string{"Origin": site, "Access-Control-Request-Method": "POST"}, nil)
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("a preflight for a backend's route is answered")
		}
		for name, c := range map[string]struct {
			body map[string]any
			code fault.Code
		}{
			"unknown member":     {map[string]any{"session": "x"}, fault.CodeCommonValidationFailed},
			"nothing":            {map[string]any{}, fault.CodeCommonValidationFailed},
			"the site key":       {map[string]any{"secret_key": w.keys.SiteKey, "session_id": "x"}, fault.CodeCommonAuthInvalidAPIKey},
			"an unknown session": {map[string]any{"session_id": "x"}, ""},
			"not text":           {map[string]any{"session_id": "\x00"}, ""},
		} {
			if a := revoke(c.body); a.code != c.code {
				t.Errorf("%s: %s, want %q", name, a.body, c.code)
			}
		}
	})
}

// The answers of every route forbid caching, except those of the public routes listed here.
func TestAnswersAreNotCached(t *testing.T) {
	t.Parallel()
	public := map[string]string{"GET /.well-known/jwks.json": "public, max-age=300"}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		s := w.scene("Stored")
		right := s.right("read own works", nil).head()
		routes := 0
		try := func(what, method, path string, head map[string]string, body string) {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
			w.must(err)
			for k, v := range head {
				r.Header.Set(k, v)
			}
			res, err := w.client.Do(r)
			w.must(err)
			res.Body.Close()
			want := public[what]
			if want == "" || res.StatusCode >= 400 {
				want = "no-store"
			}
			if got := res.Header.Values("Cache-Control"); len(got) != 1 || got[0] != want {
				t.Errorf("%s (%s): %d with Cache-Control %q, want %q", what, path, res.StatusCode, got, want)
			}
		}
		w.must(chi.Walk(w.web.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
			routes++
			tx := s.job["continue a registration"]
			path := strings.NewReplacer("/transactions/{id}", "/transactions/"+tx, "{code}", s.code, "{ats_id}", s.ats, "{v}", "1", "{what}", "certificate", "/download/", "/download/", "*", "x").Replace(route)
			path = strings.ReplaceAll(strings.ReplaceAll(path, "{id}/download", s.work+"/download"), "{id}", s.ats)
			what := method + " " + route
			try(what, method, path, nil, "")
			try(what, method, path, right, "{}")
			return nil
		}))
		if routes < 30 {
			t.Errorf("%d routes", routes)
		}
		// Successes, of each kind that has private content.
		ok := func(a answer) answer {
			t.Helper()
			if got := a.header.Values("Cache-Control"); a.code != "" || len(got) != 1 || got[0] != "no-store" {
				t.Errorf("%d %s with Cache-Control %q", a.status, a.body, got)
			}
			return a
		}
		ok(w.tryMint(nil))
		b := w.mint(nil)
		a := ok(b.post("/v1/works/init", work("Not Stored", nil)))
		ok(w.put(a.get("upload_url"), wav("not stored", 4000)))
		job := map[string]string{"job_id": a.get("job_id")}
		ok(b.post("/v1/works/prepare", job))
		a = ok(b.post("/v1/works/confirm", job))
		w.done(a.get("transaction_id"))
		ok(w.call("GET", a.get("status_url"), nil, nil))
		ok(s.right("replace a code", nil).post("/v1/access/"+s.code+"/rotate", nil))
		ok(w.call("GET", "/v1/stats", nil, nil))
		file := ok(w.call("GET", "/v1/works/"+s.work+"/download/asset", right, nil))
		res, err := w.client.Get(file.get("url"))
		w.must(err)
		res.Body.Close()
		if got := res.Header.Get("Cache-Control"); res.StatusCode != 200 || got != "no-store" {
			t.Errorf("a recording: %d with Cache-Control %q", res.StatusCode, got)
		}
	})
}

// A web page whose name was made to lead to this machine cannot read metrics.
func TestMetricsByHost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		other := w.web.MetricsHandler([]string{"metrics.internal.example"})
		for host, want := range map[string][2]int{ // beside the API, and on an address of its own
			"127.0.0.1:8080": {200, 200}, "127.0.0.1": {200, 200}, "localhost:8080": {200, 200}, "LOCALHOST": {200, 200}, "localhost.": {200, 200}, "[::1]:8080": {200, 200}, "[::1]": {200, 200},
			"10.0.0.5:9090": {404, 200}, "timbre:9090": {404, 200}, "metrics.internal.example": {404, 200}, "Metrics.Internal.Example:9090": {404, 200},
			"rebind.evil.example": {404, 404}, "rebind.evil.example:8080": {404, 404}, "127.0.0.1.evil.example": {404, 404}, "localhost.evil.example": {404, 404}, "evil.localhost.example:1": {404, 404},
		} {
			for i, h := range []http.Handler{w.web, other} {
				r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
				r.RemoteAddr, r.Host = "127.0.0.1:4711", host
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				if rec.Code != want[i] || rec.Code == 404 && !(strings.Contains(rec.Body.String(), `"host"`) && strings.Contains(rec.Body.String(), "req_")) || rec.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s, %d: %d %.200s", host, i, rec.Code, rec.Body)
				}
			}
		}
	})
}

// A downloaded recording has the extension of its detected format, whatever its upload was
// named.
func TestDownloadNames(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b := w.mint(map[string]any{"external_user_ref": "ada"})
		job := b.prepared("A Page", map[string]any{"filename": "évil.html"})
		done := w.done(b.post("/v1/works/confirm", map[string]string{"job_id": job}).get("transaction_id")).Done
		b.certificate(done.WorkID)
		for what, want := range map[string]string{"asset": "attachment; filename=\"_vil.wav\"; filename*=UTF-8''%C3%A9vil.wav", "certificate": "attachment; filename=\"A Page.pdf\"; filename*=UTF-8''A%20Page.pdf"} {
			res, err := w.client.Get(w.call("GET", "/v1/works/"+done.WorkID+"/download/"+what, b.head(), nil).get("url"))
			w.must(err)
			res.Body.Close()
			if got := res.Header.Get("Content-Disposition"); res.StatusCode != 200 || got != want || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %d, %s", what, res.StatusCode, got)
			}
		}
	})
}
