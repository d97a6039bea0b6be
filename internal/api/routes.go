package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/requestlog"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
)

// The routes of progress streams.
const (
	routeSocket = "/v1/ws/transactions/{id}"
	routeEvents = "/v1/transactions/{id}/events"
)

// New adds the routes of the API to its router.
func New(c Config) *API {
	a := &API{Config: c, counts: newCounts()}
	a.Sessions.Seen = seen
	if a.mints() {
		a.Web.Get("/.well-known/jwks.json", a.jwks)
	}
	if a.works() {
		a.Web.Handle(refusingStore, http.HandlerFunc(a.storeThatRefuses))
		a.Web.Stream(routeSocket, a.socket)
		a.Web.Stream(routeEvents, a.events)
	}
	if a.mints() || a.works() {
		a.routes()
	}
	return a
}

// seen records a caller for the request log, also one that is refused after this.
func seen(ctx context.Context, by session.Seen) {
	kind := requestlog.Session
	if by.Mints {
		kind = requestlog.Mint
	}
	web.Caller(ctx, by.Organization, requestlog.Caller{Kind: kind, ID: by.SiteKey, Session: by.Session})
}

// op names an operation that answers 200.
func op(method, path, id, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: 200}
}

// accepted is an operation that answers 202: its work continues after the answer.
func accepted(o huma.Operation) huma.Operation {
	o.DefaultStatus = 202
	return o
}

// routes adds the JSON operations. Each has a guard, which proves to its handler who calls,
// and for which work: see [web.Guard].
func (a *API) routes() {
	o := web.NewOperations(a.Web, "Timbre", "/v1/openapi", map[string]*huma.SecurityScheme{
		bySession: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A session token from POST /v1/sessions."},
		byAPIKey:  {Type: "http", Scheme: "bearer", Description: "An API key of the organization: afo_sk_live_ or afo_sk_test_ and 48 hex digits. Never in a browser."},
	})
	defer func() { a.document(o.Document()) }()

	if a.mints() {
		web.RegisterBody(o, op("POST", "/v1/sessions", "mint-session", "Mint a session: called by the host's backend"), web.Open, mintBody, a.mint)
		web.RegisterBody(o, op("POST", "/v1/sessions/revoke", "revoke-sessions", "End sessions: called by the host's backend"), web.Open, revokeBody, a.revoke)
	}
	if !a.works() {
		return
	}
	web.Register(o, op("GET", "/v1/stats", "stats", "Public numbers of a network"), web.Open, a.stats)
	web.Register(o, op("GET", "/v1/transactions/{id}", "transaction", "The progress of a transaction"), web.Open, a.transaction)

	// The work of an access code.
	web.Register(o, op("GET", "/v1/access/{code}/work", "work-by-code", "The work that an access code opens, with its versions"), a.readingByCode(), a.workByCode)
	web.Register(o, op("GET", "/v1/access/{code}/versions/{v}/download/{what}", "download-by-code", "A URL of a version's certificate or recording, by access code"), a.caller(session.Caller.MayLookUp, atCode), a.downloadByCode)
	web.RegisterBody(o, op("POST", "/v1/access/{code}/versions/init", "init-version", "Begin a version that keeps the recording"), a.updatingByCode(atInit), versionBody, a.initVersion)
	web.RegisterBody(o, op("POST", "/v1/access/{code}/versions/init-upload", "init-version-upload", "Begin a version with a new recording, and get an upload URL"), a.updatingByCode(atInit), versionUploadBody, a.initVersionUpload)
	web.RegisterBody(o, op("POST", "/v1/access/{code}/versions/upload", "renew-version-upload", "Get another upload URL for a job"), making(a.updatingByCode(atUpload)), jobBody, a.renewUpload)
	web.RegisterBody(o, op("POST", "/v1/access/{code}/versions/prepare", "prepare-version", "Read the upload, if there is one, and quote"), making(a.updatingByCode(atPrepare)), jobBody, a.prepareVersion)
	web.RegisterBody(o, accepted(op("POST", "/v1/access/{code}/versions/confirm", "confirm-version", "Accept the quote")), making(a.updatingByCode(atConfirm)), jobBody, a.confirm)
	web.Register(o, op("POST", "/v1/access/{code}/rotate", "rotate-code", "Replace an access code"), a.caller(updating(atCode), atCode), a.rotateCode)

	a.worksAt(o, "/v1/works", "")
	a.worksAt(o, "/v1/organizations/{org}/works", "-of-organization")
}

// worksAt adds the routes of works below a path: for the widget and for API keys at /v1/works,
// and for API keys alone below the organization's path. The ids of the second ones end with
// suffix.
func (a *API) worksAt(o *web.Operations, root, suffix string) {
	at := func(method, path, id, summary string) huma.Operation {
		h := op(method, root+path, id+suffix, summary)
		if suffix != "" {
			h.Security = []map[string][]string{{byAPIKey: {}}}
			h.Parameters = []*huma.Param{{Name: "org", In: "path", Required: true, Description: "The key's organization, a UUID", Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"}}}
		}
		return h
	}
	// A new work.
	web.RegisterBody(o, at("POST", "/init", "init-work", "Begin a registration and get an upload URL"), a.registering(atInit), workBody, a.initWork)
	web.RegisterBody(o, at("POST", "/upload", "renew-upload", "Get another upload URL for a job"), making(a.registering(atUpload)), jobBody, a.renewUpload)
	web.RegisterBody(o, at("POST", "/prepare", "prepare-work", "Read the upload and quote"), making(a.registering(atPrepare)), jobBody, a.prepare)
	web.RegisterBody(o, accepted(at("POST", "/confirm", "confirm-work", "Accept the quote")), making(a.registering(atConfirm)), jobBody, a.confirm)

	// The works of the session's end-user, or of the key's organization.
	web.Register(o, at("GET", "", "own-works", "The end-user's works, latest change first"), a.listing(), a.ownWorks)
	web.Register(o, at("GET", "/{id}", "own-work", "One of the end-user's works, as in the list"), a.readingOwn(), a.ownWork)
	web.Register(o, at("GET", "/{id}/creators", "latest-creators", "The creators of the latest version"), a.readingOwn(), a.latestCreators)
	web.Register(o, proofOf(at("GET", "/{id}/evidence", "evidence", "The proof of a version, as JSON")), a.proving(), a.evidence)
	web.Register(o, at("GET", "/{id}/versions", "own-versions", "The versions of an end-user's work, oldest first"), a.readingOwn(), a.ownVersions)
	web.Register(o, at("GET", "/{id}/versions/{v}/creators", "own-creators", "The creators of a version"), a.readingOwn(), a.ownCreators)
	web.Register(o, at("GET", "/{id}/download/{what}", "download-latest", "A URL of the latest version's certificate or recording"), a.downloading(), a.downloadLatest)
	web.Register(o, at("GET", "/{id}/versions/{v}/download/{what}", "download-version", "A URL of a version's certificate or recording"), a.downloading(), a.downloadVersion)
	web.RegisterBody(o, at("POST", "/{id}/versions/init", "init-own-version", "Begin a version that keeps the recording"), a.updatingOwn(atInit), ownVersionBody, named(a.initVersion))
	web.RegisterBody(o, at("POST", "/{id}/versions/init-upload", "init-own-version-upload", "Begin a version with a new recording, and get an upload URL"), a.updatingOwn(atInit), ownVersionUploadBody, named(a.initVersionUpload))
	web.RegisterBody(o, at("POST", "/{id}/versions/upload", "renew-own-version-upload", "Get another upload URL for a job"), a.updatingOwn(atUpload), versionJobBody, named(continued(a.renewUpload)))
	web.RegisterBody(o, at("POST", "/{id}/versions/prepare", "prepare-own-version", "Read the upload, if there is one, and quote"), a.updatingOwn(atPrepare), versionJobBody, named(continued(a.prepareVersion)))
	web.RegisterBody(o, accepted(at("POST", "/{id}/versions/confirm", "confirm-own-version", "Accept the quote")), a.updatingOwn(atConfirm), versionJobBody, named(continued(a.confirm)))
}

// document describes the routes that are not JSON operations.
func (a *API) document(o *huma.OpenAPI) {
	id := []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"}}}
	text := func(description, contentType string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	}
	object := func(description string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}}}
	}
	refused := &huma.Response{Description: "Refused", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/Refusal"}}}}
	for _, r := range []struct {
		here                      bool
		method, path, id, summary string
		params                    []*huma.Param
		responses                 map[string]*huma.Response
	}{
		{a.mints(), "GET", "/.well-known/jwks.json", "jwks", "The public keys of session tokens", nil, map[string]*huma.Response{"200": object("A JSON Web Key Set")}},
		{true, "GET", "/healthz", "health", "Health of this server", nil, map[string]*huma.Response{"200": object("It can serve"), "503": refused}},
		{true, "HEAD", "/healthz", "health-head", "Health of this server, without a body", nil, map[string]*huma.Response{"200": {Description: "It can serve"}, "503": {Description: "It cannot serve"}}},
		{true, "GET", "/readyz", "ready", "Readiness of this server: healthy, migrated, with space for uploads, and no log stopped or silent", []*huma.Param{{Name: "exclude", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"storage", "log", "schema"}}}}, map[string]*huma.Response{"200": object("It can serve"), "503": refused}},
		{true, "HEAD", "/readyz", "ready-head", "Readiness of this server: healthy, migrated, with space for uploads, and no log stopped or silent; without a body", nil, map[string]*huma.Response{"200": {Description: "It can serve"}, "503": {Description: "It cannot serve"}}},
		{true, "GET", "/metrics", "metrics", "Metrics, for programs on this machine", nil, map[string]*huma.Response{"200": text("Prometheus' text format", "text/plain"), "404": refused}},
		{a.works(), "GET", routeSocket, "follow-socket", "Progress as WebSocket frames", id, map[string]*huma.Response{"101": {Description: "Switched to WebSocket frames"}, "404": refused, "422": refused}},
		{a.works(), "GET", routeEvents, "follow-events", "Progress as server-sent events", append(id[:1:1], &huma.Param{
			Name: "Last-Event-ID", In: "header", Description: "The number of steps that the client has received", Schema: &huma.Schema{Type: huma.TypeInteger},
		}), map[string]*huma.Response{"200": text("update, completed and error events", "text/event-stream"), "404": refused}},
	} {
		if !r.here {
			continue
		}
		o.AddOperation(&huma.Operation{Method: r.method, Path: r.path, OperationID: r.id, Summary: r.summary, Parameters: r.params, Responses: r.responses})
	}
}
