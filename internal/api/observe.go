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
)

// exchange is what is known of a request while it is served. One log line is
// made of it at the end.
type exchange struct {
	id           string
	help         string // where codes are explained, up to the code
	fault        *fault.Error
	organization string
	job          string
	header       http.Header // of the answer
}

type exchangeKey struct{}

// exchangeOf finds the request's exchange; outside a request it is an empty one.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{header: http.Header{}}
}

// observe gives every request its id and, when it is over, its one line in the
// log. No token, secret, access code or query is logged: a path may hold a
// transaction's id, which is a capability, so it is shortened to its route.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &exchange{id: "req_" + ulid.Make().String(), header: w.Header(), help: a.PublicURL + "/docs/errors#"}
		w.Header().Set("X-Request-Id", x.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.ContentLength != 0 {
			// Whatever becomes of the request, its body does not hold the
			// connection for longer. An upload sets its own pace.
			_ = http.NewResponseController(w).SetReadDeadline(start.Add(a.bodyTimeout))
		}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			status := ww.Status()
			gone := x.fault != nil && left(r, x.fault)
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
				attrs = append(attrs, because(x.fault)...)
				if x.fault.Status() >= http.StatusInternalServerError {
					level = slog.LevelError
					attrs = append(attrs, slog.String("error", x.fault.Error()))
				}
			}
			a.metrics.seen(r.Method, route(r), status, code, time.Since(start))
			a.Log.LogAttrs(r.Context(), level, "request", attrs...)
		}()
		next.ServeHTTP(ww, r)
	})
}

// unstored asks that no answer of the API is stored: nearly each holds a token, a URL
// that is a permission, an access code, or what people wrote. Handlers of what is
// public say otherwise themselves.
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

// statusLeft is what a request is counted as whose client went away before its answer:
// no status of HTTP, and the one that other servers log.
const statusLeft = 499

// left reports whether a request failed because its client went away: what was asked
// for it was called off.
func left(r *http.Request, f *fault.Error) bool {
	return f.Status() == http.StatusServiceUnavailable && errors.Is(r.Context().Err(), context.Canceled)
}

// because is why a refusal was made, as far as the catalogue has a word for it:
// the reason, and the names of the fields that failed with the rules they broke.
// Values are never logged, and no reason holds any. Of a misnamed member only the
// name that was meant is: what the client wrote may be anything.
func because(f *fault.Error) (attrs []slog.Attr) {
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

// traceable is enough of a job's id to find its row by, and too little to follow
// its transaction with: it leaves out 62 random bits.
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
