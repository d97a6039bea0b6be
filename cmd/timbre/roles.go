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
	organizations role = "organizations" // mints sessions, publishes the keys that verify them
	ats           role = "ats"           // works, transactions, uploads, the log's files, the widget
	worker        role = "worker"        // anchors, makes blocks and certificates, sweeps
)

var allRoles = []role{organizations, ats, worker}

// roleFlags say which part of the work this process does, and where the others
// are.
type roleFlags struct {
	Roles       []role        `env:"TIMBRE_ROLES" example:"ats,worker" enum:"organizations,ats,worker" placeholder:"ROLE" help:"Roles of this process: organizations creates sessions, ats serves works and transactions, worker anchors them and makes certificates (default: all three)."`
	IssuerURL   string        `env:"TIMBRE_ISSUER_URL" example:"https://accounts.example" placeholder:"URL" help:"Address of the process with the role organizations: it publishes the keys there, and tokens name it as their issuer (default: the public URL)."`
	JWKSRefresh time.Duration `env:"TIMBRE_JWKS_REFRESH" example:"5m" default:"5m" placeholder:"TIME" help:"How often a process without the role organizations fetches the issuer's keys (default: ${default})."`
	JWKSMaxAge  time.Duration `env:"TIMBRE_JWKS_MAX_AGE" example:"1h" default:"1h" placeholder:"TIME" help:"How long these keys are used while the issuer does not answer (default: ${default})."`
}

// roles are those of this process.
func (f roleFlags) roles() []role {
	if len(f.Roles) == 0 {
		return allRoles
	}
	return f.Roles
}

func (f roleFlags) has(r role) bool { return len(f.Roles) == 0 || slices.Contains(f.Roles, r) }

// verifiesElsewhere says that tokens are verified with another process's keys.
func (f roleFlags) verifiesElsewhere() bool { return f.has(ats) && !f.has(organizations) }

// issuer is what tokens name as their issuer; the key set is below it.
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
		return wrongf("issuer-url", "is needed where --roles has ats and not organizations: it names the process whose tokens are good")
	case f.has(worker) && !f.has(ats) && publicURL == "":
		return wrongf("public-url", "is needed where --roles has worker and not ats: it is the one of ats, after which the log and the explorer's pages are named")
	case f.verifiesElsewhere() && f.JWKSRefresh <= 0:
		return wrongf("jwks-refresh", "must be more than 0")
	case f.verifiesElsewhere() && f.JWKSMaxAge <= f.JWKSRefresh:
		return wrongf("jwks-max-age", "must be more than --jwks-refresh, which is %s", f.JWKSRefresh)
	case f.IssuerURL != "":
		return baseURL("issuer-url", f.IssuerURL)
	}
	return nil
}

// baseURL refuses what is no address of a server.
func baseURL(flag, value string) error {
	u, err := url.Parse(value)
	switch {
	case err == nil && u.User != nil: // it is logged, and told to everybody
		return wrongf(flag, "must be http(s)://host[:port], without a user or a password")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return wrongf(flag, "must be http(s)://host[:port], without a path")
	case len(value) > 300: // a host has at most 253; certificates show it as a QR code
		return wrongf(flag, "has more than 300 characters")
	}
	return nil
}
