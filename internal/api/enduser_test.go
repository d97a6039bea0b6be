package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/fault"
	"timbre.example/internal/registry"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// An end-user's own works are found, updated and downloaded by that user, and by no one
// else.
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
		var list struct{ Works []json.RawMessage }
		r.read("/v1/works").into(&list)
		for _, action := range []string{"register", "update_version", "access"} {
			a := as(action, "ada").read("/v1/works/1")
			if d := cmp.Diff(strings.TrimSpace(string(list.Works[0])), strings.TrimSpace(string(a.body))); d != "" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("one of the list, by %s: %s", action, d)
			}
			a = as(action, "ada").read("/v1/works/1/creators")
			latest := as(action, "ada").read("/v1/works/1/versions/2/creators")
			if string(a.body) != string(latest.body) || a.get("ats_id") != "" || !strings.HasPrefix(string(a.body), `{"ats_id":1,"version":2,"creators":[{"full_name":"Ada Example",`) {
				t.Errorf("creators, by %s: %s and %s", action, a.body, latest.body)
			}
		}
		if a := r.read("/v1/works/1/versions/0/creators"); a.code != fault.CodeWorkNotFound {
			t.Errorf("creators of version 0: %s", a.body)
		}
		if a := r.read("/v1/works/1/versions/2/creators"); !strings.Contains(string(a.body), `"full_name":"Ben"`) {
			t.Errorf("creators: %s", a.body)
		}
		if a := r.read("/v1/works/" + work + "/versions/1/download/audio"); a.status != 200 {
			t.Errorf("audio: %s", a.body)
		} else if resp, err := w.client.Get(a.get("url")); err != nil {
			t.Error(err)
		} else if resp.Body.Close(); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "audio/wav" || !strings.Contains(resp.Header.Get("Content-Disposition"), "song.wav") {
			t.Errorf("audio: %d %v", resp.StatusCode, resp.Header)
		}
	})
}

// Paging continues while works are registered and updated. No work appears twice, and no
// unchanged work is skipped.
func TestOwnWorksPaging(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		register := func(title string) {
			t.Helper()
			b := w.mint(map[string]any{"external_user_ref": "ada"})
			a := b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared(title, nil)})
			w.done(a.get("transaction_id"))
		}
		for i := range 5 {
			register(fmt.Sprintf("Song %d", i))
		}
		type page struct {
			Works []struct {
				AtsID int64 `json:"ats_id"`
			}
			Info struct {
				Next  bool   `json:"has_next_page"`
				Prev  bool   `json:"has_previous_page"`
				End   string `json:"end_cursor"`
				Start string `json:"start_cursor"`
			} `json:"page_info"`
			Total int64 `json:"total_count"`
		}
		reader := w.mint(map[string]any{"action_type": "access", "external_user_ref": "ada"})
		var got []int64
		for after := ""; ; {
			var p page
			reader.read("/v1/works?first=2&after=" + after).into(&p)
			if p.Info.Prev != (after != "") || len(p.Works) > 2 || p.Info.Start == "" {
				t.Fatalf("%+v", p)
			}
			for _, x := range p.Works {
				got = append(got, x.AtsID)
			}
			if after = p.Info.End; !p.Info.Next {
				break
			}
			register(fmt.Sprintf("Meanwhile %d", len(got)))
		}
		if d := cmp.Diff([]int64{5, 4, 3, 2, 1}, got); d != "" {
			t.Error(d)
		}
		// A session for one work lists only that work.
		var p page
		w.mint(map[string]any{"action_type": "access", "external_user_ref": "ada", "allowed_ats_id": 3}).read("/v1/works").into(&p)
		if len(p.Works) != 1 || p.Works[0].AtsID != 3 || p.Total != 1 {
			t.Errorf("a session for work 3 lists %+v", p)
		}
		for _, first := range []string{"0", "101", "-1", "x"} {
			if a := reader.read("/v1/works?first=" + first); a.rules() != "first range" {
				t.Errorf("first=%s: %s", first, a.body)
			}
		}
	})
}

// Unknown ids in a path. Callers are checked in TestAuthorization.
func TestOwnWorksPaths(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	w.work()
	b := w.mint(map[string]any{"external_user_ref": "ada"})
	id := w.done(b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared("Ada's", nil)}).get("transaction_id")).Done.WorkID
	reader := w.mint(map[string]any{"action_type": "access", "external_user_ref": "ada"})
	for path, want := range map[string]fault.Code{
		"/v1/works/x/versions": fault.CodeWorkNotFound, "/v1/works/99/versions": fault.CodeWorkNotFound, "/v1/works/1/versions/9/creators": fault.CodeWorkNotFound,
		"/v1/works/%00/download/asset": fault.CodeWorkNotFound, "/v1/works/" + id + "/download/audio": fault.CodeCommonNotFound, "/v1/works?network=mainnet": fault.CodeSessionInvalidToken,
		"/v1/works?after=x": fault.CodeCommonValidationFailed,
	} {
		if a := reader.read(path); a.code != want {
			t.Errorf("%s: %s, want %s", path, a.body, want)
		}
	}
}

// certificate polls for a certificate as a page does, and returns its URL.
func (b tab) certificate(work string) string {
	b.t.Helper()
	return b.made("/v1/works/" + work + "/download/certificate")
}

func (b tab) made(path string) string {
	b.t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; {
		a := b.read(path)
		if a.code == "" {
			return a.get("url")
		}
		if a.code != fault.CodeWorkCertificateUnavailable || time.Now().After(limit) {
			b.t.Fatalf("certificate: %s", a.body)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// The session that began a job may download the certificate of that job once it is final,
// with an access code or an end-user. It may not download other certificates.
func TestCertificateOfAJob(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		b := w.mint(nil)
		job := b.prepared("Porch Light", nil)
		row, err := db.Read().GetJob(t.Context(), job)
		w.must(err)
		work := row.WorkID
		first := b.post("/v1/works/confirm", map[string]string{"job_id": job}).get("transaction_id")
		path := "/v1/works/" + work + "/download/certificate"
		if a := b.read(path); a.code != fault.CodeWorkCertificateUnavailable {
			t.Errorf("before finality: %s", a.body)
		}
		w.work()
		code := w.done(first).Done.AccessCode
		res, err := w.client.Get(b.certificate(work))
		w.must(err)
		pdf, err := io.ReadAll(res.Body)
		res.Body.Close()
		if want := "%PDF of Porch Light, version 1"; err != nil || string(pdf) != want || !strings.Contains(res.Header.Get("Content-Disposition"), "Porch Light.pdf") {
			t.Errorf("%q %v %v", pdf, err, res.Header)
		}

		u, lost := w.mint(forUpdate), w.mint(forUpdate)
		at := "/v1/access/" + code + "/versions/"
		begin := func(u tab, name string) string {
			who := creator()
			who["full_name"] = name
			job := u.post(at+"init", map[string]any{"creators": []any{who}}).get("job_id")
			u.post(at+"prepare", map[string]string{"job_id": job})
			return job
		}
		job = begin(u, "Ben")
		other := begin(lost, "Eve")
		if a := u.read(path); a.code != fault.CodeWorkCertificateUnavailable {
			t.Errorf("of an update, before finality: %s", a.body)
		}
		w.done(u.post(at+"confirm", map[string]string{"job_id": job}).get("transaction_id"))
		if a := lost.post(at+"confirm", map[string]string{"job_id": other}); a.code != fault.CodeVersionAlreadyInProgress {
			t.Errorf("an update that came second: %s", a.body)
		}
		if url := u.certificate(work); !strings.Contains(url, "-2?") {
			t.Errorf("of an update: %s", url)
		}
		w.ahead.Add(int64(session.DefaultLifetime))
		if url := b.certificate(work); !strings.Contains(url, "-1?") {
			t.Errorf("of the first job: %s", url)
		}
		for _, c := range []struct {
			by      tab
			version string
			want    fault.Code
		}{
			{b, "1", ""}, {b, "2", fault.CodeCommonAuthExpired}, {u, "2", ""}, {u, "1", fault.CodeCommonAuthExpired},
			{lost, "2", fault.CodeCommonAuthExpired}, {w.mint(forUpdate), "1", fault.CodeCommonForbidden},
		} {
			if a := c.by.read("/v1/works/" + work + "/versions/" + c.version + "/download/certificate"); a.code != c.want {
				t.Errorf("version %s: %s, want %q", c.version, a.body, c.want)
			}
		}
		if a := lost.read(path); a.code != fault.CodeWorkCertificateUnavailable {
			t.Errorf("of a failed update: %s", a.body)
		}
	})
}

// A reloaded page has a session that began nothing, and the id of its transaction. The id
// opens the certificate for as long as the access code is shown, to the same organization,
// network and end-user.
func TestCertificateOfATransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		register := func(title string, change map[string]any) (tab, string) {
			b := w.mint(change)
			return b, b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared(title, change)}).get("transaction_id")
		}
		ada := map[string]any{"external_user_ref": "ada"}
		ben := map[string]any{"external_user_ref": "ben"}
		_, first := register("Porch Light", nil)
		row, err := db.Read().GetJob(t.Context(), first)
		w.must(err)
		path := func(work, transaction string) string {
			return "/v1/works/" + work + "/download/certificate?transaction=" + transaction
		}
		if a := w.mint(nil).read(path(row.WorkID, first)); a.code != fault.CodeWorkCertificateUnavailable {
			t.Errorf("before finality: %s", a.body)
		}
		w.work()
		work := w.done(first).Done.WorkID
		b, second := register("Ada's", ada)
		hers := w.done(second).Done.WorkID
		b.certificate(hers)
		again := w.mint(nil)
		for limit := time.Now().Add(30 * time.Second); again.read(path(work, first)).code == fault.CodeWorkCertificateUnavailable && time.Now().Before(limit); {
			<-time.After(5 * time.Millisecond)
		}
		theirs := w.stranger()
		stranger := w.mint(map[string]any{"secret_key": theirs.SecretKey})
		head := stranger.head()
		head["X-Site-Key"] = theirs.SiteKey
		if a := w.call("GET", path(work, first), head, nil); a.code != fault.CodeCommonForbidden {
			t.Errorf("another organization: %s", a.body)
		}
		for name, c := range map[string]struct {
			by                tab
			work, transaction string
			want              fault.Code
		}{
			"another session":            {again, work, first, ""},
			"in capitals":                {again, work, strings.ToUpper(first), ""},
			"for an update":              {w.mint(forUpdate), work, first, ""},
			"another work":               {again, hers, first, fault.CodeCommonForbidden},
			"another's transaction":      {again, work, second, fault.CodeCommonForbidden},
			"none":                       {again, work, "", fault.CodeCommonForbidden},
			"no id":                      {again, work, "x%00", fault.CodeCommonForbidden},
			"unknown":                    {again, work, "01890000-0000-7000-8000-000000000000", fault.CodeCommonForbidden},
			"the same end-user":          {w.mint(ada), hers, second, ""},
			"another end-user":           {w.mint(ben), hers, second, fault.CodeWorkNotFound},
			"end-user, work without one": {w.mint(ada), work, first, fault.CodeWorkNotFound},
			"no end-user, work of one":   {again, hers, second, fault.CodeCommonForbidden},
			"another network":            {w.mint(map[string]any{"allowed_network": "mainnet"}), work, first, fault.CodeCommonForbidden},
			"a session for another work": {w.mint(map[string]any{"action_type": "access", "allowed_ats_id": 99}), work, first, fault.CodeCommonForbidden},
		} {
			if a := c.by.read(path(c.work, c.transaction)); a.code != c.want {
				t.Errorf("%s: %s, want %q", name, a.body, c.want)
			}
		}
		w.ahead.Add(int64(session.DefaultLifetime))
		if a := again.read(path(work, first)); a.code != fault.CodeCommonAuthExpired {
			t.Errorf("expired: %s", a.body)
		}
		w.ahead.Add(int64(registry.DefaultTimes().Result))
		if a := w.mint(nil).read(path(work, first)); a.code != fault.CodeCommonForbidden {
			t.Errorf("after its time: %s", a.body)
		}
	})
}
