package log_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
)

const origin = "timbre.example/log/testnet"

func config() log.Config {
	return log.Config{Network: network.Testnet, Origin: origin, Key: bytes.Repeat([]byte{7}, 32), Logger: slog.New(slog.DiscardHandler)}
}

func open(t testing.TB, db *store.DB) *log.Log {
	t.Helper()
	l, err := log.Open(t.Context(), db, config())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// call returns the i-th of many different new works.
func call(i int) network.Call {
	c := network.Call{ProtocolVersion: 1, Nonce: fmt.Sprint("nonce ", i)}
	binary.BigEndian.PutUint64(c.Commitment[:], uint64(i+1))
	return c
}

func stage(t testing.TB, l *log.Log, calls ...network.Call) []network.Staged {
	t.Helper()
	var out []network.Staged
	for _, c := range calls {
		s, err := l.Stage(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func broadcast(t testing.TB, l *log.Log, staged ...network.Staged) {
	t.Helper()
	if err := l.Broadcast(t.Context(), staged); err != nil {
		t.Fatal(err)
	}
}

func sequence(t testing.TB, l *log.Log) bool {
	t.Helper()
	made, err := l.Sequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func find(t testing.TB, l *log.Log, staged ...network.Staged) []network.Receipt {
	t.Helper()
	var hashes [][32]byte
	for _, s := range staged {
		hashes = append(hashes, s.Hash)
	}
	m, err := l.Find(t.Context(), hashes)
	if err != nil {
		t.Fatal(err)
	}
	var out []network.Receipt
	for _, h := range hashes {
		if r, ok := m[h]; ok {
			out = append(out, r)
		}
	}
	return out
}

// fill adds n new works, starting with number from, in blocks of at most 1,000.
func fill(t testing.TB, l *log.Log, from, n int) {
	t.Helper()
	calls := make([]network.Call, n)
	for i := range calls {
		calls[i] = call(from + i)
	}
	broadcast(t, l, stage(t, l, calls...)...)
	for sequence(t, l) {
	}
}

// outsider verifies a log with only its address and its verifier key.
type outsider struct {
	t    testing.TB
	url  string
	vkey string
}

func serve(t testing.TB, l *log.Log) outsider {
	t.Helper()
	srv := httptest.NewServer(l.Handler(func(w http.ResponseWriter, _ *http.Request, err error) {
		var f *fault.Error
		if errors.As(err, &f) && f.Code == fault.CodeCommonNotFound {
			http.Error(w, string(f.Code), http.StatusNotFound)
			return
		}
		http.Error(w, err.Error(), http.StatusTeapot)
	}))
	t.Cleanup(srv.Close)
	o := outsider{t: t, url: srv.URL}
	_, body, _ := o.get("/key")
	o.vkey = strings.TrimSpace(string(body))
	return o
}

func (o outsider) get(path string) (int, []byte, http.Header) {
	o.t.Helper()
	resp, err := http.Get(o.url + path)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, body, resp.Header
}

// path is the C2SP form of the library's tile/8/… and tile/8/data/… paths.
func path(t tlog.Tile) string {
	return "/tile/" + strings.Replace(strings.TrimPrefix(t.Path(), "tile/8/"), "data/", "entries/", 1)
}

func (o outsider) Height() int                         { return 8 }
func (o outsider) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (o outsider) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		status, body, _ := o.get(path(t))
		if status != http.StatusOK {
			return nil, fmt.Errorf("%s: status %d", path(t), status)
		}
		out = append(out, body)
	}
	return out, nil
}

// checkpoint opens a signed note.
func (o outsider) checkpoint(text string) tlog.Tree {
	o.t.Helper()
	v, err := note.NewVerifier(o.vkey)
	if err != nil {
		o.t.Fatal(err)
	}
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if err != nil {
		o.t.Fatal(err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != v.Name() || lines[3] != "" {
		o.t.Fatalf("checkpoint text %q", n.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		o.t.Fatal(err)
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		o.t.Fatal(err)
	}
	return tlog.Tree{N: size, Hash: hash}
}

// audit reads the whole published log and returns it. Every leaf hashes to its place, the
// tree to the root, and the sequence in the leaves is correct.
func (o outsider) audit() (tlog.Tree, []leaf.Leaf) {
	o.t.Helper()
	_, text, _ := o.get("/checkpoint")
	tree := o.checkpoint(string(text))
	hashes := tlog.TileHashReader(tree, o)
	var leaves []leaf.Leaf
	var recomputed []tlog.Hash // all stored hashes, computed only from the leaves
	works := map[int64]int64{}
	seen := map[[32]byte]bool{}
	for n := int64(0); n*256 < tree.N; n++ {
		width := min(256, tree.N-n*256)
		status, bundle, _ := o.get(path(tlog.Tile{H: 8, L: -1, N: n, W: int(width)}))
		if status != http.StatusOK {
			o.t.Fatalf("bundle %d of %d: status %d", n, width, status)
		}
		for range width {
			size := binary.BigEndian.Uint16(bundle)
			data := bundle[2 : 2+size]
			bundle = bundle[2+size:]
			index := int64(len(leaves))
			l, err := leaf.ParseLeaf(data)
			if err != nil {
				o.t.Fatal(err)
			}
			if index%97 == 0 { // each reads and verifies several tiles
				got, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
				if err != nil || got[0] != tlog.RecordHash(data) {
					o.t.Fatalf("leaf hash %d: %v", index, err)
				}
			}
			h, err := tlog.StoredHashes(index, data, tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
				var out []tlog.Hash
				for _, i := range ix {
					out = append(out, recomputed[i])
				}
				return out, nil
			}))
			if err != nil {
				o.t.Fatal(err)
			}
			recomputed = append(recomputed, h...)
			if seen[l.Hash()] {
				o.t.Errorf("transaction %x is in the log twice", l.Hash())
			}
			seen[l.Hash()] = true
			if l.Version != works[l.AtsID]+1 || l.Version == 1 && l.AtsID != int64(len(works))+1 {
				o.t.Errorf("entry %d is version %d of work %d, after version %d", index, l.Version, l.AtsID, works[l.AtsID])
			}
			works[l.AtsID] = l.Version
			if index > 0 && (l.At.Before(leaves[index-1].At) || l.Block < leaves[index-1].Block) {
				o.t.Errorf("entry %d runs backwards", index)
			}
			leaves = append(leaves, l)
		}
		if len(bundle) != 0 {
			o.t.Errorf("bundle %d has %d bytes too many", n, len(bundle))
		}
	}
	root, err := tlog.TreeHash(tree.N, tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range ix {
			out = append(out, recomputed[i])
		}
		return out, nil
	}))
	if err != nil || root != tree.Hash {
		o.t.Fatalf("the leaves hash to %v, the checkpoint says %v (%v)", root, tree.Hash, err)
	}
	return tree, leaves
}

func TestFirstEntries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
		db.Now = func() time.Time { return now }
		l := open(t, db)
		o := serve(t, l)
		if tree, _ := o.audit(); tree.N != 0 {
			t.Errorf("a new log has %d entries", tree.N)
		}
		if sequence(t, l) {
			t.Error("a block of nothing")
		}
		head := l.Head()
		update := call(2)
		update.AtsID = 1
		staged := stage(t, l, call(0), call(1), update)
		broadcast(t, l, staged...)
		if got := find(t, l, staged...); len(got) != 0 {
			t.Errorf("receipts before the block: %v", got)
		}
		if !sequence(t, l) {
			t.Fatal("no block")
		}
		select {
		case <-head:
		default:
			t.Error("the head did not move")
		}
		block, err := l.Block(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		receipt := func(i int, ats, version int64) network.Receipt {
			return network.Receipt{Hash: staged[i].Hash, AtsID: ats, Version: version, BlockNumber: 1, BlockHash: block.Hash, Owner: origin, At: now}
		}
		if diff := cmp.Diff([]network.Receipt{receipt(0, 1, 1), receipt(1, 2, 1), receipt(2, 1, 2)}, find(t, l, staged...)); diff != "" {
			t.Errorf("receipts (-want +got):\n%s", diff)
		}
		if block.Hash != sha256.Sum256([]byte(block.Checkpoint)) || block.First != 0 || block.Size != 3 || !block.At.Equal(now) {
			t.Errorf("block %+v", block)
		}
		if _, leaves := o.audit(); len(leaves) != 3 || leaves[2].Updates != 1 || leaves[2].Hash() != staged[2].Hash || leaves[2].Nonce != sha256.Sum256([]byte("nonce 2")) {
			t.Errorf("leaves %+v", leaves)
		}
	})
}

func TestOrderAndLimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := config()
		c.MaxBlock = 2
		l, err := log.Open(t.Context(), db, c)
		if err != nil {
			t.Fatal(err)
		}
		staged := stage(t, l, call(0), call(1), call(2), call(3), call(4))
		broadcast(t, l, staged[0], staged[1], staged[2])
		broadcast(t, l, staged[3], staged[4])
		for range 3 {
			if !sequence(t, l) {
				t.Fatal("no block")
			}
		}
		for i, r := range find(t, l, staged...) {
			if r.AtsID != int64(i+1) || r.BlockNumber != int64(i/2+1) {
				t.Errorf("entry %d: work %d in block %d", i, r.AtsID, r.BlockNumber)
			}
		}
		blocks, err := l.Blocks(t.Context(), 1<<62, 2)
		if err != nil || len(blocks) != 2 || blocks[0].Number != 3 || blocks[1].Number != 2 || blocks[0].First != 4 {
			t.Errorf("blocks %+v, %v", blocks, err)
		}
	})
}

func TestTheClockRunsBackwards(t *testing.T) {
	db := storetest.SQLite(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	db.Now = func() time.Time { return now }
	l := open(t, db)
	fill(t, l, 0, 1)
	now = now.Add(-30 * time.Second) // within the tolerance
	fill(t, l, 1, 1)
	serve(t, l).audit()
}

func TestRefusals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		fill(t, l, 0, 1)
		for _, c := range []struct {
			name   string
			change func(*network.Call)
			stage  bool // whether Stage, which does not read the log, accepts it
			ok     bool
		}{
			{"create", func(*network.Call) {}, true, true},
			{"update", func(c *network.Call) { c.AtsID = 1 }, true, true},
			{"unknown work", func(c *network.Call) { c.AtsID = 2 }, true, false},
			{"negative work", func(c *network.Call) { c.AtsID = -1 }, false, false},
			{"protocol 0", func(c *network.Call) { c.ProtocolVersion = 0 }, false, false},
			{"protocol 2", func(c *network.Call) { c.ProtocolVersion = 2 }, false, false},
			{"zero commitment", func(c *network.Call) { c.Commitment = [32]byte{} }, false, false},
			{"no nonce", func(c *network.Call) { c.Nonce = "" }, false, false},
		} {
			call := call(1)
			c.change(&call)
			if err := l.DryRun(t.Context(), call); (err == nil) != c.ok || err != nil && !errors.Is(err, network.ErrRefused) {
				t.Errorf("%s: DryRun: %v", c.name, err)
			}
			if _, err := l.Stage(t.Context(), call); (err == nil) != c.stage || err != nil && !errors.Is(err, network.ErrRefused) {
				t.Errorf("%s: Stage: %v", c.name, err)
			}
		}
	})
}

// A final entry is proved in its own block, also after the log has grown. A waiting,
// refused or unknown entry is not proved.
func TestProve(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		fill(t, l, 0, 300)
		orphan := call(300)
		orphan.AtsID = 999
		staged := stage(t, l, call(7), orphan, call(301), call(302))
		refused := func(what string, hash [32]byte) {
			t.Helper()
			if p, err := l.Prove(t.Context(), hash); !errors.Is(err, network.ErrNotFinal) {
				t.Errorf("%s: %+v, %v", what, p, err)
			}
		}
		before, err := l.Prove(t.Context(), staged[0].Hash)
		if err != nil {
			t.Fatal(err)
		}
		broadcast(t, l, staged[1:3]...)
		refused("waiting", staged[2].Hash)
		sequence(t, l)
		refused("refused", staged[1].Hash)
		refused("unknown", staged[3].Hash)
		after, err := l.Prove(t.Context(), staged[0].Hash)
		if diff := cmp.Diff(before, after); err != nil || diff != "" {
			t.Errorf("%v: %s", err, diff)
		}
		for _, s := range []network.Staged{staged[0], staged[2]} {
			p, err := l.Prove(t.Context(), s.Hash)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := evidence.OpenCheckpoint(p.Log.Checkpoint, origin, l.VerifierKey())
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckRecord(p.Log.Proof, tree.N, tree.Hash, p.Log.Index, tlog.RecordHash([]byte(p.Log.Leaf))); err != nil {
				t.Error(err)
			}
			if !strings.HasPrefix(p.Log.Leaf, string(s.Bytes)) || p.Log.Key != l.VerifierKey() || p.Log.Origin != origin || p.Substrate != nil {
				t.Errorf("%+v", p.Log)
			}
		}
	})
}

// An update can wait for a work that never appears. It is refused when its turn comes,
// for ever, and does not delay later entries.
func TestRefusedInItsTurn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		early := call(0)
		early.AtsID = 1
		staged := stage(t, l, early, call(1))
		head := l.Head()
		broadcast(t, l, staged[0])
		if !sequence(t, l) {
			t.Fatal("nothing was decided")
		}
		<-head
		got := find(t, l, staged[0])
		if len(got) != 1 || got[0].Failure != "work 1 does not exist" || got[0].BlockNumber != 0 || got[0].At.IsZero() {
			t.Errorf("receipt %+v", got)
		}
		if _, err := l.Block(t.Context(), 1); !errors.Is(err, network.ErrNotFound) {
			t.Errorf("block of a refused entry: %v", err)
		}
		broadcast(t, l, staged[1])
		sequence(t, l)
		broadcast(t, l, staged[0]) // again, now that the work exists
		if sequence(t, l) {
			t.Error("a final outcome was decided again")
		}
		if diff := cmp.Diff(got, find(t, l, staged[0])); diff != "" {
			t.Errorf("a final receipt changed:\n%s", diff)
		}
		if _, leaves := serve(t, l).audit(); len(leaves) != 1 {
			t.Errorf("%d entries, want 1", len(leaves))
		}
	})
}

// After an error of Broadcast, a sender cannot know whether it succeeded. It sends again,
// before and after the block.
func TestBroadcastAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		staged := stage(t, l, call(0), call(1))
		broadcast(t, l, staged[0])
		broadcast(t, l, staged...)
		broadcast(t, l, staged[1], staged[1])
		sequence(t, l)
		broadcast(t, l, staged...)
		if sequence(t, l) {
			t.Error("a second block for the same transactions")
		}
		if _, leaves := serve(t, l).audit(); len(leaves) != 2 {
			t.Errorf("%d entries, want 2", len(leaves))
		}
	})
}

func TestBroadcastForeignBytes(t *testing.T) {
	db := storetest.SQLite(t)
	l := open(t, db)
	good := stage(t, l, call(0))[0]
	text := []byte("timbre-log/v1\n")
	err := l.Broadcast(t.Context(), []network.Staged{
		{Bytes: text, Hash: sha256.Sum256(text)},
		{Bytes: good.Bytes, Hash: [32]byte{1}},
		good,
	})
	if !errors.Is(err, network.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
	sequence(t, l)
	if got := find(t, l, good); len(got) != 1 {
		t.Error("the good one of the batch did not go through")
	}
}

func TestOpenAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		key := l.VerifierKey()
		for _, size := range []int{0, 1} {
			c := config()
			c.Key = bytes.Repeat([]byte{8}, 32)
			if _, err := log.Open(t.Context(), db, c); !errors.As(err, new(*network.WrongKey)) {
				t.Errorf("another key on a log of %d: %v", size, err)
			}
			fill(t, l, size, 1)
		}
		var warned bytes.Buffer
		c := config()
		c.Origin, c.Logger = "elsewhere.example/log", slog.New(slog.NewTextHandler(&warned, nil))
		again, err := log.Open(t.Context(), db, c)
		if err != nil {
			t.Fatal(err)
		}
		if again.VerifierKey() != key || again.Origin() != origin || !strings.Contains(warned.String(), "WARN") {
			t.Errorf("key %q, origin %q, logged %q", again.VerifierKey(), again.Origin(), &warned)
		}
		fill(t, again, 2, 1)
		serve(t, l).audit()
		for _, bad := range []func(*log.Config){
			func(c *log.Config) { c.Origin = "two words" },
			func(c *log.Config) { c.Origin = "" },
			func(c *log.Config) { c.Key = nil },
			func(c *log.Config) { c.Network = "devnet" },
		} {
			c := config()
			bad(&c)
			if _, err := log.Open(t.Context(), db, c); err == nil {
				t.Errorf("opened with %+v", c)
			}
		}
	})
}

// The two networks of one database are independent.
func TestTwoNetworks(t *testing.T) {
	db := storetest.SQLite(t)
	testnet := open(t, db)
	c := config()
	c.Network, c.Origin, c.Key = network.Mainnet, "timbre.example/log/mainnet", bytes.Repeat([]byte{9}, 32)
	mainnet, err := log.Open(t.Context(), db, c)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, testnet, 0, 3)
	fill(t, mainnet, 0, 2)
	for l, want := range map[*log.Log]int64{testnet: 3, mainnet: 2} {
		if tree, _ := serve(t, l).audit(); tree.N != want {
			t.Errorf("%s has %d entries, want %d", l.Name(), tree.N, want)
		}
	}
}

// The log grows in random steps. A verifier that kept every checkpoint can prove each
// from each later one.
func TestGrowth(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		o := serve(t, l)
		var trees []tlog.Tree
		n := 0
		rapid.Check(t, func(r *rapid.T) {
			if n > 1500 {
				return
			}
			step := rapid.OneOf(rapid.IntRange(1, 5), rapid.IntRange(1, 300)).Draw(r, "step")
			fill(t, l, n, step)
			n += step
			_, text, _ := o.get("/checkpoint")
			trees = append(trees, o.checkpoint(string(text)))
		})
		if tree, _ := o.audit(); tree.N != int64(n) {
			t.Fatalf("%d entries, want %d", tree.N, n)
		}
		last := trees[len(trees)-1]
		hashes := tlog.TileHashReader(last, cached{o, map[tlog.Tile][]byte{}})
		for i, new := range trees {
			for _, old := range trees[:i+1] {
				if old == new {
					continue // rapid ran no step
				}
				p, err := tlog.ProveTree(new.N, old.N, hashes)
				if err == nil {
					err = tlog.CheckTree(p, new.N, new.Hash, old.N, old.Hash)
				}
				if err != nil {
					t.Errorf("from %d to %d: %v", old.N, new.N, err)
				}
			}
			old := trees[0]
			p, err := l.ConsistencyProof(t.Context(), old.N, new.N)
			if err == nil {
				err = tlog.CheckTree(p, new.N, new.Hash, old.N, old.Hash)
			}
			if err != nil {
				t.Errorf("the log's own proof from %d to %d: %v", old.N, new.N, err)
			}
		}
	})
}

type cached struct {
	outsider
	tiles map[tlog.Tile][]byte
}

func (c cached) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		if c.tiles[t] == nil {
			data, err := c.outsider.ReadTiles([]tlog.Tile{t})
			if err != nil {
				return nil, err
			}
			c.tiles[t] = data[0]
		}
		out[i] = c.tiles[t]
	}
	return out, nil
}

func TestTileBoundaries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		o := serve(t, l)
		n := 0
		for _, c := range []struct {
			size    int
			present []string
			absent  []string
		}{
			{1, []string{"/tile/0/000.p/1", "/tile/entries/000.p/1"}, []string{"/tile/0/000", "/tile/0/000.p/2", "/tile/1/000.p/1", "/tile/entries/000", "/tile/entries/000.p/2"}},
			{255, []string{"/tile/0/000.p/255", "/tile/entries/000.p/255", "/tile/0/000.p/1"}, []string{"/tile/0/000", "/tile/1/000.p/1", "/tile/entries/000"}},
			{256, []string{"/tile/0/000", "/tile/entries/000", "/tile/1/000.p/1", "/tile/0/000.p/255"}, []string{"/tile/0/001.p/1", "/tile/1/000.p/2", "/tile/2/000.p/1", "/tile/entries/001.p/1"}},
			{257, []string{"/tile/0/000", "/tile/0/001.p/1", "/tile/1/000.p/1", "/tile/entries/001.p/1"}, []string{"/tile/0/001.p/2", "/tile/0/001", "/tile/entries/001"}},
			{512, []string{"/tile/0/001", "/tile/1/000.p/2"}, []string{"/tile/0/002.p/1", "/tile/1/000.p/3"}},
		} {
			fill(t, l, n, c.size-n)
			n = c.size
			if tree, _ := o.audit(); tree.N != int64(n) {
				t.Errorf("%d entries, want %d", tree.N, n)
			}
			for _, p := range c.present {
				status, body, h := o.get(p)
				if status != http.StatusOK || h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("Content-Type") != "application/octet-stream" || h.Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("size %d: %s: %d %v", n, p, status, h)
				}
				if tile, width, _ := strings.Cut(p, ".p/"); !strings.Contains(tile, "entries") {
					want := 256
					if width != "" {
						want, _ = strconv.Atoi(width)
					}
					if len(body) != 32*want {
						t.Errorf("size %d: %s has %d bytes", n, p, len(body))
					}
				}
			}
			for _, p := range c.absent {
				if status, _, h := o.get(p); status != http.StatusNotFound || h.Get("Cache-Control") == "public, max-age=31536000, immutable" {
					t.Errorf("size %d: %s: status %d", n, p, status)
				}
			}
		}
		for i := int64(0); i < 512; i += 51 {
			e, err := l.EntryByIndex(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			b, err := l.Block(t.Context(), e.BlockNumber)
			if err != nil {
				t.Fatal(err)
			}
			p, err := l.InclusionProof(t.Context(), i, b.Size)
			if err != nil {
				t.Fatal(err)
			}
			tree := o.checkpoint(b.Checkpoint)
			if err := tlog.CheckRecord(p, tree.N, tree.Hash, i, tlog.RecordHash(e.Leaf)); err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
		}
		for _, c := range [][2]int64{{512, 512}, {-1, 5}, {0, 513}, {1 << 40, 1 << 41}} {
			if _, err := l.InclusionProof(t.Context(), c[0], c[1]); !errors.Is(err, network.ErrNotFound) {
				t.Errorf("proof of %d in %d: %v", c[0], c[1], err)
			}
		}
	})
}

func TestPaths(t *testing.T) {
	l := open(t, storetest.SQLite(t))
	fill(t, l, 0, 300)
	o := serve(t, l)
	for _, p := range []string{
		"/", "/tile", "/tile/", "/tile/0", "/tile/0/", "/tile/0/0", "/tile/0/00", "/tile/0/0000", "/tile/00/000", "/tile/-1/000", "/tile/+0/000",
		"/tile/0/x000/000", "/tile/0/000/000", "/tile/0/001", "/tile/0/001.p/0", "/tile/0/001.p/045", "/tile/0/001.p/256", "/tile/0/001.p/", "/tile/0/001.p",
		"/tile/8/0/000", "/tile/data/000", "/tile/8/data/000", "/tile/entries", "/tile/entries/000.p/", "/tile/entries/0", "/tile/64/000", "/tile/99999999999999999999/000",
		"/tile/0/x999/x999/x999/x999/x999/x999/999", "/tile/entries/x999/x999/x999/x999/x999/x999/999", "/tile/entries/x036/x028/x797/x018/x963/967",
		"/tile/0/000/", "//tile/0/000", "/checkpoint/", "/key/", "/checkpoints",
	} {
		if status, _, _ := o.get(p); status != http.StatusNotFound {
			t.Errorf("%s: status %d", p, status)
		}
	}
	_, text, h := o.get("/checkpoint")
	if h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("Cache-Control") != "no-cache" || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("checkpoint: %v", h)
	}
	if !strings.HasPrefix(string(text), origin+"\n300\n") || strings.Count(string(text), "\n") != 5 {
		t.Errorf("checkpoint %q", text)
	}
	resp, err := http.Post(o.url+"/checkpoint", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("POST: status %d", resp.StatusCode)
	}
	resp, err = http.Head(o.url + "/tile/0/000")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength != 8192 {
		t.Errorf("HEAD: status %d, length %d", resp.StatusCode, resp.ContentLength)
	}
	// Without gzip in the client, the bundle is the same, uncompressed.
	req, _ := http.NewRequest(http.MethodGet, o.url+"/tile/entries/000", nil)
	req.Header.Set("Accept-Encoding", "identity")
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	plain, _ := io.ReadAll(resp.Body)
	if _, zipped, _ := o.get("/tile/entries/000"); !bytes.Equal(plain, zipped) || resp.Header.Get("Content-Encoding") != "" {
		t.Error("zipped and plain bundles differ")
	}
}

// A full block is followed at once: more entries than a block may have do not wait for BlockTime.
func TestFullBlocksAreNotPaced(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := config()
		c.BlockTime, c.MaxBlock = time.Hour, 3
		l, err := log.Open(t.Context(), db, c)
		if err != nil {
			t.Fatal(err)
		}
		var calls []network.Call
		for i := range 10 {
			calls = append(calls, call(i))
		}
		staged := stage(t, l, calls...)
		broadcast(t, l, staged...)
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		var running sync.WaitGroup
		defer running.Wait()
		defer stop()
		running.Go(func() { l.Run(ctx) })
		for {
			head := l.Head()
			found := find(t, l, staged...)
			if len(found) == len(staged) {
				break
			}
			select {
			case <-head:
			case <-ctx.Done():
				t.Fatalf("%d of %d entries are in the log", len(found), len(staged))
			}
		}
	})
}

// Two processes, each with its own connections, sequence one database while senders
// broadcast, some of them twice. The log has no forks, no gaps and no duplicates.
func TestTwoSequencers(t *testing.T) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return storetest.SQLiteURL(t, t.TempDir()) },
		"postgres": func(t *testing.T) string { return storetest.PostgresURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			url := url(t)
			twoSequencers(t, open(t, storetest.Open(t, url)), open(t, storetest.Open(t, url)))
		})
	}
}

func twoSequencers(t *testing.T, logs ...*log.Log) {
	const senders, each = 4, 60
	var work sync.WaitGroup
	done := make(chan struct{})
	var mu sync.Mutex
	var all []network.Staged
	for s := range senders {
		work.Go(func() {
			for i := range each {
				staged, err := logs[s%2].Stage(t.Context(), call(s*each+i))
				if err != nil {
					t.Error(err)
				}
				for range 1 + i%2 {
					if err := logs[(s+i)%2].Broadcast(t.Context(), []network.Staged{staged}); err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				all = append(all, staged)
				mu.Unlock()
			}
		})
	}
	var sequencers sync.WaitGroup
	for _, l := range []*log.Log{logs[0], logs[1], logs[1]} {
		sequencers.Go(func() {
			for {
				made, err := l.Sequence(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if made {
					continue
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	work.Wait()
	close(done)
	sequencers.Wait()
	for sequence(t, logs[0]) {
	}
	tree, _ := serve(t, logs[0]).audit()
	if tree.N != senders*each {
		t.Errorf("%d entries, want %d", tree.N, senders*each)
	}
	if got := find(t, logs[1], all...); len(got) != senders*each {
		t.Errorf("%d receipts, want %d", len(got), senders*each)
	}
	var last tlog.Tree
	o := serve(t, logs[1])
	newest, err := logs[0].Blocks(t.Context(), 1<<62, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(newest) - 1; i >= 0; i-- {
		b := newest[i]
		next := o.checkpoint(b.Checkpoint)
		if b.Number != int64(len(newest)-1-i) || b.First != last.N || b.Size != next.N {
			t.Fatalf("block %+v after %d entries", b, last.N)
		}
		if last.N > 0 {
			p, err := logs[0].ConsistencyProof(t.Context(), last.N, next.N)
			if err == nil {
				err = tlog.CheckTree(p, next.N, next.Hash, last.N, last.Hash)
			}
			if err != nil {
				t.Fatalf("a fork from %d to %d: %v", last.N, next.N, err)
			}
		}
		last = next
	}
}

// A sequencer keeps the last tiles of its newest block in memory. It uses them only if that
// block is still the newest: here sequencers take turns, across the end of a tile.
func TestSequencersTakeTurns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, b := open(t, db), open(t, db)
		entries := 0
		for _, turn := range []struct {
			l *log.Log
			n int
		}{{a, 3}, {a, 2}, {b, 4}, {a, 1}, {a, 244}, {b, 1}, {a, 1}, {a, 1}, {b, 7}, {a, 3}, {a, 1}} {
			fill(t, turn.l, entries, turn.n)
			entries += turn.n
			if tree, _ := serve(t, b).audit(); tree.N != int64(entries) {
				t.Fatalf("%d entries, want %d", tree.N, entries)
			}
		}
	})
}

// If two transactions start at the same log, the second one to claim changes nothing.
func TestClaimedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		fill(t, l, 0, 2)
		err := db.Tx(t.Context(), func(tx *store.Tx) error {
			for i, want := range []int64{1, 0} {
				n, err := tx.AdvanceLog(t.Context(), query.AdvanceLogParams{
					Network: "testnet", OldSize: 2, OldRefused: 0, Size: 3, Refused: 0, Blocks: 2, NextAtsID: 4,
				})
				if err != nil || n != want {
					t.Errorf("claim %d: %d rows, %v", i, n, err)
				}
			}
			return errors.New("roll back")
		})
		if err == nil {
			t.Fatal("the transaction was kept")
		}
		serve(t, l).audit()
	})
}

// A block that fails at any of its statements leaves the checkpoint before it valid, and
// the next attempt makes the block. If the commit itself was interrupted, the block can
// exist: then it is complete.
func TestCrash(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		fill(t, l, 0, 254)
		before, err := l.LatestCheckpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		update := call(0)
		update.Nonce, update.AtsID = "an update", 1
		broadcast(t, l, stage(t, l, call(254), update, call(255))...)
		crashes := 0
		for left := 1; ; left++ {
			made, err := l.Sequence(&dying{Context: t.Context(), left: left})
			now, rerr := l.LatestCheckpoint(t.Context())
			if rerr != nil {
				t.Fatal(rerr)
			}
			// An interrupted commit can succeed a little after the call gave up.
			if err == nil && !made && now == before {
				t.Fatal("no block and no error")
			}
			if now != before {
				break
			}
			if crashes++; err == nil || crashes > 2000 {
				t.Fatalf("attempt %d: nothing changed: %v", left, err)
			}
		}
		if crashes < 5 {
			t.Errorf("died only %d times", crashes)
		}
		fill(t, l, 256, 1)
		if tree, _ := serve(t, l).audit(); tree.N != 258 {
			t.Errorf("%d entries, want 258", tree.N)
		}
	})
}

// dying is a context that ends after a number of checks: the database checks it at every
// statement.
type dying struct {
	context.Context
	mu   sync.Mutex
	left int
}

func (d *dying) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		return context.Canceled
	}
	return nil
}

func (d *dying) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		c := make(chan struct{})
		close(c)
		return c
	}
	return d.Context.Done()
}

// Run makes blocks by itself, also of entries that another process broadcast. It wakes
// readers up after blocks of another process.
func TestRun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := config()
		c.BlockTime = time.Millisecond
		var logs []*log.Log
		for range 2 {
			l, err := log.Open(t.Context(), db, c)
			if err != nil {
				t.Fatal(err)
			}
			logs = append(logs, l)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { logs[0].Run(ctx) })
		defer running.Wait()
		defer stop()
		staged := stage(t, logs[0], call(0), call(1), call(2))

		wait := func(l *log.Log, s network.Staged) {
			for {
				head := l.Head()
				if len(find(t, l, s)) == 1 {
					return
				}
				<-head
			}
		}
		broadcast(t, logs[0], staged[0])
		wait(logs[0], staged[0])
		broadcast(t, logs[1], staged[1]) // without a wake-up
		wait(logs[0], staged[1])

		head := logs[0].Head()
		broadcast(t, logs[1], staged[2])
		if _, err := logs[1].Sequence(t.Context()); err != nil {
			t.Error(err)
		}
		<-head // whichever of the two made the block
	})
}

func BenchmarkSequence(b *testing.B) {
	db := storetest.SQLite(b)
	l := open(b, db)
	n := 0
	for b.Loop() {
		b.StopTimer()
		calls := make([]network.Call, 1000)
		for i := range calls {
			calls[i] = call(n + i)
		}
		n += len(calls)
		broadcast(b, l, stage(b, l, calls...)...)
		b.StartTimer()
		if !sequence(b, l) {
			b.Fatal("no block")
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkFind(b *testing.B) {
	for name, db := range map[string]*store.DB{"sqlite": storetest.SQLite(b), "postgres": storetest.Open(b, storetest.PostgresURL(b))} {
		l := open(b, db)
		fill(b, l, 0, 500)
		var hashes [][32]byte
		for i := range 500 {
			hashes = append(hashes, stage(b, l, call(i))[0].Hash)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if m, err := l.Find(b.Context(), hashes); err != nil || len(m) != len(hashes) {
					b.Fatal(len(m), err)
				}
			}
		})
	}
}

func TestFindMany(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := open(t, db)
		fill(t, l, 0, 600)
		broadcast(t, l, stage(t, l, call(600))...) // these wait
		var hashes [][32]byte
		for i := range 1200 { // 0–599 exist, 601–1199 do not
			hashes = append(hashes, stage(t, l, call(i))[0].Hash)
		}
		hashes = append(hashes, hashes[3], hashes[3])
		got, err := l.Find(t.Context(), hashes)
		if err != nil || len(got) != 600 {
			t.Fatalf("%d receipts, %v, want 600", len(got), err)
		}
		for i, h := range hashes[:600] {
			if r := got[h]; r.AtsID != int64(i+1) || r.Hash != h {
				t.Errorf("receipt %d: %+v", i, r)
			}
		}
		if got, err := l.Find(t.Context(), nil); err != nil || len(got) != 0 {
			t.Errorf("find nothing: %v, %v", got, err)
		}
	})
}

// A process that makes no blocks reads from the database whether another process does. It
// counts as not answering if none has for too long.
func TestSilence(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		db.Now = func() time.Time { return now }
		c := config()
		c.BlockTime, c.Silence = 6*time.Second, 36*time.Second
		var logs [2]*log.Log
		for i := range logs {
			var err error
			if logs[i], err = log.Open(t.Context(), db, c); err != nil {
				t.Fatal(err)
			}
		}
		asks, makes := logs[0], logs[1]
		update := call(0)
		update.AtsID, update.Nonce = 1, "an update"
		answers := func(want bool) {
			t.Helper()
			for _, l := range []*log.Log{asks, asks} {
				if err := l.DryRun(t.Context(), call(1)); (err == nil) != want || errors.Is(err, network.ErrRefused) {
					t.Errorf("dry run: %v, want an answer: %t", err, want)
				}
			}
		}
		noted := func() int64 {
			row, err := db.Read().GetLog(t.Context(), string(network.Testnet))
			if err != nil {
				t.Fatal(err)
			}
			return row.SequencerAt
		}
		answers(true) // a new server refuses no call
		now = now.Add(c.Silence)
		answers(true)
		now = now.Add(time.Second)
		answers(false)
		if err := asks.DryRun(t.Context(), update); !errors.Is(err, network.ErrRefused) {
			t.Errorf("what is known all the same: %v", err)
		}

		sequence(t, makes) // there is nothing to do, but it writes a sign
		answers(true)
		before := noted()
		now = now.Add(c.Silence/3 - time.Second)
		sequence(t, makes)
		if noted() != before {
			t.Error("a sign was written too early")
		}
		now = now.Add(time.Second)
		sequence(t, makes)
		if noted() != store.Micros(now) {
			t.Error("no heartbeat when one was due")
		}
		now = now.Add(c.Silence/3 - time.Second)
		broadcast(t, asks, stage(t, asks, call(0))...)
		sequence(t, makes)
		if noted() != store.Micros(now) {
			t.Error("a block does not count as a heartbeat")
		}
		now = now.Add(c.Silence + time.Second)
		answers(false)
		if err := makes.DryRun(t.Context(), call(2)); err == nil {
			t.Error("a sequencer that stands still answers")
		}
		sequence(t, makes)
		if err := errors.Join(makes.DryRun(t.Context(), call(2)), makes.DryRun(t.Context(), update)); err != nil {
			t.Error(err)
		}
		answers(true)

		// A sign from a clock that was two hours ahead does not count.
		now = now.Add(2 * time.Hour)
		if err := db.One(t.Context(), func(tx *store.Tx) error {
			return tx.NoteSequencer(t.Context(), query.NoteSequencerParams{Now: store.Micros(now), Network: string(network.Testnet)})
		}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(-2 * time.Hour)
		answers(false)
		if _, err := makes.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		answers(true)
	})
}
