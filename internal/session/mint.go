package session

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/account"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// SiteKey returns the site key of the pair whose secret key was given.
func (m Minter) SiteKey() string { return m.from.SiteKey }

// Organization returns the id of the organization.
func (m Minter) Organization() string { return m.from.Organization.ID }

// Minter checks the secret key, its organization, and the origin of the site that embeds the
// widget, in this order.
func (s *Service) Minter(ctx context.Context, secretKey, origin string) (_ Minter, err error) {
	defer operation.Wrap(&err, "check a secret key for a mint")
	m, err := s.minter(ctx, secretKey)
	from := m.from
	if err == nil {
		s.seen(ctx, Seen{Organization: from.Organization.ID, SiteKey: from.SiteKey, Mints: true})
		err = from.Active()
	}
	if err != nil {
		return Minter{}, err
	}
	if !from.Allows(origin) {
		reason := "not_listed"
		if origin == "" {
			reason = "no_origin"
		}
		return Minter{}, fault.SessionOriginNotAllowed().With("reason", reason)
	}
	return m, nil
}

// minter reads the integration of a secret key, or remembers it.
func (s *Service) minter(ctx context.Context, secretKey string) (Minter, error) {
	now, key := s.DB.Now(), sha256.Sum256([]byte(secretKey))
	if m, ok := s.minters.Get(key, now); ok {
		return m, nil
	}
	from, err := account.BySecretKey(ctx, s.DB, secretKey)
	m := Minter{from, now}
	if err == nil && s.Remember > 0 {
		s.minters.Put(key, m, now.Add(s.Remember))
	}
	return m, err
}

// MintRequest is what a minter asks for.
type MintRequest struct {
	Action          Action
	Network         network.Name
	AtsID           *int64  // the only work that the session may update
	ExternalUserRef *string // 1 to MaxExternalUserRef bytes
	MaxFileSize     *int64  // bytes, more than 0
	// Rehearse is the error code that the session is to rehearse; only for a test key.
	Rehearse *string
	// AssetStorage can be account.StoreNone: then the session's files are not stored. nil
	// uses the organization's setting.
	AssetStorage *string
}

// Mint checks the request and the balance, in this order, and signs a token. It writes one
// row, which the token's first init spends.
func (s *Service) Mint(ctx context.Context, m Minter, r MintRequest) (token string, err error) {
	defer operation.Wrap(&err, "mint a session for %s on %s", r.Action, r.Network)
	return s.mint(ctx, m, "", r)
}

// mint is Mint. only is the single origin at which the session is valid; "": those of the
// allowlist.
func (s *Service) mint(ctx context.Context, m Minter, only string, r MintRequest) (token string, err error) {
	from := m.from
	hashOnly := from.Organization.AssetStorage == account.StoreNone || r.AssetStorage != nil && *r.AssetStorage == account.StoreNone
	if err := r.validate(s.Served(), from.Test, hashOnly); err != nil {
		return "", err
	}
	// A test key spends no credits.
	if least := s.MinimumCredits(r.Action, r.Network); least > 0 && !from.Test {
		available, err := credits.Available(ctx, s.DB.Read(), from.Organization.ID)
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
		ID: id.String(), Organization: from.Organization.ID, SiteKeyHash: hashSiteKey(from.SiteKey),
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
	s.seen(ctx, Seen{Organization: c.Organization, SiteKey: from.SiteKey, Session: c.ID, Mints: true})
	row := query.InsertSessionParams{
		Jti: c.ID, OrganizationID: c.Organization, SiteKey: from.SiteKey, Action: string(c.Action), Network: string(c.Network), EndUser: endUser(c.Organization, c.ExternalUserRef), Origin: only, ExpiresAt: store.Micros(c.Expires),
	}
	// A session that is there already was inserted by a run whose commit was not seen.
	if err := s.DB.Repeat(ctx, func(tx *store.Tx) error { return tx.InsertSession(ctx, row) }); err != nil {
		return "", err
	}
	if until := m.read.Add(s.Remember); now.Before(until) { // its first call needs no read
		s.sessions.Put(named{row.Jti, row.SiteKey}, stored{from: from, found: true, action: row.Action, network: row.Network, endUser: row.EndUser, origin: row.Origin}, until)
	}
	return token, nil
}

// maxClaim is the largest number that every JSON parser reads exactly.
const maxClaim = 1<<53 - 1

func (r MintRequest) validate(served network.Infos, test, hashOnly bool) error {
	var bad []fault.Field
	if !r.Action.Valid() {
		bad = append(bad, fault.Field{Field: "action_type", Rule: "one_of", Message: "Must be register, update_version or access."})
	}
	if info, ok := served.Get(r.Network); !ok {
		bad = append(bad, fault.Field{Field: "allowed_network", Rule: "one_of", Message: served.MustBe()})
	} else if test && !info.Test {
		message := "Must be " + served.Tests().String() + " for a test key."
		if len(served.Tests()) == 0 {
			message = "This server has no test network, and test keys reach no other one."
		}
		bad = append(bad, fault.Field{Field: "allowed_network", Rule: "test_key", Message: message})
	}
	// 0 is not a work's id. Reading it as "any work" would allow more than the host asked
	// for.
	if r.AtsID != nil && (*r.AtsID < 1 || *r.AtsID > maxClaim) {
		bad = append(bad, fault.Field{Field: "allowed_ats_id", Rule: "range", Message: "Must be a work's id."})
	}
	if r.MaxFileSize != nil && (*r.MaxFileSize < 1 || *r.MaxFileSize > maxClaim) {
		bad = append(bad, fault.Field{Field: "max_file_size_bytes", Rule: "range", Message: "Must be more than 0."})
	}
	bad = append(bad, CheckWishes(r.Rehearse, r.AssetStorage, test, hashOnly)...)
	if len(bad) > 0 {
		return fault.CommonValidationFailed(bad)
	}
	if r.ExternalUserRef == nil {
		return nil
	}
	return CheckExternalUserRef(*r.ExternalUserRef)
}

// CheckWishes returns what is wrong with the code to rehearse and the storage that a caller
// asks for; nil asks for nothing. test says that the caller is a test key, and hashOnly that
// nothing is uploaded.
func CheckWishes(rehearse, assetStorage *string, test, hashOnly bool) (bad []fault.Field) {
	if rehearse != nil {
		if !test {
			bad = append(bad, fault.Field{Field: "rehearse", Rule: "test_key", Message: "Only allowed with a test key."})
		} else if !Rehearsable(fault.Code(*rehearse)) {
			bad = append(bad, fault.Field{Field: "rehearse", Rule: "one_of", Message: "Must be a code that can be rehearsed."})
		} else if hashOnly && fault.Code(*rehearse) == fault.CodeWidgetUploadError {
			bad = append(bad, fault.Field{Field: "rehearse", Rule: "hash_only", Message: "Cannot be rehearsed: this session uploads no file."})
		}
	}
	// A session can store less than its organization does, never more.
	if assetStorage != nil && *assetStorage != account.StoreNone {
		bad = append(bad, fault.Field{Field: "asset_storage", Rule: "one_of", Message: "Must be none, or left out."})
	}
	return bad
}

// CheckExternalUserRef refuses a reference to an end-user that is empty, too long, or has a
// null character, with session.invalid_external_user_ref.
func CheckExternalUserRef(ref string) error {
	switch {
	case ref == "":
		return fault.SessionInvalidExternalUserRef("empty")
	case len(ref) > MaxExternalUserRef:
		return fault.SessionInvalidExternalUserRef("too_long")
	case strings.ContainsRune(ref, 0):
		return fault.SessionInvalidExternalUserRef("null_character")
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
	return s.DB.Sweep(ctx, func(tx *store.Tx, most int32) (int64, error) {
		return tx.SweepSessions(ctx, query.SweepSessionsParams{Before: store.Micros(tx.Now.Add(-24 * time.Hour)), Lim: most})
	})
}
