package log

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// disk stores tiles like the database.
type disk map[tileID][]byte

func (d disk) load(level int, n int64) ([]byte, error) {
	data, ok := d[tileID{level, n}]
	if !ok {
		return nil, errors.New("no such tile")
	}
	return bytes.Clone(data), nil
}

func record(i int64) tlog.Hash {
	return tlog.RecordHash(binary.BigEndian.AppendUint64(nil, uint64(i)))
}

// grow adds a block of leaves. It checks that exactly the tiles that the library names
// have changed, to exactly the width that it names.
func (d disk) grow(t interface{ Fatalf(string, ...any) }, from, to int64) tlog.Hash {
	tr := newTree(d.load)
	for i := from; i < to; i++ {
		if err := tr.add(i, record(i)); err != nil {
			t.Fatalf("add %d: %v", i, err)
		}
	}
	root, err := tlog.TreeHash(to, tr)
	if err != nil {
		t.Fatalf("root of %d: %v", to, err)
	}
	width := map[tileID]int{}
	for _, tile := range tlog.NewTiles(height, from, to) {
		id := tileID{tile.L, tile.N}
		width[id] = max(width[id], tile.W)
	}
	changed := tr.changed()
	if len(changed) != len(width) {
		t.Fatalf("from %d to %d: tiles %v changed, want %v", from, to, changed, width)
	}
	for _, id := range changed {
		if len(tr.tiles[id]) != width[id]*tlog.HashSize {
			t.Fatalf("from %d to %d: tile %v has %d bytes, want %d hashes", from, to, id, len(tr.tiles[id]), width[id])
		}
		d[id] = tr.tiles[id]
	}
	return root
}

// merkle is the literal definition of the tree head in RFC 6962.
func merkle(lo, hi int64) tlog.Hash {
	switch n := hi - lo; n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return record(lo)
	default:
		k := int64(1)
		for k*2 < n {
			k *= 2
		}
		return tlog.NodeHash(merkle(lo, lo+k), merkle(lo+k, hi))
	}
}

func TestTreeInRandomBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, size := disk{}, int64(0)
		for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 700), 0, 6).Draw(t, "blocks") {
			if root := d.grow(t, size, size+n); root != merkle(0, size+n) {
				t.Fatalf("root of %d is %v", size+n, root)
			}
			size += n
		}
	})
}

// At 65,536 entries the tree gets its third level of tiles.
func TestTreeBoundaries(t *testing.T) {
	d, size := disk{}, int64(0)
	for _, to := range []int64{1, 255, 256, 257, 65279, 65280, 65535, 65536, 65537, 65792, 65793, 70000} {
		if root := d.grow(t, size, to); root != merkle(0, to) {
			t.Fatalf("root of %d is %v", to, root)
		}
		size = to
	}
	ids := make([]tileID, 0, len(d))
	for id := range d {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b tileID) int { return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(b.n, a.n)) })
	// The example of the specification. Level 0: 273 full tiles and one of 112. Level 1:
	// a full tile and one of 17. Level 2: one tile of width 1.
	for i, want := range []struct {
		id    tileID
		width int
	}{{tileID{2, 0}, 1}, {tileID{1, 1}, 17}, {tileID{1, 0}, 256}, {tileID{0, 273}, 112}, {tileID{0, 272}, 256}} {
		if ids[i] != want.id || len(d[ids[i]]) != 32*want.width {
			t.Errorf("tile %v has %d bytes, want tile %v of width %d", ids[i], len(d[ids[i]]), want.id, want.width)
		}
	}
	if len(ids) != 277 {
		t.Errorf("%d tiles, want 277", len(ids))
	}
	root := merkle(0, size)
	for _, i := range []int64{0, 255, 256, 65535, 65536, 69999} {
		p, err := tlog.ProveRecord(size, i, newTree(d.load))
		if err == nil {
			err = tlog.CheckRecord(p, size, root, i, record(i))
		}
		if err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}

func FuzzParseTile(f *testing.F) {
	for _, s := range []string{"tile/0/000", "tile/entries/x001/x234/067.p/255", "tile/63/000.p/1", "tile/8/.p/5", "tile/data/000", "tile/0/x000/001", "tile/entries/.p/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := parseTile(path)
		if err != nil {
			return
		}
		again := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		if tile.L < 0 {
			again = strings.Replace(again, "data", "entries", 1)
		}
		if again != path || tile.N < 0 || tile.W < 1 || tile.W > 256 || tile.L > 63 {
			t.Errorf("%q is read as %+v", path, tile)
		}
	})
}
