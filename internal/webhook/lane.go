package webhook

import (
	"sync"
	"time"

	"timbre.example/internal/outbox"
	"timbre.example/internal/work"
)

const (
	// lease is how long an endpoint of a killed process waits for another one, and renewEvery how
	// often a process that lives renews its leases.
	lease      = 15 * time.Second
	renewEvery = 4 * time.Second
	// restTime is how long a delivery waits whose attempt could not be made or recorded here.
	restTime = 60 * time.Second
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

	mu sync.Mutex
	// held are the deliveries that this process has: they wait for their attempt, or for its
	// record. The time is zero, or that until which a delivery rests.
	held map[string]time.Time
	// place is that of the last delivery that was taken; zero: the next ones are looked for from
	// the beginning.
	place outbox.Place
	// left are the deliveries that stopped being held while the process reads the lane. It may have
	// read them as they were before. nil: it does not read.
	left map[string]bool
	// idle rings when held may be empty.
	idle work.Signal
}

// position begins a reading of the lane, which hold ends. It returns the place after which
// deliveries are taken, and how many are held.
func (l *lane) position() (outbox.Place, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, until := range l.held {
		if !until.IsZero() && time.Now().After(until) {
			delete(l.held, id)
		}
	}
	l.left = map[string]bool{}
	return l.place, len(l.held)
}

// hold returns those of the found deliveries that are not held, and holds them. more reports
// that others may come after their place.
func (l *lane) hold(found []outbox.Delivery, place outbox.Place, more bool) (all []outbox.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range found {
		if _, mine := l.held[d.Subject]; !mine && !l.left[d.Subject] {
			l.held[d.Subject] = time.Time{}
			all = append(all, d)
		}
	}
	l.left = nil
	if l.place = place; !more {
		l.place = outbox.Place{}
	}
	return all
}

// done ends the holding of deliveries: they are recorded, or others may take them.
func (l *lane) done(all ...outbox.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range all {
		delete(l.held, d.Subject)
		if l.left != nil {
			l.left[d.Subject] = true
		}
	}
	l.idle.Ring()
}

// giveBack ends the holding of deliveries without an attempt. They are looked for again.
func (l *lane) giveBack(all []outbox.Delivery) {
	l.done(all...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.place = outbox.Place{}
}

// rest makes this process leave deliveries alone for a while. A failure that lasts causes no
// attempt after another.
func (l *lane) rest(all ...outbox.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range all {
		l.held[d.Subject] = time.Now().Add(restTime)
	}
	l.idle.Ring()
}

// settle waits until the process holds no delivery of the lane, except those that rest.
func (l *lane) settle() {
	for {
		l.mu.Lock()
		busy := false
		for _, until := range l.held {
			busy = busy || until.IsZero()
		}
		l.mu.Unlock()
		if !busy {
			return
		}
		<-l.idle
	}
}

func newLane(name string) *lane {
	return &lane{name: name, window: 1, wake: work.NewSignal(), held: map[string]time.Time{}, idle: work.NewSignal()}
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
		one = newLane(name)
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

// busy reports whether this process serves a lane.
func (l *lanes) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.served > 0
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

// batch is how many deliveries are taken at once: few for a slow or unknown endpoint, and those of
// about a second for a quick one.
func (l *lane) batch() int {
	if !l.quick() {
		return l.window
	}
	return min(maxBatch, l.window*max(1, int(time.Second/max(l.took, time.Millisecond))))
}
