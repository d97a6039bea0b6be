package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Organization is a tenant and its settings.
type Organization struct {
	ID              string        `json:"id"`
	Name            string        `json:"name"`
	Suspended       bool          `json:"suspended"`
	WidgetEnabled   bool          `json:"widget_enabled"`
	MaxFileSize     int64         `json:"max_file_size_bytes,omitempty"` // 0: the system's limit
	AccessCodeTTL   time.Duration `json:"access_code_ttl_ns,omitempty"`  // 0: codes do not expire
	DuplicateTitles bool          `json:"duplicate_titles"`
	AssetStorage    string        `json:"asset_storage"`   // StoreKeep or StoreNone
	Quota           int64         `json:"quota,omitempty"` // registrations and updates in a calendar month, UTC; 0: no quota
	// Imprint is the text on certificates after the name: one line of at most 200
	// characters, such as "Example Street 1, Hamburg, Germany"; "": no text.
	Imprint   string    `json:"imprint,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// maxImprint is the longest imprint, in characters: two lines of a certificate.
const maxImprint = 200

// The settings for recordings: store them, or store only their hashes.
const (
	StoreKeep = "keep"
	StoreNone = "none"
)

// CreateOrganization adds a tenant; the name is 1 to 200 characters.
func CreateOrganization(ctx context.Context, db *store.DB, name string) (_ Organization, err error) {
	defer operation.Wrap(&err, "create an organization")
	name = strings.TrimSpace(name)
	if n := len([]rune(name)); n == 0 || n > 200 || !utf8.ValidString(name) {
		return Organization{}, fault.CommonValidationFailed([]fault.Field{{Field: "name", Rule: "length", Message: "Must have 1 to 200 characters."}})
	}
	if legible.Blank(name) {
		return Organization{}, fault.CommonValidationFailed([]fault.Field{{Field: "name", Rule: "blank", Message: "Must have visible characters."}})
	}
	if kind, r, at := legible.First(name); kind != legible.Fine {
		return Organization{}, fault.CommonValidationFailed([]fault.Field{{Field: "name", Rule: string(kind), Message: fmt.Sprintf("Must be one line of visible characters. Remove character %d (%U).", at, r)}})
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Organization{}, err
	}
	err = db.Tx(ctx, func(tx *store.Tx) error {
		return tx.InsertOrganization(ctx, query.InsertOrganizationParams{ID: id.String(), Name: name, CreatedAt: store.Micros(tx.Now)})
	})
	if err != nil {
		return Organization{}, err
	}
	return GetOrganization(ctx, db, id.String())
}

// GetOrganization reads an organization; an unknown id is organization.not_found.
func GetOrganization(ctx context.Context, db *store.DB, id string) (_ Organization, err error) {
	defer operation.Wrap(&err, "read organization %s", id)
	o, err := db.Read().GetOrganization(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return Organization{}, fault.OrganizationNotFound()
	}
	return organization(o), err
}

// ListOrganizations reads all organizations, oldest first.
func ListOrganizations(ctx context.Context, db *store.DB) (_ []Organization, err error) {
	defer operation.Wrap(&err, "list organizations")
	rows, err := db.Read().ListOrganizations(ctx)
	out := make([]Organization, len(rows))
	for i, o := range rows {
		out[i] = organization(o)
	}
	return out, err
}

func organization(o query.Organization) Organization {
	return Organization{
		ID: o.ID, Name: o.Name, Suspended: o.SuspendedAt.Valid, WidgetEnabled: o.WidgetEnabled, MaxFileSize: o.MaxFileSize.Int64,
		AccessCodeTTL: time.Duration(o.AccessCodeTtl.Int64) * time.Microsecond, DuplicateTitles: o.DuplicateTitles, AssetStorage: o.AssetStorage, Quota: o.Quota.Int64, Imprint: o.Imprint, CreatedAt: store.Time(o.CreatedAt),
	}
}

// ChangeOrganization reads an organization, lets change edit its settings, and
// stores them, in one transaction. ID, Name and CreatedAt stay as they are.
func ChangeOrganization(ctx context.Context, db *store.DB, id string, change func(*Organization)) (_ Organization, err error) {
	defer operation.Wrap(&err, "change organization %s", id)
	var o Organization
	err = db.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.GetOrganization(ctx, id)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.OrganizationNotFound()
		} else if err != nil {
			return err
		}
		o = organization(row)
		change(&o)
		if o.MaxFileSize < 0 || o.AccessCodeTTL < 0 || o.Quota < 0 {
			return fault.CommonValidationFailed([]fault.Field{{Field: "settings", Rule: "min", Message: "Sizes, lifetimes and quotas must not be negative."}})
		}
		if o.AssetStorage != StoreKeep && o.AssetStorage != StoreNone {
			return fault.CommonValidationFailed([]fault.Field{{Field: "asset_storage", Rule: "one_of", Message: "Must be keep or none."}})
		}
		if o.Imprint = strings.TrimSpace(o.Imprint); utf8.RuneCountInString(o.Imprint) > maxImprint || !utf8.ValidString(o.Imprint) || o.Imprint != "" && legible.Blank(o.Imprint) || legible.Shown(o.Imprint) != o.Imprint {
			return fault.CommonValidationFailed([]fault.Field{{Field: "imprint", Rule: "length", Message: fmt.Sprintf("Must be one line of at most %d visible characters.", maxImprint)}})
		}
		suspended := row.SuspendedAt
		if o.Suspended != suspended.Valid {
			suspended = sql.NullInt64{Int64: store.Micros(tx.Now), Valid: o.Suspended}
		}
		_, err = tx.SetOrganization(ctx, query.SetOrganizationParams{
			SuspendedAt: suspended, WidgetEnabled: o.WidgetEnabled, DuplicateTitles: o.DuplicateTitles, AssetStorage: o.AssetStorage,
			MaxFileSize:   sql.NullInt64{Int64: o.MaxFileSize, Valid: o.MaxFileSize > 0},
			AccessCodeTtl: sql.NullInt64{Int64: o.AccessCodeTTL.Microseconds(), Valid: o.AccessCodeTTL > 0},
			Quota:         sql.NullInt64{Int64: o.Quota, Valid: o.Quota > 0}, Imprint: o.Imprint, ID: id,
		})
		return err
	})
	return o, err
}

func found(n int64, err error) error {
	if err == nil && n == 0 {
		return fault.CommonNotFound()
	}
	return err
}
