package webhook

import (
	"context"
	"strings"
	"time"

	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// batch are deliveries of one endpoint that were taken together, with what their attempts
// need: the endpoint, its secrets and the rows are read once for all of them.
type batch struct {
	lane  *lane
	taken []outbox.Delivery // without an attempt, the oldest first
	got   int               // number of taken deliveries
	since time.Time         // when they were taken
	read  time.Time         // when the fields below were read

	to               query.WebhookEndpoint
	rows             map[string]query.WebhookDelivery // by id
	secret, previous Secret
}

// take takes up to most deliveries of a lane, the oldest first, and reads what they need.
func (s *Service) take(ctx context.Context, l *lane, most int) (*batch, error) {
	b := &batch{lane: l, since: time.Now()}
	for {
		after, held := l.position()
		n := most
		if after == (outbox.Place{}) { // those that this process has are at the beginning
			n += held
		}
		found, next, err := s.queue.Take(ctx, l.name, after, n)
		b.taken = l.hold(found, next, len(found) == n)
		if err != nil {
			return b, err
		}
		if len(b.taken) > 0 || after == (outbox.Place{}) {
			break
		}
	}
	b.got = len(b.taken)
	return b, s.read(ctx, b)
}

// read reads the endpoint and the rows of a batch. Deliveries to a deleted endpoint and those
// without a row go, and those to a disabled endpoint are skipped: then the batch is smaller.
func (s *Service) read(ctx context.Context, b *batch) (err error) {
	if len(b.taken) == 0 {
		return nil
	}
	_, endpoint := splitLane(b.lane.name)
	b.read = time.Now()
	b.to, err = s.DB.Read().WebhookEndpointByID(ctx, endpoint)
	deleted := missing(err) || err == nil && b.to.DeletedAt != 0
	if err != nil && !deleted {
		return err
	}
	if deleted || b.to.DisabledAt != 0 {
		all := b.taken
		b.taken = nil
		defer b.lane.done(all...)
		return s.skip(ctx, all, !deleted)
	}
	ids := subjects(b.taken)
	rows, err := s.DB.Read().WebhookDeliveriesByID(ctx, query.WebhookDeliveriesByIDParams{Joined: strings.Join(ids, ""), Count: int64(len(ids))})
	if err != nil {
		return err
	}
	b.rows = make(map[string]query.WebhookDelivery, len(rows))
	for _, row := range rows {
		b.rows[row.ID] = row
	}
	if err := s.drop(ctx, b); err != nil {
		return err
	}
	if b.secret, err = open(s.Key, b.to.ID, b.to.Secret); err == nil && b.to.PreviousUntil > 0 {
		b.previous, err = open(s.Key, b.to.ID, b.to.PreviousSecret)
	}
	if err != nil { // not the receiver's fault: they are tried again later
		b.lane.rest(b.taken...)
		b.taken = nil
	}
	return err
}

// drop removes the deliveries without a row: the work was redacted, or the row is too old.
func (s *Service) drop(ctx context.Context, b *batch) error {
	var kept, gone []outbox.Delivery
	for _, d := range b.taken {
		if _, ok := b.rows[d.Subject]; ok {
			kept = append(kept, d)
		} else {
			gone = append(gone, d)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	b.taken = kept
	defer b.lane.done(gone...)
	return s.DB.Tx(ctx, func(tx *store.Tx) error { return outbox.FinishAll(ctx, tx, outbox.Webhook, subjects(gone)) })
}

// skip ends deliveries without an attempt. Their rows stay as skipped if the endpoint is there.
func (s *Service) skip(ctx context.Context, all []outbox.Delivery, there bool) error {
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		for _, d := range all {
			if !there {
				break
			}
			if err := tx.SkipWebhookDelivery(ctx, query.SkipWebhookDeliveryParams{Now: store.Micros(tx.Now), ID: d.Subject}); err != nil {
				return err
			}
		}
		return outbox.FinishAll(ctx, tx, outbox.Webhook, subjects(all))
	})
}

func subjects(all []outbox.Delivery) (ids []string) {
	for _, d := range all {
		ids = append(ids, d.Subject)
	}
	return ids
}

// secrets returns the secrets that sign at a time, the newest first.
func (b *batch) secrets(at time.Time) []Secret {
	if b.to.PreviousUntil > store.Micros(at) {
		return []Secret{b.secret, b.previous}
	}
	return []Secret{b.secret}
}
