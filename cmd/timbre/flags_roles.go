package main

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// role is a part of the server's work. By default one process does all of it.
type role string

const (
	organizations role = "organizations" // creates sessions, publishes the keys that verify them
	ats           role = "ats"           // serves works, transactions, uploads, the log's files, the widget
	worker        role = "worker"        // anchors, makes blocks and certificates, removes expired data
)

var allRoles = []role{organizations, ats, worker}

// roleFlags set the roles of this process, and where the process with the role
// organizations is.
type roleFlags struct {
	Roles       []role        `env:"TIMBRE_ROLES" example:"ats,worker" enum:"organizations,ats,worker" placeholder:"ROLE" help:"Roles of this process, separated by commas: organizations creates sessions, ats serves works and transactions, worker anchors them and makes certificates (default: all three)."`
	IssuerURL   string        `env:"TIMBRE_ISSUER_URL" example:"https://accounts.example" placeholder:"URL" help:"URL of the process with the role organizations. It publishes its keys there, and this URL is the issuer in tokens (default: the public URL)."`
	JWKSRefresh time.Duration `env:"TIMBRE_JWKS_REFRESH" example:"5m" default:"5m" placeholder:"TIME" help:"How often a process without the role organizations fetches the issuer's keys (default: ${default})."`
	JWKSMaxAge  time.Duration `env:"TIMBRE_JWKS_MAX_AGE" example:"1h" default:"1h" placeholder:"TIME" help:"How long fetched keys stay in use while the issuer does not answer (default: ${default})."`
}

// roles returns the roles of this process.
func (f roleFlags) roles() []role {
	if len(f.Roles) == 0 {
		return allRoles
	}
	return f.Roles
}

// roleNames returns the roles of this process, separated by commas.
func (f roleFlags) roleNames() string {
	var names []string
	for _, r := range f.roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ",")
}

func (f roleFlags) has(r role) bool { return len(f.Roles) == 0 || slices.Contains(f.Roles, r) }

// verifiesElsewhere reports whether tokens are verified with another process's keys.
func (f roleFlags) verifiesElsewhere() bool { return f.has(ats) && !f.has(organizations) }

// issuer returns the issuer in tokens. The URL of the key set begins with it.
func (f roleFlags) issuer(publicURL string) string {
	if f.IssuerURL == "" {
		return publicURL
	}
	return strings.TrimSuffix(f.IssuerURL, "/")
}

func (f roleFlags) keySetURL(publicURL string) string {
	return f.issuer(publicURL) + "/.well-known/jwks.json"
}

func (f roleFlags) validate(publicURL string) error {
	switch {
	case f.verifiesElsewhere() && f.IssuerURL == "":
		return wrongf("issuer-url", "is required when --roles has ats without organizations: tokens are verified with the keys of this issuer")
	case f.has(worker) && !f.has(ats) && publicURL == "":
		return wrongf("public-url", "is required when --roles has worker without ats: give the public URL of the ats process, because the log's name and the explorer's links contain it")
	case f.verifiesElsewhere() && f.JWKSRefresh <= 0:
		return wrongf("jwks-refresh", "must be more than 0")
	case f.verifiesElsewhere() && f.JWKSMaxAge <= f.JWKSRefresh:
		return wrongf("jwks-max-age", "must be more than --jwks-refresh, which is %s", f.JWKSRefresh)
	case f.IssuerURL != "":
		return baseURL("issuer-url", f.IssuerURL)
	}
	return nil
}

// baseURL refuses a value that is not the base URL of a server.
func baseURL(flag, value string) error {
	u, err := url.Parse(value)
	switch {
	case err == nil && u.User != nil: // the URL is logged and published
		return wrongf(flag, "must be http(s)://host[:port], without a user or a password")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return wrongf(flag, "must be http(s)://host[:port], without a path")
	case len(value) > 300: // a host name has at most 253; certificates show the URL as a QR code
		return wrongf(flag, "must have at most 300 characters")
	}
	return nil
}
