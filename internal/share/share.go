// Package share shares a few slots fairly: a client that asks for many slots does not keep
// the others waiting.
//
// A slot belongs to an owner (an organization) and, inside it, to a member (an end-user or a
// session). Waiting owners take turns, and so do the members of one owner. The requests of
// one member are served in order. One owner never holds more than half of the slots. The
// package knows neither what an owner is nor what a slot is for.
package share

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Waiting is how many calls may wait for one owner.
const Waiting = 64

// ErrFull is returned when [Waiting] calls already wait for the same owner.
var ErrFull = errors.New("share: too many calls wait for the same owner")

// Pool is a number of slots. It is safe for concurrent use.
type Pool struct {
	each int // slots that one owner may hold

	mu   sync.Mutex
	free int
	// held counts slots by owner. It has no zeros.
	held map[string]int
	// ring has the waiting owners, the next one first.
	ring []*owner
}

type owner struct {
	name    string
	waiting int
	ring    []*member // the waiting members, the next one first
}

type member struct {
	name  string
	queue []chan struct{} // each channel is closed when its turn has come
}

// New makes a pool of slots, at least one.
func New(slots int) *Pool {
	return &Pool{each: max(1, slots/2), free: slots, held: map[string]int{}}
}

// Enter waits for a slot until ctx ends. It returns a function that gives the slot back and
// must be called once. Its errors are ErrFull, without a wait, and the error of ctx.
func (p *Pool) Enter(ctx context.Context, ownerName, memberName string) (leave func(), err error) {
	p.mu.Lock()
	if i := slices.IndexFunc(p.ring, func(o *owner) bool { return o.name == ownerName }); i >= 0 && p.ring[i].waiting >= Waiting {
		p.mu.Unlock()
		return nil, ErrFull
	}
	turn := p.enqueue(ownerName, memberName)
	p.next()
	p.mu.Unlock()
	leave = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.release(ownerName)
	}
	select {
	case <-turn:
		return leave, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.forget(ownerName, turn) { // its turn came just now
		p.release(ownerName)
	}
	return nil, ctx.Err()
}

// The methods below are called with the mutex held.

func (p *Pool) enqueue(ownerName, memberName string) chan struct{} {
	i := slices.IndexFunc(p.ring, func(o *owner) bool { return o.name == ownerName })
	if i < 0 {
		i = len(p.ring)
		p.ring = append(p.ring, &owner{name: ownerName})
	}
	o := p.ring[i]
	j := slices.IndexFunc(o.ring, func(m *member) bool { return m.name == memberName })
	if j < 0 {
		j = len(o.ring)
		o.ring = append(o.ring, &member{name: memberName})
	}
	turn := make(chan struct{})
	o.waiting++
	o.ring[j].queue = append(o.ring[j].queue, turn)
	return turn
}

// next gives the free slots to the waiting members in turn. A served owner or member goes to
// the end of its ring.
func (p *Pool) next() {
	for p.free > 0 {
		i := slices.IndexFunc(p.ring, func(o *owner) bool { return p.held[o.name] < p.each })
		if i < 0 {
			return
		}
		o := p.ring[i]
		m := o.ring[0]
		close(m.queue[0])
		p.free--
		p.held[o.name]++
		o.waiting--
		if m.queue, o.ring = m.queue[1:], o.ring[1:]; len(m.queue) > 0 {
			o.ring = append(o.ring, m)
		}
		if p.ring = slices.Delete(p.ring, i, i+1); len(o.ring) > 0 {
			p.ring = append(p.ring, o)
		}
	}
}

func (p *Pool) release(ownerName string) {
	p.free++
	if p.held[ownerName]--; p.held[ownerName] == 0 {
		delete(p.held, ownerName)
	}
	p.next()
}

// forget removes a turn from its queue, and reports whether it was still waiting.
func (p *Pool) forget(ownerName string, turn chan struct{}) bool {
	for i, o := range p.ring {
		if o.name != ownerName {
			continue
		}
		for j, m := range o.ring {
			k := slices.Index(m.queue, turn)
			if k < 0 {
				continue
			}
			o.waiting--
			if m.queue = slices.Delete(m.queue, k, k+1); len(m.queue) == 0 {
				o.ring = slices.Delete(o.ring, j, j+1)
			}
			if len(o.ring) == 0 {
				p.ring = slices.Delete(p.ring, i, i+1)
			}
			return true
		}
	}
	return false
}
