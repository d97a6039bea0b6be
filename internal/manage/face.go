package manage

import (
	"timbre.example/internal/apikey"
	"timbre.example/internal/limit"
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

// MaxBody bounds every body of the face but a logo, in bytes: a few short members.
const MaxBody = 16 << 10

// Routes returns the table of the face.
func (f *Face) Routes() []Route { return f.routes }

// operation is one row of the table, before it has a handler.
type operation struct {
	method, path, id, summary string
	needs                     permission.Permission
	// status is that of a success; 0 is 200.
	status int
	// body is the largest body in bytes; 0 is MaxBody.
	body int64
	// test says that a test key may make the change: the handler keeps it within test data.
	test bool
}
