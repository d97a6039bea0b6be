package api

import (
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"timbre.example/internal/access"
	"timbre.example/internal/apikey"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/openapi"
	"timbre.example/internal/permission"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
)

// The names of the security schemes of all guards here.
const (
	bySession = openapi.BySession
	byAPIKey  = openapi.ByAPIKey
)

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

// identifyKey returns the caller of a valid API key with the permission, within the budgets of
// the key and its organization. The organization of a path must be the key's own.
func (a *API) identifyKey(ctx huma.Context, token string, p permission.Permission) (apikey.Caller, error) {
	k, err := a.Keys.Authenticate(ctx.Context(), token, web.Address(ctx.Context()))
	if err != nil {
		return apikey.Caller{}, err
	}
	web.Identify(ctx.Context(), k.Organization)
	web.Caller(ctx.Context(), k.Organization, requestlog.Caller{Kind: requestlog.APIKey, ID: k.KeyID})
	if err := a.takeKey(ctx.Context(), k); err != nil {
		return apikey.Caller{}, err
	}
	if organization := ctx.Param("org"); organization != "" {
		if err := k.In(organization); err != nil {
			return apikey.Caller{}, err
		}
	}
	return k, k.May(p)
}

// keyOf returns the API key of a call, if it has one. On the paths that name an organization
// it refuses every other caller: those are for keys.
func keyOf(ctx huma.Context) (token string, ok bool, err error) {
	header := ctx.Header("Authorization")
	token, ok = apikey.Bearer(header)
	switch {
	case ok || ctx.Param("org") == "":
		return token, ok, nil
	case header == "":
		return "", false, fault.CommonAuthMissingToken()
	}
	return "", false, fault.CommonAuthInvalidToken("malformed")
}

// either adds the callers with an API key to a guard of sessions: keys with the permission,
// and the proof that they get.
func either[P any](a *API, g web.Guard[P], p permission.Permission, proof func(huma.Context, apikey.Caller) (P, error)) web.Guard[P] {
	return web.Guard[P]{Scheme: g.Scheme, Or: byAPIKey, Parameters: g.Parameters, Check: func(ctx huma.Context) (none P, err error) {
		token, ok, err := keyOf(ctx)
		if err != nil {
			return none, err
		}
		if !ok {
			return g.Check(ctx)
		}
		k, err := a.identifyKey(ctx, token, p)
		if err != nil {
			return none, err
		}
		return proof(ctx, k)
	}}
}

// registering is the guard of the registration of a new work.
func (a *API) registering(at stage) web.Guard[access.Registrant] {
	may := func(c session.Caller) error { return c.May(session.Register, "", at.begins()) }
	sessions := guard(a, nil, at, may, func(_ huma.Context, c session.Caller) (access.Registrant, error) {
		return access.Registering(c, at.begins())
	})
	return either(a, sessions, permission.WorksRegister, func(_ huma.Context, k apikey.Caller) (access.Registrant, error) {
		return access.RegisteringByKey(k)
	})
}

// making is the guard of the later steps of a job, which new works and updates share.
func making[P access.Maker](g web.Guard[P]) web.Guard[access.Maker] {
	check := g.Check
	return web.Guard[access.Maker]{Scheme: g.Scheme, Or: g.Or, Parameters: g.Parameters, Check: func(ctx huma.Context) (access.Maker, error) { return check(ctx) }}
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

// listing is the guard of the list of works.
func (a *API) listing() web.Guard[access.Lister] {
	sessions := guard(a, nil, atCode, session.Caller.MayRead, func(_ huma.Context, c session.Caller) (access.Lister, error) {
		return access.Listing(c)
	})
	return either(a, sessions, permission.WorksRead, func(ctx huma.Context, k apikey.Caller) (access.Lister, error) {
		if _, err := a.rehearsesRead(ctx, k); err != nil {
			return access.Lister{}, err
		}
		// A filter that is there and empty is an error of the caller, who would otherwise
		// receive the works of every end-user.
		if r, _ := humachi.Unwrap(ctx); r.URL.Query().Has("external_user_ref") {
			if err := session.CheckExternalUserRef(ctx.Query("external_user_ref")); err != nil {
				return access.Lister{}, err
			}
		}
		return access.ListingByKey(k)
	})
}

// networkParam names the network of a work that a key reads.
var networkParam = &huma.Param{Name: "network", In: "query", Description: "With an API key: the work's network. Left out: the network that has the number", Schema: &huma.Schema{Type: huma.TypeString}}

// readingOwn is the guard of calls that read the work in their path.
func (a *API) readingOwn() web.Guard[access.Reader] {
	sessions := guard(a, append(workParam[:1:1], networkParam), atCode, session.Caller.MayRead, func(ctx huma.Context, c session.Caller) (access.Reader, error) {
		return a.Registry.Access.ReaderOfOwn(ctx.Context(), c, number(ctx.Param("id")))
	})
	return either(a, sessions, permission.WorksRead, a.readerByKey)
}

// proving is the guard of the evidence of the work in its path: for API keys alone.
func (a *API) proving() web.Guard[access.Reader] {
	nobody := web.Guard[access.Reader]{Parameters: append(workParam[:1:1], networkParam), Check: func(ctx huma.Context) (access.Reader, error) {
		if ctx.Header("Authorization") == "" {
			return access.Reader{}, fault.CommonAuthMissingToken()
		}
		return access.Reader{}, fault.CommonAuthInvalidToken("malformed")
	}}
	return either(a, nobody, permission.WorksRead, a.readerByKey)
}

func (a *API) readerByKey(ctx huma.Context, k apikey.Caller) (access.Reader, error) {
	if _, err := a.rehearsesRead(ctx, k); err != nil {
		return access.Reader{}, err
	}
	return a.Registry.Access.ReaderByKey(ctx.Context(), k, network.Name(ctx.Query("network")), number(ctx.Param("id")))
}

// updatingOwn is the guard of the update of the work in its path. The body of a key's call
// names the work's network.
func (a *API) updatingOwn(at stage) web.Guard[access.Updater] {
	sessions := guard(a, workParam, at, updating(at), func(ctx huma.Context, c session.Caller) (access.Updater, error) {
		e, err := a.Registry.Access.EditorOfOwn(ctx.Context(), c, number(ctx.Param("id")), at.begins())
		return e.Updater(), err
	})
	return either(a, sessions, permission.WorksUpdate, func(ctx huma.Context, k apikey.Caller) (access.Updater, error) {
		return a.Registry.Access.UpdaterByKey(k, number(ctx.Param("id")))
	})
}

// visitor is the caller of a download: a session, or a key with the code that it rehearses.
type visitor struct {
	session  session.Caller
	key      *apikey.Caller
	rehearse fault.Code
}

// downloading is the guard of downloads by the id of a work. Their handler checks the
// permission by itself.
func (a *API) downloading() web.Guard[visitor] {
	sessions := guard(a, nil, atCode, anySession, func(_ huma.Context, c session.Caller) (visitor, error) {
		return visitor{session: c, rehearse: c.Rehearse}, nil
	})
	return either(a, sessions, permission.WorksRead, func(ctx huma.Context, k apikey.Caller) (visitor, error) {
		code, err := a.rehearsesRead(ctx, k)
		return visitor{key: &k, rehearse: code}, err
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
