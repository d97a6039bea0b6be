package apikey

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Caller is a backend whose key is valid for this call. Only [Service.Authenticate] makes one.
type Caller struct {
	KeyID, Name, Organization string
	// Test: the key reaches only test networks, and what test keys made.
	Test bool
	// MaxFileSize is the smallest limit of the system, the organization and the key, in
	// bytes.
	MaxFileSize int64
	// DuplicateTitles, Quota and HashOnly are the organization's settings, as for a session.
	DuplicateTitles bool
	Quota           int64
	HashOnly        bool

	scopes   []permission.Scope
	networks network.Infos
}

// Bearer returns the token of an Authorization header that is meant as an API key; ok is false
// for every other header.
func Bearer(authorization string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && Like(token)
}

// Authenticate checks a key. from is the network address of the call. Errors, in this order:
// api_key.invalid_format (without a read of the database), api_key.not_found, api_key.revoked,
// api_key.expired, api_key.org_inactive, and common.auth.backend_unavailable if the database
// does not answer.
func (s *Service) Authenticate(ctx context.Context, token, from string) (_ Caller, err error) {
	defer operation.Wrap(&err, "check an API key")
	if !WellFormed(token) {
		return Caller{}, fault.APIKeyInvalidFormat()
	}
	row, err := s.DB.Read().APIKeyByHash(ctx, hashOf(token))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Caller{}, fault.APIKeyNotFound()
	case err != nil && store.Unavailable(err):
		return Caller{}, fault.CommonAuthBackendUnavailable(store.RetryAfter).Because(err)
	case err != nil:
		return Caller{}, err
	}
	k, now := row.ApiKey, s.DB.Now()
	switch {
	case k.RevokedAt.Valid:
		return Caller{}, fault.APIKeyRevoked()
	case k.ExpiresAt.Valid && k.ExpiresAt.Int64 <= store.Micros(now):
		return Caller{}, fault.APIKeyExpired()
	case row.Organization.SuspendedAt.Valid:
		return Caller{}, fault.APIKeyOrgInactive()
	}
	s.uses.note(k, now, from)
	return s.caller(k, row.Organization), nil
}

func (s *Service) caller(k query.ApiKey, o query.Organization) Caller {
	c := Caller{
		KeyID: k.ID, Name: k.Name, Organization: k.OrganizationID, Test: k.Test, MaxFileSize: s.MaxFileSize, DuplicateTitles: o.DuplicateTitles, Quota: o.Quota.Int64,
		HashOnly: o.AssetStorage == account.StoreNone, scopes: scopesOf(k.Scopes), networks: s.Networks,
	}
	if c.networks == nil {
		c.networks = network.Every()
	}
	if c.Test {
		c.networks = c.networks.Tests()
	}
	for _, most := range []sql.NullInt64{o.MaxFileSize, k.MaxFileSize} {
		if most.Valid && most.Int64 > 0 {
			c.MaxFileSize = min(c.MaxFileSize, most.Int64)
		}
	}
	return c
}

// May refuses a key without a scope that has the permission, with api_key.scope_denied.
func (c Caller) May(p permission.Permission) error {
	for _, s := range c.scopes {
		if s.May(p) {
			return nil
		}
	}
	return fault.APIKeyScopeDenied(string(permission.Opening(p)))
}

// Networks returns the networks that the key reaches.
func (c Caller) Networks() network.Infos { return c.networks }

// In refuses a key of another organization with api_key.org_mismatch. organization is an id
// from a path; a malformed one is another organization.
func (c Caller) In(organization string) error {
	if !strings.EqualFold(organization, c.Organization) {
		return fault.APIKeyOrgMismatch()
	}
	return nil
}

// Actor returns who changes something with the key, for the audit log.
func (c Caller) Actor(requestID string) audit.Actor {
	return audit.Actor{Kind: audit.APIKey, ID: c.KeyID, Name: c.Name, RequestID: requestID}
}

// Receives reports whether a call with a key can be answered with this code. The codes of the
// widget are raised in a browser alone.
func Receives(code fault.Code) bool {
	entry, known := fault.Lookup(code)
	return known && entry.Status != 0
}
