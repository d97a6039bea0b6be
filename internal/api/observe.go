package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/oklog/ulid/v2"

	"timbre.example/fault"
	"timbre.example/internal/tracing"
)

// exchange collects what is known of a request while it is served, for one log line at its
// end.
type exchange struct {
	id           string
	help         string // the address that explains codes, up to the code
	fault        *fault.Error
	organization string
	job          string
	header       http.Header // of the answer
}

type exchangeKey struct{}

// exchangeOf returns the request's exchange; outside a request it is an empty one.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{header: http.Header{}}
}

// observe gives every request its id and, at its end, one line in the log. No token, secret,
// access code or query is logged. A path may hold a transaction's id, which is a capability,
// so only the route is logged.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &exchange{id: "req_" + ulid.Make().String(), header: w.Header(), help: a.PublicURL + "/docs/errors#"}
		w.Header().Set("X-Request-Id", x.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.ContentLength != 0 {
			// The body must not hold the connection longer, even when it is not read. An
			// upload sets its own deadline.
			_ = http.NewResponseController(w).SetReadDeadline(start.Add(a.bodyTimeout))
		}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		end := func(tracing.Answer) {}
		if traced(r.URL.Path) {
			var ctx context.Context
			ctx, end = a.Tracer.Request(r.Context(), x.id, r.Method)
			r = r.WithContext(ctx)
		}
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			status := ww.Status()
			gone := x.fault != nil && clientLeft(r, x.fault)
			if gone {
				status = statusLeft
			}
			attrs := []slog.Attr{
				slog.String("request_id", x.id), slog.String("method", r.Method), slog.String("route", route(r)),
				slog.Int("status", status), slog.Int("bytes", ww.BytesWritten()),
				slog.String("took", time.Since(start).Round(time.Microsecond).String()), slog.String("client", addressOf(r, a.TrustedProxies)),
			}
			if x.organization != "" {
				attrs = append(attrs, slog.String("organization", x.organization))
			}
			if x.job != "" {
				attrs = append(attrs, slog.String("job", traceable(x.job)))
			}
			level, code := slog.LevelDebug, ""
			if gone {
				attrs = append(attrs, slog.Bool("client_left", true))
			} else if x.fault != nil {
				level, code = slog.LevelInfo, string(x.fault.Code)
				attrs = append(attrs, slog.String("code", code))
				attrs = append(attrs, cause(x.fault)...)
				if x.fault.Status() >= http.StatusInternalServerError {
					level = slog.LevelError
					attrs = append(attrs, slog.String("error", x.fault.Error()))
				}
			}
			a.Metrics.Request(r.Method, route(r), status, code, time.Since(start), route(r) == routeSocket || route(r) == routeEvents)
			end(tracing.Answer{Route: route(r), Status: status, Code: code, Job: traceable(x.job)})
			a.Log.LogAttrs(r.Context(), level, "request", attrs...)
		}()
		next.ServeHTTP(ww, r)
	})
}

// traced reports whether requests of this path have a span: calls of the API, without
// streams, which last as long as their client wants.
func traced(path string) bool {
	return strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/v1/ws/") && !strings.HasSuffix(path, "/events")
}

// unstored forbids caches to store the API's answers: nearly each has a token, a URL that is
// a permission, an access code, or what people wrote. Handlers of public content override
// this.
func unstored(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, below := range []string{"/v1/", "/blob/", "/metrics", "/healthz", "/readyz", "/rehearsal/"} {
			if strings.HasPrefix(r.URL.Path, below) {
				w.Header().Set("Cache-Control", "no-store")
			}
		}
		next.ServeHTTP(w, r)
	})
}

// statusLeft is counted for requests whose client disconnected before the answer. HTTP does
// not define it, but other servers log it too.
const statusLeft = 499

// clientLeft reports whether a request failed because its client disconnected, which cancelled the
// work for it.
func clientLeft(r *http.Request, f *fault.Error) bool {
	return f.Status() == http.StatusServiceUnavailable && errors.Is(r.Context().Err(), context.Canceled)
}

// cause returns the cause of a refusal in the catalogue's words: the reason, and the
// fields that failed with the rules they broke. Values are never logged, and no reason
// contains one. For a misnamed member only the intended name is logged: the client's name
// may be anything.
func cause(f *fault.Error) (attrs []slog.Attr) {
	if reason, ok := f.Details["reason"].(string); ok {
		attrs = append(attrs, slog.String("reason", reason))
	}
	if fields, ok := f.Details["fields"].([]fault.Field); ok {
		names := make([]string, min(len(fields), 20))
		for i, f := range fields[:len(names)] {
			name := f.Field
			switch f.Rule {
			case ruleUnknown, ruleTwice, ruleCase:
				name = f.DidYouMean
			}
			names[i] = strings.TrimSpace(name + " " + f.Rule)
		}
		attrs = append(attrs, slog.String("fields", strings.Join(names, ", ")))
	}
	return attrs
}

// traceable shortens a job's id: enough to find its row, but without 62 random bits, so that
// its transaction cannot be followed.
func traceable(id string) string { return id[:min(len(id), 18)] }

func route(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil && c.RoutePattern() != "" {
		return c.RoutePattern()
	}
	return "unknown"
}

// recover answers a panic with common.internal, and logs it with its stack.
func (a *API) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { // net/http's own way to drop a connection
				panic(p)
			}
			a.Log.ErrorContext(r.Context(), "panic", "request_id", exchangeOf(r.Context()).id, "panic", p, "stack", string(debug.Stack()))
			a.RenderError(w, r, fault.CommonInternal())
		}()
		next.ServeHTTP(w, r)
	})
}
