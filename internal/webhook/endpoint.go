package webhook

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Endpoint is where an organization receives events.
type Endpoint struct {
	ID           string
	Organization string
	// APIKey is the key whose transactions alone are sent here; "": the endpoint is the
	// organization's.
	APIKey      string
	URL         string
	Description string
	Events      []Event
	// Network is the only network whose events are sent; "": all.
	Network string
	// Disabled is why nothing is sent; "": the endpoint is enabled. DisabledAt is zero then.
	Disabled   Reason
	DisabledAt time.Time
	// FailingSince is the first failed attempt after the last success; zero without one.
	// Warned is when the organization received a warning; zero before.
	FailingSince, Warned time.Time
	// PreviousUntil is until when the secret before the last rotation signs, too; zero: it
	// does not.
	PreviousUntil time.Time
	// Revision grows with each change of a caller: see [Service.UpdateEndpoint].
	Revision             int64
	CreatedAt, UpdatedAt time.Time
}

// Enabled reports whether the endpoint receives deliveries.
func (e Endpoint) Enabled() bool { return e.Disabled == "" }

// EndpointInput is the content of a new endpoint.
type EndpointInput struct {
	// URL is https, with a public address; see [Service.CheckURL].
	URL string
	// Description is at most MaxDescription characters, or "".
	Description string
	// Events are what it receives; nil: every event of today.
	Events []Event
	// Network is testnet or mainnet, or "" for all.
	Network string
	// Stored is called in the transaction that makes the endpoint; nil: nothing is.
	Stored Stored
}

// Stored receives an endpoint and its new secret, in the transaction that stores them.
type Stored func(ctx context.Context, tx *store.Tx, e Endpoint, secret Secret) error

// EndpointChange is a change of an endpoint. A nil field stays as it is.
type EndpointChange struct {
	URL, Description *string
	Events           []Event
	Network          *string
	Enabled          *bool
	// Revision is the revision that the caller read; 0: the change overwrites any other.
	Revision int64
}

// CheckURL returns the stored form of an endpoint's URL: an international host is in its ASCII
// form. It asks no name server: the address of a name is checked at each attempt, because it
// may change. Its errors are *InvalidURL.
func (s *Service) CheckURL(text string) (string, error) { return s.policy.check(text) }

// CreateEndpoint makes an endpoint of the organization, and returns its secret, which is
// stored encrypted and never shown again. Invalid values, and more than MaxEndpoints, are
// common.validation_failed.
func (s *Service) CreateEndpoint(ctx context.Context, organization string, in EndpointInput, by audit.Actor) (_ Endpoint, _ Secret, err error) {
	defer operation.Wrap(&err, "create a webhook endpoint of organization %s", organization)
	if in.Events == nil {
		in.Events = Events()
	}
	row := query.WebhookEndpoint{OrganizationID: organization, Url: in.URL, Description: in.Description, Events: join(in.Events), Network: in.Network}
	if err := s.validate(&row, true); err != nil {
		return Endpoint{}, nil, err
	}
	var secret Secret
	err = s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		if err := tx.LockOrganization(ctx, organization); err != nil {
			return err
		}
		n, err := tx.CountWebhookEndpoints(ctx, organization)
		if err != nil {
			return err
		}
		if n >= MaxEndpoints {
			return invalid("url", "max", "The organization has 20 endpoints, which is the limit. Delete one first.")
		}
		if row, secret, err = s.insert(ctx, tx, row, by); err != nil || in.Stored == nil {
			return err
		}
		return in.Stored(ctx, tx, read(row), secret)
	})
	return read(row), secret, err
}

// CreateForKey makes the endpoint of an API key, in the transaction that makes the key. It
// receives the ends of the transactions that the key begins. The URL has passed CheckURL.
//
// The endpoint stays when its key is revoked or has expired: transactions of the key may end later.
// An organization has at most MaxKeyEndpoints endpoints of keys. A further one deletes the oldest
// endpoint of a key that is revoked or has expired.
func (s *Service) CreateForKey(ctx context.Context, tx *store.Tx, organization, key, url string, by audit.Actor) (_ Secret, err error) {
	defer operation.Wrap(&err, "create the webhook endpoint of API key %s", key)
	row := query.WebhookEndpoint{OrganizationID: organization, ApiKeyID: key, Url: url, Events: join([]Event{WorkRegistered, WorkUpdated, WorkFailed})}
	if err := s.validate(&row, true); err != nil {
		return nil, err
	}
	if err := makeRoom(ctx, tx, organization); err != nil {
		return nil, err
	}
	_, secret, err := s.insert(ctx, tx, row, by)
	return secret, err
}

// makeRoom deletes endpoints of ended keys, so that the organization can have another one.
func makeRoom(ctx context.Context, tx *store.Tx, organization string) error {
	if err := tx.LockOrganization(ctx, organization); err != nil {
		return err
	}
	n, err := tx.CountKeyEndpoints(ctx, organization)
	if err != nil || n < MaxKeyEndpoints {
		return err
	}
	old, err := tx.EndpointsOfEndedKeys(ctx, query.EndpointsOfEndedKeysParams{OrganizationID: organization, Now: store.Micros(tx.Now), Lim: int32(n - MaxKeyEndpoints + 1)})
	if err != nil {
		return err
	}
	for _, row := range old {
		if err := remove(ctx, tx, row, audit.Server()); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes an endpoint with its secrets.
func remove(ctx context.Context, tx *store.Tx, row query.WebhookEndpoint, by audit.Actor) error {
	if _, err := tx.DeleteWebhookEndpoint(ctx, query.DeleteWebhookEndpointParams{Now: store.Micros(tx.Now), Nothing: []byte{}, OrganizationID: row.OrganizationID, ID: row.ID}); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Organization: row.OrganizationID, Actor: by, Action: "webhook.deleted", Subject: row.ID, Changes: changes(row, query.WebhookEndpoint{})})
}

func (s *Service) insert(ctx context.Context, tx *store.Tx, row query.WebhookEndpoint, by audit.Actor) (query.WebhookEndpoint, Secret, error) {
	secret := newSecret()
	row.ID, row.Revision, row.CreatedAt, row.UpdatedAt = newID(tx.Now), 1, store.Micros(tx.Now), store.Micros(tx.Now)
	sealed, err := seal(s.Key, row.ID, secret)
	if err != nil {
		return row, nil, err
	}
	if err := tx.InsertWebhookEndpoint(ctx, query.InsertWebhookEndpointParams{
		ID: row.ID, OrganizationID: row.OrganizationID, ApiKeyID: row.ApiKeyID, Url: row.Url, Description: row.Description, Events: row.Events, Network: row.Network,
		Secret: sealed, PreviousSecret: []byte{}, Now: row.CreatedAt,
	}); err != nil {
		return row, nil, err
	}
	return row, secret, audit.Record(ctx, tx, audit.Entry{Organization: row.OrganizationID, Actor: by, Action: "webhook.created", Subject: row.ID, Changes: changes(query.WebhookEndpoint{}, row)})
}

// ListEndpoints returns the endpoints of an organization after one id, in the order of their
// creation, and at most most of them.
func (s *Service) ListEndpoints(ctx context.Context, organization, after string, most int) (_ []Endpoint, err error) {
	defer operation.Wrap(&err, "list the webhook endpoints of organization %s", organization)
	rows, err := s.DB.Read().WebhookEndpoints(ctx, query.WebhookEndpointsParams{OrganizationID: organization, After: after, Lim: int32(most)})
	if err != nil {
		return nil, err
	}
	all := make([]Endpoint, 0, len(rows))
	for _, row := range rows {
		all = append(all, read(row))
	}
	return all, nil
}

// Endpoint returns one endpoint. An unknown one, and one of another organization, is
// common.not_found.
func (s *Service) Endpoint(ctx context.Context, organization, id string) (_ Endpoint, err error) {
	defer operation.Wrap(&err, "read webhook endpoint %s", id)
	row, err := find(ctx, s.DB.Read(), organization, id)
	return read(row), err
}

// UpdateEndpoint changes an endpoint. When another change came first (c.Revision is not the
// present one), it is common.conflict. Enabling an endpoint forgets its failures; what was
// skipped meanwhile can be replayed.
func (s *Service) UpdateEndpoint(ctx context.Context, organization, id string, c EndpointChange, by audit.Actor) (_ Endpoint, err error) {
	defer operation.Wrap(&err, "change webhook endpoint %s", id)
	var row query.WebhookEndpoint
	err = s.change(ctx, organization, id, func(tx *store.Tx, before query.WebhookEndpoint) error {
		if row = before; c.Revision != 0 && c.Revision != row.Revision {
			return fault.CommonConflict("changed").With("revision", row.Revision)
		}
		set(&row.Url, c.URL)
		set(&row.Description, c.Description)
		set(&row.Network, c.Network)
		if c.Events != nil {
			row.Events = join(c.Events)
		}
		if err := s.validate(&row, c.URL != nil); err != nil {
			return err
		}
		switch {
		case c.Enabled == nil:
		case *c.Enabled:
			row.DisabledAt, row.DisabledReason, row.FailingSince, row.WarnedAt = 0, "", 0, 0
		case row.DisabledAt == 0:
			row.DisabledAt, row.DisabledReason = store.Micros(tx.Now), string(Manual)
		}
		what := changes(before, row)
		if len(what) == 0 {
			return nil
		}
		row.Revision, row.UpdatedAt = row.Revision+1, store.Micros(tx.Now)
		if _, err := tx.SetWebhookEndpoint(ctx, query.SetWebhookEndpointParams{
			Url: row.Url, Description: row.Description, Events: row.Events, Network: row.Network, DisabledAt: row.DisabledAt, DisabledReason: row.DisabledReason,
			FailingSince: row.FailingSince, WarnedAt: row.WarnedAt, Now: row.UpdatedAt, OrganizationID: organization, ID: id,
		}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Organization: organization, Actor: by, Action: "webhook.changed", Subject: id, Changes: what})
	})
	return read(row), err
}

// DeleteEndpoint deletes an endpoint with its secrets. Nothing more is sent to it, and the
// sweep removes its deliveries. A repeated call is common.not_found.
func (s *Service) DeleteEndpoint(ctx context.Context, organization, id string, by audit.Actor) (err error) {
	defer operation.Wrap(&err, "delete webhook endpoint %s", id)
	return s.change(ctx, organization, id, func(tx *store.Tx, row query.WebhookEndpoint) error {
		return remove(ctx, tx, row, by)
	})
}

// RotateSecret gives an endpoint a new secret and returns it. The secret before also signs for
// the time of overlap, at most MaxOverlap; 0 ends it at once. A second rotation within an
// overlap ends the older secret. stored may be nil.
func (s *Service) RotateSecret(ctx context.Context, organization, id string, overlap time.Duration, by audit.Actor, stored Stored) (_ Endpoint, _ Secret, err error) {
	defer operation.Wrap(&err, "rotate the secret of webhook endpoint %s", id)
	if overlap < 0 || overlap > MaxOverlap {
		return Endpoint{}, nil, invalid("overlap_seconds", "range", "Must be from 0 to 604800 seconds (7 days).")
	}
	var row query.WebhookEndpoint
	var secret Secret
	err = s.change(ctx, organization, id, func(tx *store.Tx, before query.WebhookEndpoint) (err error) {
		row, secret = before, newSecret()
		row.PreviousSecret, row.PreviousUntil = []byte{}, 0
		if overlap > 0 {
			row.PreviousSecret, row.PreviousUntil = before.Secret, store.Micros(tx.Now.Add(overlap))
		}
		if row.Secret, err = seal(s.Key, id, secret); err != nil {
			return err
		}
		row.Revision, row.UpdatedAt = row.Revision+1, store.Micros(tx.Now)
		if _, err := tx.SetWebhookSecrets(ctx, query.SetWebhookSecretsParams{
			Secret: row.Secret, PreviousSecret: row.PreviousSecret, PreviousUntil: row.PreviousUntil, Now: row.UpdatedAt, OrganizationID: organization, ID: id,
		}); err != nil {
			return err
		}
		until := ""
		if overlap > 0 {
			until = wire(store.Time(row.PreviousUntil))
		}
		if err := audit.Record(ctx, tx, audit.Entry{Organization: organization, Actor: by, Action: "webhook.secret_rotated", Subject: id, Changes: []audit.Change{{Field: "previous_secret_until", New: until}}}); err != nil || stored == nil {
			return err
		}
		return stored(ctx, tx, read(row), secret)
	})
	return read(row), secret, err
}

// change runs f on an endpoint whose row is locked.
func (s *Service) change(ctx context.Context, organization, id string, f func(*store.Tx, query.WebhookEndpoint) error) error {
	if !isID(id) {
		return fault.CommonNotFound()
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		if n, err := tx.LockWebhookEndpoint(ctx, query.LockWebhookEndpointParams{OrganizationID: organization, ID: id}); err != nil {
			return err
		} else if n == 0 {
			return fault.CommonNotFound()
		}
		row, err := find(ctx, tx.Queries, organization, id)
		if err != nil {
			return err
		}
		return f(tx, row)
	})
}

// isID reports whether a caller's text can be the id of a row.
func isID(text string) bool { return len(text) == 36 && uuid.Validate(text) == nil }

// find returns an endpoint of the organization.
func find(ctx context.Context, q *query.Queries, organization, id string) (query.WebhookEndpoint, error) {
	if !isID(id) {
		return query.WebhookEndpoint{}, fault.CommonNotFound()
	}
	row, err := q.WebhookEndpoint(ctx, query.WebhookEndpointParams{OrganizationID: organization, ID: id})
	if errors.Is(err, sql.ErrNoRows) {
		return row, fault.CommonNotFound()
	}
	return row, err
}

// validate checks the values of a row, and brings them into their stored form. An URL that
// stays is not checked again: the operator may have changed the allowed networks, and the
// endpoint can still be disabled.
func (s *Service) validate(row *query.WebhookEndpoint, newURL bool) error {
	var bad []fault.Field
	if newURL {
		url, err := s.policy.check(row.Url)
		var wrong *InvalidURL
		if errors.As(err, &wrong) {
			bad = append(bad, fault.Field{Field: "url", Rule: wrong.Reason, Message: "The URL " + wrong.Message + "."})
		}
		row.Url = url
	}
	row.Description = strings.TrimSpace(row.Description)
	kind, _, _ := legible.First(row.Description)
	switch {
	case !utf8.ValidString(row.Description):
		bad = append(bad, fault.Field{Field: "description", Rule: "utf8", Message: "The description is not valid UTF-8."})
	case utf8.RuneCountInString(row.Description) > MaxDescription:
		bad = append(bad, fault.Field{Field: "description", Rule: "max", Message: "The description has at most 200 characters."})
	case kind != legible.Fine:
		bad = append(bad, fault.Field{Field: "description", Rule: string(kind), Message: "The description has a character that people cannot see."})
	}
	chosen := strings.Fields(row.Events)
	if len(chosen) == 0 {
		bad = append(bad, fault.Field{Field: "events", Rule: "required", Message: "Choose at least one event."})
	}
	for _, name := range chosen {
		if !slices.Contains(Events(), Event(name)) {
			bad = append(bad, fault.Field{Field: "events", Rule: "one_of", Message: "The events are work_registered, work_updated, work_failed and credits_low."})
			break
		}
	}
	if row.Network != "" && row.Network != "testnet" && row.Network != "mainnet" {
		bad = append(bad, fault.Field{Field: "network", Rule: "one_of", Message: "The network is testnet or mainnet."})
	}
	if len(bad) > 0 {
		return fault.CommonValidationFailed(bad)
	}
	return nil
}

func invalid(field, rule, message string) error {
	return fault.CommonValidationFailed([]fault.Field{{Field: field, Rule: rule, Message: message}})
}

// join returns events in the order of the documents, each once; unknown ones come last.
func join(events []Event) string {
	events = events[:min(len(events), 100)] // a longer list repeats, or has unknown ones
	var names []string
	for _, e := range append(Events(), events...) {
		if slices.Contains(events, e) && !slices.Contains(names, string(e)) {
			names = append(names, strings.Join(strings.Fields(string(e)), "_"))
		}
	}
	return strings.Join(names, " ")
}

func set(to *string, from *string) {
	if from != nil {
		*to = *from
	}
}

func read(row query.WebhookEndpoint) Endpoint {
	e := Endpoint{
		ID: row.ID, Organization: row.OrganizationID, APIKey: row.ApiKeyID, URL: row.Url, Description: row.Description, Network: row.Network, Disabled: Reason(row.DisabledReason), Revision: row.Revision,
		DisabledAt: when(row.DisabledAt), FailingSince: when(row.FailingSince), Warned: when(row.WarnedAt), PreviousUntil: when(row.PreviousUntil), CreatedAt: when(row.CreatedAt), UpdatedAt: when(row.UpdatedAt),
	}
	for _, name := range strings.Fields(row.Events) {
		e.Events = append(e.Events, Event(name))
	}
	return e
}

// when is the time of a column; 0 is the zero time.
func when(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return store.Time(us)
}

// changes lists what an audit entry says about a change. A URL is shown without its query,
// which may be a secret of the receiver.
func changes(before, after query.WebhookEndpoint) (all []audit.Change) {
	state := func(row query.WebhookEndpoint) string {
		switch {
		case row.ID == "":
			return ""
		case row.DisabledAt != 0:
			return "false"
		}
		return "true"
	}
	for _, c := range []audit.Change{
		{Field: "url", Old: shown(before.Url), New: shown(after.Url)}, {Field: "description", Old: before.Description, New: after.Description},
		{Field: "events", Old: before.Events, New: after.Events}, {Field: "network", Old: before.Network, New: after.Network},
		{Field: "api_key_id", Old: before.ApiKeyID, New: after.ApiKeyID}, {Field: "enabled", Old: state(before), New: state(after)},
	} {
		if c.Old != c.New {
			all = append(all, c)
		}
	}
	if before.Url != after.Url && shown(before.Url) == shown(after.Url) {
		all = append(all, audit.Change{Field: "url", Old: shown(before.Url), New: shown(after.Url) + " (another query)"})
	}
	return all
}

func shown(url string) string {
	before, _, found := strings.Cut(url, "?")
	if found {
		return before + "?…"
	}
	return before
}
