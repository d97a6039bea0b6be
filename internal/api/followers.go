package api

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/web"
	"timbre.example/internal/works"
)

// follower is a progress stream. Its audience calls the methods, one at a time. They never
// wait for the client.
type follower interface {
	// send sends frames. After the last frames the audience calls nothing more.
	send(news)
	// beat checks that the client still exists.
	beat()
	// drop ends the stream before its last frame.
	drop()
}

// mostReads is how many transactions are read at the same time for their followers.
const mostReads = 8

// followers are the progress streams of a process. Streams of one transaction share one
// audience: a change is read once and encoded once, and the same bytes go to all. No goroutine
// runs for an audience that nothing happens to.
//
// Mutexes are locked in this order: audience, followers, [works.Progress], queue.
type followers struct {
	works *works.Service
	// stopped is set when the server shuts down.
	stopped atomic.Bool

	mu sync.Mutex
	of map[string]*audience // by transaction

	// Progress calls changed with its own mutex held, so the queue has one, too.
	queue struct {
		sync.Mutex
		of      []*audience
		readers int
	}
}

// audience is the followers of one transaction.
type audience struct {
	all  *followers
	id   string
	stop func() // ends the wake-ups
	beat *time.Timer
	// users is how many streams hold the audience. The mutex of followers guards it.
	users int
	// queued is guarded by the mutex of the queue.
	queued bool

	mu      sync.Mutex // held while the transaction is read
	known   bool       // view was read
	behind  bool       // the newest read failed
	view    works.View
	members []follower
}

func newFollowers(w *works.Service, stopping <-chan struct{}) *followers {
	f := &followers{works: w, of: map[string]*audience{}}
	if stopping != nil {
		go func() {
			<-stopping
			f.drop()
		}()
	}
	return f
}

// drop drops all followers, and those that follow after this.
func (f *followers) drop() {
	f.stopped.Store(true)
	f.mu.Lock()
	var all []*audience
	for _, a := range f.of {
		all = append(all, a)
	}
	f.mu.Unlock()
	for _, a := range all {
		a.mu.Lock()
		a.dropAll()
		a.mu.Unlock()
	}
}

// enter returns the audience of a transaction and the transaction, until leave is called. It
// reads the transaction unless it is followed already. Knowing the id is the permission.
func (f *followers) enter(ctx context.Context, id string) (_ *audience, _ works.View, err error) {
	f.mu.Lock()
	a := f.of[id]
	if a == nil {
		a = &audience{all: f, id: id}
		a.stop = f.works.Progress.Follow(id, func() { f.changed(a) }) // before the first read
		f.of[id] = a
	}
	a.users++
	f.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.known {
		// Other streams may wait for this read, so it outlives the request.
		if a.view, err = f.works.Followed(context.WithoutCancel(ctx), id); err != nil {
			f.leave(a)
			return nil, works.View{}, err
		}
		a.known = true
		if a.view.Done != nil {
			f.forget(a)
		}
	}
	return a, a.view, nil
}

// forget makes the next stream read the transaction again: the access code of an ended transaction is shown for
// a while only.
func (f *followers) forget(a *audience) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of[a.id] == a {
		delete(f.of, a.id)
	}
}

// leave gives back an audience.
func (f *followers) leave(a *audience) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.users--; a.users > 0 {
		return
	}
	if f.of[a.id] == a {
		delete(f.of, a.id)
	}
	a.stop()
}

// changed queues an audience whose transaction has changed.
func (f *followers) changed(a *audience) {
	q := &f.queue
	q.Lock()
	defer q.Unlock()
	if a.queued {
		return
	}
	a.queued = true
	q.of = append(q.of, a)
	if q.readers < mostReads {
		q.readers++
		go f.read()
	}
}

// read reads for queued audiences until none is left.
func (f *followers) read() {
	q := &f.queue
	for {
		q.Lock()
		if len(q.of) == 0 {
			q.of = nil
			q.readers--
			q.Unlock()
			return
		}
		a := q.of[0]
		q.of = q.of[1:]
		a.queued = false // a change from now on is read again
		q.Unlock()
		a.look()
	}
}

// look reads the transaction, and tells the followers what is new.
func (a *audience) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.known || a.view.Done != nil { // the first stream reads it, or all frames are sent
		return
	}
	v, err := a.all.works.Followed(context.Background(), a.id)
	var out news
	if err == nil {
		out, err = encode(frames(v, len(a.view.Steps))...)
	}
	if a.behind = err != nil; a.behind {
		if !errors.Is(err, fault.CodeTransactionStoreUnavailable) {
			a.dropAll()
		}
		return
	}
	a.view = v
	if len(out.events) > 0 {
		for _, m := range a.members {
			m.send(out)
		}
	}
	if v.Done != nil {
		a.members = nil
		a.rest()
		a.all.forget(a)
	}
}

// dropAll is called with the mutex held.
func (a *audience) dropAll() {
	for _, m := range a.members {
		m.drop()
	}
	a.members = nil
	a.rest()
}

// rest stops the beats when no follower is left. It is called with the mutex held.
func (a *audience) rest() {
	if len(a.members) == 0 && a.beat != nil {
		a.beat.Stop()
		a.beat = nil
	}
}

// join adds a follower. It receives the greeting and the frames after the first `seen` steps
// at once, and then each new one.
func (a *audience) join(m follower, seen int, greeting ...frame) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	out, err := encode(append(greeting, frames(a.view, seen)...)...)
	if err != nil {
		m.drop()
		return err
	}
	m.send(out)
	switch {
	case out.last:
	case a.all.stopped.Load():
		m.drop()
	default:
		a.members = append(a.members, m)
		if a.beat == nil {
			a.beat = time.AfterFunc(web.Heartbeat, a.beats)
		}
	}
	return nil
}

// part removes a follower that has left.
func (a *audience) part(m follower) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.members, m); i >= 0 {
		a.members = slices.Delete(a.members, i, i+1)
		a.rest()
	}
}

// beats sends a beat to each follower. It also reads again after a failure: its wake-up is
// spent.
func (a *audience) beats() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.members {
		m.beat()
	}
	if a.behind {
		a.all.changed(a)
	}
	if a.beat != nil {
		a.beat.Reset(web.Heartbeat)
	}
}
