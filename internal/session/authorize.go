package session

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Caller is a browser whose session is valid for this call.
type Caller struct {
	SessionID       string
	Organization    string
	Action          Action
	Network         network.Name
	AtsID           int64
	ExternalUserRef string
	// MaxFileSize is the smallest limit of the system, the organization, the key and the
	// session, in bytes.
	MaxFileSize int64
	// DuplicateTitles is the organization's setting.
	DuplicateTitles bool
	// Quota is the largest number of registrations and updates of the organization in a
	// month; 0: no quota, credits are the only limit.
	Quota int64
	// Test: the session belongs to a test key. It reaches only what test keys made on the
	// test network. Rehearse is the error code to rehearse; "" for none.
	Test     bool
	Rehearse fault.Code
	// HashOnly: the registry stores only the hash of a recording, and no file.
	HashOnly bool
	// Expired: the token can continue the job that it started, but cannot start another
	// one.
	Expired bool
}

// Authorize checks the headers Authorization and X-Site-Key of a browser's call, and
// Origin if the browser sent it. A browser sends Origin with every cross-origin call, so
// a call without it does not come from another site's page.
//
// Errors: common.auth.jwks_unavailable if the issuer's keys are missing;
// common.auth.backend_unavailable if the database does not answer. In the second case the
// token's signature is valid, but its session could not be read.
func (s *Service) Authorize(ctx context.Context, authorization, siteKey, origin string) (_ Caller, err error) {
	defer operation.Wrap(&err, "authorize a call")
	if authorization == "" {
		return Caller{}, fault.CommonAuthMissingToken()
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return Caller{}, fault.CommonAuthInvalidToken("malformed")
	}
	c, err := s.verify(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	if err := account.CheckSiteKey(siteKey); err != nil {
		return Caller{}, err
	}
	row, err := s.read(ctx, named{c.ID, siteKey})
	if errors.Is(err, sql.ErrNoRows) {
		return Caller{}, fault.OrganizationNotFound()
	} else if err != nil {
		return Caller{}, unread(err)
	}
	from := row.from
	if from.Organization.ID != c.Organization || hashSiteKey(siteKey) != c.SiteKeyHash {
		return Caller{}, fault.SessionInvalidToken("key")
	}
	s.seen(ctx, Seen{Organization: c.Organization, SiteKey: from.SiteKey, Session: c.ID})
	if err := from.Active(); err != nil {
		return Caller{}, err
	}
	if origin != "" && !allowed(from, row.origin, origin) {
		return Caller{}, fault.SessionOriginNotAllowed().With("reason", "not_listed")
	}
	expired := !s.DB.Now().Before(c.Expires)
	switch {
	case row.revoked:
		return Caller{}, fault.SessionInvalidToken("revoked")
	case !row.found && expired: // expired long ago, and its row was deleted
		return Caller{}, fault.CommonAuthExpired()
	case !row.found: // signed with our key, but its session is missing: it was not minted here, or the database was restored
		return Caller{}, fault.SessionInvalidToken("unknown")
	case !reaches(s.Served(), c.Network, from.Test):
		return Caller{}, fault.SessionInvalidToken("network")
	// A row of an older release has no action. Any other row has what was minted. A token
	// that claims more was made with a stolen key and the id of a session.
	case row.action != "" && (row.action != string(c.Action) || row.network != string(c.Network) || row.endUser != endUser(c.Organization, c.ExternalUserRef)):
		return Caller{}, fault.SessionInvalidToken("unknown")
	}
	caller := Caller{
		SessionID: c.ID, Organization: c.Organization, Action: c.Action, Network: c.Network, AtsID: c.AtsID, ExternalUserRef: c.ExternalUserRef,
		MaxFileSize:     from.MaxFileSize(s.MaxFileSize),
		DuplicateTitles: from.Organization.DuplicateTitles,
		Quota:           from.Organization.Quota,
		Test:            from.Test,
		HashOnly:        c.HashOnly || from.Organization.AssetStorage == account.StoreNone,
		Expired:         expired,
	}
	if c.MaxFileSize > 0 {
		caller.MaxFileSize = min(caller.MaxFileSize, c.MaxFileSize)
	}
	if caller.Test { // a live key never rehearses, also if the token claims it
		caller.Rehearse = c.Rehearse
	}
	return caller, nil
}

// read reads a key pair and a session of it, or remembers them.
func (s *Service) read(ctx context.Context, n named) (stored, error) {
	now := s.DB.Now()
	if kept, ok := s.sessions.Get(n, now); ok {
		return kept, nil
	}
	row, err := s.DB.Read().KeyBySiteKey(ctx, query.KeyBySiteKeyParams{Jti: n.jti, SiteKey: n.siteKey})
	if err != nil {
		return stored{}, err
	}
	out := stored{
		from: account.IntegrationOf(row.SiteKey, row.Organization, row.Origins), found: row.Jti.Valid, revoked: row.RevokedAt.Valid,
		action: row.Action, network: row.Network, endUser: row.EndUser, origin: row.Origin,
	}
	if s.Remember > 0 && out.found {
		s.sessions.Put(n, out, now.Add(s.Remember))
	}
	return out, nil
}

// allowed reports whether a page of an origin may use a session. only is the origin of a
// rehearsal in the console: such a session is valid there alone, also where the allowlist has
// more, and only for a test key.
func allowed(from account.Integration, only, origin string) bool {
	if only != "" {
		return from.Test && origin == only
	}
	return from.Allows(origin)
}

// verify checks a token with the issuer's keys, or without an issuer with this process's
// own keys.
func (s *Service) verify(ctx context.Context, token string) (Claims, error) {
	if s.Issuer != nil {
		return s.Issuer.Verify(ctx, token)
	}
	return s.Tokens.Verify(token)
}

// unread is the error for a token whose session could not be read.
func unread(err error) error {
	if store.Unavailable(err) {
		return fault.CommonAuthBackendUnavailable(2 * time.Second).Because(err)
	}
	return err
}

// reaches reports whether a key of this kind may use a network of the server.
func reaches(served network.Infos, n network.Name, test bool) bool {
	info, ok := served.Get(n)
	return ok && (info.Test || !test)
}

// May refuses a caller whose token is for another action or another network ("" is any).
// It refuses a token for a single work if the call makes a new work. It refuses an
// expired token if the call starts a job; an expired token can continue its job.
func (c Caller) May(action Action, n network.Name, begins bool) error {
	switch {
	case begins && c.Expired:
		return fault.CommonAuthExpired()
	case c.Action != action:
		return fault.SessionInvalidToken("action")
	case n != "" && c.Network != n:
		return fault.SessionInvalidToken("network")
	case action == Register && c.AtsID != 0:
		return fault.SessionInvalidToken("work")
	}
	return nil
}

// MayRead refuses a caller whose token has expired. Sessions of every action can read
// their end-user's works, because a page changes the widget's mode first and its token
// later.
func (c Caller) MayRead() error {
	if c.Expired {
		return fault.CommonAuthExpired()
	}
	return nil
}

// MayLookUp refuses a caller who may neither update nor download the work of an access
// code.
func (c Caller) MayLookUp() error {
	if c.Action == Access {
		return c.May(Access, "", true)
	}
	return c.May(UpdateVersion, "", true)
}

// Spend marks the session as used by a job, in the job's own transaction. If two jobs try
// at the same time, one succeeds.
func (c Caller) Spend(ctx context.Context, tx *store.Tx, job string) (err error) {
	defer operation.Wrap(&err, "use session %s for job %s", c.SessionID, job)
	n, err := tx.SpendSession(ctx, query.SpendSessionParams{Jti: c.SessionID, JobID: sql.NullString{String: job, Valid: true}, Now: store.Micros(tx.Now)})
	if err != nil || n == 1 {
		return err
	}
	kept, err := tx.GetSession(ctx, c.SessionID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fault.CommonAuthExpired()
	case err != nil:
		return err
	case kept.RevokedAt.Valid:
		return fault.SessionInvalidToken("revoked")
	case kept.JobID.Valid:
		return fault.SessionInvalidToken("spent")
	}
	return fault.CommonAuthExpired()
}
