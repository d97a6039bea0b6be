package console_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/console"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
	"timbre.example/internal/people"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/web"
)

const password = "a long walk in the rain"

// site is a console on a real port.
type site struct {
	t      *testing.T
	url    string
	people *people.Service
	mu     sync.Mutex
	ahead  time.Duration
}

func (s *site) pass(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.ahead += d }

func serve(t *testing.T, db *store.DB, change ...func(*people.Config)) *site {
	t.Helper()
	s := &site{t: t}
	db.Now = func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return time.Now().Add(s.ahead) }
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.url = server.URL
	c := people.Config{DB: db, Key: []byte(strings.Repeat("k", 32)), URL: s.url}
	for _, f := range change {
		f(&c)
	}
	var err error
	if s.people, err = people.New(c); err != nil {
		t.Fatal(err)
	}
	pages, err := console.New(console.Config{PublicURL: c.URL, Key: c.Key, DB: db, People: s.people, Transactions: transactions.Config{Requests: requestlog.New(db, time.Hour, slog.New(slog.DiscardHandler))}})
	if err != nil {
		t.Fatal(err)
	}
	router := web.New(web.Config{PublicURL: c.URL, Version: "test", Log: slog.New(slog.DiscardHandler), Limits: &limit.Limits{}, Streams: 1, Metrics: metrics.New("test", "testnet"), Ping: db.Ping}, nil)
	router.Mount(console.Root, pages)
	handler = router
	return s
}

// visitor is a browser without scripts that follows redirects and keeps cookies.
type visitor struct {
	*site
	client http.Client
}

func (s *site) browser() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &visitor{s, http.Client{Jar: jar}}
}

// page is an answer.
type page struct {
	status int
	path   string // where the redirects ended, with the query
	body   string
	head   http.Header
}

func (p page) has(t *testing.T, status int, texts ...string) page {
	t.Helper()
	if p.status != status {
		t.Fatalf("%s: %d, want %d\n%s", p.path, p.status, status, p.body)
	}
	for _, text := range texts {
		if !strings.Contains(p.body, html.EscapeString(text)) && !strings.Contains(p.body, text) {
			t.Fatalf("%s has no %q\n%s", p.path, text, p.body)
		}
	}
	return p
}

func (b *visitor) send(r *http.Request) page {
	b.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	var body strings.Builder
	if _, err := fmt.Fprint(&body, readAll(b.t, res)); err != nil {
		b.t.Fatal(err)
	}
	return page{res.StatusCode, res.Request.URL.RequestURI(), body.String(), res.Header}
}

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	var b strings.Builder
	buf := make([]byte, 1<<16)
	for {
		n, err := res.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

func (b *visitor) get(path string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send(r)
}

var (
	forms  = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)"[^>]*>(.*?)</form>`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// fill sends the form of a page with this action, with its hidden fields and these values.
func (b *visitor) fill(p page, action string, pairs ...string) page {
	b.t.Helper()
	for _, f := range forms.FindAllStringSubmatch(p.body, -1) {
		if html.UnescapeString(f[1]) != action {
			continue
		}
		values := url.Values{}
		for _, h := range hidden.FindAllStringSubmatch(f[2], -1) {
			values.Set(h[1], html.UnescapeString(h[2]))
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			values.Set(pairs[i], pairs[i+1])
		}
		return b.post(action, values)
	}
	b.t.Fatalf("%s has no form %s\n%s", p.path, action, p.body)
	return page{}
}

func (b *visitor) post(path string, values url.Values, head ...string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.url)
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	return b.send(r)
}

// first makes the first owner by the printed link.
func (b *visitor) first() (organization string) {
	b.t.Helper()
	token, err := b.people.FirstLink(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	link := strings.TrimPrefix(b.people.LinkURL("/console/first", token), b.url)
	p := b.fill(b.get(link).has(b.t, 200), "/console/first", "email", "owner@label.example", "name", "Olivia", "password", password, "organization", "Blue Label").has(b.t, 200)
	b.get(link).has(b.t, 404)
	organization, _, _ = strings.Cut(strings.TrimPrefix(p.path, "/console/o/"), "/")
	return organization
}

func (b *visitor) signIn(email, secret string) page {
	b.t.Helper()
	return b.fill(b.get("/console/sign-in"), "/console/sign-in", "email", email, "password", secret)
}

// code is what an authenticator app shows: written here once more, from RFC 6238.
func code(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	from := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[from:])&0x7fffffff)%1000000)
}

var (
	keyText = regexp.MustCompile(`<code dir="ltr">([A-Z2-7]{32})</code>`)
	copied  = regexp.MustCompile(`<dd><span class="copy"><code dir="ltr">([^<]*)</code>`)
)

// A first owner is made, sets up a second factor, signs in with it and with a recovery code, and
// changes the password: all by forms without a script.
func TestAccount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := serve(t, db)
		b := s.browser()
		org := b.first()
		p := b.get("/console/account").has(t, 200, "owner@label.example", "Olivia")
		for _, header := range []string{"Cache-Control: no-store", "X-Frame-Options: DENY"} {
			name, want, _ := strings.Cut(header, ": ")
			if p.head.Get(name) != want {
				t.Errorf("%s: %q", name, p.head.Get(name))
			}
		}
		b.fill(p, "/console/account", "name", "Olivia B.", "language", "fr").has(t, 200, "Enregistré")
		// The page that was open before now has an older revision, and its change is refused.
		b.fill(p, "/console/account", "name", "Somebody", "language", "en").has(t, 409, "Olivia B.")
		p = b.get("/console/account")
		b.fill(p, "/console/account", "name", "Olivia", "language", "en").has(t, 200)

		p = b.get("/console/account/second-factor").has(t, 200)
		secret := keyText.FindStringSubmatch(p.body)[1]
		p = b.fill(p, "/console/account/second-factor", "code", "000000").has(t, 422, "The code is wrong")
		if keyText.FindStringSubmatch(p.body)[1] != secret {
			t.Error("a wrong code changes the secret")
		}
		used := code(t, secret, db.Now())
		p = b.fill(p, "/console/account/second-factor", "code", used).has(t, 200, "Recovery codes")
		codes := strings.Fields(copied.FindStringSubmatch(p.body)[1])
		if len(codes) != people.RecoveryCodes {
			t.Fatalf("%d codes: %s", len(codes), codes)
		}
		b.get("/console/account").has(t, 200, "10 recovery codes are left")

		other := s.browser()
		p = other.signIn("owner@label.example", password).has(t, 200, "authenticator app")
		other.get("/console/account").has(t, 200, "Sign in") // not yet
		other.fill(p, "/console/sign-in/second", "code", used).has(t, 422)
		s.pass(time.Minute)
		fresh := code(t, secret, db.Now())
		p = other.fill(p, "/console/sign-in/second", "code", fresh[:3]+" "+fresh[3:]).has(t, 200)
		if !strings.HasPrefix(p.path, "/console/o/"+org+"/") {
			t.Errorf("after the sign-in: %s", p.path)
		}
		third := s.browser()
		p = third.signIn("owner@label.example", password)
		third.fill(p, "/console/sign-in/second", "code", fresh).has(t, 422) // used
		third.fill(p, "/console/sign-in/second", "code", strings.ToUpper(codes[3])).has(t, 200)
		p = s.browser().signIn("owner@label.example", password)
		again := s.browser()
		p = again.signIn("owner@label.example", password)
		again.fill(p, "/console/sign-in/second", "code", codes[3]).has(t, 422) // used
		third.get("/console/account").has(t, 200, "9 recovery codes are left")

		p = b.get("/console/account")
		b.fill(p, "/console/account/password", "current", "wrong", "password", "another long password").has(t, 422, "The current password is wrong")
		b.fill(p, "/console/account/password", "current", password, "password", "password12").has(t, 422, "easy to guess")
		b.fill(p, "/console/account/password", "current", password, "password", "another long password").has(t, 200, "All other sessions have ended")
		other.get("/console/account").has(t, 200, "Sign in")
		b.get("/console/account").has(t, 200, "Olivia")

		// A dangerous change asks again when the proof is old.
		s.pass(people.Recent + time.Minute)
		p = b.fill(b.get("/console/account"), "/console/account/second-factor/off").has(t, 200, "Is it you?")
		b.fill(p, "/console/account/prove", "secret", "wrong").has(t, 422)
		p = b.fill(p, "/console/account/prove", "secret", "another long password").has(t, 200, "Authenticator app")
		b.fill(p, "/console/account/second-factor/off").has(t, 200, "The authenticator app is off")
		fourth := s.browser()
		fourth.signIn("owner@label.example", "another long password").has(t, 200)
		fourth.get("/console/account").has(t, 200, "Olivia")
		fourth.fill(fourth.get("/console/account"), "/console/sign-out").has(t, 200, "Sign in")
		fourth.get("/console/account").has(t, 200, "Sign in")
	})
}

// Members are invited by a link that is for one address, have roles that act at once, and the last
// owner stays.
func TestMembers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := serve(t, db)
		owner := s.browser()
		org := owner.first()
		at := "/console/o/" + org + "/people"
		p := owner.get(at).has(t, 200, "owner@label.example")
		owner.fill(p, at, "email", "аnna@label.example", "role", "admin").has(t, 422, "Enter an e-mail address") // a Cyrillic а
		owner.fill(p, at, "email", "owner@label.example", "role", "admin").has(t, 422, "member already")
		p = owner.fill(p, at, "email", "Anna@Label.example", "role", "admin").has(t, 200, "anna@label.example is invited")
		link := html.UnescapeString(copied.FindStringSubmatch(p.body)[1])
		path := strings.TrimPrefix(link, s.url)
		// A visitor with another address cannot take it.
		owner.get(path).has(t, 200, "Sign out, and open the link again")
		owner.post("/console/invitation/accept", url.Values{"token": {"x"}}).has(t, 403)

		anna := s.browser()
		p = anna.fill(anna.get(path).has(t, 200, "Blue Label"), "/console/invitation", "name", "Anna", "password", password).has(t, 200)
		if !strings.HasPrefix(p.path, "/console/o/"+org) {
			t.Error(p.path)
		}
		s.browser().get(path).has(t, 404)
		p = anna.get(at).has(t, 200, "owner@label.example", "Anna")
		members, err := s.people.Members(t.Context(), org, people.Part{Most: 10})
		if err != nil || len(members) != 2 {
			t.Fatal(members, err)
		}
		annaAt, ownerAt := at+"/"+members[0].PersonID, at+"/"+members[1].PersonID
		// An admin can neither make an owner nor remove one.
		anna.fill(anna.get(ownerAt), ownerAt, "role", "viewer").has(t, 403)
		anna.fill(anna.get(annaAt), annaAt, "role", "owner").has(t, 403)
		anna.fill(anna.get(ownerAt), ownerAt+"/remove").has(t, 403)
		anna.fill(p, at, "email", "zoe@label.example", "role", "owner").has(t, 403)
		// The last owner stays.
		owner.fill(owner.get(ownerAt), ownerAt, "role", "admin").has(t, 403, "at least one owner")
		owner.fill(owner.get(at), at+"/leave").has(t, 403, "at least one owner")
		// A role acts at once, in the session that runs.
		p = anna.get(at).has(t, 200, "Invite a person")
		owner.fill(owner.get(annaAt), annaAt, "role", "viewer").has(t, 200, "The role was changed")
		anna.fill(p, at, "email", "zoe@label.example", "role", "viewer").has(t, 403)
		anna.get(at+"/invitations").has(t, 403)
		owner.fill(owner.get(annaAt), annaAt+"/remove").has(t, 200, "The member was removed")
		anna.get(at).has(t, 404)
		anna.get("/console/").has(t, 200, "You are not a member")
		anna.get("/console/operator/organizations").has(t, 404)
	})
}

// The operator sees all organizations, suspends one with a reason, grants credits, and opens its pages
// for an hour. Its audit log names the operator.
func TestOperator(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := serve(t, db)
		b := s.browser()
		b.first()
		const at = "/console/operator/organizations"
		p := b.fill(b.get(at).has(t, 200, "Blue Label"), at, "name", "Red Label", "email", "rita@red.example").has(t, 200, "Red Label", "/console/invitation?token=")
		one, _, _ := strings.Cut(p.path, "?")
		org := one[strings.LastIndexByte(one, '/')+1:]
		b.get(at+"?q=red").has(t, 200, "Red Label")
		if strings.Contains(b.get(at+"?q=red").body, "Blue Label") {
			t.Error("the search finds everything")
		}
		b.fill(p, one+"/grant", "amount", "250", "note", "start").has(t, 200, "250")
		b.fill(p, one+"/grant", "amount", "-1", "note", "start").has(t, 422)
		p = b.fill(p, one+"/suspend", "reason", "unpaid").has(t, 200, "The organization is suspended")
		b.fill(p, one+"/resume", "reason", "paid").has(t, 200, "active again")
		inside := "/console/o/" + org + "/people"
		b.get(inside).has(t, 404)
		b.fill(b.get(one), one+"/visit", "reason", "ticket 7").has(t, 200)
		p = b.get(inside).has(t, 200)
		b.fill(p, inside, "email", "new@red.example", "role", "viewer").has(t, 200)
		s.pass(people.VisitLife + time.Second)
		b.get(inside).has(t, 404)
		list, err := audit.List(t.Context(), db, audit.Filter{Organization: org}, "", 50)
		if err != nil {
			t.Fatal(err)
		}
		var actions []string
		for _, e := range list.Entries {
			actions = append(actions, string(e.Actor.Kind)+" "+e.Action)
		}
		for _, want := range []string{"operator organization.created", "operator invitation.created", "operator credits.granted", "operator organization.suspended", "operator organization.resumed", "operator organization.visited"} {
			if !strings.Contains(strings.Join(actions, "\n"), want) {
				t.Errorf("the audit log lacks %q:\n%s", want, strings.Join(actions, "\n"))
			}
		}
		for _, a := range actions {
			if strings.HasPrefix(a, "person") {
				t.Errorf("the operator is named as %q", a)
			}
		}
	})
}

// A session is bound to its browser: forms of other origins, tokens of other sessions and cookies
// from before a sign-in do nothing.
func TestForgery(t *testing.T) {
	t.Parallel()
	s := serve(t, storetest.SQLite(t))
	b := s.browser()
	b.first()
	p := b.get("/console/account")
	token := hidden.FindStringSubmatch(forms.FindStringSubmatch(p.body)[2])[2]
	other := s.browser()
	other.signIn("owner@label.example", password).has(t, 200)
	values := url.Values{"csrf": {token}}
	other.post("/console/account/sessions/end", values).has(t, 403)
	b.post("/console/account/sessions/end", url.Values{}).has(t, 403)
	b.post("/console/account/sessions/end", values, "Origin", "https://evil.example").has(t, 403)
	b.post("/console/account/sessions/end", values, "Sec-Fetch-Site", "cross-site").has(t, 403)
	b.post("/console/account/sessions/end", values).has(t, 200)
	other.get("/console/account").has(t, 200, "Sign in")

	// A cookie that somebody has put into the browser is not the session after the sign-in.
	fixed := s.browser()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	const planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	fixed.client.Jar.SetCookies(u, []*http.Cookie{{Name: "timbre_session", Value: planted, Path: "/"}})
	fixed.signIn("owner@label.example", password).has(t, 200)
	for _, c := range fixed.client.Jar.Cookies(u) {
		if c.Name == "timbre_session" && c.Value == planted {
			t.Error("the session has the planted token")
		}
	}
	p = fixed.fill(fixed.get("/console/account"), "/console/sign-out")
	for _, next := range []string{"//evil.example", "https://evil.example", "/console/..//evil.example", "/console/\\evil.example"} {
		p = fixed.fill(fixed.get("/console/sign-in?next="+url.QueryEscape(next)), "/console/sign-in", "email", "owner@label.example", "password", password)
		if !strings.HasPrefix(p.path, "/console/") || p.status != 200 {
			t.Errorf("%s leads to %s", next, p.path)
		}
		fixed.fill(fixed.get("/console/account"), "/console/sign-out")
	}
}

// An address with an account, and one without, get the same answers.
func TestEnumeration(t *testing.T) {
	t.Parallel()
	s := serve(t, storetest.SQLite(t), func(c *people.Config) { c.Mail, c.SignUp = true, true })
	s.browser().first()
	strip := regexp.MustCompile(`(?s)value="[^"]*"|<footer>.*</footer>|data-options="[^"]*"`)
	same := func(what string, f func(b *visitor, email string) page) {
		known, unknown := f(s.browser(), "owner@label.example"), f(s.browser(), "nobody@label.example")
		if known.status != unknown.status || known.path != unknown.path || strip.ReplaceAllString(known.body, "") != strip.ReplaceAllString(unknown.body, "") {
			t.Errorf("%s differs: %d %s, %d %s\n%s\n%s", what, known.status, known.path, unknown.status, unknown.path, known.body, unknown.body)
		}
	}
	same("sign-in", func(b *visitor, email string) page { return b.signIn(email, "wrong password") })
	same("recovery", func(b *visitor, email string) page {
		return b.fill(b.get("/console/recover"), "/console/recover", "email", email)
	})
	same("sign-up", func(b *visitor, email string) page {
		return b.fill(b.get("/console/sign-up"), "/console/sign-up", "email", email)
	})
}
