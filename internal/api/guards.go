package api

import (
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/access"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
)

// bySession is the name of the security scheme of all guards here.
const bySession = "session"

// codeParam and workParam are the parameters of paths that name a work.
var (
	codeParam = []*huma.Param{{Name: "code", In: "path", Required: true, Description: "atc_ and 64 hex digits", Schema: &huma.Schema{Type: huma.TypeString}}}
	workParam = []*huma.Param{{Name: "id", In: "path", Required: true, Description: "The work's ats_id", Schema: &huma.Schema{Type: huma.TypeInteger}}}
)

// identify returns the caller of a valid session that may make this call, within the budgets
// of the session and its organization. A session that rehearses an error at this stage
// receives that error.
func (a *API) identify(ctx huma.Context, may func(session.Caller) error, at stage) (session.Caller, error) {
	c, err := a.Sessions.Authorize(ctx.Context(), ctx.Header("Authorization"), ctx.Header("X-Site-Key"), ctx.Header("Origin"))
	if err != nil {
		return session.Caller{}, err
	}
	web.Identify(ctx.Context(), c.Organization)
	if err := a.takeCall(ctx.Context(), c); err != nil {
		return session.Caller{}, err
	}
	if err := may(c); err != nil {
		return session.Caller{}, err
	}
	return c, a.rehearse(ctx, c, at)
}

// guard makes a guard of two steps: identify, with the check of the session, and then the
// proof that the handler needs.
func guard[P any](a *API, params []*huma.Param, at stage, may func(session.Caller) error, proof func(huma.Context, session.Caller) (P, error)) web.Guard[P] {
	return web.Guard[P]{Scheme: bySession, Parameters: params, Check: func(ctx huma.Context) (none P, err error) {
		c, err := a.identify(ctx, may, at)
		if err != nil {
			return none, err
		}
		return proof(ctx, c)
	}}
}

// caller is the guard of calls whose handler checks the permission by itself.
func (a *API) caller(may func(session.Caller) error, at stage) web.Guard[session.Caller] {
	return guard(a, nil, at, may, func(_ huma.Context, c session.Caller) (session.Caller, error) { return c, nil })
}

// registering is the guard of the registration of a new work.
func (a *API) registering(at stage) web.Guard[access.Registrant] {
	may := func(c session.Caller) error { return c.May(session.Register, "", at.begins()) }
	return guard(a, nil, at, may, func(_ huma.Context, c session.Caller) (access.Registrant, error) {
		return access.Registering(c, at.begins())
	})
}

// making is the guard of the later steps of a job, which new works and updates share.
func making[P access.Maker](g web.Guard[P]) web.Guard[access.Maker] {
	check := g.Check
	return web.Guard[access.Maker]{Scheme: g.Scheme, Parameters: g.Parameters, Check: func(ctx huma.Context) (access.Maker, error) { return check(ctx) }}
}

// updating returns the check of the session of an update.
func updating(at stage) func(session.Caller) error {
	return func(c session.Caller) error { return c.May(session.UpdateVersion, "", at.begins()) }
}

// readingByCode is the guard of calls that read the work of the access code in their path.
func (a *API) readingByCode() web.Guard[access.Reader] {
	return guard(a, codeParam, atCode, session.Caller.MayLookUp, func(ctx huma.Context, c session.Caller) (access.Reader, error) {
		return a.Registry.Access.ReaderByCode(ctx.Context(), c, ctx.Param("code"))
	})
}

// updatingByCode is the guard of the update of the work of the access code in its path.
func (a *API) updatingByCode(at stage) web.Guard[access.Editor] {
	return guard(a, codeParam, at, updating(at), func(ctx huma.Context, c session.Caller) (access.Editor, error) {
		return a.Registry.Access.EditorByCode(ctx.Context(), c, ctx.Param("code"), at.begins())
	})
}

// listing is the guard of the list of the end-user's works.
func (a *API) listing() web.Guard[access.EndUser] {
	return guard(a, nil, atCode, session.Caller.MayRead, func(_ huma.Context, c session.Caller) (access.EndUser, error) {
		return access.Listing(c)
	})
}

// readingOwn is the guard of calls that read the end-user's work in their path.
func (a *API) readingOwn() web.Guard[access.Reader] {
	return guard(a, workParam, atCode, session.Caller.MayRead, func(ctx huma.Context, c session.Caller) (access.Reader, error) {
		return a.Registry.Access.ReaderOfOwn(ctx.Context(), c, number(ctx.Param("id")))
	})
}

// updatingOwn is the guard of the update of the end-user's work in its path.
func (a *API) updatingOwn(at stage) web.Guard[access.Editor] {
	return guard(a, workParam, at, updating(at), func(ctx huma.Context, c session.Caller) (access.Editor, error) {
		return a.Registry.Access.EditorOfOwn(ctx.Context(), c, number(ctx.Param("id")), at.begins())
	})
}

// anySession accepts every session, also one whose token has expired.
func anySession(session.Caller) error { return nil }

// number reads a number in a path; an invalid one is 0, which matches nothing.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0
	}
	return n
}
