package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/fault"
	"timbre.example/internal/session"
)

// originCache remembers for a second which origins some organization allows.
// It decides only whether a browser may read our answers; whether a call may
// go ahead is checked against its own organization's list, every time.
//
// A preflight is held to no budget, so its questions are put to the database one
// at a time, however many come with origins that nobody has heard of.
type originCache struct {
	list func(context.Context) ([]string, error)
	turn chan struct{} // has room for the one who asks

	mu      sync.Mutex
	until   time.Time
	allowed map[string]bool

	// The last answer, and when it was asked for: of him who has the turn.
	patterns []string
	err      error
	asked    time.Time
}

func newOriginCache(list func(context.Context) ([]string, error)) *originCache {
	return &originCache{list: list, turn: make(chan struct{}, 1)}
}

// originPatience is how much of a caller's time goes into this, and how much
// again into waiting for the turn: what it asked is still to be looked up.
const originPatience = time.Second

func (c *originCache) allows(ctx context.Context, origin string) bool {
	came := time.Now()
	c.mu.Lock()
	if came.After(c.until) {
		c.allowed, c.until = map[string]bool{}, came.Add(time.Second)
	}
	ok := c.allowed[origin]
	c.mu.Unlock()
	if ok { // a "no" is asked again: a new entry counts at once
		return true
	}
	waiting, cancel := context.WithTimeout(ctx, originPatience)
	defer cancel()
	select {
	case c.turn <- struct{}{}:
	case <-waiting.Done():
		return true // as with a database that is away
	}
	defer func() { <-c.turn }()
	if !c.asked.After(came) { // else another has asked since, for all who wait
		// Also for those whose caller stays when this one goes.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), originPatience)
		defer cancel()
		c.asked = time.Now()
		c.patterns, c.err = c.list(ctx)
	}
	if c.err != nil {
		// The database is away. Without the header a browser could not even
		// read that, so the refusal that follows is let through.
		return true
	}
	ok = session.Allowed(c.patterns, origin)
	c.mu.Lock()
	defer c.mu.Unlock()
	if ok && len(c.allowed) < 10_000 {
		c.allowed[origin] = true
	}
	return ok
}

// cors answers preflights and lets allowed origins read answers, on what
// browsers call. Minting is for backends: no page may read its answer.
func (a *API) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/v1/sessions" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		ok := origin != "" && a.origins.allows(r.Context(), origin)
		if ok {
			readable(h, origin)
		}
		if !preflight(r) {
			next.ServeHTTP(w, r)
			return
		}
		if !ok {
			a.RenderError(w, r, fault.SessionOriginNotAllowed())
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Site-Key, Last-Event-ID")
		h.Set("Access-Control-Max-Age", "600")
		h.Set("Content-Type", "application/json")
		w.Write([]byte("{}\n"))
	})
}

// readable lets pages of an origin read the answer.
func readable(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id")
}

func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

type callerKey struct{}

// may asks for a session that is for an action.
func may(action session.Action, begins bool) func(session.Caller) error {
	return func(c session.Caller) error { return c.May(action, "", begins) }
}

// authorize lets a call through whose session is good and is for this action,
// before anything of its body is looked at, and hands the caller on. The stage is
// where the route stands in its flow, for a session that rehearses.
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

// unlock lets a call through whose path holds an access code that opens a work,
// and hands on the caller as one who may update it.
func (a *API) unlock(h huma.API, begins bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, err := a.Registry.Unlock(ctx.Context(), callerOf(ctx.Context()), ctx.Param("code"), begins)
		if err != nil {
			_ = huma.WriteErr(h, ctx, http.StatusInternalServerError, "", err)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, c))
	}
}

// own lets a call through whose path names a work of the caller's end-user, and
// hands on the caller as one who may see it, or update it when write is set.
func (a *API) own(h huma.API, write bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, err := a.Registry.Own(ctx.Context(), callerOf(ctx.Context()), number(ctx.Param("id")), write)
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
