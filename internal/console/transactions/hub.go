package transactions

import (
	"context"
	"errors"
	"sync"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/story"
	"timbre.example/internal/web"
)

// The limits on live lists: each holds a connection.
const (
	liveProcess      = 256
	liveOrganization = 64
	livePerson       = 6
)

const (
	// look is the time between two reads of an organization's newest attempts. All live lists of
	// the organization share one read.
	look = time.Second
	// liveLonger is how long a stream lasts: the browser then connects again.
	liveLonger = 10 * time.Minute
)

// perPage is the number of attempts or calls on one page.
const perPage = 25

// hub reads the newest attempts of each organization with a live list, and wakes the lists when
// something has changed.
type hub struct {
	stories *story.Service

	mu   sync.Mutex
	all  int
	of   map[string]*room // by organization
	each map[string]int   // by person
}

// room is the live lists of one organization.
type room struct {
	lists map[chan struct{}]bool
	stop  context.CancelFunc
}

func newHub(s *story.Service) *hub {
	return &hub{stories: s, of: map[string]*room{}, each: map[string]int{}}
}

// errTooMany is the cause of a refused live list.
var errTooMany = errors.New("too many live lists")

// enter adds a live list until leave is called. changed receives a value after each change.
func (h *hub) enter(organization, person string) (changed <-chan struct{}, leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.of[organization]
	switch {
	case h.all >= liveProcess:
		return nil, nil, fault.CommonServiceUnavailable(web.Heartbeat).Because(errTooMany)
	case h.each[person] >= livePerson, r != nil && len(r.lists) >= liveOrganization:
		return nil, nil, fault.CommonRateLimited(web.Heartbeat).With("reason", "followers").Because(errTooMany)
	}
	if r == nil {
		ctx, stop := context.WithCancel(context.Background())
		r = &room{lists: map[chan struct{}]bool{}, stop: stop}
		h.of[organization] = r
		go h.watch(ctx, organization, r)
	}
	list := make(chan struct{}, 1)
	r.lists[list] = true
	h.all++
	h.each[person]++
	return list, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all--
		if h.each[person]--; h.each[person] == 0 {
			delete(h.each, person)
		}
		if delete(r.lists, list); len(r.lists) == 0 {
			r.stop()
			delete(h.of, organization)
		}
	}, nil
}

// watch wakes the lists of a room when the newest attempts differ from those before.
func (h *hub) watch(ctx context.Context, organization string, r *room) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	last, known := "", false
	for {
		// A failed read changes nothing: the next one finds what it missed.
		if now, err := h.newest(ctx, organization); err == nil {
			if known && now != last {
				h.mu.Lock()
				for list := range r.lists {
					select {
					case list <- struct{}{}:
					default: // it has a wake-up that it has not taken
					}
				}
				h.mu.Unlock()
			}
			last, known = now, true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// newest describes the first page of an organization's attempts.
func (h *hub) newest(ctx context.Context, organization string) (string, error) {
	page, err := h.stories.List(ctx, organization, story.Filter{First: perPage})
	if err != nil {
		return "", err
	}
	b := []byte{}
	for _, a := range page.Attempts {
		b = append(b, a.ID...)
		b = append(b, a.Status...)
		b = a.Changed.AppendFormat(b, time.RFC3339Nano)
	}
	return string(b), nil
}
