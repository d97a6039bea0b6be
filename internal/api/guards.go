package api

import (
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/session"
	"timbre.example/internal/web"
)

// stage is the place of a route in its flow: the place at which a session rehearses an error
// code, as the catalogue names it.
type stage string

// The stages of a registration or an update, and that of the calls which only read.
const (
	atInit    stage = "init"
	atUpload  stage = "upload"
	atPrepare stage = "prepare"
	atConfirm stage = "confirm"
	atCode    stage = "code"
)

// begins reports whether calls of a stage begin something, which an expired token may not do.
func (s stage) begins() bool { return s == atInit }

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

// caller is the guard of calls that need a session, and no work.
func (a *API) caller(may func(session.Caller) error, at stage) web.Guard[session.Caller] {
	return web.Guard[session.Caller]{Scheme: bySession, Check: func(ctx huma.Context) (session.Caller, error) {
		return a.identify(ctx, may, at)
	}}
}

// registering is the guard of the registration of a new work.
func (a *API) registering(at stage) web.Guard[session.Caller] {
	return a.caller(func(c session.Caller) error { return c.May(session.Register, "", at.begins()) }, at)
}

// updating returns the check of the session of an update.
func updating(at stage) func(session.Caller) error {
	return func(c session.Caller) error { return c.May(session.UpdateVersion, "", at.begins()) }
}

// withCode is the guard of calls whose path has an access code: it must open a work.
func (a *API) withCode(may func(session.Caller) error, begins bool, at stage) web.Guard[session.Caller] {
	return web.Guard[session.Caller]{Scheme: bySession, Parameters: codeParam, Check: func(ctx huma.Context) (session.Caller, error) {
		c, err := a.identify(ctx, may, at)
		if err != nil {
			return session.Caller{}, err
		}
		return a.Registry.Works.Unlock(ctx.Context(), c, ctx.Param("code"), begins)
	}}
}

// reading is the guard of calls that read the work of an access code.
func (a *API) reading() web.Guard[session.Caller] {
	return a.withCode(session.Caller.MayLookUp, true, atCode)
}

// updatingByCode is the guard of the update of an access code's work.
func (a *API) updatingByCode(at stage) web.Guard[session.Caller] {
	return a.withCode(updating(at), at.begins(), at)
}

// withOwnWork is the guard of calls whose path names a work of the session's end-user. write
// is set for an update.
func (a *API) withOwnWork(may func(session.Caller) error, write bool, at stage) web.Guard[session.Caller] {
	return web.Guard[session.Caller]{Scheme: bySession, Parameters: workParam, Check: func(ctx huma.Context) (session.Caller, error) {
		c, err := a.identify(ctx, may, at)
		if err != nil {
			return session.Caller{}, err
		}
		return a.Registry.Works.Own(ctx.Context(), c, number(ctx.Param("id")), write)
	}}
}

// readingOwn is the guard of calls that read a work of the session's end-user.
func (a *API) readingOwn() web.Guard[session.Caller] {
	return a.withOwnWork(session.Caller.MayRead, false, atCode)
}

// updatingOwn is the guard of the update of a work of the session's end-user.
func (a *API) updatingOwn(at stage) web.Guard[session.Caller] {
	return a.withOwnWork(updating(at), true, at)
}

// any accepts every session, also one whose token has expired.
func anySession(session.Caller) error { return nil }

// number reads a number in a path; an invalid one is 0, which matches nothing.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0
	}
	return n
}
