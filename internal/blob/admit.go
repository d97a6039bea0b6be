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
	puts  int
	bytes int64
}

// put is one PUT that was taken. It ends with end.
type put struct {
	claim *space.Claim
	end   func()
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
	claim, err := d.account(owner, n)
	if err != nil {
		leave()
		return nil, err
	}
	return &put{claim: claim, end: func() {
		claim.End()
		r.mu.Lock()
		t := r.groups[owner.Group]
		t.puts, t.bytes = t.puts-1, t.bytes-n
		if r.groups[owner.Group] = t; t.puts == 0 {
			delete(r.groups, owner.Group)
		}
		r.all.bytes -= n
		r.mu.Unlock()
		leave()
	}}, nil
}

// account counts n bytes for an owner, and claims room for them.
func (d *Disk) account(owner Owner, n int64) (*space.Claim, error) {
	r, limits := &d.running, d.opts.Limits
	r.mu.Lock()
	defer r.mu.Unlock()
	group := r.groups[owner.Group]
	if limits.GroupPuts > 0 && group.puts >= limits.GroupPuts {
		return nil, busy("organization_uploads")
	}
	held := group.bytes + owner.GroupStaged
	switch {
	case limits.GroupBytes > 0 && n > 0 && held+n > limits.GroupBytes:
		return nil, busy("organization_bytes")
	case limits.Bytes > 0 && n > 0 && r.all.bytes+owner.Staged+n > limits.Bytes:
		return nil, busy("server_bytes")
	}
	room := d.opts.Space.Room()
	switch {
	case room == 0 || n > room:
		return nil, Full(fmt.Errorf("%w: %d bytes are free above the reserve, %d are wanted", space.ErrLow, room, n))
	case owner.Group != "" && n > 0 && held > 0 && held+n > (room+held)/2:
		// The other half is for others, whoever came first.
		return nil, busy("organization_bytes")
	}
	claim, err := d.opts.Space.Claim(n)
	if err != nil { // taken meanwhile
		return nil, Full(err)
	}
	r.groups[owner.Group] = tally{group.puts + 1, group.bytes + n}
	r.all.bytes += n
	return claim, nil
}

// Running is how many PUTs this process takes now, and how many bytes they may
// bring.
func (d *Disk) Running() (puts int, bytes int64) {
	d.running.mu.Lock()
	defer d.running.mu.Unlock()
	return d.running.all.puts, d.running.all.bytes
}
