// Package apikey holds the API keys of organizations' backends: their creation, their list and
// their revocation, and the check of each call with a key.
//
// A key is stored as a hash, and shown once. Every check reads its row, so a revocation acts
// from the next call on in every process. The package does not know what a call does: a
// [Caller] has scopes, and package permission says what they open.
package apikey

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// The limits of keys.
const (
	MaxLive = 10  // keys of one organization that are neither revoked nor expired
	MaxName = 100 // characters
	MaxPage = 100 // keys on one page of a list
	// maxURL is the longest webhook URL in bytes, before CheckURL sees it.
	maxURL = 2048
	// maxSize is the largest number that every JSON parser reads exactly.
	maxSize = 1<<53 - 1
)

// Service makes and checks keys. DB and MaxFileSize are required. It is safe for concurrent
// use, and several instances may work on one database.
type Service struct {
	DB *store.DB
	// Networks are the networks of this server; nil: every network of the wire contract.
	Networks network.Infos
	// MaxFileSize is the system's limit in bytes; organizations and keys can only lower it.
	MaxFileSize int64
	// CheckURL refuses a webhook URL to which nothing is ever delivered, with
	// api_key.webhook_url_invalid. Endpoint makes the endpoint of a new key, in the
	// transaction that makes the key. Without both, no key has a webhook URL.
	CheckURL func(url string) error
	Endpoint func(ctx context.Context, tx *store.Tx, e Endpoint) (secretBase64 string, err error)
	Log      *slog.Logger

	uses uses
}

// Worker returns the worker that writes the last uses of keys. It is called once, before the
// first call with a key.
func (s *Service) Worker() *work.Worker {
	s.uses.wake = work.NewSignal()
	return &work.Worker{Name: "api_keys", Step: s.Flush, Every: apart, Wake: s.uses.wake, Log: s.Log}
}

// Run returns a function that runs the worker until its context ends, and then writes the
// rest. The context ends after the last call with a key.
func (s *Service) Run() func(context.Context) {
	worker := s.Worker()
	return func(ctx context.Context) {
		worker.Run(ctx)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), finish)
		defer cancel()
		if err := s.Flush(last); err != nil {
			s.Log.WarnContext(last, "the last uses of API keys were not written", "error", err)
		}
	}
}

// finish is how long the end of a process waits for the last write.
const finish = 5 * time.Second

// Flush writes all last uses that this process has in memory. After an error they stay there.
func (s *Service) Flush(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "write the last uses of API keys")
	return s.uses.flush(ctx, s.DB)
}

// Endpoint is the webhook endpoint that a new key asks for.
type Endpoint struct {
	Organization, KeyID, URL string
	Actor                    audit.Actor
}

// Key is an API key without its secret.
type Key struct {
	ID           string             `json:"id"`
	Organization string             `json:"organization_id"`
	Name         string             `json:"name"`
	Prefix       string             `json:"prefix"`
	LastFour     string             `json:"last4"`
	Test         bool               `json:"test"`
	Scopes       []permission.Scope `json:"scopes"`
	WebhookURL   *string            `json:"webhook_url"`         // null: none
	MaxFileSize  *int64             `json:"max_file_size_bytes"` // null: the organization's limit
	CreatedAt    time.Time          `json:"created_at"`
	CreatedBy    string             `json:"created_by"`
	ExpiresAt    *time.Time         `json:"expires_at"`     // null: never
	RevokedAt    *time.Time         `json:"revoked_at"`     // null: not revoked
	LastUsedAt   *time.Time         `json:"last_used_at"`   // null: never; within a minute of the last call
	LastUsedFrom *string            `json:"last_used_from"` // the network address of that call
}

// Created is a new key. Only Create returns its secrets, and only once.
type Created struct {
	Key
	Token string `json:"token"`
	// WebhookSecret signs deliveries to the key's webhook URL; "" without one.
	WebhookSecret string `json:"webhook_secret_base64,omitempty"`
}

// Request describes a new key.
type Request struct {
	Name   string   // 1 to MaxName characters, one line of visible characters
	Scopes []string // at least one; duplicates count once
	Test   bool
	// WebhookURL, ExpiresAt and MaxFileSize are optional. The size is in bytes, more than 0.
	WebhookURL  string
	ExpiresAt   *time.Time
	MaxFileSize *int64
	// Stored is called with the new key, in the transaction that makes it. Its error undoes
	// the key. It may be called again if the transaction runs again. May be nil.
	Stored func(context.Context, *store.Tx, Created) error
}

// Create adds a key to an organization. Errors: organization.not_found, api_key.invalid_name,
// api_key.scopes_required, api_key.unknown_scope, api_key.webhook_url_invalid,
// common.validation_failed for the other fields, and api_key.limit_reached.
func (s *Service) Create(ctx context.Context, by audit.Actor, organization string, in Request) (_ Created, err error) {
	defer operation.Wrap(&err, "create an API key of organization %s", organization)
	name, err := checkName(in.Name)
	if err != nil {
		return Created{}, err
	}
	scopes, err := checkScopes(in.Scopes)
	if err != nil {
		return Created{}, err
	}
	if err := s.checkURL(in.WebhookURL); err != nil {
		return Created{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Created{}, err
	}
	token := newToken(in.Test)
	row := query.InsertAPIKeyParams{
		ID: id.String(), OrganizationID: organization, Hash: hashOf(token), Prefix: prefixOf(in.Test), LastFour: token[len(token)-lastDigits:], Test: in.Test,
		Name: name, Scopes: joined(scopes), WebhookUrl: in.WebhookURL, CreatedBy: by.Name,
	}
	var bad fault.Refused
	if in.MaxFileSize != nil {
		if *in.MaxFileSize < 1 || *in.MaxFileSize > maxSize {
			bad.Refuse("max_file_size_bytes", "range", "Must be more than 0.")
		}
		row.MaxFileSize = sql.NullInt64{Int64: *in.MaxFileSize, Valid: true}
	}
	if in.ExpiresAt != nil {
		if !in.ExpiresAt.After(s.DB.Now()) || in.ExpiresAt.Year() > 9999 {
			bad.Refuse("expires_at", "future", "Must be a time in the future.")
		}
		row.ExpiresAt = sql.NullInt64{Int64: store.Micros(*in.ExpiresAt), Valid: true}
	}
	if err := bad.Err(); err != nil {
		return Created{}, err
	}
	out := Created{Token: token}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row.CreatedAt = store.Micros(tx.Now)
		if err := s.insert(ctx, tx, row); err != nil {
			return err
		}
		if row.WebhookUrl != "" {
			secret, err := s.Endpoint(ctx, tx, Endpoint{Organization: organization, KeyID: row.ID, URL: row.WebhookUrl, Actor: by})
			if err != nil {
				return err
			}
			out.WebhookSecret = secret
		}
		stored, err := tx.GetAPIKey(ctx, query.GetAPIKeyParams{ID: row.ID, OrganizationID: organization})
		if err != nil {
			return err
		}
		out.Key = keyOf(stored)
		if err := audit.Record(ctx, tx, audit.Entry{Organization: organization, Actor: by, Action: "api_key.created", Subject: row.ID, Changes: described(out.Key)}); err != nil || in.Stored == nil {
			return err
		}
		return in.Stored(ctx, tx, out)
	})
	if err != nil {
		return Created{}, err
	}
	return out, nil
}

// insert stores a key. Creations of one organization run one after the other, so that they
// count every key that is there.
func (s *Service) insert(ctx context.Context, tx *store.Tx, row query.InsertAPIKeyParams) error {
	if err := tx.LockOrganization(ctx, row.OrganizationID); err != nil {
		return err
	}
	if _, err := tx.GetOrganization(ctx, row.OrganizationID); errors.Is(err, sql.ErrNoRows) {
		return fault.OrganizationNotFound()
	} else if err != nil {
		return err
	}
	live, err := tx.CountLiveAPIKeys(ctx, query.CountLiveAPIKeysParams{OrganizationID: row.OrganizationID, Now: row.CreatedAt})
	if err != nil {
		return err
	}
	if live >= MaxLive {
		return fault.APIKeyLimitReached(retryLimit, MaxLive)
	}
	return tx.InsertAPIKey(ctx, row)
}

// retryLimit is the retry time after api_key.limit_reached: a person has to revoke a key
// first.
const retryLimit = time.Minute

// checkName returns the name without spaces around it.
func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n == 0 || n > MaxName || !utf8.ValidString(name) || legible.Blank(name) {
		return "", fault.APIKeyInvalidName()
	}
	if kind, _, _ := legible.First(name); kind != legible.Fine {
		return "", fault.APIKeyInvalidName()
	}
	return name, nil
}

// checkScopes returns the scopes in the order of the documents, each once.
func checkScopes(names []string) (scopes []permission.Scope, err error) {
	if len(names) == 0 {
		return nil, fault.APIKeyScopesRequired()
	}
	for _, n := range names {
		if !permission.Scope(n).Known() {
			shown := []rune(legible.Shown(strings.ToValidUTF8(n, "")))
			return nil, fault.APIKeyUnknownScope(string(shown[:min(len(shown), MaxName)]))
		}
	}
	for _, known := range permission.Scopes() {
		if slices.Contains(names, string(known)) {
			scopes = append(scopes, known)
		}
	}
	return scopes, nil
}

func (s *Service) checkURL(url string) error {
	switch {
	case url == "":
		return nil
	case len(url) > maxURL || s.CheckURL == nil || s.Endpoint == nil:
		return fault.APIKeyWebhookURLInvalid("malformed")
	}
	return s.CheckURL(url)
}

func joined(scopes []permission.Scope) string {
	texts := make([]string, len(scopes))
	for i, s := range scopes {
		texts[i] = string(s)
	}
	return strings.Join(texts, " ")
}

// described returns the values of a new key for the audit log.
func described(k Key) []audit.Change {
	c := []audit.Change{{Field: "name", New: k.Name}, {Field: "scopes", New: joined(k.Scopes)}, {Field: "key", New: k.Prefix + "…" + k.LastFour}}
	if k.WebhookURL != nil {
		address, _, secret := strings.Cut(*k.WebhookURL, "?") // the query may be a secret of the receiver
		if secret {
			address += "?…"
		}
		c = append(c, audit.Change{Field: "webhook_url", New: address})
	}
	if k.MaxFileSize != nil {
		c = append(c, audit.Change{Field: "max_file_size_bytes", New: strconv.FormatInt(*k.MaxFileSize, 10)})
	}
	if k.ExpiresAt != nil {
		c = append(c, audit.Change{Field: "expires_at", New: k.ExpiresAt.Format(time.RFC3339)})
	}
	return c
}

// Page asks for a part of a list of keys, newest first.
type Page struct {
	First int    // at most this many, 1 to MaxPage
	After string // the id of the last key of the page before; "": from the newest key
}

// List returns an organization's keys, also revoked and expired ones, newest first. more
// reports whether older keys follow.
func (s *Service) List(ctx context.Context, organization string, p Page) (_ []Key, more bool, err error) {
	defer operation.Wrap(&err, "list API keys of organization %s", organization)
	p.First = min(max(p.First, 1), MaxPage)
	before := "~" // after every UUID
	if p.After != "" {
		before = p.After
	}
	recent := s.uses.recent()
	rows, err := s.DB.Read().ListAPIKeys(ctx, query.ListAPIKeysParams{OrganizationID: organization, Before: before, Lim: int32(p.First) + 1})
	if err != nil {
		return nil, false, err
	}
	if more = len(rows) > p.First; more {
		rows = rows[:p.First]
	}
	out := make([]Key, len(rows))
	for i, row := range rows {
		out[i] = keyOf(row).with(recent)
	}
	return out, more, nil
}

// Get returns one key of an organization. A key of another organization is common.not_found.
func (s *Service) Get(ctx context.Context, organization, id string) (_ Key, err error) {
	defer operation.Wrap(&err, "read API key %s", id)
	recent := s.uses.recent()
	row, err := s.DB.Read().GetAPIKey(ctx, query.GetAPIKeyParams{ID: id, OrganizationID: organization})
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, fault.CommonNotFound()
	} else if err != nil {
		return Key{}, err
	}
	return keyOf(row).with(recent), nil
}

// Revoke ends a key of an organization, for every call that begins after it. A second call
// changes nothing. A key of another organization is common.not_found.
func (s *Service) Revoke(ctx context.Context, by audit.Actor, organization, id string) (k Key, err error) {
	defer operation.Wrap(&err, "revoke API key %s", id)
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		which := query.GetAPIKeyParams{ID: id, OrganizationID: organization}
		n, err := tx.RevokeAPIKey(ctx, query.RevokeAPIKeyParams{ID: id, OrganizationID: organization, Now: store.Micros(tx.Now)})
		if err != nil {
			return err
		}
		row, err := tx.GetAPIKey(ctx, which)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.CommonNotFound()
		} else if err != nil {
			return err
		}
		if k = keyOf(row); n == 0 { // revoked earlier
			return nil
		}
		return audit.Record(ctx, tx, audit.Entry{Organization: organization, Actor: by, Action: "api_key.revoked", Subject: id, Changes: []audit.Change{{Field: "name", Old: k.Name}}})
	})
	return k, err
}

func keyOf(row query.ApiKey) Key {
	k := Key{
		ID: row.ID, Organization: row.OrganizationID, Name: row.Name, Prefix: row.Prefix, LastFour: row.LastFour, Test: row.Test, Scopes: scopesOf(row.Scopes),
		CreatedAt: store.Time(row.CreatedAt), CreatedBy: row.CreatedBy, ExpiresAt: timeOf(row.ExpiresAt), RevokedAt: timeOf(row.RevokedAt), LastUsedAt: timeOf(row.LastUsedAt),
	}
	if row.WebhookUrl != "" {
		k.WebhookURL = &row.WebhookUrl
	}
	if row.MaxFileSize.Valid {
		k.MaxFileSize = &row.MaxFileSize.Int64
	}
	if row.LastUsedFrom != "" {
		k.LastUsedFrom = &row.LastUsedFrom
	}
	return k
}

// with returns the key with its last use, if the row does not have it yet.
func (k Key) with(p pending) Key {
	if u, ok := p[k.ID]; ok && (k.LastUsedAt == nil || u.at.After(*k.LastUsedAt)) {
		k.LastUsedAt, k.LastUsedFrom = &u.at, &u.from
	}
	return k
}

func scopesOf(text string) []permission.Scope {
	scopes := []permission.Scope{}
	for name := range strings.FieldsSeq(text) {
		scopes = append(scopes, permission.Scope(name))
	}
	return scopes
}

func timeOf(us sql.NullInt64) *time.Time {
	if !us.Valid {
		return nil
	}
	t := store.Time(us.Int64)
	return &t
}
