// Package web has what all HTTP faces of a server share:
//
//   - request ids, the log line and the metrics of each request,
//   - the one renderer of refusals,
//   - limits on calls, bodies, streams and connections,
//   - CORS, and the health of the process.
//
// A face is a set of routes, such as the API or the pages of the explorer. A face imports
// this package, and this package imports no face.
//
// Handlers return errors and never write them. The package does not know who may call a
// route: a face gives each of its operations a [Guard].
//
// net/http itself refuses malformed requests, headers that are too large, and unknown
// transfer encodings or expectations. The package cannot change these answers: they are
// plain text or empty, and have no request id.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"timbre.example/internal/fault"
	"timbre.example/internal/idempotency"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
	"timbre.example/internal/operation"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/tracing"
)

// Config configures the router of a process. Every field is required unless noted.
type Config struct {
	// PublicURL is the base URL for clients, without a final slash.
	PublicURL string
	Version   string
	Log       *slog.Logger
	// Limits has the budgets of calls by address and by organization.
	Limits *limit.Limits
	// Bodies are the budgets of the JSON bodies that are read at the same time.
	Bodies Bodies
	// BodyTimeout is how long the arrival of a body may take; 0 is [DefaultBodyTimeout].
	BodyTimeout time.Duration
	// Streams is how many progress streams may be open at once.
	Streams int
	// TrustedProxies may name the client's address in X-Forwarded-For; optional.
	TrustedProxies []netip.Prefix
	// Metrics counts the requests, and is served at /metrics.
	Metrics *metrics.Metrics
	// Requests keeps the calls of each organization; nil: none are kept.
	Requests *requestlog.Log
	// Tracer records the spans of requests; nil: it records none.
	Tracer *tracing.Tracer
	// Once has the requests with an Idempotency-Key; nil: the header is ignored.
	Once *idempotency.Requests
	// Ping reports whether the process can serve at all, for /healthz.
	Ping func(context.Context) error
	// Checks are the further conditions of /readyz; optional.
	Checks []Check
}

// Router serves all faces of a process. Each face adds its routes.
type Router struct {
	Config
	chi      chi.Router
	observer observer
	metrics  *measures
	streams  *streams
	bodies   *bodies
	bounds   map[string]int64 // the largest body in bytes, by route
	// description collects the operations of all faces: see describe.go.
	description *description
	// leaving is set when the server will soon accept no further connection.
	leaving atomic.Bool
	// stopping ends progress streams when the server shuts down.
	stopping <-chan struct{}
}

// New makes a router with the routes of the process itself: /healthz, /readyz and /metrics.
// Streams end when stopping is closed.
func New(c Config, stopping <-chan struct{}) *Router {
	if c.BodyTimeout == 0 {
		c.BodyTimeout = DefaultBodyTimeout
	}
	r := &Router{Config: c, chi: chi.NewRouter(), metrics: newMeasures(c.Metrics), streams: newStreams(c.Streams), bodies: newBodies(c.Bodies), bounds: map[string]int64{}, stopping: stopping, description: newDescription(c.Version, c.PublicURL)}
	r.observer = observer{publicURL: c.PublicURL, proxies: c.TrustedProxies, bodyTimeout: c.BodyTimeout, metrics: r.metrics, requests: c.Requests, tracer: c.Tracer, log: c.Log}
	r.chi.Use(r.observer.observe, r.observer.recover, r.dismiss, unstored, cors, limitHead, limitAddress(c.Limits))
	r.chi.NotFound(func(w http.ResponseWriter, q *http.Request) {
		RenderError(w, q, fault.CommonNotFound().With("reason", "route"))
	})
	r.chi.MethodNotAllowed(func(w http.ResponseWriter, q *http.Request) {
		RenderError(w, q, fault.CommonNotFound().With("reason", "method"))
	})
	h := &health{version: c.Version, ping: c.Ping, checks: c.Checks, leaving: r.leaving.Load}
	for path, handler := range map[string]http.HandlerFunc{"/healthz": h.healthy, "/readyz": h.ready} {
		r.chi.Get(path, handler)
		r.chi.Head(path, handler)
	}
	r.chi.Get("/metrics", r.metrics.local(c.PublicURL))
	r.description.process(r.Get)
	return r
}

// Get serves a handler for GET at pattern.
func (r *Router) Get(pattern string, h http.HandlerFunc) { r.chi.Get(pattern, h) }

// Stream serves a handler for GET at pattern that holds its connection for long: its duration
// is not measured.
func (r *Router) Stream(pattern string, h http.HandlerFunc) {
	r.metrics.streamed[pattern] = true
	r.chi.Get(pattern, h)
}

// Handle serves a handler at pattern, for every method.
func (r *Router) Handle(pattern string, h http.Handler) { r.chi.Handle(pattern, h) }

// Mount serves a handler below pattern. A body must arrive within the body timeout, unless
// the handler sets its own read deadline.
func (r *Router) Mount(pattern string, h http.Handler) { r.chi.Mount(pattern, h) }

// Missing sets the handler for unknown paths outside /v1/, instead of the JSON answer.
func (r *Router) Missing(h http.HandlerFunc) {
	own := func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.URL.Path, "/v1/") {
			RenderError(w, q, fault.CommonNotFound())
			return
		}
		h(w, q)
	}
	r.chi.NotFound(own)
	r.chi.MethodNotAllowed(own)
}

// Description returns the OpenAPI document of all faces as JSON. Call it after all faces have
// added their routes.
func (r *Router) Description() (_ []byte, err error) {
	defer operation.Wrap(&err, "describe the API")
	d, err := r.description.made()
	return d.forms[".json"], err
}

// DescribeWebhook adds an event that the server sends to the description: see
// [openapi.Document.Webhook].
func (r *Router) DescribeWebhook(event, summary, text, example string, payload any) {
	r.description.Webhook(event, summary, text, example, payload)
}

// Undescribed lists what the descriptions of the operations lack.
func (r *Router) Undescribed() (_ []string, err error) {
	defer operation.Wrap(&err, "describe the API")
	d, err := r.description.made()
	return d.missing, err
}

func (r *Router) ServeHTTP(w http.ResponseWriter, q *http.Request) { r.chi.ServeHTTP(w, q) }

// Routes returns all routes, including mounted ones.
func (r *Router) Routes() chi.Routes { return r.chi }

// MetricsHandler serves the metrics in Prometheus' text format. The request's host must be
// an address, a name without a dot, or one of names. Any other host is refused with
// common.not_found: a web page may have a name that leads to this server (DNS rebinding).
func (r *Router) MetricsHandler(names []string) http.Handler {
	refuse := r.observer.observe(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		RenderError(w, q, fault.CommonNotFound().With("reason", "host"))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if foreign(hostOf(q), names) {
			refuse.ServeHTTP(w, q)
			return
		}
		r.metrics.handler.ServeHTTP(w, q)
	})
}

// TakeOrganization takes one call from an organization's budget, or refuses the call with
// common.rate_limited. The headers report this budget only when it refuses.
func (r *Router) TakeOrganization(ctx context.Context, organization string) error {
	b := r.Limits.Organization
	s := b.Take(ctx, organization)
	if s.Allowed {
		return nil
	}
	ReportBudget(ctx, b, s)
	return fault.CommonRateLimited(s.Wait).With("reason", "organization")
}

// EnterStream reserves a progress stream of an organization until leave is called. id is the
// transaction that it follows. Both are "" for a stream that only reports an unknown
// transaction. It refuses with common.rate_limited or common.service_unavailable.
func (r *Router) EnterStream(organization, id string) (leave func(), err error) {
	return r.streams.enter(organization, id)
}

// OpenStreams returns how many progress streams are open.
func (r *Router) OpenStreams() int { return r.streams.open() }

// Leave tells load balancers and clients to go elsewhere, before the server stops: /readyz is
// 503, and each answer closes its connection. All requests are still served.
func (r *Router) Leave() { r.leaving.Store(true) }

// dismiss closes the connection of each answer while the server leaves. An idle connection
// stays open: a proxy may be about to send a request on it, and would receive no answer.
func (r *Router) dismiss(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, q)
	})
}

// Stopping is closed when the server shuts down: streams end.
func (r *Router) Stopping() <-chan struct{} { return r.stopping }

// Drain waits until every progress stream has ended, or until ctx ends. Call it after
// stopping is closed. http.Server.Shutdown does not wait for sockets; Drain lets each one send
// its last bytes before the connection is dropped.
func (r *Router) Drain(ctx context.Context) { r.streams.drained(ctx) }
