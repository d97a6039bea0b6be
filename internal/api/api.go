// Package api is the HTTP interface: routes, wire shapes, CORS, limits on bodies, request
// ids, progress streams, and the one place where an error becomes a response.
//
// Handlers return errors and never write them. The package decides nothing about works,
// sessions or credits: it translates.
//
// net/http itself refuses malformed requests, headers that are too large, and unknown
// transfer encodings or expectations. The package cannot change these answers: they are
// plain text or empty, and have no request id.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/singleflight"

	"timbre.example/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	"timbre.example/internal/registry"
	"timbre.example/internal/session"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
	"timbre.example/internal/tracing"
)

// Config configures the API. Every field is required unless noted. A nil Registry or nil
// Tokens leaves out the routes of that role: they answer common.not_found.
type Config struct {
	// Sessions whose Tokens are nil do not mint.
	Sessions *session.Service
	// Registry is nil in a process that serves no works.
	Registry *registry.Registry
	// Metrics counts the requests; /metrics serves all of it.
	Metrics *metrics.Metrics
	// Tracer records the spans of requests; nil: it records none.
	Tracer *tracing.Tracer
	// Unready returns why this process cannot do its work, for /readyz: its schema, or a log.
	// about is what the caller can exclude; reason is what the client reads. nil: no more checks.
	Unready func(context.Context) (about, reason string, err error)
	// Space measures the free space of the server's file systems; nil: it is not measured.
	Space  *space.Guard
	Limits *limit.Limits
	// Followers is how many progress streams may be open at once.
	Followers int
	// TrustedProxies may name the client's address in X-Forwarded-For; optional.
	TrustedProxies []netip.Prefix
	// SupportedFormats are the audio formats that /v1/stats lists.
	SupportedFormats []string
	// PublicURL is the base URL for clients, without a final slash.
	PublicURL string
	Version   string
	Log       *slog.Logger
}

// API is the router with all JSON routes. Other handlers are added with Mount.
type API struct {
	Config
	router  chi.Router
	metrics http.Handler
	streams *streams
	bodies  *bodies
	bounds  map[string]int64 // the largest body in bytes, by route
	counts  counts
	pings   singleflight.Group
	// stop ends progress streams when the server shuts down.
	stop        <-chan struct{}
	bodyTimeout time.Duration
}

// The routes of progress streams.
const (
	routeSocket = "/v1/ws/transactions/{id}"
	routeEvents = "/v1/transactions/{id}/events"
)

// New builds the API. Streams end when stop is closed.
func New(c Config, stop <-chan struct{}) *API {
	a := &API{Config: c, router: chi.NewRouter(), stop: stop, bodyTimeout: bodyTimeout, bodies: newBodies(), bounds: map[string]int64{}, counts: counts{of: map[network.Name]standing{}}, metrics: c.Metrics.Handler(), streams: &streams{most: c.Followers, of: map[string]int{}, orgs: map[string]int{}}}
	a.Sessions.Admit = a.admit // budgets are reported in the answer's headers
	a.router.Use(a.observe, a.recover, unstored, a.cors, a.limitHead, a.limitAddress)
	a.router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		a.RenderError(w, r, fault.CommonNotFound().With("reason", "route"))
	})
	a.router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		a.RenderError(w, r, fault.CommonNotFound().With("reason", "method"))
	})
	a.router.Get("/healthz", a.health)
	a.router.Head("/healthz", a.health)
	a.router.Get("/readyz", a.ready)
	a.router.Head("/readyz", a.ready)
	a.router.Get("/metrics", a.metricsHere)
	if a.mints() {
		a.router.Get("/.well-known/jwks.json", a.jwks)
	}
	if a.works() {
		a.router.HandleFunc(refusingStore, a.storeThatRefuses)
		a.router.Get(routeSocket, a.socket)
		a.router.Get(routeEvents, a.events)
	}
	if a.mints() || a.works() {
		a.routes()
	}
	return a
}

// Mount serves a handler below pattern, with the API's request ids, log, panic handling and
// body timeout: a body must arrive within 10 seconds, unless the handler sets its own read
// deadline.
func (a *API) Mount(pattern string, h http.Handler) { a.router.Mount(pattern, h) }

// Missing sets the handler for unknown paths outside /v1/, instead of the JSON answer.
func (a *API) Missing(h http.HandlerFunc) {
	own := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			a.RenderError(w, r, fault.CommonNotFound())
			return
		}
		h(w, r)
	}
	a.router.NotFound(own)
	a.router.MethodNotAllowed(own)
}

// Handle serves a handler at pattern.
func (a *API) Handle(pattern string, h http.Handler) { a.router.Handle(pattern, h) }

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// Routes returns all routes, including mounted ones.
func (a *API) Routes() chi.Routes { return a.router }

// Drain waits until every progress stream has ended, or until ctx ends. Call it after stop
// is closed. http.Server.Shutdown does not wait for sockets; Drain lets each one send its
// last bytes before the connection is dropped.
func (a *API) Drain(ctx context.Context) { a.streams.drained(ctx) }

func (a *API) mints() bool { return a.Sessions.Tokens != nil }
func (a *API) works() bool { return a.Registry != nil }

// routes declares the JSON operations. The OpenAPI document at /v1/openapi.json is made from
// their types, so both agree.
func (a *API) routes() {
	c := huma.DefaultConfig("Timbre", a.Version)
	c.CreateHooks, c.DocsPath, c.SchemasPath, c.OpenAPIPath = nil, "", "", "/v1/openapi"
	c.Formats = map[string]huma.Format{"application/json": plainJSON}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A session token from POST /v1/sessions."},
	}
	c.Servers = []*huma.Server{{URL: a.PublicURL}}
	h := humachi.New(a.router, c)

	op := func(method, path, id, summary string, status int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
			Errors: []int{401, 403, 404, 409, 410, 413, 415, 422, 429, 500, 503},
		}
	}
	// browser is an operation for callers with a session. begins is set when it begins
	// something, which an expired token may not do.
	browser := func(o huma.Operation, begins bool, stage string) huma.Operation {
		o.Security = []map[string][]string{{"session": {}}}
		o.Middlewares = append(huma.Middlewares{a.authorize(h, may(session.Register, begins), stage)}, o.Middlewares...)
		return o
	}
	// holder is an operation for callers with a session and an access code.
	holder := func(o huma.Operation, fits func(session.Caller) error, begins bool, stage string) huma.Operation {
		o.Security = []map[string][]string{{"session": {}}}
		o.Middlewares = append(huma.Middlewares{a.authorize(h, fits, stage), a.unlock(h, begins)}, o.Middlewares...)
		o.Parameters = append(o.Parameters, codeParam)
		return o
	}
	lookUp := func(o huma.Operation) huma.Operation { return holder(o, session.Caller.MayLookUp, true, "code") }
	change := func(o huma.Operation, begins bool, stage string) huma.Operation {
		return holder(o, may(session.UpdateVersion, begins), begins, stage)
	}
	// owner is an operation for callers with an end-user's session. A work in its path must
	// belong to that end-user.
	owner := func(o huma.Operation, fits func(session.Caller) error, stage string, before ...func(huma.Context, func(huma.Context))) huma.Operation {
		o.Security = []map[string][]string{{"session": {}}}
		o.Middlewares = append(append(huma.Middlewares{a.authorize(h, fits, stage)}, before...), o.Middlewares...)
		if len(before) > 0 {
			o.Parameters = append(o.Parameters, atsIDParam)
		}
		return o
	}
	update := func(o huma.Operation, begins bool, stage string) huma.Operation {
		return owner(o, may(session.UpdateVersion, begins), stage, a.endUserWork(h, true))
	}
	defer func() { a.document(h.OpenAPI()) }()
	if a.mints() {
		post(a, h, op("POST", "/v1/sessions", "mint-session", "Mint a session: called by the host's backend", 200), a.mint)
		post(a, h, op("POST", "/v1/sessions/revoke", "revoke-sessions", "End sessions: called by the host's backend", 200), a.revoke)
	}
	if !a.works() {
		return
	}
	huma.Register(h, op("GET", "/v1/stats", "stats", "Public numbers of a network", 200), a.stats)
	post(a, h, browser(op("POST", "/v1/works/init", "init-work", "Begin a registration and get an upload URL", 200), true, "init"), a.initWork)
	post(a, h, browser(op("POST", "/v1/works/upload", "renew-upload", "Get another upload URL for a job", 200), false, "upload"), a.renewUpload)
	post(a, h, browser(op("POST", "/v1/works/prepare", "prepare-work", "Read the upload and quote", 200), false, "prepare"), a.prepare)
	post(a, h, browser(op("POST", "/v1/works/confirm", "confirm-work", "Accept the quote", 202), false, "confirm"), a.confirm)
	huma.Register(h, lookUp(op("GET", "/v1/access/{code}/work", "work-by-code", "The work that an access code opens, with its versions", 200)), a.workByCode)
	huma.Register(h, lookUp(op("GET", "/v1/access/{code}/versions/{v}/download/{what}", "download-by-code", "A URL of a version's certificate or recording, by access code", 200)), a.downloadByCode)
	post(a, h, change(op("POST", "/v1/access/{code}/versions/init", "init-version", "Begin a version that keeps the recording", 200), true, "init"), a.initVersion)
	post(a, h, change(op("POST", "/v1/access/{code}/versions/init-upload", "init-version-upload", "Begin a version with a new recording, and get an upload URL", 200), true, "init"), a.initVersionUpload)
	post(a, h, change(op("POST", "/v1/access/{code}/versions/upload", "renew-version-upload", "Get another upload URL for a job", 200), false, "upload"), a.renewUpload)
	post(a, h, change(op("POST", "/v1/access/{code}/versions/prepare", "prepare-version", "Read the upload, if there is one, and quote", 200), false, "prepare"), a.prepareVersion)
	post(a, h, change(op("POST", "/v1/access/{code}/versions/confirm", "confirm-version", "Accept the quote", 202), false, "confirm"), a.confirm)
	rotate := op("POST", "/v1/access/{code}/rotate", "rotate-code", "Replace an access code", 200)
	rotate.Security = []map[string][]string{{"session": {}}}
	rotate.Middlewares = huma.Middlewares{a.authorize(h, may(session.UpdateVersion, false), "code")}
	huma.Register(h, rotate, a.rotateCode)
	anySession := func(session.Caller) error { return nil }
	huma.Register(h, owner(op("GET", "/v1/works", "own-works", "The end-user's works, latest change first", 200), session.Caller.MayRead, "code"), a.ownWorks)
	huma.Register(h, owner(op("GET", "/v1/works/{id}", "own-work", "One of the end-user's works, as in the list", 200), session.Caller.MayRead, "code", a.endUserWork(h, false)), a.ownWork)
	huma.Register(h, owner(op("GET", "/v1/works/{id}/creators", "latest-creators", "The creators of the latest version", 200), session.Caller.MayRead, "code", a.endUserWork(h, false)), a.latestCreators)
	huma.Register(h, owner(op("GET", "/v1/works/{id}/versions", "own-versions", "The versions of an end-user's work, oldest first", 200), session.Caller.MayRead, "code", a.endUserWork(h, false)), a.ownVersions)
	huma.Register(h, owner(op("GET", "/v1/works/{id}/versions/{v}/creators", "own-creators", "The creators of a version", 200), session.Caller.MayRead, "code", a.endUserWork(h, false)), a.ownCreators)
	huma.Register(h, owner(op("GET", "/v1/works/{id}/download/{what}", "download-latest", "A URL of the latest version's certificate or recording", 200), anySession, "code"), a.downloadLatest)
	huma.Register(h, owner(op("GET", "/v1/works/{id}/versions/{v}/download/{what}", "download-version", "A URL of a version's certificate or recording", 200), anySession, "code"), a.downloadVersion)
	post(a, h, update(op("POST", "/v1/works/{id}/versions/init", "init-own-version", "Begin a version that keeps the recording", 200), true, "init"), a.initVersion)
	post(a, h, update(op("POST", "/v1/works/{id}/versions/init-upload", "init-own-version-upload", "Begin a version with a new recording, and get an upload URL", 200), true, "init"), a.initVersionUpload)
	post(a, h, update(op("POST", "/v1/works/{id}/versions/upload", "renew-own-version-upload", "Get another upload URL for a job", 200), false, "upload"), a.renewUpload)
	post(a, h, update(op("POST", "/v1/works/{id}/versions/prepare", "prepare-own-version", "Read the upload, if there is one, and quote", 200), false, "prepare"), a.prepareVersion)
	post(a, h, update(op("POST", "/v1/works/{id}/versions/confirm", "confirm-own-version", "Accept the quote", 202), false, "confirm"), a.confirm)
	huma.Register(h, op("GET", "/v1/transactions/{id}", "transaction", "The progress of a transaction", 200), a.transaction)
}

// document describes the routes that are not JSON operations.
func (a *API) document(o *huma.OpenAPI) {
	id := []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"}}}
	text := func(description, contentType string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	}
	object := func(description string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}}}
	}
	refused := &huma.Response{Description: "Refused", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/Refusal"}}}}
	for _, r := range []struct {
		here                      bool
		method, path, id, summary string
		params                    []*huma.Param
		responses                 map[string]*huma.Response
	}{
		{a.mints(), "GET", "/.well-known/jwks.json", "jwks", "The public keys of session tokens", nil, map[string]*huma.Response{"200": object("A JSON Web Key Set")}},
		{true, "GET", "/healthz", "health", "Health of this server", nil, map[string]*huma.Response{"200": object("It can serve"), "503": refused}},
		{true, "HEAD", "/healthz", "health-head", "Health of this server, without a body", nil, map[string]*huma.Response{"200": {Description: "It can serve"}, "503": {Description: "It cannot serve"}}},
		{true, "GET", "/readyz", "ready", "Readiness of this server: healthy, with space for uploads, and no log stopped", []*huma.Param{{Name: "exclude", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"storage", "log"}}}}, map[string]*huma.Response{"200": object("It can serve"), "503": refused}},
		{true, "HEAD", "/readyz", "ready-head", "Readiness of this server: healthy, with space for uploads, and no log stopped; without a body", nil, map[string]*huma.Response{"200": {Description: "It can serve"}, "503": {Description: "It cannot serve"}}},
		{true, "GET", "/metrics", "metrics", "Metrics, for programs on this machine", nil, map[string]*huma.Response{"200": text("Prometheus' text format", "text/plain"), "404": refused}},
		{a.works(), "GET", routeSocket, "follow-socket", "Progress as WebSocket frames", id, map[string]*huma.Response{"101": {Description: "Switched to WebSocket frames"}, "404": refused, "422": refused}},
		{a.works(), "GET", routeEvents, "follow-events", "Progress as server-sent events", append(id[:1:1], &huma.Param{
			Name: "Last-Event-ID", In: "header", Description: "The number of steps that the client has received", Schema: &huma.Schema{Type: huma.TypeInteger},
		}), map[string]*huma.Response{"200": text("update, completed and error events", "text/event-stream"), "404": refused}},
	} {
		if !r.here {
			continue
		}
		o.AddOperation(&huma.Operation{Method: r.method, Path: r.path, OperationID: r.id, Summary: r.summary, Parameters: r.params, Responses: r.responses})
	}
}

// plainJSON leaves <, > and & unescaped: the answers are never pasted into HTML. It decodes
// nothing; receive reads the bodies.
var plainJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func([]byte, any) error { return nil },
}

func (a *API) jwks(w http.ResponseWriter, r *http.Request) {
	set, err := a.Sessions.Tokens.JWKS()
	if err != nil {
		a.RenderError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(set)
}

// pingTime is the timeout of a database ping.
const pingTime = 2 * time.Second

func (a *API) health(w http.ResponseWriter, r *http.Request) {
	// Simultaneous calls share one ping.
	_, err, _ := a.pings.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), pingTime)
		defer cancel()
		return nil, a.Sessions.DB.Ping(ctx)
	})
	if err != nil {
		a.RenderError(w, r, fault.CommonServiceUnavailable(time.Second).Because(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(`{"status":"ok","version":"` + a.Version + `"}` + "\n"))
}

// ready checks health, free space for uploads, whether a log is stopped, and what Unready
// checks. The query can exclude space and logs. Below the reserve everything except new uploads still works, so a
// load balancer can exclude storage and keep sending requests here.
func (a *API) ready(w http.ResponseWriter, r *http.Request) {
	excluded := r.URL.Query()["exclude"]
	if err := a.Space.Low(0); err != nil && !slices.Contains(excluded, "storage") {
		a.RenderError(w, r, fault.CommonServiceUnavailable(time.Minute).With("reason", "storage_full").Because(err))
		return
	}
	if a.Registry != nil && !slices.Contains(excluded, "log") {
		// Simultaneous calls share one check, as for health.
		_, err, _ := a.pings.Do("log", func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), pingTime)
			defer cancel()
			return nil, a.Registry.Stopped(ctx)
		})
		if err != nil {
			if !store.Unavailable(err) {
				err = fault.CommonServiceUnavailable(time.Minute).With("reason", "log_stopped").Because(err)
			}
			a.RenderError(w, r, err)
			return
		}
	}
	if a.Unready != nil {
		type found struct{ about, reason string }
		at, err, _ := a.pings.Do("unready", func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), pingTime)
			defer cancel()
			about, reason, err := a.Unready(ctx)
			return found{about, reason}, err
		})
		if why := at.(found); err != nil && !slices.Contains(excluded, why.about) {
			if !store.Unavailable(err) {
				err = fault.CommonServiceUnavailable(time.Minute).With("reason", why.reason).Because(err)
			}
			a.RenderError(w, r, err)
			return
		}
	}
	a.health(w, r)
}

// catalogued turns any error into the refusal for the client. An unavailable database is
// common.service_unavailable, not common.internal.
func catalogued(err error) *fault.Error {
	var known *fault.Error
	if !errors.As(err, &known) && store.Unavailable(err) {
		return fault.CommonServiceUnavailable(2 * time.Second).Because(err)
	}
	return fault.From(err)
}

// RenderError writes a refusal. It is the only place where an error becomes a response,
// whatever layer it comes from.
func (a *API) RenderError(w http.ResponseWriter, r *http.Request, err error) {
	f := catalogued(err)
	x := exchangeOf(r.Context())
	x.fault = f
	head := w.Header()
	refusalHeaders(f, x, head.Set)
	head.Set("Content-Type", "application/json")
	w.WriteHeader(f.Status())
	if r.Method != http.MethodHead {
		w.Write(f.MarshalEnvelope(x.id))
	}
}
