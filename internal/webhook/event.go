package webhook

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Ended is the end of a transaction, as its event tells it.
type Ended struct {
	Event        Event // WorkRegistered, WorkUpdated or WorkFailed
	Transaction  string
	Organization string
	Work         string
	// APIKey is the key that began the transaction; "": a session of the widget.
	APIKey string
	// ExternalUserRef is "" for a work without an end-user.
	ExternalUserRef string
	Network         string
	// At is when the network accepted it, or when it failed.
	At time.Time

	// The fields below are those of a success.
	AtsID             int64
	TxHash, BlockHash []byte
	BlockNumber       int64
	ExplorerURL       string
	// AccessCode reports that the work has an access code now. Each attempt derives it.
	AccessCode bool

	// Reason is why the network refused the transaction.
	Reason string
}

// The payloads have every member of the wire contract, in its order. A member that does not
// apply is null.

type succeeded struct {
	Event           Event   `json:"event"`
	TransactionID   string  `json:"transaction_id"`
	OrganizationID  string  `json:"organization_id"`
	APIKeyID        *string `json:"api_key_id"`
	ExternalUserRef *string `json:"external_user_ref"`
	Network         string  `json:"network"`
	AtsID           int64   `json:"ats_id"`
	TxHash          string  `json:"tx_hash"`
	BlockNumber     int64   `json:"block_number"`
	BlockHash       string  `json:"block_hash"`
	AccessCode      *string `json:"access_code"`
	ExplorerURL     *string `json:"explorer_url"`
	FinalizedAt     string  `json:"finalized_at"`
}

type failed struct {
	Event           Event   `json:"event"`
	TransactionID   string  `json:"transaction_id"`
	OrganizationID  string  `json:"organization_id"`
	APIKeyID        *string `json:"api_key_id"`
	ExternalUserRef *string `json:"external_user_ref"`
	Network         string  `json:"network"`
	Reason          string  `json:"reason"`
	FailedAt        string  `json:"failed_at"`
}

type creditsLow struct {
	Event          Event  `json:"event"`
	OrganizationID string `json:"organization_id"`
	Available      int64  `json:"available"`
	Level          int64  `json:"level"`
	At             string `json:"at"`
}

type tested struct {
	Event          Event  `json:"event"`
	OrganizationID string `json:"organization_id"`
	EndpointID     string `json:"endpoint_id"`
	At             string `json:"at"`
}

// or returns nil for "".
func or(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func wire(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func hash(b []byte) string { return "0x" + hex.EncodeToString(b) }

func (e Ended) payload() any {
	if e.Event == WorkFailed {
		return failed{e.Event, e.Transaction, e.Organization, or(e.APIKey), or(e.ExternalUserRef), e.Network, e.Reason, wire(e.At)}
	}
	return succeeded{
		e.Event, e.Transaction, e.Organization, or(e.APIKey), or(e.ExternalUserRef), e.Network, e.AtsID, hash(e.TxHash), e.BlockNumber, hash(e.BlockHash), nil, or(e.ExplorerURL), wire(e.At),
	}
}

// TransactionEnded enqueues the deliveries of an event, in the transaction that ends the
// transaction: one for each endpoint of the organization that wants it, and one for the
// endpoint of the API key that began it. A disabled endpoint gets a delivery that is skipped,
// and can be replayed.
func TransactionEnded(ctx context.Context, tx *store.Tx, e Ended) (err error) {
	defer operation.Wrap(&err, "enqueue the webhooks of transaction %s", e.Transaction)
	return enqueue(ctx, tx, e.Organization, e.payload, query.InsertWebhookDeliveryParams{Event: string(e.Event), TransactionID: e.Transaction, WorkID: e.Work, AccessCode: e.AccessCode}, e.Network, e.APIKey)
}

// BalanceLow enqueues the event that an organization's credits fell below its level, in the
// transaction that debits them. Its caller decides when that is the case. The endpoints of API
// keys do not get it.
func BalanceLow(ctx context.Context, tx *store.Tx, organization string, available, level int64) (err error) {
	defer operation.Wrap(&err, "enqueue the webhooks of the low balance of organization %s", organization)
	payload := func() any { return creditsLow{CreditsLow, organization, available, level, wire(tx.Now)} }
	return enqueue(ctx, tx, organization, payload, query.InsertWebhookDeliveryParams{Event: string(CreditsLow)}, "", "")
}

// enqueue adds a delivery for each endpoint that wants the event.
func enqueue(ctx context.Context, tx *store.Tx, organization string, payload func() any, row query.InsertWebhookDeliveryParams, network, key string) error {
	targets, err := tx.WebhookTargets(ctx, organization)
	if err != nil {
		return err
	}
	for _, t := range targets {
		own := t.ApiKeyID != "" && t.ApiKeyID == key
		if t.ApiKeyID != "" && !own || !slices.Contains(strings.Fields(t.Events), row.Event) || t.Network != "" && network != "" && t.Network != network {
			continue
		}
		if row.Payload == "" {
			text, err := json.Marshal(payload())
			if err != nil {
				return err
			}
			row.Payload = string(text)
		}
		if err := add(ctx, tx, organization, t.ID, row, t.DisabledAt != 0); err != nil {
			return err
		}
	}
	return nil
}

// add adds one delivery, and enqueues it unless its endpoint is disabled.
func add(ctx context.Context, tx *store.Tx, organization, endpoint string, row query.InsertWebhookDeliveryParams, disabled bool) error {
	row.ID, row.OrganizationID, row.EndpointID, row.State, row.Now = newID(tx.Now), organization, endpoint, string(Waiting), store.Micros(tx.Now)
	if disabled {
		row.State, row.EndedAt = string(Skipped), row.Now
		return tx.InsertWebhookDelivery(ctx, row)
	}
	if err := tx.InsertWebhookDelivery(ctx, row); err != nil {
		return err
	}
	return queue(ctx, tx, organization, endpoint, row.ID)
}

// queue makes a delivery due now. Its row in the outbox has no work: the erasure of a work finds
// it by its delivery.
func queue(ctx context.Context, tx *store.Tx, organization, endpoint, id string) error {
	return outbox.EnqueueAt(ctx, tx, outbox.Delivery{Kind: outbox.Webhook, Subject: id, Lane: laneOf(organization, endpoint), Organization: organization}, tx.Now)
}

// laneOf is the lane of an endpoint: the lanes of one organization are neighbours.
func laneOf(organization, endpoint string) string { return organization + "/" + endpoint }

func splitLane(lane string) (organization, endpoint string) {
	organization, endpoint, _ = strings.Cut(lane, "/")
	return organization, endpoint
}

// newID makes a UUIDv7 of a time: 48 bits of milliseconds, 12 bits of their fraction, and 62
// random bits.
func newID(at time.Time) string {
	id := idAt(at)
	var random [8]byte
	rand.Read(random[:])
	copy(id[8:], random[:])
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// idAt returns the first id of a time. Ids are in the order of time, so it is a bound.
func idAt(at time.Time) (id uuid.UUID) {
	us := max(0, at.UnixMicro())
	binary.BigEndian.PutUint64(id[:8], uint64(us/1000)<<16|0x7000|uint64(us%1000)<<2)
	id[8] = 0x80
	return id
}
