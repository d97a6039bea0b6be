package manage

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/google/uuid"

	"timbre.example/internal/account"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/openapi"
	"timbre.example/internal/permission"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/web"
)

// Caller may make one call in one organization. Only the guards make one.
type Caller struct {
	// Organization is the id of the organization that the call reads or changes.
	Organization string
	// Actor is the caller as the audit log names it.
	Actor audit.Actor
	// Test says that the caller is a test key: it creates nothing that reaches a live network.
	Test bool

	key string // the id of the API key, or "" for a member
	may func(permission.Permission) bool
}

// shown returns the id of a transaction as the caller may see it.
func (c Caller) shown(id string) string { return permission.TransactionID(id, c.may) }

// once returns the caller to which an Idempotency-Key belongs.
func (c Caller) once() string { return c.key }

// Call is one call with its caller.
type Call struct {
	context.Context
	Caller
}

// calling adapts a handler to the operations of package web.
func calling[I, O any](handler func(*Call, *I) (*O, error)) func(context.Context, Caller, *I) (*O, error) {
	return func(ctx context.Context, c Caller, in *I) (*O, error) { return handler(&Call{ctx, c}, in) }
}

// canonical is the guard of a path without an organization: only API keys call it.
func (f *Face) canonical(o operation) web.Guard[Caller] {
	return web.Guard[Caller]{Scheme: openapi.ByAPIKey, Check: func(ctx huma.Context) (Caller, error) {
		return f.backend(ctx, o, "")
	}}
}

// named is the guard of a path that names the organization: for API keys, and for members
// with a session of the console.
func (f *Face) named(o operation) web.Guard[Caller] {
	organization := &huma.Param{Name: "org", In: "path", Required: true, Description: "The organization's id", Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"}}
	return web.Guard[Caller]{Scheme: openapi.ByAPIKey, Or: openapi.ByCookie, Parameters: []*huma.Param{organization}, Check: func(ctx huma.Context) (Caller, error) {
		r, _ := humachi.Unwrap(ctx)
		if cookie, err := r.Cookie(f.Cookie); err == nil && f.People != nil && r.Header.Get("Authorization") == "" {
			return f.member(ctx, r, o, cookie.Value, ctx.Param("org"))
		}
		return f.backend(ctx, o, ctx.Param("org"))
	}}
}

// backend returns the caller of an API key. The path names organization; "": none.
func (f *Face) backend(ctx huma.Context, o operation, organization string) (Caller, error) {
	token, ok := apikey.Bearer(ctx.Header("Authorization"))
	switch {
	case ctx.Header("Authorization") == "":
		return Caller{}, fault.CommonAuthMissingToken()
	case !ok:
		return Caller{}, fault.CommonAuthInvalidToken("malformed")
	}
	c, err := f.APIKeys.Authenticate(ctx.Context(), token, web.Address(ctx.Context()))
	if err != nil {
		return Caller{}, err
	}
	if organization != "" {
		if err := c.In(organization); err != nil {
			return Caller{}, err
		}
	}
	if err := f.take(ctx.Context(), f.Limits.Key, c.Organization, c.KeyID, requestlog.Caller{Kind: requestlog.APIKey, ID: c.KeyID}); err != nil {
		return Caller{}, err
	}
	if err := c.May(o.needs); err != nil {
		return Caller{}, err
	}
	if c.Test && o.method != http.MethodGet && !o.test {
		return Caller{}, fault.CommonForbidden("test_key")
	}
	return Caller{Organization: c.Organization, Actor: c.Actor(web.RequestID(ctx.Context())), Test: c.Test, key: c.KeyID, may: func(p permission.Permission) bool { return c.May(p) == nil }}, nil
}

// member returns the caller of a session of the console. To everybody else an organization
// does not exist.
func (f *Face) member(ctx huma.Context, r *http.Request, o operation, token, organization string) (Caller, error) {
	s, err := f.People.Session(ctx.Context(), token)
	if err != nil {
		return Caller{}, err
	}
	if unsafe(o.method) && !f.own(r) {
		return Caller{}, fault.CommonForbidden("origin")
	}
	id, err := uuid.Parse(organization)
	if err != nil {
		return Caller{}, fault.OrganizationNotFound()
	}
	role, err := f.People.Role(ctx.Context(), s.Person.ID, id.String())
	if err != nil {
		return Caller{}, err
	}
	if !role.Known() {
		return Caller{}, fault.OrganizationNotFound()
	}
	if err := f.take(ctx.Context(), f.Limits.Session, id.String(), s.ID, requestlog.Caller{Kind: requestlog.Console}); err != nil {
		return Caller{}, err
	}
	org, err := account.GetOrganization(ctx.Context(), f.DB, id.String())
	switch {
	case err != nil:
		return Caller{}, err
	case org.Suspended && !o.needs.Reads(): // its members still read
		return Caller{}, fault.OrganizationInactive()
	case !role.May(o.needs):
		return Caller{}, fault.CommonForbidden("role")
	}
	may := func(p permission.Permission) bool { return role.May(p) && (p.Reads() || !org.Suspended) }
	return Caller{Organization: id.String(), Actor: s.Person.Actor(web.RequestID(ctx.Context())), may: may}, nil
}

// take takes a call from the budgets of its caller and its organization.
func (f *Face) take(ctx context.Context, b *limit.Budget, organization, caller string, by requestlog.Caller) error {
	web.Identify(ctx, organization)
	web.Caller(ctx, organization, by)
	if err := web.Take(ctx, b, caller, limited); err != nil {
		return err
	}
	return f.Web.TakeOrganization(ctx, organization)
}

func unsafe(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// own reports whether a page of this server makes the request. A browser sends the Origin
// of the page with every request that can change something.
func (f *Face) own(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == f.origin {
		return true
	}
	// The server may have several names: a page of the name that is asked is an own page.
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.Host == r.Host && u.Scheme == f.scheme
}

// limited is the refusal of a call over the budget of its caller.
func limited(wait time.Duration) *fault.Error {
	return fault.CommonRateLimited(wait).With("reason", "caller")
}
