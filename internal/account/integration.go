package account

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Integration is a key pair with its organization, as one call reads it.
type Integration struct {
	SiteKey      string
	Test         bool
	Organization Organization

	key     query.SiteKey
	origins []string
}

// IntegrationOf makes an Integration from its rows. The origins are the patterns of the
// organization's allowlist, separated by spaces.
func IntegrationOf(k query.SiteKey, o query.Organization, origins string) Integration {
	return Integration{SiteKey: k.SiteKey, Test: k.Test, Organization: organization(o), key: k, origins: strings.Fields(origins)}
}

// BySecretKey reads the integration of a secret key. A missing, malformed or unknown key is
// common.auth.invalid_api_key. The integration may be deleted, disabled or suspended: see
// Deleted and Active.
func BySecretKey(ctx context.Context, db *store.DB, secretKey string) (_ Integration, err error) {
	defer operation.Wrap(&err, "read the key pair of a secret key")
	if !secretKeyForm.MatchString(secretKey) {
		return Integration{}, malformed("secret_key", secretKey)
	}
	hash := hashSecret(secretKey)
	row, err := db.Read().KeyBySecretHash(ctx, hash)
	if errors.Is(err, sql.ErrNoRows) { // perhaps the secret key from before a rotation
		var current []byte
		if current, err = db.Read().SiteKeyByPreviousHash(ctx, query.SiteKeyByPreviousHashParams{PreviousHash: hash, Now: store.Micros(db.Now())}); err == nil {
			row, err = db.Read().KeyBySecretHash(ctx, current)
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		return Integration{}, fault.CommonAuthInvalidAPIKey("secret_key_unknown")
	} else if err != nil {
		return Integration{}, err
	}
	return IntegrationOf(row.SiteKey, row.Organization, row.Origins), nil
}

// CheckSiteKey refuses a text that has not the form of a site key with
// common.auth.invalid_api_key. It does not check whether the key exists.
func CheckSiteKey(siteKey string) error {
	if !siteKeyForm.MatchString(siteKey) {
		return malformed("site_key", siteKey)
	}
	return nil
}

// malformed is the error for a site key or secret key that is missing or has the wrong
// form.
func malformed(name, key string) error {
	if key == "" {
		return fault.CommonAuthInvalidAPIKey(name + "_missing")
	}
	return fault.CommonAuthInvalidAPIKey(name + "_malformed")
}

// Deleted refuses a deleted key pair with organization.no_integration.
func (i Integration) Deleted() error {
	if i.key.DeletedAt.Valid {
		return fault.OrganizationNoIntegration()
	}
	return nil
}

// Active refuses an integration that must not make calls: its key pair is deleted or
// disabled, or its organization is suspended or has no widget. Deleted keys come first,
// because nothing else matters for them.
func (i Integration) Active() error {
	switch {
	case i.key.DeletedAt.Valid:
		return i.Deleted()
	case i.Organization.Suspended:
		return fault.OrganizationInactive()
	case i.key.DisabledAt.Valid:
		return fault.SessionKeyInactive()
	case !i.Organization.WidgetEnabled:
		return fault.SessionWidgetNotEnabled()
	}
	return nil
}

// Allows reports whether the organization's allowlist has an origin.
func (i Integration) Allows(origin string) bool { return Allowed(i.origins, origin) }

// MaxFileSize is the smallest limit of the system, the organization and the key pair, in
// bytes.
func (i Integration) MaxFileSize(system int64) int64 {
	for _, most := range []int64{i.Organization.MaxFileSize, i.key.MaxFileSize.Int64} {
		if most > 0 { // 0: no limit
			system = min(system, most)
		}
	}
	return system
}
