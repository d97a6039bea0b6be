package blob

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/space"
)

// ErrFull means that the store has no room.
var ErrFull = errors.New("blob: no space left")

// putsPerURL is the largest number of PUTs of one URL at the same time: one that runs,
// and one more from a client that lost the connection of the first.
const putsPerURL = 2

// Owner says for whom an upload is counted.
type Owner struct {
	// Group is the same for all uploads that share a limit.
	Group string
	// Staged is the number of stored bytes of uploads that are not registered yet: those
	// of the group, and those of all groups.
	GroupStaged, Staged int64
}

// Limits bound the uploads that a Disk accepts. 0 means no limit, except for MinRate.
type Limits struct {
	// Puts is the largest number of PUTs at the same time in this process, GroupPuts that
	// of one group.
	Puts, GroupPuts int
	// Bytes is the largest sum of staged bytes and the bytes of running PUTs, GroupBytes
	// that of one group. A group also never gets more than half of the room.
	Bytes, GroupBytes int64
	// MinRate is the lowest speed of an upload in bytes per second, over every
	// RateWindow; the default is 8 KiB over 2 minutes.
	MinRate    int64
	RateWindow time.Duration
}

// running is the list of PUTs of this process that have not ended.
type running struct {
	mu     sync.Mutex
	all    tally
	places map[string]int
	groups map[string]tally
}

type tally struct {
	puts     int
	bytes    int64 // announced, or the largest number that is stored
	promised int64 // the part of bytes that has arrived or is expected next
}

// step is how many bytes of room a PUT gets at a time. Announced bytes reserve no room,
// because they may never come.
const step = 1 << 20

// put is one accepted PUT, until end.
type put struct {
	d     *Disk
	owner Owner
	claim *space.Claim
	n     int64 // the number of bytes that it can bring
	// promised is the number of bytes for which the PUT has room, written the number that
	// have come.
	promised, written int64
	leave             func()
}

// The waiting times in refusals: until another upload has ended, and until files have
// expired.
const (
	busyWait = 10 * time.Second
	fullWait = time.Minute
)

func busy(reason string) error {
	return fault.CommonRateLimited(busyWait).With("reason", reason)
}

// Full returns the error for a store without room.
func Full(err error) error {
	return fault.CommonServiceUnavailable(fullWait).With("reason", "storage_full").Because(err)
}

// admit accepts or refuses a PUT of length bytes, of which at most most are stored. An
// unknown length (-1) counts as most. place is the same for all PUTs of one URL.
func (d *Disk) admit(ctx context.Context, key, place string, length, most int64) (*put, error) {
	n := length
	switch {
	case length < 0:
		n = most
	case length > most: // nothing of it is stored
		n = 0
	}
	r, limits := &d.running, d.opts.Limits
	r.mu.Lock()
	if r.places[place] >= putsPerURL {
		r.mu.Unlock()
		return nil, busy("uploads_in_flight")
	}
	if limits.Puts > 0 && r.all.puts >= limits.Puts {
		r.mu.Unlock()
		return nil, busy("server_uploads")
	}
	r.places[place]++
	r.all.puts++
	r.mu.Unlock()
	leave := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all.puts--
		if r.places[place]--; r.places[place] == 0 {
			delete(r.places, place)
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

// end returns what the PUT holds.
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

// account counts a PUT for its owner, and claims room for its first bytes.
func (p *put) account() error {
	r, limits, n := &p.d.running, p.d.opts.Limits, p.n
	r.mu.Lock()
	defer r.mu.Unlock()
	group := r.groups[p.owner.Group]
	switch {
	case limits.GroupPuts > 0 && group.puts >= limits.GroupPuts:
		return busy("organization_uploads")
	case limits.Puts > 0 && p.owner.Group != "" && group.puts > 0 && 2*(group.puts+1) > limits.Puts-(r.all.puts-1)+group.puts:
		// Half of the places are for other groups. This PUT has a place already.
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
		return Full(fmt.Errorf("%w: %d bytes are free above the reserve, the upload needs %d", space.ErrLow, room, n))
	case p.owner.Group != "" && n > 0 && held+n > (room+held)/2:
		// The other half is for other groups, in any order of arrival.
		if held > 0 {
			return busy("organization_bytes")
		}
		return Full(fmt.Errorf("%w: %d bytes are free above the reserve, half of them for other organizations; the upload needs %d", space.ErrLow, room, n))
	}
	first := min(n, step)
	claim, err := p.d.opts.Space.Claim(first)
	if err != nil { // taken by another claim meanwhile
		return Full(err)
	}
	p.claim, p.promised = claim, first
	r.groups[p.owner.Group] = tally{group.puts + 1, group.bytes + n, group.promised + first}
	r.all.bytes += n
	r.all.promised += first
	return nil
}

// writing must be called before n bytes are written. It claims room for the next bytes,
// by the same rules as for the first.
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

// Running returns how many PUTs this process is receiving, and how many bytes they can
// bring.
func (d *Disk) Running() (puts int, bytes int64) {
	d.running.mu.Lock()
	defer d.running.mu.Unlock()
	return d.running.all.puts, d.running.all.bytes
}

// RetryAfter is the retry time that clients receive while a store is unavailable.
const RetryAfter = 2 * time.Second

// Failed is the refusal of a call whose operation on the store failed with err:
// common.service_unavailable, with a reason when the store has no room.
func Failed(err error) error {
	if errors.Is(err, ErrFull) {
		return Full(err)
	}
	return fault.CommonServiceUnavailable(RetryAfter).Because(err)
}
