package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// MaxReplay is how many deliveries one call of ReplayRange replays.
const MaxReplay = 1000

// Replay sends a delivery again, with the same id, and begins its schedule again. A delivery
// that waits is sent now. A disabled endpoint is common.validation_failed.
func (s *Service) Replay(ctx context.Context, organization, endpoint, id string, by audit.Actor) (_ Delivery, err error) {
	defer operation.Wrap(&err, "replay webhook delivery %s", id)
	var out Delivery
	err = s.change(ctx, organization, endpoint, func(tx *store.Tx, to query.WebhookEndpoint) error {
		row, err := s.deliveryOf(ctx, tx.Queries, organization, endpoint, id)
		if err != nil {
			return err
		}
		if err := enabled(to); err != nil {
			return err
		}
		if err := again(ctx, tx, organization, endpoint, id); err != nil {
			return err
		}
		out = delivery(row)
		out.State, out.EndedAt, out.NextAttempt = Waiting, time.Time{}, tx.Now
		return audit.Record(ctx, tx, audit.Entry{Organization: organization, Actor: by, Action: "webhook.replayed", Subject: endpoint, Changes: []audit.Change{{Field: "delivery", New: id}}})
	})
	if err == nil {
		s.Wake()
	}
	return out, err
}

// again makes a delivery due now, whatever its state.
func again(ctx context.Context, tx *store.Tx, organization, endpoint, id string) error {
	if _, err := tx.ReopenWebhookDelivery(ctx, id); err != nil {
		return err
	}
	if err := outbox.Hurry(ctx, tx, outbox.Delivery{Kind: outbox.Webhook, Subject: id}); err != nil {
		return err
	}
	return queue(ctx, tx, organization, endpoint, id)
}

func enabled(to query.WebhookEndpoint) error {
	if to.DisabledAt != 0 {
		return invalid("enabled", "disabled", "The endpoint is disabled. Enable it first.")
	}
	return nil
}

// Range is the part of an endpoint's deliveries that ReplayRange replays.
type Range struct {
	// Since and Until bound the time of the event. Until is not included.
	Since, Until time.Time
	// After is Replayed.Next of the call before, or "".
	After string
}

// Replayed is the result of one call of ReplayRange.
type Replayed struct {
	// Count is how many deliveries wait again because of this call.
	Count int
	// Next continues the replay; "" when it is complete.
	Next string
}

// ReplayRange sends the deliveries of a range again that ended without acknowledgement, the
// oldest first, at most MaxReplay in one call. A repeated call replays none twice: a delivery
// that waits or was acknowledged is left alone. After an interruption the same call continues.
func (s *Service) ReplayRange(ctx context.Context, organization, endpoint string, r Range, by audit.Actor) (out Replayed, err error) {
	defer operation.Wrap(&err, "replay deliveries of webhook endpoint %s", endpoint)
	switch {
	case r.Since.IsZero():
		return out, invalid("since", "required", "Give the time from which on deliveries are replayed.")
	case r.Until.IsZero() || !r.Since.Before(r.Until):
		return out, invalid("until", "range", "Give a time after since.")
	case r.After != "" && !isID(r.After):
		return out, invalid("after", "format", "The cursor is not one that the server returned.")
	}
	err = s.change(ctx, organization, endpoint, func(tx *store.Tx, to query.WebhookEndpoint) error {
		out = Replayed{}
		if err := enabled(to); err != nil {
			return err
		}
		since := idAt(r.Since).String()
		var rows []query.UnacknowledgedWebhooksRow
		for _, state := range []State{Failed, Skipped} {
			some, err := tx.UnacknowledgedWebhooks(ctx, query.UnacknowledgedWebhooksParams{EndpointID: endpoint, State: string(state), Since: since, After: r.After, Before: idAt(r.Until).String(), Lim: MaxReplay + 1})
			if err != nil {
				return err
			}
			rows = append(rows, some...)
		}
		slices.SortFunc(rows, func(a, b query.UnacknowledgedWebhooksRow) int { return cmp.Compare(a.ID, b.ID) })
		if len(rows) > MaxReplay {
			rows = rows[:MaxReplay]
			out.Next = rows[MaxReplay-1].ID
		}
		for _, row := range rows {
			if err := again(ctx, tx, organization, endpoint, row.ID); err != nil {
				return err
			}
		}
		if out.Count = len(rows); out.Count == 0 {
			return nil
		}
		return audit.Record(ctx, tx, audit.Entry{Organization: organization, Actor: by, Action: "webhook.replayed", Subject: endpoint, Changes: []audit.Change{
			{Field: "since", New: wire(r.Since)}, {Field: "until", New: wire(r.Until)}, {Field: "deliveries", New: strconv.Itoa(out.Count)},
		}})
	})
	if err == nil && out.Count > 0 {
		s.Wake()
	}
	return out, err
}

// SendTest sends the event test to an endpoint, whatever its filter.
func (s *Service) SendTest(ctx context.Context, organization, endpoint string, by audit.Actor) (_ Delivery, err error) {
	defer operation.Wrap(&err, "send a test event to webhook endpoint %s", endpoint)
	var out Delivery
	err = s.change(ctx, organization, endpoint, func(tx *store.Tx, to query.WebhookEndpoint) error {
		if err := enabled(to); err != nil {
			return err
		}
		payload, err := json.Marshal(tested{Test, organization, endpoint, wire(tx.Now)})
		if err != nil {
			return err
		}
		id := newID(tx.Now)
		if err := tx.InsertWebhookDelivery(ctx, query.InsertWebhookDeliveryParams{
			ID: id, OrganizationID: organization, EndpointID: endpoint, Event: string(Test), Payload: string(payload), State: string(Waiting), Now: store.Micros(tx.Now),
		}); err != nil {
			return err
		}
		if err := queue(ctx, tx, organization, endpoint, id); err != nil {
			return err
		}
		out = Delivery{ID: id, Endpoint: endpoint, Event: Test, State: Waiting, Payload: string(payload), CreatedAt: tx.Now, NextAttempt: tx.Now}
		return audit.Record(ctx, tx, audit.Entry{Organization: organization, Actor: by, Action: "webhook.tested", Subject: endpoint, Changes: []audit.Change{{Field: "delivery", New: id}}})
	})
	if err == nil {
		s.Wake()
	}
	return out, err
}
