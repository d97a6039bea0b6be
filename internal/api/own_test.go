package api_test

import (
	"strings"
	"testing"

	"timbre.example/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// An end-user's own works: found, updated and downloaded by that user, and by
// nobody else.
func TestOwnWorks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		as := func(action, ref string) tab {
			return w.mint(map[string]any{"action_type": action, "external_user_ref": ref})
		}
		b := as("register", "ada")
		a := b.post("/v1/works/init", map[string]any{"title": "Straße 100%", "creators": []any{creator()}, "filename": "song.wav", "network": "testnet"})
		job := a.get("job_id")
		w.put(a.get("upload_url"), wav("one", 6000))
		work := b.post("/v1/works/prepare", map[string]string{"job_id": job}).get("work_id")
		if a := b.read("/v1/works/" + work + "/download/certificate"); a.code != fault.CodeWorkCertificateUnavailable {
			t.Errorf("certificate before finality: %s", a.body)
		}
		w.done(b.post("/v1/works/confirm", map[string]string{"job_id": job}).get("transaction_id"))

		for _, q := range []string{"", "?search=STRASSE", "?search=0%25&network=testnet&first=1"} {
			a := as("access", "ada").read("/v1/works" + q)
			for _, part := range []string{`"ats_id":1`, `"has_files":true`, `"total_count":1`, `"has_next_page":false`, `"versions":[{"version":1,`} {
				if !strings.Contains(string(a.body), part) {
					t.Errorf("list%s lacks %s: %d %s", q, part, a.status, a.body)
				}
			}
		}
		if a := as("access", "ben").read("/v1/works"); !strings.Contains(string(a.body), `"works":[],`) {
			t.Errorf("another's list: %s", a.body)
		}
		u := as("update_version", "ada")
		a = u.post("/v1/works/1/versions/init", map[string]any{"creators": []any{creator(), map[string]any{"full_name": "Ben", "email": "b@songs.example", "roles": map[string]bool{"author": true}}}})
		job = a.get("job_id")
		u.post("/v1/works/1/versions/prepare", map[string]string{"job_id": job})
		w.done(u.post("/v1/works/1/versions/confirm", map[string]string{"job_id": job}).get("transaction_id"))
		r := as("access", "ada")
		if a := r.read("/v1/works/1/versions/2/creators"); !strings.Contains(string(a.body), `"full_name":"Ben"`) {
			t.Errorf("creators: %s", a.body)
		}
		if a := r.read("/v1/works/" + work + "/versions/1/download/audio"); a.status != 200 {
			t.Errorf("audio: %s", a.body)
		} else if resp, err := w.client.Get(a.get("url")); err != nil {
			t.Error(err)
		} else if resp.Body.Close(); resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Content-Disposition"), "song.wav") {
			t.Errorf("audio: %d %v", resp.StatusCode, resp.Header)
		}
		for _, c := range []struct {
			by   tab
			read string
			want fault.Code
		}{
			{as("access", "ben"), "/v1/works/1/versions", fault.CodeWorkNotFound},
			{as("access", "ben"), "/v1/works/" + work + "/download/asset", fault.CodeWorkNotFound},
			{as("access", "ben"), "/v1/works/" + work + "/download/certificate", fault.CodeWorkNotFound},
			{as("access", "ada"), "/v1/works/2/versions", fault.CodeWorkNotFound},
			{as("register", "ada"), "/v1/works", fault.CodeSessionInvalidToken},
			{w.mint(forUpdate), "/v1/works", fault.CodeCommonForbidden},
			{w.mint(forUpdate), "/v1/works/1/versions", fault.CodeCommonForbidden},
			{as("access", "ada"), "/v1/works?after=x", fault.CodeCommonValidationFailed},
		} {
			if a := c.by.read(c.read); a.code != c.want {
				t.Errorf("%s: %s, want %s", c.read, a.body, c.want)
			}
		}
		if a := as("update_version", "ben").post("/v1/works/1/versions/init", map[string]any{}); a.code != fault.CodeCommonForbidden {
			t.Errorf("another's write: %s", a.body)
		}
	})
}
