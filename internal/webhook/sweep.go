package webhook

import (
	"context"
	"errors"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

const (
	// sweepEvery is the time between two sweeps.
	sweepEvery = time.Minute
	// sweepBatch is how many deliveries go in one transaction, sweepMost in one sweep.
	sweepBatch, sweepMost = 200, 20_000
)

// Sweep removes the deliveries that are older than Retention with their attempts, those of
// deleted endpoints, and secrets whose overlap has ended. Each transaction removes at most
// 200 deliveries. It returns how many went.
func (s *Service) Sweep(ctx context.Context) (removed int, err error) {
	defer operation.Wrap(&err, "sweep webhook deliveries")
	if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.ForgetPreviousSecrets(ctx, query.ForgetPreviousSecretsParams{Nothing: []byte{}, Now: store.Micros(tx.Now)})
	}); err != nil {
		return 0, err
	}
	before := idAt(s.DB.Now().Add(-Retention)).String()
	old, err := s.remove(ctx, func() ([]query.OldWebhookDeliveriesRow, error) {
		return s.DB.Read().OldWebhookDeliveries(ctx, query.OldWebhookDeliveriesParams{Before: before, Lim: sweepBatch})
	})
	deleted, more := s.sweepDeleted(ctx)
	return old + deleted, errors.Join(err, more)
}

// sweepDeleted removes the deliveries of deleted endpoints, and then the endpoints.
func (s *Service) sweepDeleted(ctx context.Context) (removed int, err error) {
	ids, err := s.DB.Read().DeletedWebhookEndpoints(ctx, 100)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		n, err := s.remove(ctx, func() (all []query.OldWebhookDeliveriesRow, err error) {
			rows, err := s.DB.Read().WebhookDeliveriesOfDeleted(ctx, query.WebhookDeliveriesOfDeletedParams{EndpointID: id, Lim: sweepBatch})
			for _, row := range rows {
				all = append(all, query.OldWebhookDeliveriesRow(row))
			}
			return all, err
		})
		if removed += n; err != nil || removed >= sweepMost {
			return removed, err
		}
		if err := s.DB.Tx(ctx, func(tx *store.Tx) error { return tx.ForgetWebhookEndpoint(ctx, id) }); err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// remove removes what next returns until it returns nothing, or sweepMost have gone.
func (s *Service) remove(ctx context.Context, next func() ([]query.OldWebhookDeliveriesRow, error)) (removed int, err error) {
	for removed < sweepMost {
		rows, err := next()
		if err != nil || len(rows) == 0 {
			return removed, err
		}
		if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
			for _, row := range rows {
				if err := outbox.Finish(ctx, tx, outbox.Delivery{Kind: outbox.Webhook, Subject: row.ID}); err != nil {
					return err
				}
				if err := tx.DeleteWebhookAttempts(ctx, row.ID); err != nil {
					return err
				}
				if err := tx.DeleteWebhookDelivery(ctx, row.ID); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return removed, err
		}
		removed += len(rows)
	}
	return removed, nil
}
