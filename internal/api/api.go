// Package api is the HTTP face: routes, wire shapes, CORS, limits on bodies,
// request ids, progress streams, and the one place where a refusal becomes a
// response.
//
// Handlers return errors and never write them. The package decides nothing
// about works, sessions or money: it translates.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"timbre.example/fault"
	"timbre.example/internal/registry"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
)

// Config is what the API speaks for. Every field is required.
type Config struct {
	Sessions *session.Service
	Registry *registry.Registry
	// SupportedFormats are the audio formats that /v1/stats names.
	SupportedFormats []string
	// PublicURL is how clients reach this server, without a final slash.
	PublicURL string
	Version   string
	Log       *slog.Logger
}

// API is the router with everything on it that speaks JSON. Other handlers are
// mounted beside it with Mount.
type API struct {
	Config
	router  chi.Router
	origins originCache
	// stop ends progress streams when the server shuts down.
	stop <-chan struct{}
}

// maxBody is the largest JSON body, and bodyTimeout the longest it may take.
const (
	maxBody     = 1 << 20
	bodyTimeout = 10 * time.Second
)

// New builds the API. Streams end when stop is closed.
func New(c Config, stop <-chan struct{}) *API {
	a := &API{Config: c, router: chi.NewRouter(), stop: stop}
	a.router.Use(a.observe, a.recover, a.cors)
	a.router.NotFound(func(w http.ResponseWriter, r *http.Request) { a.RenderError(w, r, fault.CommonNotFound()) })
	a.router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) { a.RenderError(w, r, fault.CommonNotFound()) })
	a.router.Get("/.well-known/jwks.json", a.jwks)
	a.router.Get("/healthz", a.health)
	a.router.Get("/v1/ws/transactions/{id}", a.socket)
	a.router.Get("/v1/transactions/{id}/events", a.events)
	a.routes()
	return a
}

// Mount serves a handler below pattern, under the same request ids, log and
// panic handling.
func (a *API) Mount(pattern string, h http.Handler) { a.router.Mount(pattern, h) }

// Handle serves a handler at pattern.
func (a *API) Handle(pattern string, h http.Handler) { a.router.Handle(pattern, h) }

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// routes declares the JSON operations; their types make the OpenAPI document
// at /v1/openapi.json, so it says what the handlers do.
func (a *API) routes() {
	huma.NewErrorWithContext = refuse
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return refuse(nil, status, msg, errs...) }

	c := huma.DefaultConfig("Timbre", a.Version)
	c.CreateHooks, c.DocsPath, c.SchemasPath, c.OpenAPIPath = nil, "", "", "/v1/openapi"
	c.Formats = map[string]huma.Format{"application/json": plainJSON, "json": plainJSON}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A session token from POST /v1/sessions."},
	}
	c.Servers = []*huma.Server{{URL: a.PublicURL}}
	h := humachi.New(a.router, c)

	op := func(method, path, id, summary string, status int, browser bool) huma.Operation {
		o := huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
			MaxBodyBytes: maxBody, BodyReadTimeout: bodyTimeout, Errors: []int{401, 403, 404, 409, 410, 413, 415, 422, 429, 500, 503},
		}
		if browser {
			o.Security = []map[string][]string{{"session": {}}}
			o.Middlewares = huma.Middlewares{a.authorize(h)}
		}
		return o
	}
	huma.Register(h, op("POST", "/v1/sessions", "mint-session", "Mint a session: called by the host's backend", 200, false), a.mint)
	huma.Register(h, op("GET", "/v1/stats", "stats", "Public facts of a network", 200, false), a.stats)
	huma.Register(h, op("POST", "/v1/works/init", "init-work", "Begin a registration and get an upload URL", 200, true), a.initWork)
	huma.Register(h, op("POST", "/v1/works/upload", "renew-upload", "Get another upload URL for a job", 200, true), a.renewUpload)
	huma.Register(h, op("POST", "/v1/works/prepare", "prepare-work", "Read the upload and quote", 200, true), a.prepare)
	huma.Register(h, op("POST", "/v1/works/confirm", "confirm-work", "Accept the quote", 202, true), a.confirm)
	huma.Register(h, op("GET", "/v1/transactions/{id}", "transaction", "Where a transaction is", 200, false), a.transaction)
}

// plainJSON leaves <, > and & as they are: nothing of ours is pasted into HTML.
var plainJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: json.Unmarshal,
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

func (a *API) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := a.Registry.DB.Ping(ctx); err != nil {
		a.RenderError(w, r, fault.CommonServiceUnavailable(time.Second).Because(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(`{"status":"ok","version":"` + a.Version + `"}` + "\n"))
}

// catalogued turns any error into the refusal that the client gets. A database
// that does not answer is not an unforeseen error.
func catalogued(err error) *fault.Error {
	var known *fault.Error
	if !errors.As(err, &known) && errors.Is(err, store.ErrUnavailable) {
		return fault.CommonServiceUnavailable(2 * time.Second).Because(err)
	}
	return fault.From(err)
}

// RenderError writes a refusal: the one place where an error becomes a
// response, whatever layer it comes from.
func (a *API) RenderError(w http.ResponseWriter, r *http.Request, err error) {
	f := catalogued(err)
	x := exchangeOf(r.Context())
	x.fault = f
	head := w.Header()
	retryHeader(f, head.Set)
	head.Set("Content-Type", "application/json")
	w.WriteHeader(f.Status())
	if r.Method != http.MethodHead {
		w.Write(f.MarshalEnvelope(x.id))
	}
}
