package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Delivery is one event for one endpoint.
type Delivery struct {
	// ID is the header webhook-id, the same for all attempts.
	ID          string
	Endpoint    string
	Event       Event
	Transaction string // "": the event is about no transaction
	State       State
	// Attempts counts the attempts of all rounds. LastStatus is the status of the last one;
	// 0: there was no answer, or no attempt yet.
	Attempts   int64
	LastStatus int64
	// Payload is the JSON that is sent. Its member access_code is always null here.
	Payload string
	// AccessCode reports that attempts contain the access code, while it is valid.
	AccessCode bool
	CreatedAt  time.Time
	// EndedAt is zero while it waits. NextAttempt is zero unless it waits; [Service.Delivery]
	// alone reads it.
	EndedAt, NextAttempt time.Time
}

// Shown returns the delivery with the id of its transaction as its reader may see it. This holds
// for the payload and the answers of attempts, too: a receiver may send back the payload.
func (d Delivery) Shown(id func(string) string, attempts ...Attempt) Delivery {
	if d.Transaction != "" {
		full := d.Transaction
		d.Transaction = id(full)
		d.Payload = strings.ReplaceAll(d.Payload, full, d.Transaction)
		for i := range attempts {
			attempts[i].Body = strings.ReplaceAll(attempts[i].Body, full, d.Transaction)
			for j := range attempts[i].Headers {
				attempts[i].Headers[j].Value = strings.ReplaceAll(attempts[i].Headers[j].Value, full, d.Transaction)
			}
		}
	}
	return d
}

// Attempt is one POST of a delivery.
type Attempt struct {
	Number   int64
	URL      string // at that time
	At       time.Time
	Duration time.Duration
	// Status is that of the answer; 0: there was none.
	Status int64
	// Headers are those of the answer, sorted by name, at most 4 KiB.
	Headers []Header
	// Body is the first 4 KiB of the answer. Bytes that are not valid text are escaped.
	Body string
	// Error is why the attempt failed, or "".
	Error string
}

// Header is one line of an answer's header.
type Header = header

// Filter selects deliveries of one endpoint. Every field is optional.
type Filter struct {
	State State
	Event Event
	// Since and Until bound the time of the event; Until is not included.
	Since, Until time.Time
	// After is the id of the last delivery of the page before.
	After string
	// Limit is the size of the page, 1 to MaxPage; 0: DefaultPage.
	Limit int
}

// The sizes of a page of deliveries.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// shownAttempts is how many attempts of a delivery are shown, the newest first.
const shownAttempts = 100

// ListDeliveries returns deliveries of an endpoint, the newest first. next is the value of
// After for the next page, or "". An unknown endpoint is common.not_found.
func (s *Service) ListDeliveries(ctx context.Context, organization, endpoint string, f Filter) (_ []Delivery, next string, err error) {
	defer operation.Wrap(&err, "list the deliveries of webhook endpoint %s", endpoint)
	if err := f.validate(); err != nil {
		return nil, "", err
	}
	if _, err := find(ctx, s.DB.Read(), organization, endpoint); err != nil {
		return nil, "", err
	}
	before, since, most := f.bounds()
	rows, err := s.page(ctx, endpoint, f, before, since, int32(most+1))
	if err != nil {
		return nil, "", err
	}
	if len(rows) > most {
		rows = rows[:most]
		next = rows[most-1].ID
	}
	all := make([]Delivery, 0, len(rows))
	for _, row := range rows {
		all = append(all, delivery(row))
	}
	return all, next, nil
}

func (f Filter) validate() error {
	var bad []fault.Field
	if f.State != "" && !slices.Contains(States(), f.State) {
		bad = append(bad, fault.Field{Field: "state", Rule: "one_of", Message: "The state is waiting, delivered, failed or skipped."})
	}
	if f.Event != "" && f.Event != Test && !slices.Contains(Events(), f.Event) {
		bad = append(bad, fault.Field{Field: "event", Rule: "one_of", Message: "The event is work_registered, work_updated, work_failed, credits_low or test."})
	}
	if f.After != "" && !isID(f.After) {
		bad = append(bad, fault.Field{Field: "after", Rule: "format", Message: "The cursor is not one that the server returned."})
	}
	if f.Limit < 0 || f.Limit > MaxPage {
		bad = append(bad, fault.Field{Field: "limit", Rule: "range", Message: "The limit is a number from 1 to 200."})
	}
	if len(bad) > 0 {
		return fault.CommonValidationFailed(bad)
	}
	return nil
}

// lastID is after every id.
const lastID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

// bounds returns the ids between which the page is, since included.
func (f Filter) bounds() (before, since string, most int) {
	before, since, most = lastID, "", cmp.Or(f.Limit, DefaultPage)
	if !f.Until.IsZero() {
		before = idAt(f.Until).String()
	}
	if f.After != "" {
		before = min(before, f.After)
	}
	if !f.Since.IsZero() {
		since = idAt(f.Since).String()
	}
	return before, since, most
}

// page reads a page by the index of its filter. The index of an event has the state in it, so
// a filter by event alone reads one page of each state. Deliveries that wait have no such index: those
// of other events are read, and left out.
func (s *Service) page(ctx context.Context, endpoint string, f Filter, before, since string, most int32) (rows []query.WebhookDelivery, err error) {
	q := s.DB.Read()
	switch {
	case f.Event == "" && f.State == "":
		return q.WebhookDeliveriesPage(ctx, query.WebhookDeliveriesPageParams{EndpointID: endpoint, Before: before, Since: since, Lim: most})
	case f.Event == "":
		return q.WebhookDeliveriesInState(ctx, query.WebhookDeliveriesInStateParams{EndpointID: endpoint, State: string(f.State), Before: before, Since: since, Lim: most})
	}
	states := States()
	if f.State != "" {
		states = []State{f.State}
	}
	for _, state := range states {
		some, err := func() ([]query.WebhookDelivery, error) {
			if state == Waiting {
				return q.WaitingWebhooksOfEvent(ctx, query.WaitingWebhooksOfEventParams{EndpointID: endpoint, Event: string(f.Event), Before: before, Since: since, Lim: most})
			}
			return q.WebhookDeliveriesOfEvent(ctx, query.WebhookDeliveriesOfEventParams{EndpointID: endpoint, Event: string(f.Event), State: string(state), Before: before, Since: since, Lim: most})
		}()
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	slices.SortFunc(rows, func(a, b query.WebhookDelivery) int { return cmp.Compare(b.ID, a.ID) })
	// A delivery that changes its state meanwhile can be read twice.
	rows = slices.CompactFunc(rows, func(a, b query.WebhookDelivery) bool { return a.ID == b.ID })
	return rows[:min(len(rows), int(most))], nil
}

// Delivery returns one delivery of an endpoint with its newest attempts, at most 100. An
// unknown one, and one of another organization, is common.not_found.
func (s *Service) Delivery(ctx context.Context, organization, endpoint, id string) (_ Delivery, _ []Attempt, err error) {
	defer operation.Wrap(&err, "read webhook delivery %s", id)
	row, err := s.deliveryOf(ctx, s.DB.Read(), organization, endpoint, id)
	if err != nil {
		return Delivery{}, nil, err
	}
	d := delivery(row)
	if d.State == Waiting {
		due, err := s.DB.Read().DeliveryDue(ctx, query.DeliveryDueParams{Kind: string(outbox.Webhook), Subject: id})
		if err != nil && !missing(err) {
			return Delivery{}, nil, err
		}
		d.NextAttempt = when(due)
	}
	rows, err := s.DB.Read().WebhookAttempts(ctx, query.WebhookAttemptsParams{DeliveryID: row.ID, Lim: shownAttempts})
	if err != nil {
		return Delivery{}, nil, err
	}
	attempts := make([]Attempt, 0, len(rows))
	for _, a := range rows {
		one := Attempt{Number: a.Number, URL: a.Url, At: store.Time(a.StartedAt), Duration: time.Duration(a.Duration) * time.Microsecond, Status: a.Status, Body: a.Body, Error: a.Error}
		if err := json.Unmarshal([]byte(a.Headers), &one.Headers); err != nil {
			return Delivery{}, nil, err
		}
		attempts = append(attempts, one)
	}
	return d, attempts, nil
}

// DeliveriesOfTransaction returns the deliveries about one transaction of the organization, the
// oldest first, at most 100. An unknown transaction has none.
func (s *Service) DeliveriesOfTransaction(ctx context.Context, organization, transaction string) (_ []Delivery, err error) {
	defer operation.Wrap(&err, "list the webhook deliveries of transaction %s", transaction)
	if !isID(transaction) {
		return nil, nil
	}
	t, err := s.DB.Read().GetTransaction(ctx, transaction)
	if missing(err) || err == nil && t.OrganizationID != organization {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	rows, err := s.DB.Read().WebhookDeliveriesOfTransaction(ctx, query.WebhookDeliveriesOfTransactionParams{WorkID: t.WorkID, TransactionID: t.ID, OrganizationID: organization, Lim: 100})
	var all []Delivery
	for _, row := range rows {
		all = append(all, delivery(row))
	}
	return all, err
}

// deliveryOf returns a delivery of this endpoint of this organization.
func (s *Service) deliveryOf(ctx context.Context, q *query.Queries, organization, endpoint, id string) (query.WebhookDelivery, error) {
	if _, err := find(ctx, q, organization, endpoint); err != nil {
		return query.WebhookDelivery{}, err
	}
	if !isID(id) {
		return query.WebhookDelivery{}, fault.CommonNotFound()
	}
	row, err := q.WebhookDelivery(ctx, id)
	if missing(err) || err == nil && (row.EndpointID != endpoint || row.OrganizationID != organization) {
		return query.WebhookDelivery{}, fault.CommonNotFound()
	}
	return row, err
}

func delivery(row query.WebhookDelivery) Delivery {
	return Delivery{
		ID: row.ID, Endpoint: row.EndpointID, Event: Event(row.Event), Transaction: row.TransactionID, State: State(row.State), Attempts: row.Attempts, LastStatus: row.LastStatus,
		Payload: row.Payload, AccessCode: row.AccessCode, CreatedAt: store.Time(row.CreatedAt), EndedAt: when(row.EndedAt),
	}
}
