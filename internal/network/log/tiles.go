package log

import (
	"cmp"
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
		t.tiles[id] = append(data, hashes[level][:]...)
		t.grown[id] = true
	}
	return nil
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
