package api_test

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// documented is the section "Allowed callers" of docs/authentication.md.
type documented struct {
	groups  []string                         // in the order in which a caller calls them
	routes  map[string][]string              // by group; "METHOD PATH", or only a path for any method
	callers []string                         // in the document's order
	answers map[string]map[string]fault.Code // by caller and group; none: allowed
}

var quoted = regexp.MustCompile("`([^`]+)`")

func readAuthorization(t *testing.T) documented {
	t.Helper()
	b, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "## Allowed callers\n")
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
		code := quoted.FindAllStringSubmatch(cells[len(cells)-1], -1)
		switch {
		case len(cells) == 2 && len(code) > 0:
			d.groups = append(d.groups, cells[0])
			for _, c := range code {
				d.routes[cells[0]] = append(d.routes[cells[0]], c[1])
			}
		case len(cells) == 3 && cells[0] != "who calls" && !strings.HasPrefix(cells[0], "---"):
			by := d.answers[cells[0]]
			if by == nil {
				by = map[string]fault.Code{}
				d.answers[cells[0]], d.callers = by, append(d.callers, cells[0])
			}
			for group := range strings.SplitSeq(cells[2], ", ") {
				in := []string{group}
				if group == "any session route" {
					in = d.groups[4:]
				}
				for _, g := range in {
					if g == "" {
						continue
					}
					want := fault.Code(strings.Trim(cells[1], "`"))
					if _, known := fault.Lookup(want); !known || d.routes[g] == nil || by[g] != "" {
						t.Errorf("line %q: %q for %q", line, want, g)
					}
					by[g] = want
				}
			}
		}
	}
	if len(d.groups) < 10 || !slices.Equal(d.groups[:4], []string{"open", "pages", "mint", "revoke"}) || len(d.callers) < 15 {
		t.Fatalf("read %q and %q", d.groups, d.callers)
	}
	return d
}

// scene is one set of works and jobs for a caller. Allowed calls change them, so each caller
// has its own.
type scene struct {
	*world
	title string
	// A final work of the end-user ada, by id and number.
	work, ats string
	made      tab
	code      string // of a final work without end-user
	// The sessions that began a registration, an update by code, and an update of ada's
	// work. Each job is uploaded and prepared.
	registers, holds, owns tab
	job                    map[string]string // by group
}

func (w *world) scene(title string) *scene {
	w.t.Helper()
	s := &scene{world: w, title: title, job: map[string]string{}}
	ada := map[string]any{"external_user_ref": "ada"}
	s.made = w.mint(ada)
	done := w.done(s.made.post("/v1/works/confirm", map[string]string{"job_id": s.made.prepared(title, nil)}).get("transaction_id")).Done
	s.work, s.ats = done.WorkID, strconv.FormatInt(done.AtsID, 10)
	s.made.certificate(s.work)
	s.code = w.code(title + ", for holders")
	w.mint(forUpdate).made("/v1/access/" + s.code + "/versions/1/download/certificate")

	s.registers = w.mint(ada)
	s.job["continue a registration"] = s.registers.prepared(title+", next", nil)
	begin := func(b tab, at, seed string) string {
		w.t.Helper()
		a := b.post(at+"/init-upload", map[string]any{"creators": []any{creator()}, "filename": "mix.wav"})
		job := a.get("job_id")
		w.put(a.get("upload_url"), wav(seed, 4000))
		if a := b.post(at+"/prepare", map[string]string{"job_id": job}); a.code != "" {
			w.t.Fatalf("prepare: %s", a.body)
		}
		return job
	}
	s.holds = w.mint(forUpdate)
	s.job["continue an update by code"] = begin(s.holds, "/v1/access/"+s.code+"/versions", title+" by code")
	s.owns = w.mint(map[string]any{"action_type": "update_version", "external_user_ref": "ada"})
	s.job["continue an update of an own work"] = begin(s.owns, "/v1/works/"+s.ats+"/versions", title+" by ada")
	return s
}

// right mints a session that a group of routes allows; change makes it wrong in one way.
func (s *scene) right(group string, change map[string]any) tab {
	m := map[string]any{"action_type": "access", "external_user_ref": "ada"}
	switch group {
	case "register", "continue a registration":
		m["action_type"] = "register"
	case "start an update of an own work", "continue an update of an own work":
		m["action_type"] = "update_version"
	case "look up by code", "start an update by code", "continue an update by code", "replace a code":
		m["action_type"] = "update_version"
		delete(m, "external_user_ref")
	}
	maps.Copy(m, change)
	return s.mint(m)
}

// call calls one route as a browser does. Without body, it sends a body that the route
// refuses, so that the caller must be refused first.
func (s *scene) call(by map[string]string, group, route string, body bool) answer {
	s.t.Helper()
	method, path, _ := strings.Cut(route, " ")
	path = strings.NewReplacer("{code}", s.code, "{ats_id}", s.ats, "{id}", s.work, "{v}", "1").Replace(path)
	if group == "list own works" {
		path += "?network=testnet"
	}
	if method == "GET" {
		return s.world.call(method, path, by, nil)
	}
	var content any = `{"creators": 1, "job_id": 1}`
	switch {
	case !body:
	case group == "register":
		content = work(s.title+", new", map[string]any{"external_user_ref": "ada"})
	case s.job[group] != "":
		content = map[string]string{"job_id": s.job[group]}
	default:
		content = map[string]any{"creators": []any{creator()}, "filename": "mix.wav"}
	}
	return s.world.call(method, path, by, asJSON(content))
}

// Every route, for every kind of caller, as docs/authentication.md says.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	doc := readAuthorization(t)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		everyRouteIsDocumented(t, w, doc)
		openRoutes(t, w, doc)
		tried := append(refusedEverywhere(t, w, doc), refusedBySession(t, w, doc)...)
		if d := cmp.Diff(slices.Sorted(slices.Values(doc.callers)), slices.Sorted(slices.Values(tried))); d != "" {
			t.Errorf("documented and tried callers differ: %s", d)
		}
	})
}

func everyRouteIsDocumented(t *testing.T, w *world, doc documented) {
	var listed []string
	for _, routes := range doc.routes {
		listed = append(listed, routes...)
	}
	for _, routes := range readKeys(t).routes {
		for _, r := range routes {
			listed = append(listed, r, strings.Replace(r, "/v1/works", "/v1/organizations/{org}/works", 1))
		}
	}
	seen := map[string]bool{}
	w.must(chi.Walk(w.web.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		names := regexp.MustCompile(`^(` + method + ` )?` + regexp.MustCompile(`\\\{[^/]+\\\}`).ReplaceAllString(regexp.QuoteMeta(route), `[^/]+`) + `$`)
		found := false
		for _, l := range listed {
			if names.MatchString(l) {
				seen[l], found = true, true
			}
		}
		if !found {
			t.Errorf("%s %s is not in docs/authentication.md", method, route)
		}
		return nil
	}))
	for _, l := range listed {
		if !seen[l] && !slices.Contains(doc.routes["pages"], l) { // these are not part of the API: see package main
			t.Errorf("%s is documented and not there", l)
		}
	}
}

// Open routes answer the same with any headers.
func openRoutes(t *testing.T, w *world, doc documented) {
	id := w.registered("Open")
	w.done(id)
	for _, route := range doc.routes["open"] {
		method, path, one := strings.Cut(route, " ")
		if !one {
			method, path = "GET", route
		}
		var answers []int
		for _, head := range []map[string]string{nil, {"Authorization": "Bearer x", "X-Site-Key": "x", "Origin": site}, w.mint(nil).head(), {"Authorization": "Bearer " + w.keys.SecretKey, "Origin": "https://elsewhere.example"}} {
			r, err := http.NewRequestWithContext(t.Context(), method, w.url+strings.NewReplacer("{id}", id, "*", "x").Replace(path), nil)
			w.must(err)
			for k, v := range head {
				r.Header.Set(k, v)
			}
			res, err := w.client.Do(r)
			w.must(err)
			res.Body.Close()
			answers = append(answers, res.StatusCode)
		}
		want := map[string]int{"/blob/*": 403, "/rehearsal/store": 404, "GET /v1/ws/transactions/{id}": 422}[route] // not signed; not a PUT; not a handshake
		if want == 0 {
			want = 200
		}
		if !slices.Equal(answers, []int{want, want, want, want}) {
			t.Errorf("%s: %v, want %d", route, answers, want)
		}
	}
}

// refusedEverywhere tests callers that every route refuses alike, before anything else is
// checked: an invalid body does not change the answer.
func refusedEverywhere(t *testing.T, w *world, doc documented) (tried []string) {
	s := w.scene("Door")
	other, err := account.CreateKeys(t.Context(), w.db, audit.CommandLine(), w.org, "", false)
	w.must(err)
	unknown := "cpk_" + strings.Repeat("0", 64)
	organization := func(change func(*account.Organization)) {
		t.Helper()
		_, err := account.ChangeOrganization(t.Context(), w.db, audit.CommandLine(), w.org, 0, change)
		w.must(err)
	}
	apiKey := "afo_sk_live_" + strings.Repeat("a", 48)
	key := "csk_" + strings.Repeat("0", 64)
	// Each variant changes the headers of a valid call, or its address.
	type variant struct {
		head   func(map[string]string)
		before func() (after func())
		secret string
	}
	set := func(name string, values ...string) (out []variant) {
		for _, v := range values {
			out = append(out, variant{head: func(h map[string]string) { h[name] = v }})
		}
		return out
	}
	good := w.mint(nil).token
	forged := good[:len(good)-4] + map[bool]string{true: "AAAA", false: "BBBB"}[!strings.HasSuffix(good, "AAAA")]
	callers := map[string][]variant{
		"without an `Authorization` header":   {{head: func(h map[string]string) { delete(h, "Authorization") }}},
		"with an API key in place of a token": set("Authorization", "Bearer "+apiKey, "Bearer "+w.backend(w.org, nil).key.Token),
		"with a token that this server did not sign": set("Authorization", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer a.b.c", "Bearer "+forged, "Basic "+apiKey,
			"Bearer "+w.keys.SecretKey, "Bearer "+w.keys.SiteKey, "Bearer "+s.code),
		"with a token, but a missing or malformed site key": append(set("X-Site-Key", "x", w.keys.SecretKey, apiKey, good), variant{head: func(h map[string]string) { delete(h, "X-Site-Key") }}),
		"with an unknown site key":                          set("X-Site-Key", unknown),
		"with another organization's site key":              set("X-Site-Key", other.SiteKey, w.stranger().SiteKey),
		"with a missing or invalid secret key":              {{secret: "x"}, {secret: key}, {secret: good}, {secret: w.keys.SiteKey}, {secret: apiKey}, {secret: "csk_"}},
		"with a key pair that was deleted":                  nil, // tested last: it cannot be undone
		"of a suspended organization": {{before: func() func() {
			organization(func(o *account.Organization) { o.Suspended = true })
			return func() { organization(func(o *account.Organization) { o.Suspended = false }) }
		}}},
		"with a key pair that is switched off": {{before: func() func() {
			w.must(account.EnableKey(t.Context(), w.db, audit.CommandLine(), w.org, w.keys.SiteKey, false))
			return func() { w.must(account.EnableKey(t.Context(), w.db, audit.CommandLine(), w.org, w.keys.SiteKey, true)) }
		}}},
		"where the widget is switched off": {{before: func() func() {
			organization(func(o *account.Organization) { o.WidgetEnabled = false })
			return func() { organization(func(o *account.Organization) { o.WidgetEnabled = true }) }
		}}},
		"from a page of another origin":           set("Origin", "https://elsewhere.example", "http://songs.example", "https://songs.example:8443", "null", "https://songs.example.evil.example"),
		"by a session that was revoked":           nil, // tested below, for each session
		"with a signed token that has no session": nil,
	}
	try := func(who string, v variant, group string, head map[string]string) {
		t.Helper()
		want := doc.answers[who][group]
		for _, route := range doc.routes[group] {
			var a answer
			if group == "mint" || group == "revoke" {
				b := w.mintBody(nil)
				if group == "revoke" {
					b = map[string]any{"secret_key": w.keys.SecretKey, "session_id": "x"}
				}
				if v.secret != "" {
					b["secret_key"] = v.secret
				}
				a = w.call("POST", strings.TrimPrefix(route, "POST "), head, asJSON(b))
			} else {
				a = s.call(head, group, route, false)
			}
			if a.code != want {
				t.Errorf("%s: %s %s: %d %s, want %s", who, group, route, a.status, a.body, want)
			}
		}
	}
	for _, who := range doc.callers {
		variants, door := callers[who]
		if !door {
			continue
		}
		for _, v := range variants {
			heads := map[string]map[string]string{}
			for group := range doc.answers[who] {
				heads[group] = map[string]string{"Content-Type": "application/json", "Origin": site}
				if group != "mint" && group != "revoke" {
					heads[group] = s.right(group, nil).head()
				}
				if v.head != nil {
					v.head(heads[group])
				}
			}
			after := func() {}
			if v.before != nil {
				after = v.before()
			}
			for group, head := range heads {
				try(who, v, group, head)
			}
			after()
		}
	}
	who := "by a session that was revoked"
	for group := range doc.answers[who] {
		b := s.right(group, nil)
		c, err := w.sessions.Tokens.Verify(b.token)
		w.must(err)
		_, err = session.Revoke(t.Context(), w.db, session.Which{ID: c.ID})
		w.must(err)
		try(who, variant{}, group, b.head())
	}
	who = "with a signed token that has no session"
	for group := range doc.answers[who] {
		b := s.right(group, nil)
		c, err := w.sessions.Tokens.Verify(b.token)
		w.must(err)
		c.ID = "01890000-0000-7000-8000-000000000000"
		b.token, err = w.sessions.Tokens.Sign(c)
		w.must(err)
		try(who, variant{}, group, b.head())
	}
	who = "with a key pair that was deleted"
	keys := w.keys
	w.keys = other
	heads := map[string]map[string]string{}
	for group := range doc.answers[who] {
		heads[group] = map[string]string{"Content-Type": "application/json"}
		if group != "mint" && group != "revoke" {
			heads[group] = s.right(group, nil).head()
		}
	}
	w.must(account.DeleteKey(t.Context(), w.db, audit.CommandLine(), w.org, other.SiteKey))
	for group, head := range heads {
		try(who, variant{}, group, head)
	}
	w.keys = keys
	return slices.Collect(maps.Keys(callers))
}

// refusedBySession tests callers with a valid session for another purpose, and allowed
// callers.
func refusedBySession(t *testing.T, w *world, doc documented) (tried []string) {
	const (
		madeLive   = "with a test key, for what a live key made"
		madeByTest = "with a live key, for what a test key made"
	)
	live := w.keys
	test, err := account.CreateKeys(t.Context(), w.db, audit.CommandLine(), w.org, "", true)
	w.must(err)
	stranger := w.stranger()
	same := func(b tab) []map[string]string { return []map[string]string{b.head()} }
	callers := map[string]func(*scene, string) []map[string]string{
		"by a session for another action": func(s *scene, group string) []map[string]string {
			var out []map[string]string
			for _, action := range []string{"register", "update_version", "access"} {
				right := s.right(group, nil)
				c, err := w.sessions.Tokens.Verify(right.token)
				w.must(err)
				looks := action == "access" && group == "look up by code" // has its own line in the document
				if string(c.Action) != action && !looks {
					out = append(out, s.right(group, map[string]any{"action_type": action}).head())
				}
			}
			return out
		},
		"by a session of the action `access`, to look up a code": func(s *scene, group string) []map[string]string {
			if group != "look up by code" {
				return same(s.right(group, nil))
			}
			return append(same(s.right(group, map[string]any{"action_type": "access"})), s.right(group, map[string]any{"action_type": "access", "external_user_ref": "ben"}).head())
		},
		"by a session for another network": func(s *scene, group string) []map[string]string {
			return same(s.right(group, map[string]any{"allowed_network": "mainnet"}))
		},
		"of another organization": func(s *scene, group string) []map[string]string {
			ours := w.keys
			defer func() { w.keys = ours }()
			w.keys = stranger
			return same(s.right(group, nil))
		},
		madeLive: func(s *scene, group string) []map[string]string {
			return same(s.right(group, nil)) // the test key is enabled by then
		},
		madeByTest: func(s *scene, group string) []map[string]string { return same(s.right(group, nil)) },
		"for another end-user": func(s *scene, group string) []map[string]string {
			return same(s.right(group, map[string]any{"external_user_ref": "ben"}))
		},
		"for no end-user": func(s *scene, group string) []map[string]string {
			return same(s.right(group, map[string]any{"external_user_ref": nil}))
		},
		"by a session for another work": func(s *scene, group string) []map[string]string {
			return same(s.right(group, map[string]any{"allowed_ats_id": 999}))
		},
		"by a session that started another job": func(s *scene, group string) []map[string]string {
			b := s.right(group, nil)
			c, err := w.sessions.Tokens.Verify(b.token)
			w.must(err)
			w.must(w.db.Tx(t.Context(), func(tx *store.Tx) error {
				return session.Caller{SessionID: c.ID}.Spend(t.Context(), tx, "01890000-0000-7000-8000-000000000000")
			}))
			return same(b)
		},
		"the right caller": func(s *scene, group string) []map[string]string { return same(s.right(group, nil)) },
		// The two callers whose sessions were made before the clock was moved forward.
		"by a session that has expired": func(s *scene, group string) []map[string]string { return same(s.right(group, nil)) },
		"by the session that began the job, expired": func(s *scene, group string) []map[string]string {
			switch group {
			case "download a certificate":
				return same(s.made)
			case "continue an update by code", "replace a code":
				return same(s.holds)
			case "continue an update of an own work":
				return same(s.owns)
			case "continue a registration":
				return same(s.registers)
			}
			return same(s.right(group, nil))
		},
	}
	type call struct {
		who, group string
		scene      *scene
		heads      []map[string]string
	}
	var now, later []call
	for _, who := range doc.callers {
		heads, here := callers[who]
		if !here {
			continue
		}
		if who == madeByTest {
			w.keys = test
		}
		s := w.scene(who)
		if w.keys = live; who == madeLive {
			w.keys = test
		}
		for _, group := range doc.groups[4:] {
			c := call{who, group, s, heads(s, group)}
			if strings.Contains(who, "expired") {
				later = append(later, c)
			} else {
				now = append(now, c)
			}
		}
		w.keys = live
	}
	run := func(calls []call) {
		for _, c := range calls {
			want := doc.answers[c.who][c.group]
			for _, head := range c.heads {
				for i, route := range doc.routes[c.group] {
					if want == "" && i > 0 && (c.group == "start an update by code" || c.group == "start an update of an own work") {
						head = c.scene.right(c.group, nil).head() // the first session has begun a job
					}
					a := c.scene.call(head, c.group, route, true)
					if strings.Contains(route, "/parts") && a.code == fault.CodeRegistrationUploadMissing {
						a.code = "" // the caller may, and no upload has begun
					}
					if a.code != want {
						t.Errorf("%s: %s %s: %d %s, want %q", c.who, c.group, route, a.status, a.body, want)
					}
				}
			}
		}
	}
	run(now)
	w.ahead.Add(int64(session.DefaultLifetime))
	run(later)
	return slices.Collect(maps.Keys(callers))
}

// stranger is another organization, with keys and credits, on the same server and page.
func (w *world) stranger() account.KeyPair {
	w.t.Helper()
	org, err := account.CreateOrganization(w.t.Context(), w.db, audit.CommandLine(), "Strangers")
	w.must(err)
	keys, err := account.CreateKeys(w.t.Context(), w.db, audit.CommandLine(), org.ID, "", false)
	w.must(err)
	_, err = account.AddOrigin(w.t.Context(), w.db, audit.CommandLine(), org.ID, site)
	w.must(err)
	w.must(w.db.Tx(w.t.Context(), func(tx *store.Tx) error {
		return credits.Grant(w.t.Context(), tx, audit.CommandLine(), org.ID, 1000, "")
	}))
	return keys
}
