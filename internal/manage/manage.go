// Package manage is the HTTP API by which an organization is managed: API keys, key pairs and
// origins of the widget, settings, credits and the audit log. Everything that the console
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
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/web"
)

// New adds the routes of the face to its router.
func New(c Config) (*Face, error) {
	u, err := url.Parse(c.Web.PublicURL)
	if err != nil {
		return nil, err
	}
	f := &Face{Config: c, scheme: u.Scheme, origin: u.Scheme + "://" + u.Host}
	f.operations = web.NewOperations(c.Web, "Timbre management", "", map[string]*huma.SecurityScheme{
		byAPIKey: {Type: "http", Scheme: "bearer", Description: "An API key of the organization: afo_sk_live_ or afo_sk_test_, and 48 hex digits."},
	})
	f.apiKeys()
	f.origins()
	f.integrations()
	f.settings()
	f.credits()
	f.auditLog()
	return f, nil
}
