package api

import (
	"context"
	"errors"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/apikey"
	"timbre.example/internal/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
	"timbre.example/proof/commitment"
)

// The bounds of JSON bodies, in bytes.
const (
	// MaxSmallBody is for a mint and for bodies that name a job: a few short members.
	MaxSmallBody = 8 << 10
	// MaxWorkBody is for the description of a work. It is the sum of the fields' limits,
	// with each character written as two escapes of six bytes (\uD83C\uDFB5).
	MaxWorkBody  = (commitment.MaxCreators*creatorBytes + (intake.MaxTitle+intake.MaxFilename+session.MaxExternalUserRef)*escaped12 + 4<<10) &^ 1023
	creatorBytes = (intake.MaxName+intake.MaxEmail)*escaped12 + 256 // 256: the members' names, roles, IPI and ISNI
	escaped12    = 12
)

// takeMint takes a mint, or the end of sessions, from the budget of its key and then from that
// of its organization. A mint refused by the first costs the organization nothing.
func (a *API) takeMint(ctx context.Context, siteKey, organization string) error {
	if err := web.Take(ctx, a.Limits.Mint, siteKey, limited("mint")); err != nil {
		return err
	}
	return a.Web.TakeOrganization(ctx, organization)
}

// takeCall takes a call from the budget of its session and then from that of its
// organization.
func (a *API) takeCall(ctx context.Context, c session.Caller) error {
	if err := web.Take(ctx, a.Limits.Session, c.SessionID, limited("session")); err != nil {
		return err
	}
	return a.Web.TakeOrganization(ctx, c.Organization)
}

// takeKey takes a call from the budget of its API key and then from that of its organization.
func (a *API) takeKey(ctx context.Context, k apikey.Caller) error {
	refusal := func(wait time.Duration) *fault.Error { return fault.CommonRateLimited(wait).With("reason", "api_key") }
	if err := web.Take(ctx, a.Limits.Key, k.KeyID, refusal); err != nil {
		return err
	}
	return a.Web.TakeOrganization(ctx, k.Organization)
}

// limited is the refusal of a call over a budget of the sessions.
func limited(reason string) func(time.Duration) *fault.Error {
	return func(wait time.Duration) *fault.Error {
		return fault.SessionRateLimited(wait).With("reason", reason)
	}
}

// mayAskForTitle refuses an init whose end-user has received duplicate_title too often. A
// refused init costs nothing, so one token could test every title of a site. The session
// stays unspent. The caller passes the result of the init to asked. A key may list all titles.
func (a *API) mayAskForTitle(c access.Caller) (asked func(error), err error) {
	if c.DuplicateTitles || c.APIKeyID != "" {
		return func(error) {}, nil
	}
	key := "session " + c.SessionID
	if c.ExternalUserRef != "" {
		key = "user " + c.Organization + " " + c.ExternalUserRef
	}
	if s := a.Limits.Titles.Take(context.Background(), key); !s.Allowed {
		return nil, fault.SessionRateLimited(s.Wait).With("reason", "duplicate_titles")
	}
	return func(err error) {
		if !errors.Is(err, fault.CodeRegistrationDuplicateTitle) {
			a.Limits.Titles.Return(key)
		}
	}, nil
}
