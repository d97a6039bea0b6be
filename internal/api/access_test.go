package api_test

import (
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// code registers a song and returns its access code.
func (w *world) code(title string) string {
	w.t.Helper()
	return w.done(w.registered(title)).Done.AccessCode
}

func (b tab) read(path string) answer { return b.call("GET", path, b.head(), nil) }

var forUpdate = map[string]any{"action_type": "update_version"}

// TestUpdateFlow updates a work as the widget does, and checks every answer against the
// contract, member by member.
func TestUpdateFlow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		code := w.code("Porch Light")
		at := "/v1/access/" + code

		a := w.mint(forUpdate).read(at + "/work")
		want := []string{"asset_filename", "ats_id", "created_at", "creators", "latest_commitment", "latest_version", "network", "owner_address", "title", "versions"}
		if d := cmp.Diff(want, keys(t, a.body)); d != "" || a.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("work: %d %s %s", a.status, d, a.body)
		}
		for _, part := range []string{`"ats_id":1`, `"title":"Porch Light"`, `"network":"testnet"`, `"latest_version":1`, `"asset_filename":"song.wav"`, `"creators":[{"full_name":"Ada Example","email":"ada@songs.example","roles":["author","composer"]}]`} {
			if !strings.Contains(string(a.body), part) {
				t.Errorf("work lacks %s: %s", part, a.body)
			}
		}
		commitment := a.get("latest_commitment")

		follow := func(b tab, job string) {
			t.Helper()
			a := b.post(at+"/versions/prepare", map[string]string{"job_id": job})
			want := []string{"commitment", "duration_seconds", "expires_at", "format", "is_valid", "job_id", "media_hash", "network_fee_credits", "sample_rate", "service_fee_credits",
				"size_bytes", "storage_fee_credits", "total_deposit_credits", "total_price_credits", "version_deposit_credits", "work_id"}
			if d := cmp.Diff(want, keys(t, a.body)); d != "" || a.status != 200 {
				t.Fatalf("prepare: %s %s", d, a.body)
			}
			a = b.post(at+"/versions/confirm", map[string]string{"job_id": job})
			if d := cmp.Diff([]string{"status_url", "transaction_id", "ws_url"}, keys(t, a.body)); d != "" || a.status != 202 {
				t.Fatalf("confirm: %s", a.body)
			}
			w.done(a.get("transaction_id"))
			a = w.call("GET", "/v1/transactions/"+a.get("transaction_id"), nil, nil)
			if !strings.Contains(string(a.body), `"transaction_type":"add_version"`) || strings.Contains(string(a.body), "atc_") || !strings.Contains(string(a.body), `"ats_id":1`) {
				t.Errorf("transaction: %s", a.body)
			}
		}

		// Other creators, the same recording.
		b := w.mint(forUpdate)
		other := creator()
		other["full_name"], other["ipi"] = "Ben Example", "123"
		a = b.post(at+"/versions/init", map[string]any{"creators": []any{creator(), other}})
		if d := cmp.Diff([]string{"job_id"}, keys(t, a.body)); d != "" || a.status != 200 {
			t.Fatalf("init: %s", a.body)
		}
		if a := b.post(at+"/versions/upload", map[string]string{"job_id": a.get("job_id")}); a.rules() != "job_id no_upload" {
			t.Errorf("an upload URL for a recording that stays: %s", a.body)
		}
		follow(b, a.get("job_id"))

		// A new recording.
		b = w.mint(forUpdate)
		a = b.post(at+"/versions/init-upload", map[string]any{"creators": []any{creator()}, "filename": "mix.wav"})
		if d := cmp.Diff([]string{"job_id", "upload_expires_at", "upload_url"}, keys(t, a.body)); d != "" || a.status != 200 {
			t.Fatalf("init-upload: %s", a.body)
		}
		job := a.get("job_id")
		if a := b.post(at+"/versions/prepare", map[string]string{"job_id": job}); a.code != fault.CodeRegistrationUploadMissing {
			t.Fatalf("prepare before the upload: %s", a.body)
		}
		a = b.post(at+"/versions/upload", map[string]string{"job_id": job})
		if a := w.put(a.get("upload_url"), wav("mix", 6000)); a.status != 200 {
			t.Fatalf("upload: %s", a.body)
		}
		follow(b, job)

		a = w.mint(forUpdate).read(at + "/work")
		if !strings.Contains(string(a.body), `"latest_version":3`) || !strings.Contains(string(a.body), `"asset_filename":"mix.wav"`) || a.get("latest_commitment") == commitment {
			t.Errorf("afterwards: %s", a.body)
		}
		if log := w.logged.String(); strings.Contains(log, "atc_") || !strings.Contains(log, "route=/v1/access/{code}/versions/confirm") {
			t.Error("the log holds an access code, or not the routes")
		}
	})
}

// Each refusal of an access code, and which one wins when two apply. Callers are checked in
// TestAuthorization.
func TestAccessRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		code := w.code("Porch Light")
		unknown := "atc_" + strings.Repeat("0", 64)
		good := w.mint(forUpdate)
		register := w.mint(nil)
		nobody := tab{w, ""}
		wrong := map[string]any{"creators": "nobody"}
		for _, c := range []struct {
			name string
			by   tab
			code string
			want fault.Code
		}{
			{"a code of the wrong form", good, "atc_12", fault.CodeAccessCodeFormatInvalid},
			{"an unknown code", good, unknown, fault.CodeAccessCodeNotFound},
			{"a session for another action, before the code", register, "atc_12", fault.CodeSessionInvalidToken},
			{"no session, before everything", nobody, "atc_12", fault.CodeCommonAuthInvalidToken},
		} {
			for _, path := range []string{"work", "versions/1/download/certificate"} {
				if a := c.by.read("/v1/access/" + c.code + "/" + path); a.code != c.want {
					t.Errorf("%s: reading %s: %s", c.name, path, a.body)
				}
			}
			// The code is checked before the body.
			for _, path := range []string{"init", "init-upload", "upload", "prepare", "confirm"} {
				if a := c.by.post("/v1/access/"+c.code+"/versions/"+path, wrong); a.code != c.want {
					t.Errorf("%s: %s: %s", c.name, path, a.body)
				}
			}
			if a := c.by.post("/v1/access/"+c.code+"/rotate", "{}"); a.code != c.want {
				t.Errorf("%s: rotate: %s", c.name, a.body)
			}
		}
		if a := good.post("/v1/access/"+code+"/versions/init", wrong); a.code != fault.CodeCommonValidationFailed || a.rules() != "creators type" {
			t.Errorf("a wrong body: %s", a.body)
		}
		a := good.post("/v1/access/"+code+"/versions/init-upload", map[string]any{"creators": []any{map[string]any{}}})
		if a.rules() != "creators[0].full_name required, creators[0].email required, creators[0].roles required, filename required" {
			t.Errorf("an empty body: %s", a.body)
		}
		if a := register.post("/v1/works/prepare", map[string]string{"job_id": "01890000-0000-7000-8000-000000000000"}); a.code != fault.CodeTransactionNotFound {
			t.Errorf("%s", a.body)
		}

		// Rotated: the old code is refused, the new one works, and a lost answer can be
		// repeated.
		next := good.post("/v1/access/"+code+"/rotate", "").get("access_code")
		if again := good.post("/v1/access/"+code+"/rotate", "{}").get("access_code"); again != next || len(next) != 68 {
			t.Errorf("rotated to %q, asked again: %q", next, again)
		}
		for _, path := range []string{"work", "versions/1/download/certificate"} {
			if a := good.read("/v1/access/" + code + "/" + path); a.code != fault.CodeAccessCodeExpired {
				t.Errorf("%s by the old code: %s", path, a.body)
			}
		}
		if a := good.read("/v1/access/" + next + "/work"); a.status != 200 {
			t.Errorf("the new code: %s", a.body)
		}

		// A code with a lifetime.
		_, err := account.ChangeOrganization(t.Context(), db, audit.CommandLine(), w.org, 0, func(o *account.Organization) { o.AccessCodeTTL = time.Hour })
		w.must(err)
		w.ahead.Add(int64(time.Hour))
		for _, path := range []string{"work", "versions/1/download/certificate"} {
			if a := w.mint(forUpdate).read("/v1/access/" + next + "/" + path); a.code != fault.CodeAccessCodeExpired {
				t.Errorf("%s an hour later: %s", path, a.body)
			}
		}
		// The session that replaced a code receives the new one again, also later. It cannot
		// replace another code.
		if again := good.post("/v1/access/"+code+"/rotate", "{}").get("access_code"); again != next {
			t.Errorf("asked again by an expired session: %q, want %q", again, next)
		}
		for _, other := range []string{next, unknown} {
			if a := good.post("/v1/access/"+other+"/rotate", "{}"); a.code != fault.CodeCommonAuthExpired {
				t.Errorf("rotated by an expired session: %s", a.body)
			}
		}
		// An expired token is reported before an invalid code.
		if a := good.read("/v1/access/" + unknown + "/work"); a.code != fault.CodeCommonAuthExpired {
			t.Errorf("an expired token: %s", a.body)
		}
	})
}

// The holder of an access code can download the certificate of each version, long after the
// session and the transaction that showed it. It opens no other work, and no certificate
// that is not made yet.
func TestCertificateByCode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		code := w.code("Porch Light")
		other := w.code("Another's")
		at := "/v1/access/" + code + "/versions/"
		content := func(url string) string {
			t.Helper()
			res, err := w.client.Get(url)
			w.must(err)
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			w.must(err)
			return string(b) + " as " + res.Header.Get("Content-Disposition")
		}
		b := w.mint(forUpdate)
		job := b.post(at+"init", map[string]any{"creators": []any{creator()}}).get("job_id")
		b.post(at+"prepare", map[string]string{"job_id": job})
		if a := b.read(at + "2/download/certificate"); a.code != fault.CodeWorkCertificateUnavailable {
			t.Errorf("of a version that is not final: %s", a.body)
		}
		w.done(b.post(at+"confirm", map[string]string{"job_id": job}).get("transaction_id"))
		b.made(at + "2/download/certificate")

		w.ahead.Add(int64(48 * time.Hour))
		late := w.mint(forUpdate)
		for v, name := range map[string]string{"1": "Porch Light.pdf", "2": "Porch Light v2.pdf"} {
			if got := content(late.made(at + v + "/download/certificate")); !strings.HasPrefix(got, "%PDF of Porch Light, version "+v) || !strings.Contains(got, name) {
				t.Errorf("version %s: %s", v, got)
			}
		}
		a := late.read(at + "1/download/certificate")
		if d := cmp.Diff([]string{"expires_at", "url"}, keys(t, a.body)); d != "" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v %s", a.header, d)
		}
		if got := content(late.made("/v1/access/" + other + "/versions/1/download/certificate")); !strings.HasPrefix(got, "%PDF of Another's") {
			t.Errorf("another code opens %s", got)
		}
		for _, v := range []string{"0", "3", "-1", "x", "99999999999999999999"} {
			if a := late.read(at + v + "/download/certificate"); a.code != fault.CodeWorkCertificateUnavailable {
				t.Errorf("version %s: %s", v, a.body)
			}
		}
		if a := late.read(at + "1/download/audio"); !strings.HasPrefix(content(a.get("url")), "RIFF") {
			t.Errorf("a recording by code: %s", a.body)
		}
		// The session was not spent.
		if a := late.post(at+"init", map[string]any{"creators": []any{creator()}}); a.code != "" {
			t.Errorf("an update after it: %s", a.body)
		}
		if strings.Contains(w.logged.String(), "atc_") {
			t.Error("the log holds an access code")
		}
	})
}

// A code is accepted in capitals on every route.
func TestAccessCodeInCapitals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		code := w.code("Porch Light")
		for i, typed := range []string{strings.ToUpper(code), "atc_" + strings.ToUpper(code[4:]), "ATC_" + code[4:], code} {
			at := "/v1/access/" + typed
			for _, b := range []tab{w.mint(forUpdate), w.mint(map[string]any{"action_type": "access"}), w.mint(map[string]any{"action_type": "access", "external_user_ref": "ada"})} {
				a := b.read(at + "/work")
				if a.get("title") != "Porch Light" {
					t.Errorf("%s: %d %s", typed, a.status, a.body)
				}
				b.made(at + "/versions/1/download/certificate")
				a = b.read(at + "/versions/1/download/audio")
				if res, err := w.client.Get(a.get("url")); err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "audio/wav" {
					t.Errorf("%s: %s, %v", typed, a.body, err)
				} else {
					res.Body.Close()
				}
				if a := b.read(at + "/versions/99/download/audio"); a.code != fault.CodeWorkNotFound {
					t.Errorf("no such version: %s", a.body)
				}
				if a := b.read(at + "/versions/1/download/asset"); a.code != fault.CodeCommonNotFound {
					t.Errorf("no such file: %s", a.body)
				}
			}
			b := w.mint(forUpdate)
			who := creator()
			who["full_name"] = "Ada " + strconv.Itoa(i)
			job := b.post(at+"/versions/init", map[string]any{"creators": []any{who}}).get("job_id")
			b.post(at+"/versions/prepare", map[string]string{"job_id": job})
			a := b.post("/v1/access/"+code+"/versions/confirm", map[string]string{"job_id": job})
			if a.status != 202 {
				t.Fatalf("%s: %s", typed, a.body)
			}
			w.done(a.get("transaction_id"))
		}
		next := w.mint(forUpdate).post("/v1/access/"+strings.ToUpper(code)+"/rotate", "").get("access_code")
		if a := w.mint(forUpdate).read("/v1/access/" + strings.ToUpper(next) + "/work"); a.get("title") != "Porch Light" {
			t.Errorf("replaced: %s", a.body)
		}
		if a := w.mint(forUpdate).read("/v1/access/" + strings.ToUpper(code) + "/work"); a.code != fault.CodeAccessCodeExpired || a.err.Details["reason"] != "replaced" {
			t.Errorf("the old one: %s", a.body)
		}
		// Codes that only look alike are invalid: k is the lower case of the Kelvin sign.
		for _, typed := range []string{code[:67], code + "0", "atc_" + strings.Repeat("g", 64), "atc" + code, strings.Replace(code, "a", "\u212a", 1), " " + code[1:]} {
			if a := w.mint(forUpdate).read("/v1/access/" + url.PathEscape(typed) + "/work"); a.code != fault.CodeAccessCodeFormatInvalid {
				t.Errorf("%q: %s", typed, a.body)
			}
		}
	})
}
