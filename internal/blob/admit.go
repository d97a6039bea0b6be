package blob

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/space"
)

// ErrFull says that the store has no room.
var ErrFull = errors.New("blob: no space left")

// putsPerURL is how many PUTs of one URL are taken at once: one that runs, and one
// more of a client that lost the connection of the first.
const putsPerURL = 2

// Owner is on whose account an upload is counted.
type Owner struct {
	// Group is the same for all uploads that share a bound.
	Group string
	// Staged bytes lie in the store for uploads that nobody has paid for: those of
	// the group, and those of all.
	GroupStaged, Staged int64
}

// Limits bound what a Disk takes. 0 is no bound, but for the rate.
type Limits struct {
	// Puts run at once in this process, and of them GroupPuts of one group.
	Puts, GroupPuts int
	// Bytes are those that are staged and those of PUTs that run; GroupBytes are
	// those of one group. A group never has more than half of the room either.
	Bytes, GroupBytes int64
	// MinRate is how many bytes a second an upload brings at least, over any
	// RateWindow; 8 KiB over 2 minutes by default.
	MinRate    int64
	RateWindow time.Duration
}

// running are the PUTs of this process that have not ended.
type running struct {
	mu     sync.Mutex
	all    tally
	keys   map[string]int
	groups map[string]tally
}

type tally struct {
	puts     int
	bytes    int64 // announced, or the most that is kept
	promised int64 // of these, arrived or next to arrive
}

// step is for how many bytes more a PUT gets room at a time. What is announced
// takes no room from others: it may never come.
const step = 1 << 20

// put is one PUT that was taken. It ends with end.
type put struct {
	d     *Disk
	owner Owner
	claim *space.Claim
	n     int64 // bytes that it may bring
	// promised are the bytes that it has room for; written those of them that came.
	promised, written int64
	leave             func()
}

// The waits that a refused upload is asked for: until another upload has ended, and
// until files have expired.
const (
	busyWait = 10 * time.Second
	fullWait = time.Minute
)

func busy(reason string) error {
	return fault.CommonRateLimited(busyWait).With("reason", reason)
}

// Full is the refusal for want of space.
func Full(err error) error {
	return fault.CommonServiceUnavailable(fullWait).With("reason", "storage_full").Because(err)
}

// admit takes a PUT of so many bytes, of which no more than most are kept, or
// refuses it. An unknown length, -1, counts as the most.
func (d *Disk) admit(ctx context.Context, key string, length, most int64) (*put, error) {
	n := length
	switch {
	case length < 0:
		n = most
	case length > most: // nothing of it is kept
		n = 0
	}
	r, limits := &d.running, d.opts.Limits
	r.mu.Lock()
	if r.keys[key] >= putsPerURL {
		r.mu.Unlock()
		return nil, busy("uploads_in_flight")
	}
	if limits.Puts > 0 && r.all.puts >= limits.Puts {
		r.mu.Unlock()
		return nil, busy("server_uploads")
	}
	r.keys[key]++
	r.all.puts++
	r.mu.Unlock()
	leave := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all.puts--
		if r.keys[key]--; r.keys[key] == 0 {
			delete(r.keys, key)
		}
	}

	var owner Owner
	if d.opts.Admit != nil {
		var err error
		if owner, err = d.opts.Admit(ctx, key); err != nil {
			leave()
			return nil, err
		}
	}
	p := &put{d: d, owner: owner, n: n, leave: leave}
	if err := p.account(); err != nil {
		leave()
		return nil, err
	}
	return p, nil
}

// end gives back what the PUT holds.
func (p *put) end() {
	p.claim.End()
	r := &p.d.running
	r.mu.Lock()
	t := r.groups[p.owner.Group]
	t = tally{t.puts - 1, t.bytes - p.n, t.promised - p.promised}
	if r.groups[p.owner.Group] = t; t.puts == 0 {
		delete(r.groups, p.owner.Group)
	}
	r.all.bytes -= p.n
	r.all.promised -= p.promised
	r.mu.Unlock()
	p.leave()
}

// account counts a PUT for its owner, and claims room for the first of its bytes.
func (p *put) account() error {
	r, limits, n := &p.d.running, p.d.opts.Limits, p.n
	r.mu.Lock()
	defer r.mu.Unlock()
	group := r.groups[p.owner.Group]
	switch {
	case limits.GroupPuts > 0 && group.puts >= limits.GroupPuts:
		return busy("organization_uploads")
	case limits.Puts > 0 && p.owner.Group != "" && group.puts > 0 && 2*(group.puts+1) > limits.Puts-(r.all.puts-1)+group.puts:
		// Half of the places are for others. The PUT itself has one already.
		return busy("organization_uploads")
	}
	held := group.bytes + p.owner.GroupStaged
	switch {
	case limits.GroupBytes > 0 && n > 0 && held+n > limits.GroupBytes:
		return busy("organization_bytes")
	case limits.Bytes > 0 && n > 0 && r.all.promised+p.owner.Staged+n > limits.Bytes:
		return busy("server_bytes")
	}
	room := p.d.opts.Space.Room()
	switch {
	case room == 0 || n > room:
		return Full(fmt.Errorf("%w: %d bytes are free above the reserve, %d are wanted", space.ErrLow, room, n))
	case p.owner.Group != "" && n > 0 && held+n > (room+held)/2:
		// The other half is for others, whoever came first.
		if held > 0 {
			return busy("organization_bytes")
		}
		return Full(fmt.Errorf("%w: %d bytes are free above the reserve, and half of them for others; %d are wanted", space.ErrLow, room, n))
	}
	first := min(n, step)
	claim, err := p.d.opts.Space.Claim(first)
	if err != nil { // taken meanwhile
		return Full(err)
	}
	p.claim, p.promised = claim, first
	r.groups[p.owner.Group] = tally{group.puts + 1, group.bytes + n, group.promised + first}
	r.all.bytes += n
	r.all.promised += first
	return nil
}

// writing is told before n bytes are written. It claims room for the next ones, by
// the same rules as before the first.
func (p *put) writing(n int64) error {
	if p.written+n > p.promised && p.promised < p.n {
		if err := p.grow(min(max(step, p.written+n-p.promised), p.n-p.promised)); err != nil {
			return err
		}
	}
	p.written += n
	return p.claim.Writing(n)
}

func (p *put) grow(more int64) error {
	r, limits := &p.d.running, p.d.opts.Limits
	r.mu.Lock()
	defer r.mu.Unlock()
	if limits.Bytes > 0 && r.all.promised+p.owner.Staged+more > limits.Bytes {
		return busy("server_bytes")
	}
	group := r.groups[p.owner.Group]
	held, room := group.promised+p.owner.GroupStaged, p.d.opts.Space.Room()
	if p.owner.Group != "" && more <= room && held+more > (room+held)/2 {
		return busy("organization_bytes")
	}
	if err := p.claim.Grow(more); err != nil {
		return Full(err)
	}
	p.promised += more
	group.promised += more
	r.groups[p.owner.Group] = group
	r.all.promised += more
	return nil
}

// Running is how many PUTs this process takes now, and how many bytes they may
// bring.
func (d *Disk) Running() (puts int, bytes int64) {
	d.running.mu.Lock()
	defer d.running.mu.Unlock()
	return d.running.all.puts, d.running.all.bytes
}
