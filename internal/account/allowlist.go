package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// MaxOrigins is the largest number of origins of one organization: every call reads them.
const MaxOrigins = 200

// Origin is one entry of an organization's allowlist.
type Origin struct {
	Origin    string    `json:"origin"` // the canonical form of a Pattern
	CreatedAt time.Time `json:"created_at"`
}

// AddOrigin allows an origin for an organization, and returns its canonical form. An origin
// that is already allowed changes nothing.
func AddOrigin(ctx context.Context, db *store.DB, by audit.Actor, organizationID, pattern string) (_ string, err error) {
	defer operation.Wrap(&err, "add an origin to organization %s", organizationID)
	p, err := ParsePattern(pattern)
	if err != nil {
		return "", fault.CommonValidationFailed([]fault.Field{{Field: "origin", Rule: "origin", Message: fmt.Sprint(err)}})
	}
	return p.String(), db.Tx(ctx, func(tx *store.Tx) error {
		if _, err := lock(ctx, tx, organizationID, 0); err != nil {
			return err
		}
		n, err := tx.AddOrigin(ctx, query.AddOriginParams{OrganizationID: organizationID, Pattern: p.String(), CreatedAt: store.Micros(tx.Now)})
		if err != nil || n == 0 {
			return err
		}
		list, err := tx.ListOrigins(ctx, organizationID)
		if err != nil {
			return err
		}
		if len(list) > MaxOrigins {
			return fault.CommonValidationFailed([]fault.Field{{Field: "origin", Rule: "limit", Message: fmt.Sprintf("An organization has at most %d origins. Remove one first.", MaxOrigins)}})
		}
		return audit.Record(ctx, tx, audit.Entry{Organization: organizationID, Actor: by, Action: "origin.added", Subject: p.String()})
	})
}

// RemoveOrigin removes an origin from the allowlist, at once. An origin that is not in the
// list is common.not_found.
func RemoveOrigin(ctx context.Context, db *store.DB, by audit.Actor, organizationID, pattern string) (err error) {
	defer operation.Wrap(&err, "remove an origin of organization %s", organizationID)
	if p, err := ParsePattern(pattern); err == nil {
		pattern = p.String()
	}
	if strings.ContainsRune(pattern, 0) || !utf8.ValidString(pattern) { // Postgres refuses such a text
		return fault.CommonNotFound()
	}
	return db.Tx(ctx, func(tx *store.Tx) error {
		if _, err := lock(ctx, tx, organizationID, 0); errors.Is(err, fault.CodeOrganizationNotFound) {
			return fault.CommonNotFound()
		} else if err != nil {
			return err
		}
		if err := found(tx.RemoveOrigin(ctx, query.RemoveOriginParams{OrganizationID: organizationID, Pattern: pattern})); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Organization: organizationID, Actor: by, Action: "origin.removed", Subject: pattern})
	})
}

// ListOrigins reads an organization's allowlist, at most MaxOrigins, in the order of the texts.
func ListOrigins(ctx context.Context, db *store.DB, organizationID string) (_ []Origin, err error) {
	defer operation.Wrap(&err, "list origins of organization %s", organizationID)
	if _, err := GetOrganization(ctx, db, organizationID); err != nil {
		return nil, err
	}
	rows, err := db.Read().ListOrigins(ctx, organizationID)
	out := make([]Origin, len(rows))
	for i, r := range rows {
		out[i] = Origin{Origin: r.Pattern, CreatedAt: store.Time(r.CreatedAt)}
	}
	return out, err
}
