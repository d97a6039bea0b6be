package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"timbre.example/fault"
)

// followersOfOne is how many streams may follow one transaction, and so one
// session: a page that is reloaded, its backend, and some that died unnoticed.
const followersOfOne = 100

// streams bounds the progress streams that are open at once in this process: each holds
// a connection and its buffers until its transaction ends, and a budget of calls
// bounds only how fast they are opened.
type streams struct {
	most int

	mu  sync.Mutex
	all int
	of  map[string]int // by transaction
	// by organization; each may hold half of all, and never less than two
	// transactions may
	orgs map[string]int
	// empty is closed when nobody is left; nil while nobody waits for that.
	empty chan struct{}
}

// drained waits until nobody is left, or until ctx ends.
func (s *streams) drained(ctx context.Context) {
	s.mu.Lock()
	if s.all == 0 {
		s.mu.Unlock()
		return
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// enter makes room for one more, until leave is called. The id is "" for a stream
// that only tells that there is nothing to follow, and so is the organization: all of
// these have the share of one organization, since anybody can open them.
func (s *streams) enter(organization, id string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case id != "" && s.of[id] >= followersOfOne:
		return nil, fault.CommonRateLimited(heartbeat).With("reason", "followers").Because(errors.New("too many follow this transaction"))
	case s.orgs[organization] >= max(2*followersOfOne, s.most/2):
		return nil, fault.CommonRateLimited(heartbeat).With("reason", "organization").Because(errors.New("too many follow transactions of this organization"))
	case s.all >= s.most:
		return nil, fault.CommonServiceUnavailable(2 * time.Second).Because(errors.New("too many follow transactions here"))
	}
	s.all++
	s.of[id]++
	s.orgs[organization]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[id]--; s.of[id] == 0 {
			delete(s.of, id)
		}
		if s.orgs[organization]--; s.orgs[organization] == 0 {
			delete(s.orgs, organization)
		}
		if s.all == 0 && s.empty != nil {
			close(s.empty)
			s.empty = nil
		}
	}, nil
}
