// Package space keeps a reserve of free space on the file systems that a server writes
// to. So the database still works when uploads have used the rest.
//
// Of reads the free space of a file system. Guard is asked before an upload writes a
// byte, and while it writes. The package knows no files and no owners.
package space

import (
	"errors"
	"sync"
)

// ErrLow means that an upload would use the reserve.
var ErrLow = errors.New("space: less space is free than the reserve")

// ErrUnknown means that this system does not report the space of a file system.
var ErrUnknown = errors.New("space: this system does not report free space")

// The default reserve of a file system: a tenth of it, and at most 1 GiB.
const (
	share       = 10
	mostReserve = 1 << 30
)

// Inodes are reserved too, because a file system without free inodes is full. Of a fixed
// number of inodes, a hundredth stays free, and at most 1,000.
const (
	fileShare = 100
	mostFiles = 1000
)

// unlimited is the room of a file system that does not report its space.
const unlimited = 1 << 62

// Usage is the space of a file system, as the system reports it.
type Usage struct {
	// Free is how many bytes this process can still write; Total is the size.
	Free, Total int64
	// The number of files that can still be created, and the largest number; both are 0
	// without a limit.
	FreeFiles, TotalFiles int64
	// Device identifies the file system.
	Device uint64
}

// Reserve returns how many bytes of the file system stay free: want, or the default if
// want is 0.
func (u Usage) Reserve(want int64) int64 {
	if want > 0 {
		return want
	}
	return min(u.Total/share, mostReserve)
}

// room returns how many bytes can be written before the reserve is reached.
func (u Usage) room(want int64) int64 {
	if u.TotalFiles > 0 && u.FreeFiles <= min(u.TotalFiles/fileShare, mostFiles) {
		return 0
	}
	return max(0, u.Free-u.Reserve(want))
}

// Place is a directory that a server writes to.
type Place struct {
	// Name is the purpose: "uploads" or "database".
	Name string
	Dir  string
}

// State is the space of one place.
type State struct {
	Place
	Usage
	// Reserved is how many bytes stay free.
	Reserved int64
}

// Low reports whether the place has almost no room above its reserve: at most a tenth of
// the reserve, and at most 16 MiB.
func (s State) Low() bool { return s.room(s.Reserved) <= slack(s.Reserved) }

func slack(reserve int64) int64 { return min(reserve/10, 16<<20) }

// Guard allows uploads while the reserve stays free. A nil Guard allows everything. It is
// safe for concurrent use.
type Guard struct {
	reserve int64
	places  []Place
	uploads string // directory of the place that claims count for
	stat    func(dir string) (Usage, error)

	mu      sync.Mutex
	claimed int64 // bytes that are claimed and not written yet
	claims  int
}

// New makes a guard of the places. Claims count for the place with the name "uploads".
// reserve is in bytes; 0 is the default of each file system. stat is [Of], or a
// replacement in tests.
func New(reserve int64, stat func(dir string) (Usage, error), places ...Place) *Guard {
	g := &Guard{reserve: reserve, places: places, stat: stat}
	for _, p := range places {
		if p.Name == "uploads" {
			g.uploads = p.Dir
		}
	}
	return g
}

// States returns the state of every place whose file system reports its space.
func (g *Guard) States() []State {
	if g == nil {
		return nil
	}
	var out []State
	for _, p := range g.places {
		if u, err := g.stat(p.Dir); err == nil {
			out = append(out, State{p, u, u.Reserve(g.reserve)})
		}
	}
	return out
}

// Claimed returns the number of claims, and how many of their bytes are not written yet.
func (g *Guard) Claimed() (claims int, bytes int64) {
	if g == nil {
		return 0, 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.claims, g.claimed
}

// Room returns how many bytes can still be claimed. Claimed bytes that are not written
// yet are not free. A file system that does not report its space has room.
func (g *Guard) Room() int64 {
	if g == nil {
		return unlimited
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.room()
}

func (g *Guard) room() int64 {
	left := int64(unlimited)
	uploads, known := Usage{}, false
	if g.uploads != "" {
		u, err := g.stat(g.uploads)
		uploads, known = u, err == nil
	}
	for _, p := range g.places {
		u, err := g.stat(p.Dir)
		if err != nil {
			continue
		}
		room := u.room(g.reserve)
		switch {
		case known && u.Device == uploads.Device:
			left = min(left, room-g.claimed)
		case room == 0: // the database has no room
			left = 0
		}
	}
	return max(0, left)
}

// Low returns [ErrLow] if n more bytes do not fit, or if a place is low. Then nothing new
// starts, and running uploads still fit.
func (g *Guard) Low(n int64) error {
	if g.Room() < n {
		return ErrLow
	}
	for _, s := range g.States() {
		if s.Low() {
			return ErrLow
		}
	}
	return nil
}

// Claim is the room of one upload, until End.
type Claim struct {
	g    *Guard
	left int64
}

// Claim takes room for n bytes, or fails with [ErrLow].
func (g *Guard) Claim(n int64) (*Claim, error) {
	if g == nil {
		return nil, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if room := g.room(); room == 0 || room < n {
		return nil, ErrLow
	}
	g.claimed += n
	g.claims++
	return &Claim{g, n}, nil
}

// Grow takes room for n more bytes, or fails with [ErrLow].
func (c *Claim) Grow(n int64) error {
	if c == nil {
		return nil
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if room := c.g.room(); room == 0 || room < n {
		return ErrLow
	}
	c.left += n
	c.g.claimed += n
	return nil
}

// Writing must be called before n bytes of the claim are written: from then on the file
// system counts them. It fails with [ErrLow] if the reserve is reached, because other
// programs write too.
func (c *Claim) Writing(n int64) error {
	if c == nil {
		return nil
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	n = min(n, c.left)
	c.left -= n
	c.g.claimed -= n
	for _, p := range c.g.places {
		if u, err := c.g.stat(p.Dir); err == nil && u.room(c.g.reserve) == 0 {
			return ErrLow
		}
	}
	return nil
}

// End returns the bytes that were not written.
func (c *Claim) End() {
	if c == nil {
		return
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	c.g.claimed -= c.left
	c.g.claims--
	c.left = 0
}
