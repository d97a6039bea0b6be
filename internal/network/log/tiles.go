package log

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// height is the tile height of the C2SP specification: 256 hashes in a tile.
const (
	height   = 8
	fullTile = 1 << height
)

type tileID struct {
	level int
	n     int64
}

// tree reads the hashes of a Merkle tree from its tiles, each loaded once, and grows it
// in memory. It implements tlog.HashReader. Use it in one goroutine, for one transaction
// or one proof, and then drop it.
type tree struct {
	load  func(level int, n int64) ([]byte, error)
	tiles map[tileID][]byte
	grown map[tileID]bool
}

// errTile is the error of a tile that is not of this tree. The log may have grown since its size
// was read.
var errTile = errors.New("not of this tree")

func newTree(load func(level int, n int64) ([]byte, error)) *tree {
	return &tree{load: load, tiles: map[tileID][]byte{}, grown: map[tileID]bool{}}
}

func (t *tree) tile(id tileID) ([]byte, error) {
	if data, ok := t.tiles[id]; ok {
		return data, nil
	}
	data, err := t.load(id.level, id.n)
	if err != nil {
		return nil, err
	}
	t.tiles[id] = data
	return data, nil
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		tile := tlog.TileForIndex(height, index)
		data, err := t.tile(tileID{tile.L, tile.N})
		if err != nil {
			return nil, err
		}
		if hashes[i], err = tlog.HashFromTile(tile, data, index); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// add appends the leaf hash h at index n, which must be the tree's size. It stores only
// the hashes at the lowest level of a tile.
func (t *tree) add(n int64, h tlog.Hash) error {
	hashes, err := tlog.StoredHashesForRecordHash(n, h, t)
	if err != nil {
		return err
	}
	for level := 0; level < len(hashes); level += height {
		at := n >> level
		id := tileID{level / height, at / fullTile}
		var data []byte
		if at%fullTile != 0 {
			if data, err = t.tile(id); err != nil {
				return err
			}
		}
		if want := int(at % fullTile); len(data) != want*tlog.HashSize {
			return fmt.Errorf("tile %d/%d: %w: %d bytes, not %d hashes", id.level, id.n, errTile, len(data), want)
		}
		t.tiles[id] = append(data, hashes[level][:]...)
		t.grown[id] = true
	}
	return nil
}

// frontier is the part of a tree that the next block needs: the last tile of each level. It is
// of the tree in the checkpoint and of no other one.
type frontier struct {
	checkpoint string
	tiles      map[tileID][]byte
}

// last returns the last tile of each level among those that were read or grown. Growing a tree
// changes none of them.
func (t *tree) last() map[tileID][]byte {
	newest := map[int]int64{}
	for id := range t.tiles {
		newest[id.level] = max(newest[id.level], id.n)
	}
	tiles := make(map[tileID][]byte, len(newest))
	for level, n := range newest {
		id := tileID{level, n}
		tiles[id] = slices.Clip(t.tiles[id])
	}
	return tiles
}

// changed returns the tiles that add wrote to, in order.
func (t *tree) changed() []tileID {
	ids := make([]tileID, 0, len(t.grown))
	for id := range t.grown {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b tileID) int {
		return cmp.Or(cmp.Compare(a.level, b.level), cmp.Compare(a.n, b.n))
	})
	return ids
}
