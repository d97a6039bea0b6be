package api_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// readKeys reads the section "Allowed API keys" of docs/authentication.md.
func readKeys(t *testing.T) documented {
	t.Helper()
	b, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "## Allowed API keys\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !ok {
		t.Fatal("no such section")
	}
	d := documented{routes: map[string][]string{}, answers: map[string]map[string]fault.Code{}}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case len(cells) == 2 && strings.HasSuffix(cells[0], " by key"):
			for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
				d.routes[cells[0]] = append(d.routes[cells[0]], m[1])
			}
			if d.routes[cells[0]] != nil {
				d.groups = append(d.groups, cells[0])
			}
		case len(cells) == 3 && cells[0] != "who calls with a key" && !strings.HasPrefix(cells[0], "---"):
			if d.answers[cells[0]] == nil {
				d.answers[cells[0]], d.callers = map[string]fault.Code{}, append(d.callers, cells[0])
			}
			groups := strings.Split(cells[2], ", ")
			switch cells[2] {
			case "any route by key":
				groups = d.groups
			case "":
				groups = nil
			}
			for _, g := range groups {
				want := fault.Code(strings.Trim(cells[1], "`"))
				if _, known := fault.Lookup(want); !known || d.routes[g] == nil || d.answers[cells[0]][g] != "" {
					t.Errorf("line %q: %q for %q", line, want, g)
				}
				d.answers[cells[0]][g] = want
			}
		}
	}
	if len(d.groups) != 7 || len(d.callers) < 20 {
		t.Fatalf("read %q and %q", d.groups, d.callers)
	}
	return d
}

// stage is one set of works and jobs for a caller with a key. Allowed calls change them, so
// each caller has its own.
type stage struct {
	backend
	title     string
	work, ats string
	job       map[string]string // by group; each is uploaded and prepared
}

// maker begins the jobs of a stage: a key, or a session.
type maker interface {
	post(path string, body any) answer
}

func (b backend) stage(title string) *stage {
	b.t.Helper()
	s := &stage{backend: b, title: title, job: map[string]string{}}
	s.work, s.ats, _ = b.registered(title, map[string]any{"external_user_ref": "ada"})
	s.begin(b, nil)
	return s
}

// begin begins the stage's jobs, as a key or as sessions of its end-user.
func (s *stage) begin(register, update maker) {
	s.t.Helper()
	prepare := func(by maker, root, seed string, a answer) string {
		s.t.Helper()
		a.wants("init", "")
		s.put(a.get("upload_url"), wav(seed, 4000)).wants("upload", "")
		by.post(root+"/prepare", map[string]any{"job_id": a.get("job_id")}).wants("prepare", "")
		return a.get("job_id")
	}
	if update == nil {
		update = register
	}
	title := s.title + ", next"
	s.job["continue a registration by key"] = prepare(register, "/v1/works", title, register.post("/v1/works/init", work(title, map[string]any{"external_user_ref": "ada"})))
	root := "/v1/works/" + s.ats + "/versions"
	s.job["continue an update by key"] = prepare(update, root, s.title+", mix", update.post(root+"/init-upload", map[string]any{"creators": []any{creator()}, "filename": "mix.wav"}))
}

// call calls one route. Without body, it sends a body that the route refuses, so that the
// caller must be refused first.
func (s *stage) call(head map[string]string, organization, group, route string, body bool, change map[string]any) answer {
	s.t.Helper()
	method, path, _ := strings.Cut(route, " ")
	path = strings.NewReplacer("{ats_id}", s.ats, "{id}", s.work, "{v}", "1").Replace(path)
	if organization != "" {
		path = strings.Replace(path, "/v1/", "/v1/organizations/"+organization+"/", 1)
	}
	if method == "GET" {
		return s.world.call(method, path, head, nil)
	}
	var content any = `{"creators": 1, "job_id": 1}`
	if body {
		m := map[string]any{"creators": []any{creator()}, "filename": "mix.wav", "network": "testnet"}
		switch {
		case group == "register by key":
			m = work(s.title+", new "+organization, nil)
		case s.job[group] != "":
			m = map[string]any{"job_id": s.job[group], "network": "testnet"}
		}
		maps.Copy(m, change)
		content = m
	}
	return s.world.call(method, path, head, asJSON(content))
}

// Every route for API keys, for every kind of caller, on both paths, as
// docs/authentication.md says.
func TestKeyAuthorization(t *testing.T) {
	t.Parallel()
	doc := readKeys(t)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		other := w.other()
		tried := append(keysRefusedEverywhere(t, w, doc, other), keysRefusedByWork(t, w, doc, other)...)
		if d := cmp.Diff(slices.Sorted(slices.Values(doc.callers)), slices.Sorted(slices.Values(tried))); d != "" {
			t.Errorf("documented and tried callers differ: %s", d)
		}
	})
}

// keysRefusedEverywhere tests callers that are refused before anything else is checked: an
// invalid body does not change the answer.
func keysRefusedEverywhere(t *testing.T, w *world, doc documented, other string) (tried []string) {
	s := w.backend(w.org, nil).stage("Door")
	until := w.db.Now().Add(time.Hour)
	expiring := w.backend(w.org, func(r *apikey.Request) { r.ExpiresAt = &until })
	revoked := w.backend(w.org, nil)
	_, err := w.apikeys.Revoke(t.Context(), audit.CommandLine(), w.org, revoked.key.ID)
	w.must(err)
	token := s.key.Token
	bearer := func(tokens ...string) (heads []map[string]string) {
		for _, token := range tokens {
			heads = append(heads, map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"})
		}
		return heads
	}
	type caller struct {
		heads         []map[string]string
		before, after func()
		in            []string // the organizations in the path
	}
	both := []string{"", w.org}
	suspend := func(on bool) func() {
		return func() {
			row, err := w.db.Read().GetOrganization(t.Context(), w.org)
			w.must(err)
			row.SuspendedAt.Int64, row.SuspendedAt.Valid = 1, on
			w.must(w.db.Tx(t.Context(), func(tx *store.Tx) error {
				return tx.SetOrganization(t.Context(), query.SetOrganizationParams{ID: w.org, WidgetEnabled: true, SuspendedAt: row.SuspendedAt, AssetStorage: row.AssetStorage})
			}))
		}
	}
	callers := map[string]caller{
		"without an `Authorization` header": {heads: []map[string]string{{"Content-Type": "application/json"}, {"Cookie": "session=" + token, "X-Site-Key": w.keys.SiteKey, "Origin": site}}, in: both},
		"with a malformed key": {heads: bearer("afo_", "afo_sk_live_", token[:len(token)-1], token+"0", token[:12]+strings.ToUpper(token[12:])+"g", strings.Replace(token, "live", "test", 1)+"0",
			token[:12]+strings.Repeat("0", 48), "afo_sk_live_ "+token[12:]), in: both},
		"with an unknown key":                    {heads: bearer("afo_sk_live_0000000000000000000000000000000000000000963fbb8e", strings.Replace(token, "live", "test", 1)), in: both},
		"with a key that was revoked":            {heads: bearer(revoked.key.Token), in: both},
		"with a key that has expired":            {heads: bearer(expiring.key.Token), before: func() { w.ahead.Add(int64(time.Hour)) }, after: func() { w.ahead.Add(-int64(time.Hour)) }, in: both},
		"with a key of a suspended organization": {heads: bearer(token), before: suspend(true), after: suspend(false), in: both},
		"with another organization in the path":  {heads: bearer(token), in: []string{other, "01890000-0000-7000-8000-0000000000ff", "x", strings.Replace(w.org, "-", "", 1), w.org + "%00", "%20" + w.org}},
		"with a session token and an organization in the path": {
			heads: []map[string]string{w.mint(map[string]any{"external_user_ref": "ada"}).head(), w.mint(map[string]any{"external_user_ref": "ada", "action_type": "update_version"}).head()}, in: []string{w.org},
		},
	}
	for who, c := range callers {
		tried = append(tried, who)
		if c.before != nil {
			c.before()
		}
		for group, want := range doc.answers[who] {
			for _, route := range doc.routes[group] {
				for _, head := range c.heads {
					for _, organization := range c.in {
						if a := s.call(head, organization, group, route, false, nil); a.code != want {
							t.Errorf("%s: %s in %q with %.30s: %d %s, want %s", who, route, organization, head["Authorization"], a.status, a.body, want)
						}
					}
				}
			}
		}
		if c.after != nil {
			c.after()
		}
	}
	// Every scope, before the body is read.
	w.must(w.db.Tx(t.Context(), func(tx *store.Tx) error { return forget(t, tx, w.org) }))
	for _, scope := range permission.Scopes() {
		who := "with the scope `" + string(scope) + "` alone"
		tried = append(tried, who)
		b := w.backend(w.org, scoped(string(scope)))
		for _, group := range doc.groups {
			want := doc.answers[who][group]
			for _, route := range doc.routes[group] {
				for _, organization := range both {
					a := s.call(b.head(), organization, group, route, false, nil)
					if want == "" && a.code != fault.CodeCommonValidationFailed && a.code != "" || want != "" && a.code != want {
						t.Errorf("%s: %s in %q: %d %s, want %q", who, route, organization, a.status, a.body, want)
					}
					if want != "" && a.err.Details["required"] == nil {
						t.Errorf("%s: %s: %s", who, route, a.body)
					}
				}
			}
		}
	}
	w.must(w.db.Tx(t.Context(), func(tx *store.Tx) error { return forget(t, tx, w.org) }))
	return tried
}

// forget revokes the keys of an organization, which has room for new ones then.
func forget(t *testing.T, tx *store.Tx, organization string) error {
	keys, err := tx.ListAPIKeys(t.Context(), query.ListAPIKeysParams{OrganizationID: organization, Before: "~", Lim: 1000})
	for _, k := range keys {
		if err == nil {
			_, err = tx.RevokeAPIKey(t.Context(), query.RevokeAPIKeyParams{ID: k.ID, OrganizationID: organization, Now: 1})
		}
	}
	return err
}

// keysRefusedByWork tests callers with a valid key for other works and jobs, and allowed
// callers.
func keysRefusedByWork(t *testing.T, w *world, doc documented, other string) (tried []string) {
	session := func(action string) tab {
		return w.mint(map[string]any{"action_type": action, "external_user_ref": "ada"})
	}
	with := func(head map[string]string, name, value string) map[string]string {
		out := maps.Clone(head)
		out[name] = value
		return out
	}
	plain := func(b backend) func(string) map[string]string {
		return func(string) map[string]string { return b.head() }
	}
	as := func(organization string, change func(*apikey.Request)) func() backend {
		return func() backend { return w.backend(organization, change) }
	}
	for i, c := range []struct {
		who    string
		by     func() backend // what began the jobs
		caller func() backend // nil: the same
		alias  string
		change map[string]any
		began  bool // by sessions
	}{
		{who: "with a key of another organization", by: as(w.org, nil), caller: as(other, nil), alias: other},
		{who: "with a test API key, for what a live key made", by: as(w.org, nil), caller: as(w.org, test), alias: w.org},
		{who: "with a live API key, for what a test key made", by: as(w.org, test), caller: as(w.org, nil), alias: w.org},
		{who: "with another key of the organization", by: as(w.org, nil), caller: as(w.org, nil), alias: w.org},
		{who: "with a key, for a job that a session began", by: as(w.org, nil), alias: w.org, began: true},
		{who: "with a key, and another end-user in the body", by: as(w.org, nil), alias: w.org, change: map[string]any{"external_user_ref": "ben"}},
		{who: "with a key, from a page of another origin", by: as(w.org, nil), alias: w.org},
		{who: "the right key", by: as(w.org, nil), alias: w.org, change: map[string]any{"external_user_ref": "ada"}},
		{who: "by a session of the same end-user, for a job that a key began", by: as(w.org, nil)},
	} {
		tried = append(tried, c.who)
		by := c.by()
		s := by.stage("Work " + string(rune('A'+i)))
		if c.began {
			s.title += " again"
			s.begin(session("register"), session("update_version"))
		}
		head := plain(by)
		if c.caller != nil {
			head = plain(c.caller())
		}
		organizations := []string{"", c.alias}
		switch c.who {
		case "with a key, from a page of another origin":
			head = func(string) map[string]string {
				return with(with(by.head(), "Origin", "https://elsewhere.example"), "X-Site-Key", "x")
			}
		case "by a session of the same end-user, for a job that a key began":
			organizations = []string{""}
			head = func(group string) map[string]string {
				return session(map[bool]string{true: "update_version", false: "register"}[strings.Contains(group, "update")]).head()
			}
		}
		for _, group := range doc.groups {
			want, refuses := doc.answers[c.who][group]
			if !refuses && strings.HasPrefix(c.who, "by a session") {
				continue
			}
			for _, route := range doc.routes[group] {
				for _, organization := range organizations {
					a := s.call(head(group), organization, group, route, true, c.change)
					// The same step of a job succeeds once; an update in progress, and a job
					// without an upload, are refused after the caller.
					late := slices.Contains([]fault.Code{fault.CodeTransactionAlreadyConfirmed, fault.CodeVersionAlreadyInProgress, fault.CodeRegistrationUploadMissing, fault.CodeWorkAlreadyRegistered}, a.code)
					if a.code != want && (want != "" || !late) {
						t.Errorf("%s: %s in %q: %d %s, want %q", c.who, route, organization, a.status, a.body, want)
					}
				}
			}
		}
		w.must(w.db.Tx(t.Context(), func(tx *store.Tx) error { return forget(t, tx, w.org) }))
	}
	return tried
}
