package session

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Caller is a browser whose session was found good for this call.
type Caller struct {
	SessionID       string
	Organization    string
	Action          Action
	Network         network.Name
	AtsID           int64
	ExternalUserRef string
	// MaxFileSize is the smallest of the system's, the organization's, the
	// key's and the session's caps, in bytes.
	MaxFileSize int64
	// DuplicateTitles is the organization's setting.
	DuplicateTitles bool
	// Quota is how many registrations and updates the organization has a month;
	// 0: as many as it can pay for.
	Quota int64
	// WorkID is the work that the caller has shown the right to update, beyond
	// what the token says; "": none. Authorize leaves it empty.
	WorkID string
	// Test: the session is of a test key, and reaches what test keys made on the test
	// network, nothing else. Rehearse is the code that it is to meet;
	// "" for all others.
	Test     bool
	Rehearse fault.Code
	// HashOnly: of recordings only the hash is taken, and no file is stored.
	HashOnly bool
	// Expired: the token may go on with the job it began, and begin no other.
	Expired bool
}

// Authorize checks what a browser's call carries: the Authorization and
// X-Site-Key headers, and Origin where the browser sent one (it does on every
// cross-origin call; a call without one is not from another site's page). An
// issuer whose keys are not to be had is common.auth.jwks_unavailable. A
// database that does not answer is common.auth.backend_unavailable: the token is
// good, and nothing more can be said of it.
func (s *Service) Authorize(ctx context.Context, authorization, siteKey, origin string) (Caller, error) {
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
	if !siteKeyForm.MatchString(siteKey) {
		return Caller{}, malformed("site_key", siteKey)
	}
	row, err := s.DB.Read().KeyBySiteKey(ctx, query.KeyBySiteKeyParams{Jti: c.ID, SiteKey: siteKey})
	if errors.Is(err, sql.ErrNoRows) {
		return Caller{}, fault.OrganizationNotFound()
	} else if err != nil {
		return Caller{}, unread(err)
	}
	if row.Organization.ID != c.Organization || hashSiteKey(siteKey) != c.SiteKeyHash {
		return Caller{}, fault.SessionInvalidToken("key")
	}
	if err := standing(row.Organization, row.SiteKey); err != nil {
		return Caller{}, err
	}
	if origin != "" && !Allowed(strings.Fields(row.Origins), origin) {
		return Caller{}, fault.SessionOriginNotAllowed().With("reason", "not_listed")
	}
	expired := !s.DB.Now().Before(c.Expires)
	switch {
	case row.RevokedAt.Valid:
		return Caller{}, fault.SessionInvalidToken("revoked")
	case !row.Jti.Valid && expired: // long ago, and forgotten
		return Caller{}, fault.CommonAuthExpired()
	case !row.Jti.Valid: // signed with our key, and not minted here: or a database that was restored
		return Caller{}, fault.SessionInvalidToken("unknown")
	case row.SiteKey.Test && c.Network != network.Testnet:
		return Caller{}, fault.SessionInvalidToken("network")
	// A row of a release before has no action. Any other says what was minted, and a
	// token that says more was made with a stolen key and the id of a session.
	case row.Action != "" && (row.Action != string(c.Action) || row.Network != string(c.Network) || row.EndUser != endUser(c.Organization, c.ExternalUserRef)):
		return Caller{}, fault.SessionInvalidToken("unknown")
	}
	caller := Caller{
		SessionID: c.ID, Organization: c.Organization, Action: c.Action, Network: c.Network, AtsID: c.AtsID, ExternalUserRef: c.ExternalUserRef,
		MaxFileSize:     smallest(s.MaxFileSize, row.Organization.MaxFileSize.Int64, row.SiteKey.MaxFileSize.Int64, c.MaxFileSize),
		DuplicateTitles: row.Organization.DuplicateTitles,
		Quota:           row.Organization.Quota.Int64,
		Test:            row.SiteKey.Test,
		HashOnly:        c.HashOnly || row.Organization.AssetStorage == StoreNone,
		Expired:         expired,
	}
	if caller.Test { // whatever a token says, a live key does not rehearse
		caller.Rehearse = c.Rehearse
	}
	return caller, nil
}

// verify checks with this process's own keys, which it always has, or with those
// of its issuer.
func (s *Service) verify(ctx context.Context, token string) (Claims, error) {
	if s.Issuer != nil {
		return s.Issuer.Verify(ctx, token)
	}
	return s.Tokens.Verify(token)
}

// unread is the refusal for a token whose session could not be looked up.
func unread(err error) error {
	if store.Unavailable(err) {
		return fault.CommonAuthBackendUnavailable(2 * time.Second).Because(err)
	}
	return err
}

// May refuses a caller whose token is for another action, or for another
// network ("" is any); one who may touch a single work, when the call makes a new
// one; and one whose token has expired, when the call begins something (a job
// already begun may go on).
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

// MayRead refuses a caller whose token has expired. An end-user's works are read
// by sessions of every action that carry the end-user: a page changes the widget's
// mode first and its token after.
func (c Caller) MayRead() error {
	if c.Expired {
		return fault.CommonAuthExpired()
	}
	return nil
}

// MayLookUp refuses a caller who may not look at the work that an access code
// opens: neither to update it nor to download it.
func (c Caller) MayLookUp() error {
	if c.Action == Access {
		return c.May(Access, "", true)
	}
	return c.May(UpdateVersion, "", true)
}

// Spend uses the session up for a job, in the job's own transaction. Of two
// that try, one succeeds.
func (c Caller) Spend(ctx context.Context, tx *store.Tx, job string) error {
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

// smallest ignores zeros, which mean "no cap of its own".
func smallest(system int64, caps ...int64) int64 {
	for _, c := range caps {
		if c > 0 && c < system {
			system = c
		}
	}
	return system
}

// malformed is the refusal of a key, the site's or the secret one, that is
// missing or has not the form of one.
func malformed(name, key string) error {
	if key == "" {
		return fault.CommonAuthInvalidAPIKey(name + "_missing")
	}
	return fault.CommonAuthInvalidAPIKey(name + "_malformed")
}
