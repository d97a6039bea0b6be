package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/oklog/ulid/v2"

	"timbre.example/internal/fault"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/tracing"
)

// observer gives requests their ids, and records their ends.
type observer struct {
	publicURL   string
	proxies     []netip.Prefix
	bodyTimeout time.Duration
	metrics     *measures
	requests    *requestlog.Log
	tracer      *tracing.Tracer
	log         *slog.Logger
}

// observe gives every request its id and, at its end, one line in the log. No token, secret,
// access code or query is logged. A path may hold a transaction's id, which is a capability,
// so only the route is logged.
func (o observer) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &exchange{id: "req_" + ulid.Make().String(), header: w.Header(), help: o.publicURL + "/docs/errors#", address: addressOf(r, o.proxies)}
		w.Header().Set("X-Request-Id", x.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.ContentLength != 0 {
			// The body must not hold the connection longer, even when it is not read. An
			// upload sets its own deadline.
			_ = http.NewResponseController(w).SetReadDeadline(start.Add(o.bodyTimeout))
		}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		end := func(tracing.Answer) {}
		if traced(r.URL.Path) {
			var ctx context.Context
			ctx, end = o.tracer.Request(r.Context(), x.id, r.Method)
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
				slog.String("took", time.Since(start).Round(time.Microsecond).String()), slog.String("client", x.address),
			}
			if x.organization != "" {
				attrs = append(attrs, slog.String("organization", x.organization))
			}
			if x.job != "" {
				attrs = append(attrs, slog.String("job", traceable(x.job)))
			}
			level, code, reason := slog.LevelDebug, "", ""
			if gone {
				attrs = append(attrs, slog.Bool("client_left", true))
			} else if x.fault != nil {
				level, code = slog.LevelInfo, string(x.fault.Code)
				attrs = append(attrs, slog.String("code", code))
				why := cause(x.fault)
				reason = words(why)
				attrs = append(attrs, why...)
				if x.fault.Status() >= http.StatusInternalServerError {
					level = slog.LevelError
					attrs = append(attrs, slog.String("error", x.fault.Error()))
				}
			}
			o.requests.Record(requestlog.Call{
				Organization: x.organization, RequestID: x.id, Job: x.job, Method: r.Method, Route: route(r), Status: status, Code: code, Reason: reason,
				Caller: x.caller, Origin: r.Header.Get("Origin"), AddressClass: requestlog.ClassOf(x.address), At: start, Took: time.Since(start),
			})
			o.metrics.all.Request(r.Method, route(r), status, code, time.Since(start), o.metrics.streamed[route(r)])
			end(tracing.Answer{Route: route(r), Status: status, Code: code, Job: traceable(x.job)})
			o.log.LogAttrs(r.Context(), level, "request", attrs...)
		}()
		next.ServeHTTP(ww, r)
	})
}

// traced reports whether requests of this path have a span: calls of the API, without
// streams, which last as long as their client wants.
func traced(path string) bool {
	return strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/v1/ws/") && !strings.HasSuffix(path, "/events")
}

// unstored forbids caches to store the answers of some areas.
func unstored(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if areaOf(r.URL.Path).unstored {
			w.Header().Set("Cache-Control", "no-store")
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

// words returns the values of a cause as one text.
func words(why []slog.Attr) string {
	texts := make([]string, len(why))
	for i, a := range why {
		texts[i] = a.Value.String()
	}
	return strings.Join(texts, ": ")
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
func (o observer) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { // net/http's own way to drop a connection
				panic(p)
			}
			o.log.ErrorContext(r.Context(), "panic", "request_id", exchangeOf(r.Context()).id, "panic", p, "stack", string(debug.Stack()))
			RenderError(w, r, fault.CommonInternal())
		}()
		next.ServeHTTP(w, r)
	})
}
