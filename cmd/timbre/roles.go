package main

import (
	"errors"
	"fmt"
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
	Roles       []role        `env:"TIMBRE_ROLES" enum:"organizations,ats,worker" placeholder:"ROLE" help:"What this process does: organizations mints sessions, ats serves works and transactions, worker anchors them and makes certificates (default: all three)."`
	IssuerURL   string        `env:"TIMBRE_ISSUER_URL" placeholder:"URL" help:"Where the process with the role organizations publishes its keys, and the issuer that tokens name (default: the public URL)."`
	JWKSRefresh time.Duration `env:"TIMBRE_JWKS_REFRESH" default:"5m" placeholder:"TIME" help:"How often the issuer's keys are fetched again by a process that does not mint (default: ${default})."`
	JWKSMaxAge  time.Duration `env:"TIMBRE_JWKS_MAX_AGE" default:"1h" placeholder:"TIME" help:"How old they may be used while the issuer is away (default: ${default})."`
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
		return errors.New("--issuer-url is needed where --roles has ats and not organizations: it says whose tokens are good")
	case f.has(worker) && !f.has(ats) && publicURL == "":
		return errors.New("--public-url is needed where --roles has worker and not ats: it is the one of ats, after which the log and the explorer's pages are named")
	case f.verifiesElsewhere() && (f.JWKSRefresh <= 0 || f.JWKSMaxAge <= f.JWKSRefresh):
		return errors.New("--jwks-refresh must be more than 0, and --jwks-max-age more than that")
	case f.IssuerURL != "":
		return baseURL("issuer-url", f.IssuerURL)
	}
	return nil
}

// baseURL refuses what is no address of a server.
func baseURL(flag, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("--%s is http(s)://host[:port], without a path: %q", flag, value)
	}
	if len(value) > 300 { // a host has at most 253; certificates show it as a QR code
		return fmt.Errorf("--%s has more than 300 characters", flag)
	}
	if u.User != nil { // it is logged, and told to everybody; so is this error
		return fmt.Errorf("--%s is http(s)://host[:port], without a user or a password", flag)
	}
	return nil
}
