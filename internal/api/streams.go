package api

import (
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
}

// enter makes room for one more, until leave is called.
func (s *streams) enter(id string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.of[id] >= followersOfOne:
		return nil, fault.CommonRateLimited(heartbeat).With("reason", "followers").Because(errors.New("too many follow this transaction"))
	case s.all >= s.most:
		return nil, fault.CommonServiceUnavailable(2 * time.Second).Because(errors.New("too many follow transactions here"))
	}
	s.all++
	s.of[id]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[id]--; s.of[id] == 0 {
			delete(s.of, id)
		}
	}, nil
}
