package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/openapi"
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
		a.followers = newFollowers(a.Registry.Works, a.Web.Stopping())
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
	o := web.NewOperations(a.Web, operations)
	a.describe(o)

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
	web.RegisterBody(o, op("POST", "/v1/access/{code}/versions/parts", "parts-version", "Upload in parts: the stored parts, and URLs for more"), making(a.updatingByCode(atUpload)), partsBody, a.parts)
	web.RegisterBody(o, op("POST", "/v1/access/{code}/versions/parts/complete", "complete-parts-version", "Upload in parts: all parts are sent"), making(a.updatingByCode(atUpload)), jobBody, a.completeParts)
	web.RegisterBody(o, op("POST", "/v1/access/{code}/versions/parts/abort", "abort-parts-version", "Upload in parts: remove the parts"), making(a.updatingByCode(atUpload)), jobBody, a.abortParts)
	web.RegisterBody(o, op("POST", "/v1/access/{code}/versions/prepare", "prepare-version", "Read the upload, if there is one, and quote"), making(a.updatingByCode(atPrepare)), jobBody, a.prepareVersion)
	web.RegisterBody(o, accepted(op("POST", "/v1/access/{code}/versions/confirm", "confirm-version", "Accept the quote")), making(a.updatingByCode(atConfirm)), jobBody, a.confirm)
	web.Register(o, op("POST", "/v1/access/{code}/rotate", "rotate-code", "Replace an access code"), a.caller(updating(atCode), atCode), a.rotateCode)

	a.worksAt(o, "/v1/works", "")
	a.worksAt(o, "/v1/organizations/{org}/works", openapi.Alias)
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
	web.RegisterBody(o, at("POST", "/parts", "parts", "Upload in parts: the stored parts, and URLs for more"), making(a.registering(atUpload)), partsBody, a.parts)
	web.RegisterBody(o, at("POST", "/parts/complete", "complete-parts", "Upload in parts: all parts are sent"), making(a.registering(atUpload)), jobBody, a.completeParts)
	web.RegisterBody(o, at("POST", "/parts/abort", "abort-parts", "Upload in parts: remove the parts"), making(a.registering(atUpload)), jobBody, a.abortParts)
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
	web.RegisterBody(o, at("POST", "/{id}/versions/parts", "parts-own-version", "Upload in parts: the stored parts, and URLs for more"), a.updatingOwn(atUpload), versionPartsBody, named(continued(a.parts)))
	web.RegisterBody(o, at("POST", "/{id}/versions/parts/complete", "complete-parts-own-version", "Upload in parts: all parts are sent"), a.updatingOwn(atUpload), versionJobBody, named(continued(a.completeParts)))
	web.RegisterBody(o, at("POST", "/{id}/versions/parts/abort", "abort-parts-own-version", "Upload in parts: remove the parts"), a.updatingOwn(atUpload), versionJobBody, named(continued(a.abortParts)))
	web.RegisterBody(o, at("POST", "/{id}/versions/prepare", "prepare-own-version", "Read the upload, if there is one, and quote"), a.updatingOwn(atPrepare), versionJobBody, named(continued(a.prepareVersion)))
	web.RegisterBody(o, accepted(at("POST", "/{id}/versions/confirm", "confirm-own-version", "Accept the quote")), a.updatingOwn(atConfirm), versionJobBody, named(continued(a.confirm)))
}

// describe adds the routes that are not JSON operations to the description.
func (a *API) describe(o *web.Operations) {
	id := &huma.Param{Name: "id", In: "path", Required: true, Description: "The transaction's id", Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"}}
	if a.mints() {
		key := &huma.Schema{Type: huma.TypeObject, Required: []string{"kty"}, Properties: map[string]*huma.Schema{}, AdditionalProperties: false}
		for name, meaning := range map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": "The name of the key in the header of tokens", "use": "sig", "alg": "EdDSA", "x": "The public key, in base64url"} {
			key.Properties[name] = &huma.Schema{Type: huma.TypeString, Description: meaning}
		}
		set := &huma.Schema{Type: huma.TypeObject, Required: []string{"keys"}, AdditionalProperties: false, Properties: map[string]*huma.Schema{"keys": {Type: huma.TypeArray, Items: key}}}
		o.Describe(huma.Operation{
			Method: "GET", Path: "/.well-known/jwks.json", OperationID: "jwks", Summary: "The public keys of session tokens",
			Responses: map[string]*huma.Response{"200": {Description: "A JSON Web Key Set", Content: map[string]*huma.MediaType{"application/json": {Schema: set}}}},
		})
	}
	if !a.works() {
		return
	}
	o.Describe(huma.Operation{
		Method: "GET", Path: routeSocket, OperationID: "follow-socket", Summary: "Progress as WebSocket frames", Parameters: []*huma.Param{id},
		Responses: map[string]*huma.Response{"101": {Description: "The connection continues with WebSocket frames"}},
	})
	o.Describe(huma.Operation{
		Method: "GET", Path: routeEvents, OperationID: "follow-events", Summary: "Progress as server-sent events",
		Parameters: []*huma.Param{id, {Name: "Last-Event-ID", In: "header", Description: "The number of steps that the client has received", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: new(float64)}}},
		Responses:  map[string]*huma.Response{"200": {Description: "update, completed and error events", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}},
	})
}
