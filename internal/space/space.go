// Package space keeps a reserve of free space on the file systems that a server
// writes to, so that its database still works when uploads have taken the rest.
//
// It holds what file systems say of themselves (Of), and the guard that uploads
// ask before they take a byte, and while they write. It knows no file, and never
// knows whose a byte is.
package space

import (
	"errors"
	"sync"
)

// ErrLow says that the reserve would be touched.
var ErrLow = errors.New("space: less than the reserve is free")

// ErrUnknown says that this system does not tell the space of a file system.
var ErrUnknown = errors.New("space: this system does not tell")

// The reserve of a file system, where nobody sets one: a tenth of it, and at most
// 1 GiB.
const (
	share       = 10
	mostReserve = 1 << 30
)

// Files are reserved too: a file system that is out of inodes is full. Of those
// that have a fixed number, a hundredth stays free, and at most 1,000.
const (
	fileShare = 100
	mostFiles = 1000
)

// unlimited is the room where nobody tells.
const unlimited = 1 << 62

// Usage is what a file system says of itself.
type Usage struct {
	// Free bytes are those that this process may still write; Total are all.
	Free, Total int64
	// Files that may still be made, and all; both are 0 where there is no bound.
	FreeFiles, TotalFiles int64
	// Device tells file systems apart.
	Device uint64
}

// Reserve is what stays free of the file system, in bytes: want, or the default
// when that is 0.
func (u Usage) Reserve(want int64) int64 {
	if want > 0 {
		return want
	}
	return min(u.Total/share, mostReserve)
}

// room is how many bytes may be written before the reserve is touched.
func (u Usage) room(want int64) int64 {
	if u.TotalFiles > 0 && u.FreeFiles <= min(u.TotalFiles/fileShare, mostFiles) {
		return 0
	}
	return max(0, u.Free-u.Reserve(want))
}

// Place is a directory that a server writes to.
type Place struct {
	// Name says for what: "uploads" or "database".
	Name string
	Dir  string
}

// State is how much room one place has.
type State struct {
	Place
	Usage
	// Reserved are the bytes that stay free.
	Reserved int64
}

// Low reports whether the place has hardly any room above its reserve: no more
// than a tenth of it, and at most 16 MiB.
func (s State) Low() bool { return s.room(s.Reserved) <= slack(s.Reserved) }

func slack(reserve int64) int64 { return min(reserve/10, 16<<20) }

// Guard lets uploads be written as long as the reserve stays free. A nil Guard
// allows everything. It is safe for concurrent use.
type Guard struct {
	reserve int64
	places  []Place
	uploads string // directory of the place that claims are about
	stat    func(dir string) (Usage, error)

	mu      sync.Mutex
	claimed int64 // bytes that were promised and are not written yet
	claims  int
}

// New makes a guard of the places, of which the one named "uploads" is what claims
// are about. reserve is in bytes; 0 is the default of each file system. stat is
// [Of], or a test's.
func New(reserve int64, stat func(dir string) (Usage, error), places ...Place) *Guard {
	g := &Guard{reserve: reserve, places: places, stat: stat}
	for _, p := range places {
		if p.Name == "uploads" {
			g.uploads = p.Dir
		}
	}
	return g
}

// States are those of all places whose file system tells.
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

// Claimed is how many claims there are, and how many bytes of them are not written
// yet.
func (g *Guard) Claimed() (claims int, bytes int64) {
	if g == nil {
		return 0, 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.claims, g.claimed
}

// Room is how many bytes may still be claimed. What other claims have not written
// yet is not room. A file system that does not tell has room.
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
		case room == 0: // rows have no room
			left = 0
		}
	}
	return max(0, left)
}

// Low is [ErrLow] when n bytes more do not fit, or when a place is low: then nothing
// new begins, and what has begun still fits.
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

// Claim is room for one upload. It ends with End.
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

// Grow takes room for n bytes more, or fails with [ErrLow].
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

// Writing is told before n bytes of the claim are written: from then on the file
// system counts them. It fails with [ErrLow] when the reserve is reached: others
// write, too.
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

// End gives back what was not written.
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
