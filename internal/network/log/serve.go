package log

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store/query"
)

// FilesPath implements network.Published. The path is part of the log's origin.
func (l *Log) FilesPath() string { return "/log/" + string(l.config.Network) }

// Files implements network.Published.
func (l *Log) Files(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.StripPrefix(l.FilesPath(), l.Handler(refuse))
}

// Handler serves the log as C2SP tlog-tiles says, on these paths:
//
//	/checkpoint               the published checkpoint, with its cosignatures
//	/tile/<L>/<N>[.p/<W>]     hashes
//	/tile/entries/<N>[.p/<W>] leaves, each after its length as big-endian uint16
//	/key                      the newest verifier key, one line
//	/keys                     the key page: all keys, and whether the log has ended
//
// Every site may read everything. Errors go to refuse: fault.CommonNotFound if the log
// lacks the resource, and the errors of the store unchanged.
func (l *Log) Handler(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.serve(w, r); err != nil {
			if errors.Is(err, network.ErrNotFound) || errors.Is(err, sql.ErrNoRows) {
				err = fault.CommonNotFound().Because(err)
			}
			refuse(w, r, err)
		}
	})
}

func (l *Log) serve(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return network.ErrNotFound
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/"); path {
	case "checkpoint":
		text, err := l.Published(r.Context())
		if err != nil {
			return err
		}
		respond(w, r, "text/plain; charset=utf-8", "no-cache", []byte(text))
	case "key":
		p, err := l.KeyPage(r.Context())
		if err != nil {
			return err
		}
		respond(w, r, "text/plain; charset=utf-8", "public, max-age=300", []byte(p.Key()+"\n"))
	case "keys":
		p, err := l.KeyPage(r.Context())
		if err == nil && p.Text == "" { // no process of this release has made blocks yet
			err = network.ErrNotFound
		}
		if err != nil {
			return err
		}
		respond(w, r, "text/plain; charset=utf-8", "no-cache", []byte(p.Text))
	default:
		tile, err := parseTile(path)
		if err != nil {
			return err
		}
		if tile.L < 0 {
			b, err := l.packed.get(path, func() (bundle, error) { return l.pack(r, tile) })
			if err != nil {
				return err
			}
			w.Header().Set("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				w.Header().Set("Content-Encoding", "gzip")
				respond(w, r, tileType, immutable, b.zipped)
				return nil
			}
			respond(w, r, tileType, immutable, b.plain)
			return nil
		}
		data, err := l.tile(r, tile)
		if err != nil {
			return err
		}
		respond(w, r, tileType, immutable, data)
	}
	return nil
}

const (
	tileType  = "application/octet-stream"
	immutable = "public, max-age=31536000, immutable"
)

func respond(w http.ResponseWriter, r *http.Request, contentType, cache string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", cache)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body) // a client that disconnected is not an error
	}
}

// pack reads a bundle and compresses it, because its text repeats itself.
func (l *Log) pack(r *http.Request, t tlog.Tile) (bundle, error) {
	data, err := l.bundle(r, t)
	if err != nil {
		return bundle{}, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		return bundle{}, err
	}
	err = z.Close()
	return bundle{data, b.Bytes()}, err
}

// parseTile parses tile/<L>/<N>[.p/<W>]; L is -1 for entries. The paths of the library
// also contain the height, and have "data" instead of "entries".
func parseTile(path string) (tlog.Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok || strings.HasPrefix(rest, "data/") {
		return tlog.Tile{}, network.ErrNotFound
	}
	if n, ok := strings.CutPrefix(rest, "entries/"); ok {
		rest = "data/" + n
	}
	t, err := tlog.ParseTilePath("tile/" + strconv.Itoa(height) + "/" + rest)
	if err != nil || t.L > 63 {
		return tlog.Tile{}, network.ErrNotFound
	}
	return t, nil
}

// tile returns a published tile. Everything in the database is published, because a
// block's tiles, entries and checkpoint commit together.
func (l *Log) tile(r *http.Request, t tlog.Tile) ([]byte, error) {
	data, err := l.loader(r.Context(), l.db.Read())(t.L, t.N)
	if err != nil {
		return nil, err
	}
	if len(data) < t.W*tlog.HashSize {
		return nil, network.ErrNotFound
	}
	return data[:t.W*tlog.HashSize], nil
}

func (l *Log) bundle(r *http.Request, t tlog.Tile) ([]byte, error) {
	if t.N > (1<<63-1)/fullTile-1 {
		return nil, network.ErrNotFound
	}
	lo := t.N * fullTile
	leaves, err := l.db.Read().ListLogLeaves(r.Context(), query.ListLogLeavesParams{
		Network: string(l.config.Network), Lo: valid(lo), Hi: valid(lo + int64(t.W)),
	})
	if err != nil {
		return nil, err
	}
	if len(leaves) != t.W {
		return nil, network.ErrNotFound
	}
	var data []byte
	for _, leaf := range leaves {
		data = binary.BigEndian.AppendUint16(data, uint16(len(leaf)))
		data = append(data, leaf...)
	}
	return data, nil
}
