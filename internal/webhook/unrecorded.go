package webhook

import (
	"context"
	"sync"
	"time"

	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

const (
	// recordMost is how many attempts one transaction records, and recordWithin how long the
	// first of them waits for others while attempts run.
	recordMost   = 256
	recordWithin = 20 * time.Millisecond
	// maxUnrecorded is how many attempts wait for their record. Others wait before the end of
	// their turn: a database that is slow slows down the attempts, too.
	maxUnrecorded = 1024
)

// made is an attempt that was made and is not recorded. After a crash it is made again.
type made struct {
	outbox.Delivery

	lane  *lane
	row   query.WebhookDelivery
	url   string
	state State         // of the delivery after the attempt
	wait  time.Duration // before the next attempt, if it waits
	answer
}

// unrecorded are the attempts that wait for their record. One goroutine records them while
// there are any, many in one transaction.
type unrecorded struct {
	room  chan struct{} // has an element for each attempt
	ready work.Signal   // nothing more is to be waited for

	mu      sync.Mutex
	all     []made // in the order in which they ended
	running int    // attempts that run now
	busy    bool   // the goroutine runs
}

func newUnrecorded() unrecorded {
	return unrecorded{room: make(chan struct{}, maxUnrecorded), ready: work.NewSignal()}
}

// begins counts an attempt that runs. ended ends the count.
func (u *unrecorded) begins() (ended func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.running++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.running--
		u.ring()
	}
}

// full reports that waiting gains nothing. The mutex is held.
func (u *unrecorded) full() bool { return u.running == 0 || len(u.all) >= recordMost }

func (u *unrecorded) ring() {
	if u.full() {
		u.ready.Ring()
	}
}

// add adds an attempt, and reports whether the caller must start the goroutine.
func (u *unrecorded) add(m made) (start bool) {
	u.room <- struct{}{}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, m)
	u.ring()
	start = !u.busy
	u.busy = true
	return start
}

// gather waits until recordMost attempts are there, until none runs any more, or for
// recordWithin.
func (u *unrecorded) gather() {
	late := time.NewTimer(recordWithin)
	defer late.Stop()
	for {
		u.mu.Lock()
		full := u.full()
		u.mu.Unlock()
		if full {
			return
		}
		select {
		case <-u.ready:
		case <-late.C:
			return
		}
	}
}

// next returns the attempts of one transaction. No delivery is there twice. It returns none
// when none waits, and then the goroutine ends.
func (u *unrecorded) next() (all []made) {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := map[string]bool{}
	for len(all) < min(len(u.all), recordMost) && !seen[u.all[len(all)].Subject] {
		m := u.all[len(all)]
		seen[m.Subject] = true
		all = append(all, m)
	}
	if u.all = u.all[len(all):]; len(all) == 0 {
		u.all, u.busy = nil, false
	}
	return all
}

// keep has an attempt recorded soon.
func (s *Service) keep(ctx context.Context, m made) {
	if !s.unrecorded.add(m) {
		return
	}
	ctx = context.WithoutCancel(ctx) // what was sent is recorded, also when the server stops
	s.running.Go(func() {
		for {
			s.unrecorded.gather()
			all := s.unrecorded.next()
			if len(all) == 0 {
				return
			}
			s.record(ctx, all)
			for range all {
				<-s.unrecorded.room
			}
		}
	})
}

// record stores attempts in one transaction. If the database refuses it, each attempt has its
// own, so that one of them cannot hold up the others.
func (s *Service) record(ctx context.Context, all []made) {
	err := s.recordTogether(ctx, all)
	if err != nil && len(all) > 1 && !store.Unavailable(err) {
		for _, m := range all {
			s.record(ctx, []made{m})
		}
		return
	}
	for _, m := range all {
		if err != nil { // the attempt is made again later
			m.lane.rest(m.Delivery)
		} else {
			m.lane.done(m.Delivery)
		}
	}
	if err != nil {
		s.report(ctx, "record attempts", err)
	}
	s.Reached("webhook.recorded")
}
