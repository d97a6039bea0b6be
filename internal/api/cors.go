package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/session"
)

// publicPaths need no permission: every page may read them, also refusals that come before
// their handlers.
var publicPaths = []string{"/log/", "/w/", "/blob/", "/widget/", "/rehearsal/"}

// exposed are the response headers that a page of another origin may read.
const exposed = "Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"

// cors lets every page read the answers of the routes for browsers, refusals and preflights
// included: a page of an unlisted origin must be able to read its refusal. Every call is
// checked against its own organization's list of origins, and cookies are ignored. Minting
// is for backends: no page may read its answer.
func (a *API) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if slices.ContainsFunc(publicPaths, func(p string) bool { return strings.HasPrefix(r.URL.Path, p) }) {
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Expose-Headers", exposed)
		}
		if !strings.HasPrefix(r.URL.Path, "/v1/") || forBackends(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		h.Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", exposed)
		}
		if !preflight(r) {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Site-Key, Last-Event-ID")
		h.Set("Access-Control-Max-Age", "7200")
		h.Set("Content-Type", "application/json")
		w.Write([]byte("{}\n"))
	})
}

// forBackends reports whether a path is called with a secret key.
func forBackends(path string) bool {
	return path == "/v1/sessions" || strings.HasPrefix(path, "/v1/sessions/")
}

// preflight reports whether a request is a browser's CORS preflight.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

type callerKey struct{}

// may requires a session for an action.
func may(action session.Action, begins bool) func(session.Caller) error {
	return func(c session.Caller) error { return c.May(action, "", begins) }
}

// authorize accepts calls with a valid session for this action, before the body is read, and
// passes the caller on. stage is the route's place in its flow, for rehearsals.
func (a *API) authorize(h huma.API, fits func(session.Caller) error, stage string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, err := a.Sessions.Authorize(ctx.Context(), ctx.Header("Authorization"), ctx.Header("X-Site-Key"), ctx.Header("Origin"))
		exchangeOf(ctx.Context()).organization = c.Organization
		if err == nil {
			err = a.spend(ctx.Context(), a.Limits.Session, c.SessionID)
		}
		if err == nil {
			err = a.spend(ctx.Context(), a.Limits.Organization, c.Organization)
		}
		if err == nil {
			err = fits(c)
		}
		if err != nil {
			_ = huma.WriteErr(h, ctx, http.StatusInternalServerError, "", err)
			return
		}
		if !a.rehearse(h, ctx, c, stage) {
			next(huma.WithValue(ctx, callerKey{}, c))
		}
	}
}

// unlock accepts calls whose path has an access code that opens a work. It passes on the
// caller with the right to that work.
func (a *API) unlock(h huma.API, begins bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, err := a.Registry.Works.Unlock(ctx.Context(), callerOf(ctx.Context()), ctx.Param("code"), begins)
		if err != nil {
			_ = huma.WriteErr(h, ctx, http.StatusInternalServerError, "", err)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, c))
	}
}

// endUserWork accepts calls whose path names a work of the caller's end-user. It passes on the
// caller with the right to read the work, or to update it when write is set.
func (a *API) endUserWork(h huma.API, write bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, err := a.Registry.Works.Own(ctx.Context(), callerOf(ctx.Context()), number(ctx.Param("id")), write)
		if err != nil {
			_ = huma.WriteErr(h, ctx, http.StatusInternalServerError, "", err)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, c))
	}
}

func callerOf(ctx context.Context) session.Caller {
	return ctx.Value(callerKey{}).(session.Caller)
}
