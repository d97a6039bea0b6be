package account

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Organization is a tenant and its settings.
type Organization struct {
	ID   string `json:"id"`
	Name string `json:"name"` // 1 to 200 characters
	// Revision counts the changes of the settings, from 1.
	Revision        int64         `json:"revision"`
	Suspended       bool          `json:"suspended"`
	WidgetEnabled   bool          `json:"widget_enabled"`
	MaxFileSize     int64         `json:"max_file_size_bytes,omitempty"` // 0: the system's limit
	AccessCodeTTL   time.Duration `json:"access_code_ttl_ns,omitempty"`  // 0: codes do not expire
	DuplicateTitles bool          `json:"duplicate_titles"`
	AssetStorage    string        `json:"asset_storage"`   // StoreKeep or StoreNone
	Quota           int64         `json:"quota,omitempty"` // registrations and updates in a calendar month, UTC; 0: no quota
	// LowCredits is the level of the warning: it is sent when a registration takes the
	// balance below the level. 0: no warning.
	LowCredits int64 `json:"low_credits,omitempty"`
	// IssuerName is the issuer on certificates; "": Name.
	IssuerName string `json:"issuer_name,omitempty"`
	// Imprint is the text on certificates after the issuer: one line of at most 200
	// characters, such as "Example Street 1, Hamburg, Germany"; "": no text.
	Imprint string `json:"imprint,omitempty"`
	// LogoSHA256 is the hash of the logo on certificates, in hex; "": no logo. See SetLogo.
	LogoSHA256 string    `json:"logo_sha256,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
}

// The settings for recordings: store them, or store only their hashes.
const (
	StoreKeep = "keep"
	StoreNone = "none"
)

// CreateOrganization adds a tenant; the name is 1 to 200 characters.
func CreateOrganization(ctx context.Context, db *store.DB, by audit.Actor, name string) (_ Organization, err error) {
	defer operation.Wrap(&err, "create an organization")
	var id string
	if err := db.Tx(ctx, func(tx *store.Tx) (err error) {
		id, err = AddOrganization(ctx, tx, by, name)
		return err
	}); err != nil {
		return Organization{}, err
	}
	return GetOrganization(ctx, db, id)
}

// AddOrganization is CreateOrganization in the transaction of its caller. It returns the id.
func AddOrganization(ctx context.Context, tx *store.Tx, by audit.Actor, name string) (_ string, err error) {
	defer operation.Wrap(&err, "add an organization")
	name = strings.TrimSpace(name)
	if bad := checkName("name", name); bad != nil {
		return "", fault.CommonValidationFailed(bad)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	if err := tx.InsertOrganization(ctx, query.InsertOrganizationParams{ID: id.String(), Name: name, CreatedAt: store.Micros(tx.Now)}); err != nil {
		return "", err
	}
	return id.String(), audit.Record(ctx, tx, audit.Entry{Organization: id.String(), Actor: by, Action: "organization.created", Subject: id.String(), Changes: []audit.Change{{Field: "name", New: name}}})
}

// GetOrganization reads an organization; an unknown id is organization.not_found.
func GetOrganization(ctx context.Context, db *store.DB, id string) (_ Organization, err error) {
	defer operation.Wrap(&err, "read organization %s", id)
	return get(ctx, db.Read(), id)
}

func get(ctx context.Context, q *query.Queries, id string) (Organization, error) {
	if strings.ContainsRune(id, 0) { // no id, and Postgres refuses such a text
		return Organization{}, fault.OrganizationNotFound()
	}
	o, err := q.GetOrganization(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return Organization{}, fault.OrganizationNotFound()
	}
	return organization(o), err
}

// MaxListed is the largest number of organizations, key pairs or origins that one call lists.
const MaxListed = 1000

// ListOrganizations reads organizations, oldest first: at most limit (up to MaxListed) that
// come after the one with the id after; "" begins with the first.
func ListOrganizations(ctx context.Context, db *store.DB, after string, limit int) (_ []Organization, err error) {
	defer operation.Wrap(&err, "list organizations")
	rows, err := db.Read().ListOrganizations(ctx, query.ListOrganizationsParams{After: after, Lim: bounded(limit)})
	out := make([]Organization, len(rows))
	for i, o := range rows {
		out[i] = organization(o)
	}
	return out, err
}

func bounded(limit int) int32 { return int32(min(max(limit, 0), MaxListed)) }

func organization(o query.Organization) Organization {
	return Organization{
		ID: o.ID, Name: o.Name, Revision: o.Revision, Suspended: o.SuspendedAt.Valid, WidgetEnabled: o.WidgetEnabled, MaxFileSize: o.MaxFileSize.Int64,
		AccessCodeTTL: time.Duration(o.AccessCodeTtl.Int64) * time.Microsecond, DuplicateTitles: o.DuplicateTitles, AssetStorage: o.AssetStorage, Quota: o.Quota.Int64,
		LowCredits: o.LowCredits.Int64, IssuerName: o.IssuerName, Imprint: o.Imprint, LogoSHA256: hex.EncodeToString(o.LogoHash), CreatedAt: store.Time(o.CreatedAt),
	}
}

func found(n int64, err error) error {
	if err == nil && n == 0 {
		return fault.CommonNotFound()
	}
	return err
}
