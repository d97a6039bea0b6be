package webhook

import (
	"context"
	"time"

	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// Wait waits for the attempts that run after the end of the context of the workers. They are
// cancelled then, and made again later.
func (s *Service) Wait() {
	s.running.Wait()
	s.client.CloseIdleConnections()
}

// Run delivers and sweeps until ctx ends and the last attempts have ended.
func (s *Service) Run(ctx context.Context) {
	work.Run(ctx, s.Workers()...)
	s.Wait()
}

// Workers returns a worker that delivers and one that sweeps. It is called once. After their
// end, Wait waits for running attempts.
func (s *Service) Workers() []*work.Worker {
	return []*work.Worker{
		{Name: "webhooks", Step: s.step, Every: pollEvery, Wake: s.wake, Log: s.Log},
		{Name: "webhook sweep", Step: func(ctx context.Context) error { _, err := s.Sweep(ctx); return err }, Every: sweepEvery, Log: s.Log},
	}
}

// step begins to serve every endpoint with a delivery that is due. It does not wait for them.
func (s *Service) step(ctx context.Context) error {
	const page = 256
	after := ""
	for {
		due, err := s.queue.Due(ctx, after, page)
		if err != nil {
			return err
		}
		for _, name := range due {
			if one := s.lanes.begin(name); one != nil {
				s.running.Go(func() {
					defer s.lanes.end(one)
					s.serve(ctx, one)
				})
			}
		}
		if len(due) < page || ctx.Err() != nil {
			return nil
		}
		after = due[len(due)-1]
	}
}

// serve sends the deliveries of a lane until none is due, the oldest first. At most window of
// them run at once.
func (s *Service) serve(ctx context.Context, l *lane) {
	var (
		organization, endpoint = splitLane(l.name)
		taken                  []outbox.Delivery
		at                     time.Time // when they were taken
		to                     query.WebhookEndpoint
		running                int
		results                = make(chan result, maxWindow)
	)
	defer func() {
		for ; running > 0; running-- {
			l.learn(<-results)
		}
		if err := s.queue.Return(context.WithoutCancel(ctx), taken...); err != nil {
			s.report(ctx, "return deliveries", err)
		}
	}()
	for ctx.Err() == nil {
		for len(results) > 0 || running >= l.window {
			l.learn(<-results) // an attempt ends with ctx
			running--
		}
		leave, slow, err := s.enter(ctx, l, organization, endpoint)
		if err != nil { // ctx ended, or too many endpoints of this organization wait
			return
		}
		if len(taken) > 0 && time.Since(at) > stale {
			err = s.queue.Return(ctx, taken...)
			taken = nil
		}
		if len(taken) == 0 && err == nil {
			at = time.Now()
			if taken, err = s.queue.Take(ctx, l.name, l.batch()); err == nil && len(taken) > 0 {
				to, err = s.receiver(ctx, endpoint, &taken)
			}
		}
		if err != nil || len(taken) == 0 {
			leave()
			if err != nil {
				s.report(ctx, "take deliveries", err)
				return
			}
			if running == 0 {
				return
			}
			select { // until something has changed
			case r := <-results:
				l.learn(r)
				running--
			case <-l.wake:
			case <-ctx.Done():
			}
			continue
		}
		d := taken[0]
		taken = taken[1:]
		running++
		s.running.Go(func() { results <- s.deliver(ctx, d, to, leave, slow) })
	}
}

// enter waits for a slot.
func (s *Service) enter(ctx context.Context, l *lane, organization, endpoint string) (leave func(), slow bool, err error) {
	pool := s.quick
	if l.slow {
		pool = s.slow
	}
	leave, err = pool.Enter(ctx, organization, endpoint)
	return leave, l.slow, err
}

// receiver reads the endpoint of taken deliveries. Deliveries to a deleted endpoint go, and
// those to a disabled one are skipped: then taken is empty.
func (s *Service) receiver(ctx context.Context, id string, taken *[]outbox.Delivery) (query.WebhookEndpoint, error) {
	to, err := s.DB.Read().WebhookEndpointByID(ctx, id)
	deleted := missing(err) || err == nil && to.DeletedAt != 0
	if err != nil && !deleted {
		return to, err
	}
	if !deleted && to.DisabledAt == 0 {
		return to, nil
	}
	all := *taken
	*taken = nil
	return to, s.DB.Tx(ctx, func(tx *store.Tx) error {
		for _, d := range all {
			if !deleted {
				if err := tx.SkipWebhookDelivery(ctx, query.SkipWebhookDeliveryParams{Now: store.Micros(tx.Now), ID: d.Subject}); err != nil {
					return err
				}
			}
			if err := outbox.Finish(ctx, tx, d); err != nil {
				return err
			}
		}
		return nil
	})
}
