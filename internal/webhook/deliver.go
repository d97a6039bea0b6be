package webhook

import (
	"context"
	"time"

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
	if s.lanes.busy() && time.Since(s.renewed) > renewEvery {
		if err := s.queue.Renew(ctx); err != nil {
			return err
		}
		s.renewed = time.Now()
	}
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
// them run at once. A quick lane takes the next deliveries before the last ones have gone.
func (s *Service) serve(ctx context.Context, l *lane) {
	type taking struct {
		*batch
		err error
	}
	var (
		organization, endpoint = splitLane(l.name)
		now                    = &batch{}
		next                   = make(chan taking, 1)
		asked                  bool // next gets the next deliveries
		more                   = true
		running                int
		results                = make(chan result, maxWindow)
	)
	if mine, err := s.queue.Claim(ctx, l.name); err != nil || !mine {
		if err != nil {
			s.report(ctx, "claim an endpoint", err)
		}
		return
	}
	defer func() {
		for ; running > 0; running-- {
			l.learn(<-results)
		}
		l.giveBack(now.taken)
		if asked {
			l.giveBack((<-next).taken)
		}
		l.settle() // another process would make unrecorded attempts again
		if err := s.queue.Release(context.WithoutCancel(ctx), l.name); err != nil {
			s.report(ctx, "release an endpoint", err)
		}
	}()
	for ctx.Err() == nil {
		if more && !asked && (len(now.taken) == 0 && running < l.window || l.quick() && len(now.taken) <= ahead) {
			asked = true
			most := l.batch()
			s.running.Go(func() {
				b, err := s.take(ctx, l, most)
				next <- taking{b, err}
			})
		}
		if len(now.taken) == 0 || running >= l.window || len(results) > 0 {
			if len(now.taken) == 0 && running == 0 && !asked && len(results) == 0 {
				return
			}
			var arrives chan taking
			if len(now.taken) == 0 {
				arrives = next
			}
			select { // until something has changed
			case r := <-results:
				l.learn(r)
				running--
			case t := <-arrives:
				asked, now, more = false, t.batch, t.got > 0
				if t.err != nil {
					s.report(ctx, "take deliveries", t.err)
					return
				}
			case <-l.wake:
				more = true
			case <-ctx.Done():
			}
			continue
		}
		leave, slow, err := s.enter(ctx, l, organization, endpoint)
		if err != nil { // ctx ended, or too many endpoints of this organization wait
			return
		}
		if now, err = s.refresh(ctx, now); err != nil || len(now.taken) == 0 {
			leave()
			if err != nil {
				s.report(ctx, "take deliveries", err)
				return
			}
			continue
		}
		d, b := now.taken[0], now
		now.taken = now.taken[1:]
		running++
		s.running.Go(func() { results <- s.deliver(ctx, d, b, leave, slow) })
	}
}

// refresh returns a batch as it is now, if it was read too long ago: attempts that run use the
// one before. Deliveries that were taken long ago are given back: another process may have the
// lane.
func (s *Service) refresh(ctx context.Context, b *batch) (*batch, error) {
	if time.Since(b.read) <= fresh {
		return b, nil
	}
	again := &batch{lane: b.lane, taken: b.taken, since: b.since}
	if time.Since(b.since) > stale {
		b.lane.giveBack(b.taken)
		again.taken = nil
		return again, nil
	}
	return again, s.read(ctx, again)
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
