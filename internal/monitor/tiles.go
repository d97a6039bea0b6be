package monitor

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

// The limits of one answer of a log, and of the requests at once.
const (
	maxAnswer   = 1 << 24 // bytes: a full bundle of the largest entries
	maxRequests = 8
	timeout     = 30 * time.Second
	userAgent   = "timbre monitor"
)

// bounded limits the bodies of answers: a hostile log sends as much as it wants.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

// fetch returns a reader of the log at url. Its requests are bounded, and its answers if the
// client bounds them.
func fetch(url string, client *http.Client) (*torchwood.TileFetcher, error) {
	return torchwood.NewTileFetcher(strings.TrimSuffix(url, "/")+"/", torchwood.WithHTTPClient(client), torchwood.WithConcurrencyLimit(maxRequests), torchwood.WithUserAgent(userAgent))
}

// mirror keeps authenticated tiles in a folder under the log's own paths: full tiles by the
// cache below it, and partial ones itself, so that the folder is a complete log.
type mirror struct {
	torchwood.TileReader // the cache of full tiles
	dir                  string
}

func newMirror(from torchwood.TileReader, dir string) (torchwood.TileReader, error) {
	cache, err := torchwood.NewPermanentCache(from, dir)
	if err != nil {
		return nil, err
	}
	return mirror{cache, dir}, nil
}

// SaveTiles keeps tiles that were authenticated. A tile that cannot be written is read again
// from the log: the folder has no other use for it before the checkpoint is there.
func (m mirror) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	m.TileReader.SaveTiles(tiles, data)
	for i, t := range tiles {
		path := filepath.Join(m.dir, filepath.FromSlash(torchwood.TilePath(t)))
		if _, err := os.Stat(path); t.W == torchwood.TileWidth || err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return
		}
		_ = os.WriteFile(path, data[i], 0o600)
	}
}

// complete reads the partial tiles and the partial bundle at the end of a tree, so that the
// mirror keeps them.
func complete(ctx context.Context, tree tlog.Tree, tiles torchwood.TileReader) error {
	if tree.N == 0 {
		return nil
	}
	_, err := tlog.ProveRecord(tree.N, tree.N-1, torchwood.TileHashReaderWithContext(ctx, tree, tiles))
	return err
}
