package webhook_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/outbox"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/webhook"
)

// world is a database with one organization, and a clock that tests move.
type world struct {
	*webhook.Service
	t   *testing.T
	db  *store.DB
	url string
	org string

	mu     sync.Mutex
	offset time.Duration
	warned []webhook.Warning
}

var by = audit.Actor{Kind: audit.Person, ID: "p", Name: "ada@songs.example", RequestID: "req_1"}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return storetest.SQLiteURL(t, t.TempDir()) },
		"postgres": func(t *testing.T) string { return storetest.PostgresURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := url(t)
			w := newWorld(t, storetest.Open(t, u))
			w.url = u
			f(t, w)
		})
	}
}

// texts returns the first column of the rows of a statement.
func (w *world) texts(statement string) (all []string) {
	w.t.Helper()
	db, err := registrytest.Open(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(w.t.Context(), statement)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func dueNow(db *store.DB) query.DueLanesParams {
	return query.DueLanesParams{Kind: string(outbox.Webhook), Now: store.Micros(db.Now()), Lim: 1}
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, db: db}
	began := time.Now()
	db.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return began.Add(w.offset)
	}
	w.Service = w.another()
	w.org = w.organization()
	return w
}

// another is a second process on the same database.
func (w *world) another() *webhook.Service {
	return webhook.New(webhook.Config{
		DB: w.db, Key: make([]byte, 32), Allow: loopback, Codes: accesscode.Secret("secret"), UserAgent: "Timbre/test", Log: slog.New(slog.DiscardHandler),
		Warn: func(_ context.Context, _ *store.Tx, n webhook.Warning) error {
			w.warned = append(w.warned, n)
			return nil
		},
	})
}

func (w *world) organization() string {
	w.t.Helper()
	o, err := account.CreateOrganization(w.t.Context(), w.db, by, "Songs")
	if err != nil {
		w.t.Fatal(err)
	}
	return o.ID
}

// pass moves the clock.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

func (w *world) tx(f func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Tx(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// ended enqueues the end of a transaction and returns its id.
func (w *world) ended(change func(*webhook.Ended)) string {
	w.t.Helper()
	e := webhook.Ended{
		Event: webhook.WorkRegistered, Transaction: uuid.NewString(), Organization: w.org, Work: uuid.NewString(), Network: "testnet", At: w.db.Now(),
		AtsID: 7, TxHash: []byte{1}, BlockHash: []byte{2}, BlockNumber: 3, ExplorerURL: "https://songs.example/t",
	}
	if change != nil {
		change(&e)
	}
	w.tx(func(tx *store.Tx) error { return webhook.TransactionEnded(w.t.Context(), tx, e) })
	return e.Transaction
}

func (w *world) endpoint(url string) (webhook.Endpoint, webhook.Secret) {
	w.t.Helper()
	e, secret, err := w.CreateEndpoint(w.t.Context(), w.org, webhook.EndpointInput{URL: url}, by)
	if err != nil {
		w.t.Fatal(err)
	}
	return e, secret
}

// drain makes every attempt that is due now, in this process, and returns when none is left.
func (w *world) drain() { w.drainBy(w.Service) }

func (w *world) drainBy(s *webhook.Service) {
	w.t.Helper()
	for {
		if err := s.Workers()[0].Step(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		s.Wait()
		due, err := w.db.Read().DueLanes(w.t.Context(), dueNow(w.db))
		if err != nil {
			w.t.Fatal(err)
		}
		if len(due) == 0 {
			return
		}
	}
}

// one returns the only delivery of an endpoint, with its attempts.
func (w *world) one(endpoint string) (webhook.Delivery, []webhook.Attempt) {
	w.t.Helper()
	all, _, err := w.ListDeliveries(w.t.Context(), w.org, endpoint, webhook.Filter{})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(all) != 1 {
		w.t.Fatalf("%d deliveries", len(all))
	}
	d, attempts, err := w.Delivery(w.t.Context(), w.org, endpoint, all[0].ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return d, attempts
}

// got is one request that a receiver got.
type got struct {
	header http.Header
	body   string
}

func (g got) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(g.body), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// receiver is a local receiver. answer writes its answers; nil: 200.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	all    []got
	answer http.HandlerFunc
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.all = append(r.all, got{req.Header.Clone(), string(b)})
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		req.Body = io.NopCloser(strings.NewReader(string(b)))
		answer(w, req)
	}
}

func (r *receiver) set(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) got() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]got(nil), r.all...)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
