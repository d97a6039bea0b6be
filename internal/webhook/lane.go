package webhook

import (
	"sync"
	"time"

	"timbre.example/internal/work"
)

const (
	// lease is longer than an attempt and its record take.
	lease = AttemptTime + 30*time.Second
	// stale is how long taken deliveries may wait for their attempt, and fresh how long what
	// was read for them is used.
	stale = 10 * time.Second
	fresh = time.Second
	// pollEvery is how often the worker looks without being woken: for retries, and for
	// deliveries that another process enqueued.
	pollEvery = time.Second
	// lateAfter is when a running attempt makes its endpoint a slow one.
	lateAfter = 2 * time.Second

	// quickSlots and slowSlots are how many attempts run at once, to quick endpoints and to
	// slow ones. An organization has at most half of each.
	quickSlots = 128
	slowSlots  = 64
	// lateSlots is how many attempts that turned slow may run outside of the quick slots.
	lateSlots = 256
	// maxWindow is how many attempts to one endpoint run at once, maxSlow to a slow one.
	maxWindow = 16
	maxSlow   = 8
	// maxLanes is how many endpoints one process serves at once.
	maxLanes = 1024
	// maxBatch is how many deliveries a lane takes at once. ahead is the number of those left
	// at which a quick lane takes the next ones.
	maxBatch = 256
	ahead    = 192
)

// lane is an endpoint that is being served, or was a short time ago. Its fields belong to the
// goroutine that serves it, except active, which lanes.mu guards.
type lane struct {
	name   string
	active bool
	wake   work.Signal // deliveries may be due
	// window is how many attempts may run at once: 1 at first, twice as many after each
	// success, half after each failure.
	window int
	// slow reports that the last attempt took long. took is how long, and last when it ended.
	slow bool
	took time.Duration
	last time.Time
}

// result is what a lane learns from an attempt.
type result struct {
	acknowledged bool
	took         time.Duration
}

// learn adapts the window to the result of an attempt.
func (l *lane) learn(r result) {
	l.slow, l.took, l.last = r.took >= lateAfter, r.took, time.Now()
	most := maxWindow
	if l.slow {
		most = maxSlow
	}
	if r.acknowledged {
		l.window = min(2*l.window, most)
	} else {
		l.window = max(1, min(l.window/2, most))
	}
}

// lanes are the endpoints that this process serves, and what it knows of their speed.
type lanes struct {
	mu     sync.Mutex
	active map[string]*lane // by name; also those that rest
	served int              // number of lanes that are served now
	late   int              // attempts outside of the quick slots
}

// forgetAfter is how long the speed of an endpoint is remembered.
const forgetAfter = 10 * time.Minute

// begin returns the lane if it is to be served now by the caller. A lane that is served
// already is woken.
func (l *lanes) begin(name string) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.active[name]
	if one == nil {
		if l.served >= maxLanes {
			return nil
		}
		one = &lane{name: name, window: 1, wake: work.NewSignal()}
		l.active[name] = one
	}
	if one.active {
		one.wake.Ring()
		return nil
	}
	if l.served >= maxLanes {
		return nil
	}
	one.active = true
	l.served++
	return one
}

func (l *lanes) end(one *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one.active = false
	l.served--
	if len(l.active) > 4*maxLanes {
		for name, old := range l.active {
			if !old.active && time.Since(old.last) > forgetAfter {
				delete(l.active, name)
			}
		}
	}
}

// overtime reports whether an attempt may leave its quick slot and go on outside.
func (l *lanes) overtime() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.late >= lateSlots {
		return false
	}
	l.late++
	return true
}

func (l *lanes) overtimeEnded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late--
}

// quick reports that the window is as large as it can be.
func (l *lane) quick() bool { return !l.slow && l.window == maxWindow }

// batch is how many deliveries are taken at once. A slow or unknown endpoint takes few, because
// other workers could not take them meanwhile. A quick one takes those of about a second.
func (l *lane) batch() int {
	if !l.quick() {
		return l.window
	}
	return min(maxBatch, l.window*max(1, int(time.Second/max(l.took, time.Millisecond))))
}
