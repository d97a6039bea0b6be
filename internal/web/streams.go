package web

import (
	"context"
	"errors"
	"sync"
	"time"

	"timbre.example/internal/fault"
)

const (
	// Heartbeat is the time between two beats of a stream. They keep proxies from closing it.
	Heartbeat = 25 * time.Second
	// writeTimeout is how long a follower may take to read one message.
	writeTimeout = 10 * time.Second
)

// followersOfOne is how many streams may follow one transaction, and so one session: a
// reloaded page, its backend, and connections that died unnoticed.
const followersOfOne = 100

// streams limits the progress streams that are open at once in this process. Each stream
// holds a connection and its buffers until its transaction ends, and a budget of calls
// limits only how fast streams are opened.
type streams struct {
	most int

	mu  sync.Mutex
	all int
	of  map[string]int // by transaction
	// by organization: at most half of all streams, but never less than the streams of two
	// transactions
	orgs map[string]int
	// empty is closed when the last stream ends; nil while drained is not waiting.
	empty chan struct{}
}

func newStreams(most int) *streams {
	return &streams{most: most, of: map[string]int{}, orgs: map[string]int{}}
}

// open counts the open streams.
func (s *streams) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// drained waits until no stream is open, or until ctx ends.
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

// enter reserves a stream until leave is called. Organization and id are "" for a stream
// that only reports an unknown transaction. All such streams share the limit of one
// organization, since any client can open them.
func (s *streams) enter(organization, id string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case id != "" && s.of[id] >= followersOfOne:
		return nil, fault.CommonRateLimited(Heartbeat).With("reason", "followers").Because(errors.New("too many followers of this transaction"))
	case s.orgs[organization] >= max(2*followersOfOne, s.most/2):
		return nil, fault.CommonRateLimited(Heartbeat).With("reason", "organization").Because(errors.New("too many followers of this organization's transactions"))
	case s.all >= s.most:
		return nil, fault.CommonServiceUnavailable(2 * time.Second).Because(errors.New("too many followers in this process"))
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
