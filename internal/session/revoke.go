package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"timbre.example/internal/account"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Which selects sessions: those that match all fields that are not "".
type Which struct {
	ID           string // the jti of the token
	Organization string
	SiteKey      string
	// ExternalUserRef needs the Organization: references are unique there.
	ExternalUserRef string
}

// endUser returns the form in which sessions store an end-user's reference. The plain
// reference is stored only with works, where it can be erased with them.
func endUser(organization, ref string) string {
	if ref == "" {
		return ""
	}
	h := sha256.Sum256([]byte("timbre end-user\x00" + organization + "\x00" + ref))
	return hex.EncodeToString(h[:])
}

// errNothingNamed refuses an empty Which, which would select every session.
var errNothingNamed = errors.New("session: no sessions are selected")

// Revoke ends sessions from the next call on, in every process on this database. It
// returns the number of sessions that it ended. Revoking twice is not an error.
func Revoke(ctx context.Context, db *store.DB, w Which) (n int64, err error) {
	defer operation.Wrap(&err, "revoke sessions")
	if w == (Which{}) {
		return 0, errNothingNamed
	}
	ref := endUser(w.Organization, w.ExternalUserRef)
	err = db.Tx(ctx, func(tx *store.Tx) error {
		now := store.Micros(tx.Now)
		if w.ID != "" {
			n, err = tx.RevokeSession(ctx, query.RevokeSessionParams{Now: now, Jti: w.ID, OrganizationID: w.Organization, SiteKey: w.SiteKey, EndUser: ref})
			return err
		}
		sites := []string{w.SiteKey}
		if w.SiteKey == "" {
			if sites, err = siteKeys(ctx, tx, w.Organization); err != nil {
				return err
			}
		}
		n = 0
		for _, site := range sites {
			var some int64
			if ref != "" {
				some, err = tx.RevokeEndUser(ctx, query.RevokeEndUserParams{Now: now, SiteKey: site, EndUser: ref, OrganizationID: w.Organization})
			} else {
				some, err = tx.RevokeSessions(ctx, query.RevokeSessionsParams{Now: now, SiteKey: site, OrganizationID: w.Organization})
			}
			if n += some; err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// siteKeys returns the site keys of an organization, also the deleted ones.
func siteKeys(ctx context.Context, tx *store.Tx, organization string) (all []string, err error) {
	rows, err := tx.ListSiteKeys(ctx, organization)
	for _, row := range rows {
		all = append(all, row.SiteKey)
	}
	return all, err
}

// Revoker is a host's backend that may end the sessions of its key pair: its secret key was
// checked. Only [Service.Revoker] makes one.
type Revoker struct{ from account.Integration }

// SiteKey returns the site key of the pair whose secret key was given.
func (r Revoker) SiteKey() string { return r.from.SiteKey }

// Organization returns the id of the organization.
func (r Revoker) Organization() string { return r.from.Organization.ID }

// Revoker checks a secret key. A disabled key pair and a suspended organization can still
// end their sessions.
func (s *Service) Revoker(ctx context.Context, secretKey string) (_ Revoker, err error) {
	defer operation.Wrap(&err, "check a secret key for a revocation")
	from, err := account.BySecretKey(ctx, s.DB, secretKey)
	if err == nil {
		err = from.Deleted()
	}
	if err != nil {
		return Revoker{}, err
	}
	return Revoker{from}, nil
}

// RevokeRequest selects sessions of a revoker: exactly one of ID, Token and
// ExternalUserRef.
type RevokeRequest struct {
	ID              *string // the jti of a token
	Token           *string // or the token
	ExternalUserRef *string // or all of this end-user's
}

// RevokeOwn ends sessions that the revoker's key pair minted, and returns their number. It
// does not count sessions that are unknown or that another key pair minted.
func (s *Service) RevokeOwn(ctx context.Context, by Revoker, r RevokeRequest) (_ int64, err error) {
	defer operation.Wrap(&err, "revoke an organization's sessions")
	w := Which{Organization: by.Organization(), SiteKey: by.SiteKey()}
	named := 0
	for _, x := range []struct {
		given *string
		to    *string
	}{{r.ID, &w.ID}, {r.Token, &w.ID}, {r.ExternalUserRef, &w.ExternalUserRef}} {
		if x.given != nil && *x.given != "" {
			*x.to = *x.given
			named++
		}
	}
	if named != 1 {
		return 0, fault.CommonValidationFailed([]fault.Field{{Field: "session_id", Rule: "one_of", Message: "Give exactly one of session_id, token and external_user_ref."}})
	}
	if r.Token != nil && *r.Token != "" {
		if w.ID = TokenID(*r.Token); w.ID == "" {
			return 0, fault.CommonValidationFailed([]fault.Field{{Field: "token", Rule: "token", Message: "Must be a session token."}})
		}
	}
	if strings.ContainsRune(w.ID, 0) { // not an id, and Postgres refuses such a text
		return 0, nil
	}
	return Revoke(ctx, s.DB, w)
}

// TokenID reads the session's id from a token without verifying the token: the row with
// that id says who owns it. It returns "" for a text that is not a token.
func TokenID(token string) string {
	if _, err := keyID(token); err != nil {
		return ""
	}
	var c jwt.RegisteredClaims
	if _, _, err := parser.ParseUnverified(token, &c); err != nil {
		return ""
	}
	return c.ID
}

// Listed is a session as an administrator sees it.
type Listed struct {
	ID        string     `json:"id"` // the jti of its token
	SiteKey   string     `json:"site_key"`
	Action    Action     `json:"action_type,omitempty"`
	Network   string     `json:"network,omitempty"`
	JobID     string     `json:"job_id,omitempty"` // the job that it started
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

// MaxListed is the largest number of sessions that one List returns.
const MaxListed = 1000

// List reads an organization's sessions, newest first, at most MaxListed. Expired
// sessions stay in the list for a day.
func List(ctx context.Context, db *store.DB, w Which) (_ []Listed, err error) {
	defer operation.Wrap(&err, "list sessions")
	rows, err := db.Read().ListSessions(ctx, query.ListSessionsParams{
		OrganizationID: w.Organization, SiteKey: w.SiteKey, EndUser: endUser(w.Organization, w.ExternalUserRef), Lim: MaxListed,
	})
	out := make([]Listed, len(rows))
	for i, r := range rows {
		out[i] = Listed{
			ID: r.Jti, SiteKey: r.SiteKey, Action: Action(r.Action), Network: r.Network, JobID: r.JobID.String,
			ExpiresAt: store.Time(r.ExpiresAt),
		}
		if r.RevokedAt.Valid {
			at := store.Time(r.RevokedAt.Int64)
			out[i].RevokedAt = &at
		}
	}
	return out, err
}
