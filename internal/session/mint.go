package session

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"timbre.example/fault"
	"timbre.example/internal/credits"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// MintRequest is a request of a host's backend for a session.
type MintRequest struct {
	SecretKey       string
	Origin          string // of the site that embeds the widget
	Action          Action
	Network         network.Name
	AtsID           *int64  // the only work that the session may update
	ExternalUserRef *string // 1 to MaxExternalUserRef bytes
	MaxFileSize     *int64  // bytes, more than 0
	// Rehearse is the error code that the session is to rehearse; only for a test key.
	Rehearse *string
	// AssetStorage can be StoreNone: then the session's files are not stored. nil uses
	// the organization's setting.
	AssetStorage *string
}

// Mint checks the key, its organization, the origin, the rate limit, the request and the
// balance, in this order, and signs a token. It writes one row, which the token's first
// init spends.
func (s *Service) Mint(ctx context.Context, r MintRequest) (token string, err error) {
	defer operation.Wrap(&err, "mint a session for %s on %s", r.Action, r.Network)
	if !secretKeyForm.MatchString(r.SecretKey) {
		return "", malformed("secret_key", r.SecretKey)
	}
	row, err := s.DB.Read().KeyBySecretHash(ctx, hashSecret(r.SecretKey))
	if errors.Is(err, sql.ErrNoRows) {
		return "", fault.CommonAuthInvalidAPIKey("secret_key_unknown")
	} else if err != nil {
		return "", err
	}
	if err := standing(row.Organization, row.SiteKey); err != nil {
		return "", err
	}
	if !Allowed(strings.Fields(row.Origins), r.Origin) {
		reason := "not_listed"
		if r.Origin == "" {
			reason = "no_origin"
		}
		return "", fault.SessionOriginNotAllowed().With("reason", reason)
	}
	if s.Admit != nil {
		if err := s.Admit(ctx, row.SiteKey.SiteKey, row.Organization.ID); err != nil {
			return "", err
		}
	}
	hashOnly := row.Organization.AssetStorage == StoreNone || r.AssetStorage != nil && *r.AssetStorage == StoreNone
	if err := r.validate(row.SiteKey.Test, hashOnly); err != nil {
		return "", err
	}
	// A test key spends no credits.
	if least := s.MinimumCredits(r.Action, r.Network); least > 0 && !row.SiteKey.Test {
		available, err := credits.Available(ctx, s.DB.Read(), row.Organization.ID)
		if err != nil {
			return "", err
		}
		if available < least {
			return "", fault.RegistrationInsufficientCredits()
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	now := s.DB.Now().UTC()
	c := Claims{
		ID: id.String(), Organization: row.Organization.ID, SiteKeyHash: hashSiteKey(row.SiteKey.SiteKey),
		Action: r.Action, Network: r.Network, IssuedAt: now, Expires: now.Add(s.Lifetime),
	}
	if r.AtsID != nil {
		c.AtsID = *r.AtsID
	}
	if r.ExternalUserRef != nil {
		c.ExternalUserRef = *r.ExternalUserRef
	}
	if r.MaxFileSize != nil {
		c.MaxFileSize = *r.MaxFileSize
	}
	if r.Rehearse != nil {
		c.Rehearse = fault.Code(*r.Rehearse)
	}
	c.HashOnly = hashOnly
	if token, err = s.Tokens.Sign(c); err != nil {
		return "", err
	}
	return token, s.DB.One(ctx, func(tx *store.Tx) error {
		return tx.InsertSession(ctx, query.InsertSessionParams{
			Jti: c.ID, OrganizationID: c.Organization, SiteKey: row.SiteKey.SiteKey, Action: string(c.Action), Network: string(c.Network), EndUser: endUser(c.Organization, c.ExternalUserRef), ExpiresAt: store.Micros(c.Expires),
		})
	})
}

// maxClaim is the largest number that every JSON parser reads exactly.
const maxClaim = 1<<53 - 1

func (r MintRequest) validate(test, hashOnly bool) error {
	var bad []fault.Field
	if !r.Action.Valid() {
		bad = append(bad, fault.Field{Field: "action_type", Rule: "one_of", Message: "Must be register, update_version or access."})
	}
	if !r.Network.Valid() {
		bad = append(bad, fault.Field{Field: "allowed_network", Rule: "one_of", Message: "Must be testnet or mainnet."})
	} else if test && r.Network != network.Testnet {
		bad = append(bad, fault.Field{Field: "allowed_network", Rule: "test_key", Message: "Must be testnet for a test key."})
	}
	// 0 is not a work's id. Reading it as "any work" would allow more than the host asked
	// for.
	if r.AtsID != nil && (*r.AtsID < 1 || *r.AtsID > maxClaim) {
		bad = append(bad, fault.Field{Field: "allowed_ats_id", Rule: "range", Message: "Must be a work's id."})
	}
	if r.MaxFileSize != nil && (*r.MaxFileSize < 1 || *r.MaxFileSize > maxClaim) {
		bad = append(bad, fault.Field{Field: "max_file_size_bytes", Rule: "range", Message: "Must be more than 0."})
	}
	if r.Rehearse != nil {
		if !test {
			bad = append(bad, fault.Field{Field: "rehearse", Rule: "test_key", Message: "Only allowed with a test key."})
		} else if !Rehearsable(fault.Code(*r.Rehearse)) {
			bad = append(bad, fault.Field{Field: "rehearse", Rule: "one_of", Message: "Must be a code that can be rehearsed."})
		} else if hashOnly && fault.Code(*r.Rehearse) == fault.CodeWidgetUploadError {
			bad = append(bad, fault.Field{Field: "rehearse", Rule: "hash_only", Message: "Cannot be rehearsed: this session uploads no file."})
		}
	}
	// A session can store less than its organization does, never more.
	if r.AssetStorage != nil && *r.AssetStorage != StoreNone {
		bad = append(bad, fault.Field{Field: "asset_storage", Rule: "one_of", Message: "Must be none, or left out."})
	}
	if len(bad) > 0 {
		return fault.CommonValidationFailed(bad)
	}
	if r.ExternalUserRef == nil {
		return nil
	}
	switch ref := *r.ExternalUserRef; {
	case ref == "":
		return fault.SessionInvalidExternalUserRef("empty")
	case len(ref) > MaxExternalUserRef:
		return fault.SessionInvalidExternalUserRef("too_long")
	case strings.ContainsRune(ref, 0):
		return fault.SessionInvalidExternalUserRef("null_character")
	}
	return nil
}

// standing refuses a key or an organization that must not make calls. Deleted keys come
// first, because nothing else matters for them.
func standing(o query.Organization, k query.SiteKey) error {
	switch {
	case k.DeletedAt.Valid:
		return fault.OrganizationNoIntegration()
	case o.SuspendedAt.Valid:
		return fault.OrganizationInactive()
	case k.DisabledAt.Valid:
		return fault.SessionKeyInactive()
	case !o.WidgetEnabled:
		return fault.SessionWidgetNotEnabled()
	}
	return nil
}

// Worker returns the worker that deletes old sessions every hour.
func (s *Service) Worker(log *slog.Logger) *work.Worker {
	return &work.Worker{Name: "sessions", Step: func(ctx context.Context) error { _, err := s.Sweep(ctx); return err }, Every: time.Hour, Log: log}
}

// Sweep deletes sessions that expired more than a day ago. Their tokens stay invalid,
// like every token without a row.
func (s *Service) Sweep(ctx context.Context) (n int64, err error) {
	defer operation.Wrap(&err, "delete old sessions")
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		n, err = tx.SweepSessions(ctx, store.Micros(tx.Now.Add(-24*time.Hour)))
		return err
	})
	return n, err
}
