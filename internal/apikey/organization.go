package apikey

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
)

// OrganizationOf returns the id of the organization that a key belongs to, for the operator.
// An unknown key is common.not_found.
func OrganizationOf(ctx context.Context, db *store.DB, id string) (_ string, err error) {
	defer operation.Wrap(&err, "find the organization of an API key")
	organization, err := db.Read().OrganizationOfAPIKey(ctx, strings.ToValidUTF8(strings.ReplaceAll(strings.ToLower(id), "\x00", ""), ""))
	if errors.Is(err, sql.ErrNoRows) {
		return "", fault.CommonNotFound()
	}
	return organization, err
}
