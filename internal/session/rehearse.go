package session

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/account"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Rehearsal mints a session of a test key for a page of the console, which a member of the
// organization has opened. Its caller has checked the member's permission.
//
// The session is valid only at the given origin, which is the console's own. The row of the session
// has the origin, so the token alone cannot claim it. The organization's allowlist stays as it is: no
// other session is valid at the console's origin, and this one is valid nowhere else.
//
// A live key is common.validation_failed. The key of another organization is common.not_found. A
// process that does not mint refuses with common.service_unavailable.
func (s *Service) Rehearsal(ctx context.Context, organization, siteKey, origin string, r MintRequest) (token string, err error) {
	defer operation.Wrap(&err, "mint a rehearsal of organization %s", organization)
	if s.Tokens == nil || origin == "" {
		return "", fault.CommonServiceUnavailable(store.RetryAfter).Because(errors.New("this process cannot mint sessions of the console"))
	}
	if account.CheckSiteKey(siteKey) != nil {
		return "", fault.CommonNotFound()
	}
	row, err := s.DB.Read().KeyBySiteKey(ctx, query.KeyBySiteKeyParams{SiteKey: siteKey})
	if errors.Is(err, sql.ErrNoRows) {
		return "", fault.CommonNotFound()
	} else if err != nil {
		return "", err
	}
	from := account.IntegrationOf(row.SiteKey, row.Organization, row.Origins)
	if from.Organization.ID != organization {
		return "", fault.CommonNotFound()
	}
	if err := from.Active(); err != nil {
		return "", err
	}
	if !from.Test {
		return "", fault.CommonValidationFailed([]fault.Field{{Field: "site_key", Rule: "test_key", Message: "Only a test key can rehearse."}})
	}
	return s.mint(ctx, Minter{from: from}, origin, r)
}
