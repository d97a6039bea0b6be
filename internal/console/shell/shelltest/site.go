package shelltest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/web"
)

// PublicURL is where a [Site] believes to be served.
const PublicURL = "https://console.example"

// Site is a console with an organization that has a member of each role.
type Site struct {
	Shell        *shell.Shell
	DB           *store.DB
	Organization string // its id
	t            testing.TB
	router       *web.Router
	sessions     map[string]session
}

type session struct{ token, id, person string }

// Outsider and Operator are visitors who are no members; "" has no session.
const (
	Outsider = "outsider"
	Operator = "operator"
)

// Open builds a console from areas, on a migrated database.
func Open(t testing.TB, db *store.DB, areas ...shell.Area) *Site {
	t.Helper()
	service, err := people.New(people.Config{DB: db, Key: make([]byte, 32), URL: PublicURL})
	if err != nil {
		t.Fatal(err)
	}
	return OpenPeople(t, db, service, areas...)
}

// OpenPeople is Open with a service for people that the caller has configured.
func OpenPeople(t testing.TB, db *store.DB, service *people.Service, areas ...shell.Area) *Site {
	t.Helper()
	s, err := shell.New(shell.Config{PublicURL: PublicURL, Key: []byte("a key for tests, with 32 bytes.."), Session: service.Session, Member: service.Member, Now: db.Now}, areas...)
	if err != nil {
		t.Fatal(err)
	}
	return OpenShell(t, db, s)
}

// OpenShell serves a console that is built already.
func OpenShell(t testing.TB, db *store.DB, s *shell.Shell) *Site {
	t.Helper()
	site := &Site{Shell: s, DB: db, t: t, Organization: newID(t), sessions: map[string]session{}}
	site.router = web.New(web.Config{PublicURL: PublicURL, Version: "test", Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)), Limits: &limit.Limits{}, Streams: 1, Metrics: metrics.New("test", "testnet"), Ping: db.Ping}, nil)
	site.router.Mount(shell.Root, s)
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		return tx.InsertOrganization(t.Context(), query.InsertOrganizationParams{ID: site.Organization, Name: "Blue Note & Söhne", CreatedAt: store.Micros(tx.Now)})
	}); err != nil {
		t.Fatal(err)
	}
	for _, role := range permission.Roles() {
		site.Join(string(role), role)
	}
	site.Join(Outsider, "")
	site.Join(Operator, "")
	return site
}

// Handler serves the site, for tests with a browser.
func (s *Site) Handler() http.Handler { return s.router }

func newID(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// Join adds a person with a session, and a role in the organization if there is one.
func (s *Site) Join(name string, role permission.Role) {
	s.t.Helper()
	secret := sha256.Sum256([]byte(s.Organization + name)) // another site may have the same database
	one := session{token: base64.RawURLEncoding.EncodeToString(secret[:]), id: newID(s.t), person: newID(s.t)}
	hash := sha256.Sum256([]byte(one.token))
	email := name + "@" + s.Organization + ".example"
	if err := s.DB.Tx(s.t.Context(), func(tx *store.Tx) error {
		now := store.Micros(tx.Now)
		if err := tx.InsertPerson(s.t.Context(), query.InsertPersonParams{ID: one.person, Email: email, Operator: name == Operator, CreatedAt: now}); err != nil {
			return err
		}
		if role != "" {
			if err := tx.InsertMembership(s.t.Context(), query.InsertMembershipParams{OrganizationID: s.Organization, PersonID: one.person, Email: email, Role: string(role), CreatedAt: now}); err != nil {
				return err
			}
		}
		return tx.InsertPersonSession(s.t.Context(), query.InsertPersonSessionParams{Hash: hash[:], ID: one.id, PersonID: one.person, CreatedAt: now, ExpiresAt: now + 86400_000_000, ProvedAt: now})
	}); err != nil {
		s.t.Fatal(err)
	}
	s.sessions[name] = one
}

// Answer is what a page answered.
type Answer struct {
	Status int
	Body   string
	Header http.Header
	// Location is where a redirect leads, without the site.
	Location string
}

// Browser is a visitor with cookies.
type Browser struct {
	site    *Site
	session session
	cookies map[string]string
	// Language is sent as Accept-Language.
	Language string
}

// As returns the browser of a member with a role, of [Outsider] or [Operator], or of a visitor without a session.
func (s *Site) As(who string) *Browser {
	b := &Browser{site: s, session: s.sessions[who], cookies: map[string]string{}}
	if b.session.token != "" {
		b.cookies[shell.CookieName(true)] = b.session.token
	}
	return b
}

// Get loads a page: a path below /console, in which {org} is the organization.
func (b *Browser) Get(path string) Answer {
	b.site.t.Helper()
	return b.do(http.MethodGet, path, nil)
}

// Post sends a form with the visitor's token.
func (b *Browser) Post(path string, form url.Values) Answer {
	b.site.t.Helper()
	form = maps.Clone(form)
	if form == nil {
		form = url.Values{}
	}
	if !form.Has("csrf") {
		form.Set("csrf", b.site.Shell.FormToken(b.session.id))
	}
	return b.do(http.MethodPost, path, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Origin", PublicURL)
}

// Send sends any request.
func (b *Browser) Send(method, path string, body io.Reader, head ...string) Answer {
	b.site.t.Helper()
	return b.do(method, path, body, head...)
}

func (b *Browser) do(method, path string, body io.Reader, head ...string) Answer {
	b.site.t.Helper()
	path = strings.ReplaceAll(path, "{org}", b.site.Organization)
	if !strings.HasPrefix(path, shell.Root) {
		path = shell.Root + path
	}
	r := httptest.NewRequestWithContext(b.site.t.Context(), method, PublicURL+path, body)
	r.RemoteAddr = "127.0.0.1:4711"
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if b.Language != "" {
		r.Header.Set("Accept-Language", b.Language)
	}
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	b.site.router.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return Answer{w.Code, w.Body.String(), w.Header(), w.Header().Get("Location")}
}

// Follow loads the page to which an answer redirects.
func (b *Browser) Follow(a Answer) Answer {
	b.site.t.Helper()
	if a.Status != http.StatusSeeOther {
		b.site.t.Fatalf("no redirect: %d %s", a.Status, a.Body)
	}
	return b.Get(a.Location)
}

// testWriter writes the log to the test, which shows it when the test fails.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

// Stream loads a page on a real connection, for answers that last. Its caller closes the body.
func (b *Browser) Stream(ctx context.Context, path string) *http.Response {
	t := b.site.t
	t.Helper()
	server := httptest.NewServer(b.site.router)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+shell.Root+strings.ReplaceAll(path, "{org}", b.site.Organization), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Person returns the id of a visitor.
func (s *Site) Person(who string) string { return s.sessions[who].person }
