package api_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// revoke revokes the backend's key.
func (b backend) revoke() {
	b.t.Helper()
	_, err := b.apikeys.Revoke(b.t.Context(), audit.CommandLine(), b.key.Organization, b.key.ID)
	b.must(err)
}

// A job survives the revocation of the key that began it: another key continues it, and both
// the job and its transaction keep the first key's id.
func TestRevokedDuringAJob(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		first, second := w.backend(w.org, nil), w.backend(w.org, nil)
		job := first.prepared("/v1/works", "Porch Light", nil)
		first.revoke()
		first.post("/v1/works/confirm", map[string]string{"job_id": job}).wants("the revoked key", fault.CodeAPIKeyRevoked)
		w.mint(nil).post("/v1/works/confirm", map[string]string{"job_id": job}).wants("a session", fault.CodeTransactionNotFound)
		second.post("/v1/works/confirm", map[string]string{"job_id": job}).wants("another key", "")
		second.post("/v1/works/confirm", map[string]string{"job_id": job}).wants("a second confirm", fault.CodeTransactionAlreadyConfirmed)
		second.revoke() // the worker needs no key
		w.work()
		if done := w.done(job).Done; done.Failure != nil {
			t.Error(done.Failure)
		}
		row, err := db.Read().GetJob(t.Context(), job)
		w.must(err)
		sent, err := db.Read().GetTransaction(t.Context(), job)
		w.must(err)
		if row.ApiKeyID != first.key.ID || sent.ApiKeyID != first.key.ID || row.SessionJti != "" {
			t.Errorf("job of %q, transaction of %q, want %q", row.ApiKeyID, sent.ApiKeyID, first.key.ID)
		}
		session := w.mint(nil)
		of := session.prepared("By a page", nil)
		row, err = db.Read().GetJob(t.Context(), of)
		w.must(err)
		if row.ApiKeyID != "" {
			t.Errorf("a job of a session has the key %q", row.ApiKeyID)
		}
		w.backend(w.org, nil).post("/v1/works/confirm", map[string]string{"job_id": of}).wants("a key, for a session's job", fault.CodeTransactionNotFound)
	})
}

// The smallest cap of the server, the organization and the key counts.
func TestCapOfAKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{maxSize: 6000})
		small, large := int64(3000), int64(1<<40)
		capped := w.backend(w.org, func(r *apikey.Request) { r.MaxFileSize = &small })
		wide := w.backend(w.org, func(r *apikey.Request) { r.MaxFileSize = &large })
		most := func(b backend) int64 {
			t.Helper()
			a := b.post("/v1/works/init", work("Too large", map[string]any{"size_bytes": 1 << 30})).wants("a large file", fault.CodeRegistrationAudioTooLarge)
			n, _ := a.err.Details["max_bytes"].(float64)
			return int64(n)
		}
		if a, b := most(capped), most(wide); a != 3000 || b != 6000 {
			t.Errorf("%d and %d", a, b)
		}
		_, err := account.ChangeOrganization(t.Context(), db, audit.CommandLine(), w.org, 0, func(o *account.Organization) { o.MaxFileSize = 5000 })
		w.must(err)
		if a, b := most(capped), most(wide); a != 3000 || b != 5000 {
			t.Errorf("%d and %d", a, b)
		}
		a := capped.post("/v1/works/init", work("Without its size", nil)).wants("init", "")
		capped.put(a.get("upload_url"), wav("large", 4000)).wants("upload", "") // the store keeps nothing of it
		a = capped.post("/v1/works/prepare", map[string]string{"job_id": a.get("job_id")}).wants("prepare", fault.CodeRegistrationAudioTooLarge)
		if a.err.Details["max_bytes"] != 3000.0 || a.err.Details["size_bytes"] != 4044.0 {
			t.Errorf("%s", a.body)
		}
	})
}

// The wrong values of the bodies and queries of keys are refused by name.
func TestInputOfAKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b, tester := w.backend(w.org, nil), w.backend(w.org, test)
		_, ats, _ := b.registered("Known", map[string]any{"external_user_ref": "ada"})
		update := "/v1/works/" + ats + "/versions/"
		begin := func(change map[string]any) map[string]any {
			m := map[string]any{"creators": []any{creator()}, "filename": "mix.wav"}
			maps.Copy(m, change)
			return m
		}
		for what, ref := range map[string]string{"empty": "", "too long": strings.Repeat("é", 128), "with NUL": "a\x00b"} {
			b.post("/v1/works/init", work("New", map[string]any{"external_user_ref": ref})).wants(what, fault.CodeSessionInvalidExternalUserRef)
			b.post(update+"init", begin(map[string]any{"external_user_ref": ref})).wants(what, fault.CodeSessionInvalidExternalUserRef)
			b.get("/v1/works?external_user_ref="+url.QueryEscape(ref)).wants(what, fault.CodeSessionInvalidExternalUserRef)
		}
		b.post("/v1/works/init", work("Long", map[string]any{"external_user_ref": strings.Repeat("x", 255)})).wants("255 bytes", "")
		b.post("/v1/works/init", work("None", map[string]any{"external_user_ref": nil})).wants("null", "")
		b.post("/v1/works/init", work("Null", map[string]any{"external_user_ref": 5})).wants("a number", fault.CodeCommonValidationFailed)
		for _, step := range []string{"init", "init-upload"} {
			b.post(update+step, begin(map[string]any{"external_user_ref": "Ada"})).wants("another end-user", fault.CodeCommonForbidden)
			b.post(update+step, begin(map[string]any{"network": "mainnet"})).wants("another network", fault.CodeWorkNotFound)
		}
		for _, c := range []struct {
			by   backend
			with string
			rule string
		}{
			{b, "moonnet", "network one_of"}, {b, "TESTNET", "network one_of"}, {b, "", ""},
			{tester, "mainnet", "network test_key"}, {tester, "moonnet", "network one_of"},
		} {
			q := "?network=" + c.with
			want := fault.CodeCommonValidationFailed
			if c.rule == "" {
				want = ""
			}
			for _, path := range []string{"/v1/works" + q, "/v1/works/" + ats + q, "/v1/works/" + ats + "/evidence" + q} {
				if a := c.by.get(path).wants(path, want); a.rules() != c.rule {
					t.Errorf("%s: %s, want %s", path, a.rules(), c.rule)
				}
			}
			a := c.by.post(update+"init", begin(map[string]any{"network": c.with, "creators": nil})).wants("an update", fault.CodeCommonValidationFailed)
			if c.rule != "" && a.rules() != c.rule {
				t.Errorf("an update on %q: %s", c.with, a.rules())
			}
			a = c.by.post("/v1/works/init", work("On no network", map[string]any{"network": c.with})).wants("an init", fault.CodeCommonValidationFailed)
			if want := map[string]string{"": "network one_of"}[c.with]; c.rule != "" && a.rules() != c.rule || want != "" && a.rules() != want {
				t.Errorf("an init on %q: %s", c.with, a.rules())
			}
		}
		for _, path := range []string{"/v1/works/0", "/v1/works/-1", "/v1/works/x", "/v1/works/99999999999999999999", "/v1/works/" + ats + "/versions/x/creators", "/v1/works/x/download/asset"} {
			b.get(path).wants(path, fault.CodeWorkNotFound)
		}
		b.get("/v1/works?first=0").wants("no page", fault.CodeCommonValidationFailed)
		b.get("/v1/works?after=x").wants("no cursor", fault.CodeCommonValidationFailed)
		for rule, storage := range map[string]string{"asset_storage one_of": "keep", "": "none"} {
			a := b.post("/v1/works/init", work("Stored "+storage, map[string]any{"asset_storage": storage}))
			if a.rules() != rule || rule == "" && a.get("upload") != "none" && !strings.Contains(string(a.body), "media_sha256") {
				t.Errorf("%s: %s", storage, a.body)
			}
		}
		head := b.head()
		head["Authorization"] = "bearer  " + b.key.Token
		b.call("GET", "/v1/works", head, nil).wants("another spelling of the header", "")
	})
}

// A key sees two networks with one list, and a number that both have needs the network's name.
func TestKeyOnTwoNetworks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b := w.backend(w.org, nil)
		var want []string
		numbers := map[string]string{}
		for i, n := range []string{"testnet", "mainnet", "testnet", "mainnet", "testnet"} {
			title := n + " " + strconv.Itoa(i)
			_, ats, _ := b.registered(title, map[string]any{"network": n})
			want = append([]string{title}, want...)
			numbers[n+ats] = title
		}
		for _, first := range []int{1, 2, 3, 5, 20} {
			if titles, total := b.titles("", first); total != 5 || !slices.Equal(titles, want) {
				t.Errorf("pages of %d: %q of %d, want %q", first, titles, total, want)
			}
		}
		if titles, total := b.titles("network=mainnet", 1); total != 2 || !slices.Equal(titles, []string{"mainnet 3", "mainnet 1"}) {
			t.Errorf("%q of %d", titles, total)
		}
		if numbers["testnet1"] == "" || numbers["mainnet1"] == "" {
			t.Fatalf("the numbers are %v", numbers)
		}
		if a := b.get("/v1/works/1").wants("a number of two networks", fault.CodeCommonValidationFailed); a.rules() != "network required" {
			t.Errorf("%s", a.body)
		}
		for _, n := range []string{"testnet", "mainnet"} {
			if a := b.get("/v1/works/1?network="+n).wants(n, ""); a.get("title") != numbers[n+"1"] || a.get("network") != n {
				t.Errorf("%s", a.body)
			}
		}
		b.get("/v1/works/3").wants("a number of one network", "")

		// An erased work is in no list, and is not found.
		before, _ := b.titles("", 20)
		_, err := w.registry.Erasing.Redact(t.Context(), audit.CommandLine(), "testnet", 3)
		w.must(err)
		after, total := b.titles("", 2)
		if len(after) != len(before)-1 || int(total) != len(after) {
			t.Errorf("%q after %q", after, before)
		}
		b.get("/v1/works/3?network=testnet").wants("an erased work", fault.CodeWorkNotFound)
		b.get("/v1/works/3/evidence").wants("its evidence", fault.CodeWorkNotFound)
	})
}

// A title or a recording of another work is refused, and a key learns which work that is.
func TestKeyAndOtherWorks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b := w.backend(w.org, nil)
		_, ats, _ := b.registered("Night Train", map[string]any{"external_user_ref": "ada"})
		b.post("/v1/works/init", work(" night  TRAIN", map[string]any{"external_user_ref": "ada"})).wants("the same title", fault.CodeRegistrationDuplicateTitle)
		b.post("/v1/works/init", work("Night Train", nil)).wants("the title of another end-user", "")
		for range 25 { // no oracle: a key may list all titles
			b.post("/v1/works/init", work("Night Train", map[string]any{"external_user_ref": "ada"})).wants("the same title", fault.CodeRegistrationDuplicateTitle)
		}
		a := b.post("/v1/works/init", work("Another", nil)).wants("init", "")
		b.put(a.get("upload_url"), wav("Night Train", 4000)).wants("upload", "")
		a = b.post("/v1/works/prepare", map[string]string{"job_id": a.get("job_id")}).wants("the same recording", fault.CodeWorkAlreadyRegistered)
		if n, _ := a.err.Details["ats_id"].(float64); strconv.Itoa(int(n)) != ats {
			t.Errorf("%s", a.body)
		}
		// A test key meets none of them, and pays nothing.
		tester := w.backend(w.org, test)
		before := w.balance()
		tester.registered("Night Train", map[string]any{"external_user_ref": "ada"})
		if after := w.balance(); after != before {
			t.Errorf("%+v after %+v", after, before)
		}
		if titles, total := tester.titles("", 20); total != 1 || len(titles) != 1 {
			t.Errorf("a test key sees %q", titles)
		}
	})
}

// A rehearsal by a test key is answered as the code's cause is, at its stage.
func TestRehearsalByKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b, live := w.backend(w.org, test), w.backend(w.org, nil)
		work0, ats, _ := b.registered("Known", nil)
		read := func(path string, code fault.Code) answer {
			t.Helper()
			head := b.head()
			head["X-Rehearse"] = string(code)
			return b.call("GET", path, head, nil)
		}
		tried := 0
		for _, e := range fault.All() {
			if e.Rehearse == "" {
				continue
			}
			title := "Rehearsal of " + string(e.Code)
			init := b.post("/v1/works/init", work(title, map[string]any{"rehearse": string(e.Code)}))
			if e.Status == 0 {
				if init.rules() != "rehearse one_of" {
					t.Errorf("%s: %s", e.Code, init.body)
				}
				continue
			}
			tried++
			like := func(a answer) {
				t.Helper()
				if a.code != e.Code || a.status != e.Status {
					t.Errorf("%s: %d %s", e.Code, a.status, a.body)
				}
			}
			if e.Rehearse == "init" || e.Rehearse == "call" || e.Rehearse == "code" {
				like(init)
				if e.Rehearse != "init" {
					for _, path := range []string{"/v1/works", "/v1/works/" + ats, "/v1/works/" + ats + "/evidence", "/v1/works/" + work0 + "/download/asset"} {
						like(read(path, e.Code))
					}
				}
				continue
			}
			init.wants(string(e.Code), "")
			job := map[string]string{"job_id": init.get("job_id")}
			b.put(init.get("upload_url"), wav(title, 4000)).wants("upload", "")
			prepare := b.post("/v1/works/prepare", job)
			if e.Rehearse == "prepare" {
				like(prepare)
				continue
			}
			prepare.wants(string(e.Code), "")
			confirm := b.post("/v1/works/confirm", job)
			if e.Rehearse == "confirm" {
				like(confirm)
				continue
			}
			confirm.wants(string(e.Code), "")
			if e.Rehearse == "track" {
				switch e.Code {
				case fault.CodeTransactionFailed:
					if done := w.done(job["job_id"]).Done; done.Failure == nil || done.Failure.Code != e.Code {
						t.Errorf("%+v", done)
					}
				default:
					like(w.call("GET", "/v1/transactions/"+job["job_id"], nil, nil))
				}
			}
			if e.Rehearse == "certificate" {
				w.done(job["job_id"])
				like(read("/v1/works/"+work0+"/download/certificate", e.Code))
			}
		}
		if tried < 30 {
			t.Errorf("%d codes were tried", tried)
		}
		b.post("/v1/works/"+ats+"/versions/init", map[string]any{"creators": []any{creator()}, "rehearse": "version.already_in_progress"}).wants("an update", fault.CodeVersionAlreadyInProgress)
		for rule, code := range map[string]string{"rehearse test_key": "registration.duplicate_title"} {
			if a := live.post("/v1/works/init", work("Live", map[string]any{"rehearse": code})).wants("a live key", fault.CodeCommonValidationFailed); a.rules() != rule {
				t.Errorf("%s", a.body)
			}
		}
		head := live.head()
		head["X-Rehearse"] = "common.internal"
		if a := live.call("GET", "/v1/works", head, nil).wants("a live key's read", fault.CodeCommonValidationFailed); a.rules() != "X-Rehearse test_key" {
			t.Errorf("%s", a.body)
		}
		if a := read("/v1/works", "no.such_code"); a.rules() != "X-Rehearse one_of" {
			t.Errorf("%s", a.body)
		}
	})
}

// A key over its budget is refused with the headers of that budget. Other callers are served.
func TestLimitOfAKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		rate := func(n int) limit.Rate { return limit.Rate{Count: n, Per: time.Minute, Burst: n} }
		w := newWorld(t, db, options{limits: limit.Rates{Key: rate(3), Organization: rate(12)}})
		w.stopClock()
		b := w.backend(w.org, nil)
		for i := range 3 {
			a := b.get("/v1/works").wants("within the budget", "")
			if got, want := a.header.Get("RateLimit"), `"api_key";r=`+strconv.Itoa(2-i); !strings.HasPrefix(got, want) || !strings.HasPrefix(a.header.Get("RateLimit-Policy"), `"api_key";q=3;w=60`) {
				t.Errorf("%q %q, want %q", a.header.Get("RateLimit-Policy"), got, want)
			}
		}
		for range 20 {
			a := b.get("/v1/works").wants("over the budget", fault.CodeCommonRateLimited)
			if a.status != http.StatusTooManyRequests || a.err.Details["reason"] != "api_key" || a.header.Get("Retry-After") != "20" {
				t.Errorf("%d %s %s", a.status, a.header.Get("Retry-After"), a.body)
			}
		}
		other := w.backend(w.org, nil)
		other.get("/v1/works").wants("another key", "")
		w.mint(map[string]any{"external_user_ref": "ada"}).read("/v1/works").wants("a session", "")
		w.ahead.Add(int64(20 * time.Second))
		b.get("/v1/works").wants("after the wait", "")
		// The organization's budget counts keys and sessions together, and no refused call.
		for range 2 {
			other.get("/v1/works").wants("another key", "")
		}
		third := w.backend(w.org, nil)
		for range 2 {
			third.get("/v1/works").wants("a third key", "")
		}
		var last answer
		for range 4 {
			fresh := w.backend(w.org, nil)
			for range 3 {
				if last.code == "" {
					last = fresh.get("/v1/works")
				}
			}
		}
		if last.err.Details["reason"] != "organization" {
			t.Errorf("%s", last.body)
		}
	})
}
