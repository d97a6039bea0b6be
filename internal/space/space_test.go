package space_test

import (
	"errors"
	"testing"

	"timbre.example/internal/space"
)

const mb = 1 << 20

// disk is a simulated file system.
type disk struct{ space.Usage }

func (d *disk) stat(string) (space.Usage, error) { return d.Usage, nil }

func TestReserve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ total, set, want int64 }{
		{100 * mb, 0, 10 * mb}, {100 << 30, 0, 1 << 30}, {100 << 30, 5, 5}, {0, 0, 0},
	} {
		if got := (space.Usage{Total: c.total}).Reserve(c.set); got != c.want {
			t.Errorf("of %d, set to %d: %d, want %d", c.total, c.set, got, c.want)
		}
	}
}

// Many claims at the same time together leave the reserve free.
func TestClaims(t *testing.T) {
	t.Parallel()
	d := &disk{space.Usage{Total: 1000 * mb, Free: 400 * mb, Device: 1}}
	g := space.New(100*mb, d.stat, space.Place{Name: "uploads", Dir: "u"}, space.Place{Name: "database", Dir: "d"})
	var held []*space.Claim
	for range 30 {
		if c, err := g.Claim(20 * mb); err == nil {
			held = append(held, c)
		} else if !errors.Is(err, space.ErrLow) {
			t.Fatal(err)
		}
	}
	if len(held) != 15 {
		t.Fatalf("%d claims of 20 MB in 300 MB", len(held))
	}
	if n, bytes := g.Claimed(); n != 15 || bytes != 300*mb {
		t.Errorf("%d claims, %d bytes", n, bytes)
	}
	// The file system counts written bytes.
	if err := held[0].Writing(20 * mb); err != nil {
		t.Fatal(err)
	}
	d.Free -= 20 * mb
	if room := g.Room(); room != 0 {
		t.Errorf("%d bytes of room", room)
	}
	held[1].End()
	held[1].End() // ending twice is allowed
	if room := g.Room(); room != 20*mb {
		t.Errorf("%d bytes of room after one gave up", room)
	}
	// Other programs write too: a running upload is then stopped.
	d.Free = 100 * mb
	if err := held[2].Writing(1); !errors.Is(err, space.ErrLow) {
		t.Errorf("at the reserve: %v", err)
	}
}

// The database can be on another file system.
func TestTwoFileSystems(t *testing.T) {
	t.Parallel()
	at := map[string]*disk{"u": {space.Usage{Total: 1000 * mb, Free: 900 * mb, Device: 1}}, "d": {space.Usage{Total: 1000 * mb, Free: 200 * mb, Device: 2}}}
	g := space.New(0, func(dir string) (space.Usage, error) { return at[dir].Usage, nil }, space.Place{Name: "uploads", Dir: "u"}, space.Place{Name: "database", Dir: "d"})
	if room := g.Room(); room != 800*mb {
		t.Errorf("%d bytes of room", room)
	}
	if err := g.Low(700 * mb); err != nil {
		t.Errorf("uploads take nothing of the database's: %v", err)
	}
	at["d"].Free = 100 * mb
	if err := g.Low(0); !errors.Is(err, space.ErrLow) {
		t.Errorf("the database has no room: %v", err)
	}
	if _, err := g.Claim(1); !errors.Is(err, space.ErrLow) {
		t.Errorf("a claim: %v", err)
	}
}

// A file system is also full if no file can be created on it.
func TestFiles(t *testing.T) {
	t.Parallel()
	d := &disk{space.Usage{Total: 1000 * mb, Free: 900 * mb, TotalFiles: 10_000, FreeFiles: 101}}
	g := space.New(0, d.stat, space.Place{Name: "uploads", Dir: "u"})
	if err := g.Low(0); err != nil {
		t.Error(err)
	}
	d.FreeFiles = 100
	if err := g.Low(0); !errors.Is(err, space.ErrLow) {
		t.Errorf("out of files: %v", err)
	}
}

// Without a guard, or on a file system that does not report its space, everything is
// allowed.
func TestUnknown(t *testing.T) {
	t.Parallel()
	var none *space.Guard
	silent := space.New(0, func(string) (space.Usage, error) { return space.Usage{}, space.ErrUnknown }, space.Place{Name: "uploads", Dir: "u"}, space.Place{Name: "database", Dir: "d"})
	for name, g := range map[string]*space.Guard{"none": none, "silent": silent} {
		c, err := g.Claim(1 << 40)
		if err == nil {
			err = errors.Join(c.Writing(1<<40), g.Low(1<<40))
		}
		c.End()
		if err != nil || len(g.States()) != 0 {
			t.Errorf("%s: %v, %v", name, err, g.States())
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	u, err := space.Of(t.TempDir())
	if errors.Is(err, space.ErrUnknown) {
		t.Skip("skipped: this system does not report free space")
	}
	if err != nil || u.Total <= 0 || u.Free < 0 || u.Free > u.Total {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := space.Of("/nowhere/at/all"); err == nil {
		t.Error("a directory that is not there")
	}
}
