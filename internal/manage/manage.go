// Package manage is the HTTP API by which an organization is managed: API keys, key pairs and
// origins of the widget, settings, credits, webhooks and the audit log. Everything that the console
// changes can be changed here, so that programs can set an organization up.
//
// A route has two paths. Its canonical path names no organization: the API key names it. The
// same path below /v1/organizations/{org} is for members with a session of the console, and
// for API keys of that organization.
//
// The package translates: it decides nothing about keys, settings or credits, and never
// accesses a row by itself. Package permission says what a caller may do.
package manage

import (
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/apikey"
	"timbre.example/internal/limit"
	"timbre.example/internal/openapi"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
	"timbre.example/internal/webhook"
)

// Config configures the face. Every field is required unless noted.
type Config struct {
	// Web is the router that the face adds its routes to.
	Web *web.Router
	DB  *store.DB
	// APIKeys makes and checks keys.
	APIKeys *apikey.Service
	// Webhooks holds the endpoints and their deliveries.
	Webhooks *webhook.Service
	// People finds the sessions of the console; nil: only API keys call.
	People *people.Service
	// Cookie is the name of the cookie of these sessions.
	Cookie string
	Limits *limit.Limits
}

// Face has the handlers of all routes.
type Face struct {
	Config
	operations *web.Operations
	scheme     string // of the public URL
	origin     string // of the console's pages
	routes     []Route
}

// Route is one operation in the table of the face.
type Route struct {
	Method string
	// Path is the canonical path. The same path below /v1/organizations/{org} has the same
	// handler.
	Path  string
	Needs permission.Permission
}

// inOrganization is the beginning of the paths that name an organization.
const inOrganization = "/v1/organizations/{org}"

// MaxBody bounds every body of the face, in bytes: a few short members.
const MaxBody = 16 << 10

// New adds the routes of the face to its router.
func New(c Config) (*Face, error) {
	u, err := url.Parse(c.Web.PublicURL)
	if err != nil {
		return nil, err
	}
	f := &Face{Config: c, scheme: u.Scheme, origin: u.Scheme + "://" + u.Host}
	f.operations = web.NewOperations(c.Web, described)
	f.apiKeys()
	f.origins()
	f.integrations()
	f.settings()
	f.credits()
	f.auditLog()
	f.webhooks()
	return f, nil
}

// Routes returns the table of the face.
func (f *Face) Routes() []Route { return f.routes }

// operation is one row of the table, before it has a handler.
type operation struct {
	method, path, id, summary string
	needs                     permission.Permission
	// status is that of a success; 0 is 200.
	status int
	// test says that a test key may make the change: the handler keeps it within test data.
	test bool
}

// forms calls register with both paths of an operation.
func (f *Face) forms(o operation, register func(huma.Operation, web.Guard[Caller])) {
	f.routes = append(f.routes, Route{Method: o.method, Path: "/v1" + o.path, Needs: o.needs})
	if o.status == 0 {
		o.status = http.StatusOK
	}
	for _, form := range []struct {
		path, id, in string
		guard        web.Guard[Caller]
	}{{"/v1", "", "of the API key's organization", f.canonical(o)}, {inOrganization, openapi.Alias, "of the named organization", f.named(o)}} {
		register(huma.Operation{Method: o.method, Path: form.path + o.path, OperationID: o.id + form.id, Summary: o.summary + ", " + form.in, DefaultStatus: o.status}, form.guard)
	}
}

// do adds an operation without a body.
func do[I, O any](f *Face, o operation, handler func(*Call, *I) (*O, error)) {
	f.forms(o, func(op huma.Operation, guard web.Guard[Caller]) {
		web.Register(f.operations, op, guard, calling(handler))
	})
}

// submit adds an operation with a JSON body. A POST makes something, so
// it takes an Idempotency-Key.
func submit[I, O any](f *Face, o operation, handler func(*Call, *I) (*O, error)) {
	body := web.Body[Caller, I]{Most: MaxBody, Strict: true}
	if o.method == http.MethodPost {
		body.Once = Caller.once
	}
	f.forms(o, func(op huma.Operation, guard web.Guard[Caller]) {
		web.RegisterBody(f.operations, op, guard, body, calling(handler))
	})
}
