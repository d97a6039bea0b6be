package api_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/works"
	"timbre.example/proof/evidence"
)

// backend is an organization's backend with an API key.
type backend struct {
	*world
	key apikey.Created
}

var everyScope = []string{"works:register", "works:update", "works:read"}

// backend creates a key of an organization.
func (w *world) backend(organization string, change func(*apikey.Request)) backend {
	w.t.Helper()
	r := apikey.Request{Name: "Backend", Scopes: everyScope}
	if change != nil {
		change(&r)
	}
	k, err := w.apikeys.Create(w.t.Context(), audit.CommandLine(), organization, r)
	w.must(err)
	return backend{w, k}
}

func test(r *apikey.Request) { r.Test = true }

func scoped(scopes ...string) func(*apikey.Request) {
	return func(r *apikey.Request) { r.Scopes = scopes }
}

// other creates a second organization with credits.
func (w *world) other() (id string) {
	w.t.Helper()
	id = "01890000-0000-7000-8000-00000000000b"
	w.must(w.db.Tx(w.t.Context(), func(tx *store.Tx) error {
		return tx.InsertOrganization(w.t.Context(), query.InsertOrganizationParams{ID: id, Name: "Others", CreatedAt: store.Micros(tx.Now)})
	}))
	return id
}

func (b backend) head() map[string]string {
	return map[string]string{"Authorization": "Bearer " + b.key.Token, "Content-Type": "application/json"}
}

func (b backend) get(path string) answer {
	b.t.Helper()
	return b.call("GET", path, b.head(), nil)
}

func (b backend) post(path string, body any) answer {
	b.t.Helper()
	return b.call("POST", path, b.head(), asJSON(body))
}

// wants fails the test unless an answer has this code; "" is a success.
func (a answer) wants(what string, code fault.Code) answer {
	a.t.Helper()
	if a.code != code {
		a.t.Errorf("%s: %d %s, want %q", what, a.status, a.body, code)
	}
	return a
}

// prepared does init, upload and prepare of a new work below root.
func (b backend) prepared(root, title string, change map[string]any) (job string) {
	b.t.Helper()
	a := b.post(root+"/init", work(title, change)).wants("init", "")
	b.put(a.get("upload_url"), wav(title, 4000)).wants("upload", "")
	b.post(root+"/prepare", map[string]string{"job_id": a.get("job_id")}).wants("prepare", "")
	return a.get("job_id")
}

// registered does every step of a registration, and waits for its end.
func (b backend) registered(title string, change map[string]any) (work, ats, code string) {
	b.t.Helper()
	a := b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared("/v1/works", title, change)}).wants("confirm", "")
	if a.status != 202 || a.get("status_url") != "/v1/transactions/"+a.get("transaction_id") {
		b.t.Errorf("confirm: %d %s", a.status, a.body)
	}
	done := b.done(a.get("transaction_id")).Done
	if done.Failure != nil {
		b.t.Fatalf("%s: %v", title, done.Failure)
	}
	b.certified(done.WorkID)
	return done.WorkID, strconv.FormatInt(done.AtsID, 10), a.get("access_code")
}

// certified waits until the latest version of a work has its certificate.
func (b backend) certified(work string) {
	b.t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; {
		a := b.get("/v1/works/" + work + "/download/certificate")
		if a.code == "" {
			return
		}
		if a.code != fault.CodeWorkCertificateUnavailable || time.Now().After(limit) {
			b.t.Fatalf("certificate: %s", a.body)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// updated adds a version to a work with every step, and waits for its end.
func (b backend) updated(ats, seed string, change map[string]any) (transaction string) {
	b.t.Helper()
	with := func(m map[string]any) map[string]any { maps.Copy(m, change); return m }
	root := "/v1/works/" + ats + "/versions"
	a := b.post(root+"/init-upload", with(map[string]any{"creators": []any{creator()}, "filename": "mix.wav", "network": "testnet"})).wants("init-upload", "")
	b.put(a.get("upload_url"), wav(seed, 4000)).wants("upload", "")
	step := with(map[string]any{"job_id": a.get("job_id"), "network": "testnet"})
	b.post(root+"/prepare", step).wants("prepare", "")
	id := b.post(root+"/confirm", step).wants("confirm", "").get("transaction_id")
	done := b.done(id).Done
	if done.Failure != nil {
		b.t.Fatalf("update: %v", done.Failure)
	}
	b.certified(done.WorkID)
	return id
}

type listed struct {
	Works []struct {
		ID              string  `json:"id"`
		AtsID           int64   `json:"ats_id"`
		Network         string  `json:"network"`
		Title           string  `json:"title"`
		ExternalUserRef *string `json:"external_user_ref"`
		LatestVersion   int64   `json:"latest_version"`
	} `json:"works"`
	PageInfo struct {
		HasNextPage bool   `json:"has_next_page"`
		EndCursor   string `json:"end_cursor"`
	} `json:"page_info"`
	TotalCount int64 `json:"total_count"`
}

// titles lists works below a path with a query, page by page, and returns their titles.
func (b backend) titles(query string, first int) (titles []string, total int64) {
	b.t.Helper()
	after := ""
	for {
		a := b.get(fmt.Sprintf("/v1/works?first=%d&after=%s&%s", first, url.QueryEscape(after), query)).wants("list", "")
		if a.code != "" {
			return nil, 0
		}
		var l listed
		a.into(&l)
		for _, w := range l.Works {
			titles = append(titles, w.Title)
		}
		if total = l.TotalCount; !l.PageInfo.HasNextPage {
			return titles, total
		}
		after = l.PageInfo.EndCursor
	}
}

// A backend registers, updates and reads works without a browser, on both roots of the paths.
func TestOrganizationAPI(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b := w.backend(w.org, nil)
		id, ats, code := b.registered("Own", nil)
		if !strings.HasPrefix(code, "atc_") {
			t.Errorf("a work without end-user has the code %q", code)
		}
		w.mint(forUpdate).call("GET", "/v1/access/"+code+"/work", w.mint(forUpdate).head(), nil).wants("the access code", "")
		adas, adasNumber, code := b.registered("Ada's", map[string]any{"external_user_ref": "ada"})
		if code != "" {
			t.Errorf("a work of an end-user has the code %q", code)
		}
		ada := w.mint(map[string]any{"action_type": "access", "external_user_ref": "ada"})
		ada.call("GET", "/v1/works/"+adasNumber, ada.head(), nil).wants("the end-user's session", "")

		// Another key of the organization continues what the first one began.
		second := w.backend(w.org, scoped("works:register"))
		a := second.post("/v1/works/confirm", map[string]string{"job_id": b.prepared("/v1/works", "Shared", nil)}).wants("another key's confirm", "")
		w.done(a.get("transaction_id"))

		alias := "/v1/organizations/" + w.org + "/works"
		a = b.post(alias+"/confirm", map[string]string{"job_id": b.prepared(alias, "By the other path", map[string]any{"external_user_ref": "bob"})}).wants("confirm", "")
		w.done(a.get("transaction_id"))

		if titles, total := b.titles("network=testnet", 2); total != 4 || !slices.Equal(titles, []string{"By the other path", "Shared", "Ada's", "Own"}) {
			t.Errorf("all: %q of %d", titles, total)
		}
		if titles, total := b.titles("external_user_ref=ada", 1); total != 1 || !slices.Equal(titles, []string{"Ada's"}) {
			t.Errorf("of ada: %q of %d", titles, total)
		}
		if titles, total := b.titles("search=own", 20); total != 1 || !slices.Equal(titles, []string{"Own"}) {
			t.Errorf("search: %q of %d", titles, total)
		}
		if titles, total := b.titles("network=mainnet", 20); total != 0 || titles != nil {
			t.Errorf("on another network: %q of %d", titles, total)
		}
		b.updated(ats, "another mix", nil)
		b.updated(adasNumber, "Ada's mix", map[string]any{"external_user_ref": "ada"})
		b.updated(adasNumber, "Ada's last mix", nil)
		for _, root := range []string{"/v1/works", alias} {
			for _, q := range []string{"", "?network=testnet"} {
				var one struct {
					Title         string `json:"title"`
					LatestVersion int64  `json:"latest_version"`
				}
				b.get(root+"/"+ats+q).wants("one work", "").into(&one)
				if one.Title != "Own" || one.LatestVersion != 2 {
					t.Errorf("%+v", one)
				}
				b.get(root+"/"+ats+"/versions"+q).wants("versions", "")
				b.get(root+"/"+ats+"/creators"+q).wants("creators", "")
				b.get(root+"/"+adasNumber+"/versions/2/creators"+q).wants("creators of a version", "")
				proved(t, b.get(root+"/"+ats+"/evidence"+q), w, id, 0)
				b.get(root+"/"+adasNumber+"/evidence"+q+map[bool]string{true: "?", false: "&"}[q == ""]+"version=1").wants("evidence of a version", "")
				b.get(root+"/"+adasNumber+"/evidence"+q+map[bool]string{true: "?", false: "&"}[q == ""]+"version=9").wants("evidence of no version", fault.CodeWorkCertificateUnavailable)
			}
			for _, path := range []string{id + "/download/certificate", id + "/download/asset", adas + "/versions/1/download/certificate", adas + "/versions/3/download/audio"} {
				w.file(b.get(root+"/"+path).wants(path, "").get("url"))
			}
			b.get(root+"/"+id+"/download/lyrics").wants("no such file", fault.CodeCommonNotFound)
		}
	})
}

// file downloads a file.
func (w *world) file(url string) []byte {
	w.t.Helper()
	res, err := w.client.Get(url)
	w.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	if res.StatusCode != 200 || len(body) == 0 {
		w.t.Errorf("%s: %d with %d bytes", url, res.StatusCode, len(body))
	}
	return body
}

// proved checks that an answer has the bytes that the command line writes.
func proved(t *testing.T, a answer, w *world, work string, version int64) {
	t.Helper()
	e, err := w.registry.Issuing.Evidence(t.Context(), work, version)
	w.must(err)
	want, err := evidence.Encode(e)
	w.must(err)
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" || !bytes.Equal(a.body, want) {
		t.Errorf("%d %s: %s", a.status, a.header, a.body)
	}
}

// A search reads a bounded number of works. Its cursor goes on, so each work is found once, on every network.
func TestSearchIsBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b := w.backend(w.org, nil)
		want := []string{"A needle of the main network", "A needle of the test network"}
		b.registered(want[1], nil)
		b.registered(want[0], map[string]any{"network": "mainnet"})
		later := store.Micros(time.Now().Add(time.Hour))
		w.must(db.Tx(t.Context(), func(tx *store.Tx) error {
			for i := range works.MaxRead + 1 {
				if err := tx.InsertWork(t.Context(), query.InsertWorkParams{
					ID: fmt.Sprintf("01890000-0000-7000-9000-%012x", i), OrganizationID: w.org, Network: "testnet", AtsID: int64(1000 + i), Title: "Hay", TitleKey: "hay", Now: later + int64(i),
				}); err != nil {
					return err
				}
			}
			return nil
		}))
		var got []string
		var pages []int
		for after, more := "", true; more; {
			var p struct {
				Works []struct{ Title string }
				Info  struct {
					Next bool   `json:"has_next_page"`
					End  string `json:"end_cursor"`
				} `json:"page_info"`
				Total int64 `json:"total_count"`
			}
			b.get("/v1/works?search=EEDLE&first=1&after=" + after).into(&p)
			for _, one := range p.Works {
				got = append(got, one.Title)
			}
			pages = append(pages, len(p.Works))
			if p.Total != 1 { // on the main network: the test network has more works that changed later
				t.Errorf("total_count is %d", p.Total)
			}
			if after, more = p.Info.End, p.Info.Next; len(pages) > 5 || more && after == "" {
				t.Fatalf("%v %+v", pages, p)
			}
		}
		if !slices.Equal(got, want) || !slices.Equal(pages, []int{0, 1, 1}) {
			t.Errorf("found %q on pages of %v", got, pages)
		}
	})
}
