package manage_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/account"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/idempotency"
	"timbre.example/internal/limit"
	"timbre.example/internal/manage"
	"timbre.example/internal/metrics"
	"timbre.example/internal/openapi/openapitest"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/web"
	"timbre.example/internal/webhook"
)

const (
	publicURL = "https://timbre.songs.example"
	cookie    = "timbre_session"
)

// checker compares every exchange with the description.
var checker = openapitest.Shared()

// world is a server with the face alone.
type world struct {
	t     *testing.T
	db    *store.DB
	face  *manage.Face
	keys  *apikey.Service
	hooks *webhook.Service
	web   *web.Router
	org   string
	ahead atomic.Int64
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, db: db}
	db.Now = func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	w.keys = &apikey.Service{DB: db, MaxFileSize: 1 << 20, Log: slog.New(slog.DiscardHandler)}
	w.hooks = webhook.New(webhook.Config{DB: db, Key: make([]byte, 32), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: slog.New(slog.DiscardHandler)})
	w.web = web.New(web.Config{
		PublicURL: publicURL, Version: "test", Log: slog.New(slog.DiscardHandler), Limits: &limit.Limits{}, Streams: 1, Metrics: metrics.New("test", "testnet"),
		Ping: db.Ping, Once: &idempotency.Requests{DB: db},
	}, nil)
	persons, err := people.New(people.Config{DB: db, Key: make([]byte, 32), URL: publicURL})
	w.must(err)
	w.face, err = manage.New(manage.Config{Web: w.web, DB: db, APIKeys: w.keys, Webhooks: w.hooks, People: persons, Cookie: cookie, Limits: &limit.Limits{}})
	w.must(err)
	w.org = w.organization("Songs")
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) organization(name string) string {
	w.t.Helper()
	o, err := account.CreateOrganization(w.t.Context(), w.db, audit.CommandLine(), name)
	w.must(err)
	return o.ID
}

// caller adds to a request what proves its caller.
type caller func(*http.Request)

func nobody(*http.Request) {}

func bearer(token string) caller {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func (c caller) with(name, value string) caller {
	return func(r *http.Request) {
		c(r)
		r.Header.Set(name, value)
	}
}

// key makes an API key.
func (w *world) key(organization string, change func(*apikey.Request), scopes ...permission.Scope) apikey.Created {
	w.t.Helper()
	r := apikey.Request{Name: "Backend"}
	for _, s := range scopes {
		r.Scopes = append(r.Scopes, string(s))
	}
	if change != nil {
		change(&r)
	}
	k, err := w.keys.Create(w.t.Context(), audit.CommandLine(), organization, r)
	w.must(err)
	return k
}

// all are all scopes.
func (w *world) all() caller { return bearer(w.key(w.org, nil, permission.Scopes()...).Token) }

// member signs a new person in, who has a role in an organization; "" is no role.
func (w *world) member(organization string, role permission.Role) caller {
	w.t.Helper()
	person, token := uuid.NewString(), strings.ReplaceAll(uuid.NewString()+uuid.NewString(), "-", "")[:43]
	hash := sha256.Sum256([]byte(token))
	w.must(w.db.Tx(w.t.Context(), func(tx *store.Tx) error {
		now := store.Micros(tx.Now)
		if err := tx.InsertPerson(w.t.Context(), query.InsertPersonParams{ID: person, Email: person + "@songs.example", CreatedAt: now}); err != nil {
			return err
		}
		if role != "" {
			if err := tx.InsertMembership(w.t.Context(), query.InsertMembershipParams{OrganizationID: organization, PersonID: person, Email: person + "@songs.example", Role: string(role), CreatedAt: now}); err != nil {
				return err
			}
		}
		return tx.InsertPersonSession(w.t.Context(), query.InsertPersonSessionParams{Hash: hash[:], ID: uuid.NewString(), PersonID: person, CreatedAt: now, ExpiresAt: now + int64(time.Hour/time.Microsecond)})
	}))
	return func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: cookie, Value: token})
		r.Header.Set("Origin", publicURL)
	}
}

// answer is a response that was read completely.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	code   fault.Code
	err    fault.Body
}

// call makes a call. body is nil, a text, or anything that is sent as JSON.
func (w *world) call(by caller, method, path string, body any) answer {
	w.t.Helper()
	var in io.Reader
	var sent []byte
	switch b := body.(type) {
	case nil:
	case string:
		sent = []byte(b)
	default:
		text, err := json.Marshal(b)
		w.must(err)
		sent = text
	}
	if body != nil {
		in = bytes.NewReader(sent)
	}
	r := httptest.NewRequest(method, publicURL+path, in)
	r.RemoteAddr = "192.0.2.7:4711"
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	by(r)
	rec := httptest.NewRecorder()
	w.web.ServeHTTP(rec, r)
	for _, d := range checker(w.t, w.web).Check(r, sent, rec.Result(), rec.Body.Bytes()) {
		w.t.Errorf("%s %s: %d differs from the description: %s\n%.500s", method, path, rec.Code, d, rec.Body)
	}
	a := answer{t: w.t, status: rec.Code, header: rec.Header(), body: rec.Body.String()}
	if rec.Code >= 300 {
		var e fault.Envelope
		w.must(json.Unmarshal(rec.Body.Bytes(), &e))
		a.code, a.err = e.Error.Code, e.Error
	}
	if a.header.Get("X-Request-Id") == "" {
		w.t.Errorf("%s %s: no request id", method, path)
	}
	if strings.HasPrefix(path, "/v1/") && a.header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("%s %s may be stored: %q", method, path, a.header.Get("Cache-Control"))
	}
	return a
}

func (a answer) ok(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%d %s, want %d", a.status, a.body, status)
	}
	return a
}

func (a answer) refused(status int, code fault.Code) answer {
	a.t.Helper()
	if a.status != status || a.code != code {
		a.t.Errorf("%d %s, want %d %s", a.status, a.body, status, code)
	}
	return a
}

// into reads the answer.
func into[T any](a answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
	return v
}
