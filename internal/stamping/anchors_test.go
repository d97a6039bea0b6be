package stamping_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/network/substrate/substratetest"
	"timbre.example/internal/stamping"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

const chainName = network.Name("testnet-chain")

// chained adds a chain on which the log is anchored once an hour.
func (w *world) chained(o node.Options) *node.Node {
	w.t.Helper()
	seed := [32]byte{9}
	o.Auto, o.Clock = true, w.db.Now
	c := substratetest.Start(w.t, seed, 1, o)
	w.chain = func() network.Network {
		keys, err := sr25519.NewKeys(seed, 1)
		w.must(err)
		n, err := substrate.Open(w.db, substrate.Config{
			Network: chainName, URL: "substrate:" + c.URL, Signer: keys, Poll: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		})
		w.must(err)
		ctx, cancel := context.WithCancel(w.t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.Run(ctx) }()
		w.t.Cleanup(func() { cancel(); <-done })
		return n
	}
	w.start()
	return c
}

// until works on anchors until so many are on the chain.
func (w *world) until(c *node.Node, versions int) {
	w.t.Helper()
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		if err := w.s.AnchorDue(w.t.Context()); err != nil && !errors.Is(err, context.Canceled) {
			w.t.Log(err) // the chain is not reached yet
		}
		state, err := stamping.Status(w.t.Context(), w.db, time.Hour)
		w.must(err)
		waiting := slices.ContainsFunc(state.Blocks, func(b stamping.Blocks) bool { return b.Kind == "anchor" && b.Waiting > 0 })
		if n := anchors(c); n > versions {
			w.t.Fatalf("%d anchors on the chain, not %d", n, versions)
		} else if n == versions && !waiting {
			return
		}
	}
}

// anchors counts the versions on the chain that are not somebody else's.
func anchors(c *node.Node) (n int) {
	for _, one := range c.Works()[1:] {
		n += len(one.Versions)
	}
	return n
}

// anchor reads the anchor of a block.
func (w *world) anchor(b network.Block) *stamping.Anchored {
	w.t.Helper()
	a, err := stamping.AnchorOf(w.t.Context(), w.db, network.Testnet, w.log, w.s.Chains[network.Testnet], b.Number)
	w.must(err)
	return a
}

// anchored is what a server gives to stamping.Handler.
func (w *world) anchored(ctx context.Context, block [32]byte) (*stamping.Anchored, error) {
	number, err := w.log.BlockWithHash(ctx, block)
	if err != nil {
		return nil, err
	}
	return stamping.AnchorOf(ctx, w.db, network.Testnet, w.log, w.s.Chains[network.Testnet], number)
}

// One transaction stands for all blocks until then. The next one is another version of the same
// work, after the pause and only if there is a new block.
func TestAnchors(t *testing.T) {
	onBoth(t, func(w *world) {
		first := w.block()
		second := w.block()
		c := w.chained(node.Options{})
		w.until(c, 1)
		works := c.Works()
		if len(works) != 2 || works[1].Versions[0].Commitment != second.Hash || works[1].Versions[0].Protocol != 1 {
			w.t.Fatalf("%+v", works)
		}
		for _, b := range []network.Block{first, second} {
			a := w.anchor(b)
			if a == nil || a.Anchor.AtsID != 1 || a.Anchor.Version != 1 || a.Checkpoint != second.Checkpoint {
				w.t.Fatalf("block %d: %+v", b.Number, a)
			}
			w.must(a.Anchor.Check(second.Hash))
			if a.Anchor.Check(first.Hash) == nil {
				w.t.Error("it holds for another block")
			}
		}
		for b, want := range map[network.Block]int{first: 2, second: 1} {
			code, file, header := w.get(b.Hash, "json")
			var all []evidence.Attestation
			if err := json.Unmarshal(file, &all); code != http.StatusOK || err != nil || len(all) != want || all[want-1].Anchor.Check(second.Hash) != nil || header.Get("Content-Type") != "application/json" {
				w.t.Errorf("%d %v: %s", code, err, brief(all))
			}
		}
		third := w.block()
		if code, _, _ := w.get(third.Hash, "json"); code != http.StatusNotFound {
			w.t.Errorf("a block without an anchor: %d", code)
		}
		if code, _, _ := w.get([32]byte{1}, "json"); code != http.StatusNotFound {
			w.t.Errorf("no block: %d", code)
		}
		w.must(w.s.AnchorDue(w.t.Context())) // too early
		if w.anchor(third) != nil {
			w.t.Error("a block has the anchor of an earlier one")
		}
		w.pass(time.Hour)
		w.until(c, 2)
		if works = c.Works(); len(works) != 2 || works[1].Versions[1].Commitment != third.Hash {
			w.t.Errorf("%+v", works)
		}
		if a := w.anchor(third); a == nil || a.Anchor.Version != 2 {
			w.t.Errorf("%+v", a)
		}
		if a := w.anchor(first); a == nil || a.Anchor.Version != 1 {
			w.t.Error("an earlier anchor is not used")
		}
		w.pass(time.Hour)
		w.must(w.s.AnchorDue(w.t.Context())) // no new block
		state, err := stamping.Status(w.t.Context(), w.db, time.Hour)
		w.must(err)
		if i := slices.IndexFunc(state.Blocks, func(b stamping.Blocks) bool { return b.Kind == "anchor" }); i < 0 || state.Blocks[i] != (stamping.Blocks{Network: "testnet", Kind: "anchor", Seen: third.Number}) {
			w.t.Errorf("%+v", state.Blocks)
		}
		w.must(c.Audit())
	})
}

// The worker dies at each point: the chain has each anchor once.
func TestAnchorKilled(t *testing.T) {
	for _, at := range []string{"anchor.begun", "anchor.staged", "anchor.sent", "anchor.found", "anchor.decided"} {
		t.Run(at, func(t *testing.T) {
			onBoth(t, func(w *world) {
				b := w.block()
				c := w.chained(node.Options{})
				ctx, cancel := context.WithCancel(w.t.Context())
				defer cancel()
				w.die = func(point string) {
					if point == at {
						cancel()
					}
				}
				for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; <-tick.C {
					if err := w.s.AnchorDue(ctx); err != nil && ctx.Err() == nil {
						w.t.Log(err)
					}
				}
				w.die = nil
				w.start()
				w.until(c, 1)
				if a := w.anchor(b); a == nil || a.Anchor.Check(b.Hash) != nil || anchors(c) != 1 {
					w.t.Errorf("%+v", c.Works())
				}
			})
		})
	}
}

// A full work is followed by another one. Here 102 blocks are anchored.
func TestAnchorsOfManyWorks(t *testing.T) {
	onBoth(t, func(w *world) {
		c := w.chained(node.Options{})
		for i := range 102 { // the chain has 100 versions of a work at most
			w.block()
			w.until(c, i+1)
			w.pass(time.Hour)
		}
		works := c.Works()
		if len(works) != 3 || len(works[1].Versions) != 100 || len(works[2].Versions) != 2 {
			w.t.Errorf("%d works", len(works))
		}
	})
}

// 1,000 works have one transaction on the chain. The evidence of each proves it, with the log's
// key and the chain's checkpoint alone.
func TestManyWorksInOneAnchor(t *testing.T) {
	onBoth(t, func(w *world) {
		const works = 1000
		t, ctx := w.t, w.t.Context()
		type song struct {
			sum commitment.Commitment
			e   evidence.Evidence
			tx  [32]byte
		}
		songs := make([]song, works)
		for i := range songs {
			creator := commitment.Creator{FullName: "Ada Example", Email: "ada@songs.example", Roles: []commitment.Role{commitment.Author}}
			title, media := fmt.Sprintf("Song %d", i), commitment.Hash(sha256.Sum256(fmt.Append(nil, "recording ", i)))
			sum, err := commitment.Compute(title, []commitment.Creator{creator}, media)
			w.must(err)
			staged, err := w.log.Stage(ctx, network.Call{ProtocolVersion: 1, Nonce: title, Commitment: sum.Hash})
			w.must(err)
			w.must(w.log.Broadcast(ctx, []network.Staged{staged}))
			if i%400 == 0 { // over several blocks
				_, err = w.log.Sequence(ctx)
				w.must(err)
			}
			proof, err := sum.Proof(0)
			w.must(err)
			songs[i] = song{sum, evidence.Evidence{
				Format: evidence.Format, Title: title, Creators: []evidence.Creator{{Creator: creator, Proof: proof}},
				Media:      evidence.Media{SHA256: media, SizeBytes: 1},
				MerkleRoot: sum.Root, Commitment: sum.Hash, ProtocolVersion: 1, Network: evidence.Network{Name: "testnet", Kind: evidence.KindLog},
			}, staged.Hash}
		}
		_, err := w.log.Sequence(ctx)
		w.must(err)
		c := w.chained(node.Options{})
		w.until(c, 1)
		text, err := substrate.Checkpoint(ctx, w.db, network.Testnet)
		w.must(err)
		chains, err := evidence.ParseChainCheckpoints([]byte(text))
		w.must(err)
		o := evidence.Options{Keys: []string{w.log.VerifierKey()}, ChainCheckpoints: chains}
		blocks := map[int64]bool{}
		for _, s := range songs {
			found, err := w.log.Find(ctx, [][32]byte{s.tx})
			w.must(err)
			r := found[s.tx]
			proof, err := w.log.Prove(ctx, s.tx)
			w.must(err)
			e := s.e
			e.Log, e.AtsID, e.Version, e.TxHash = proof.Log, r.AtsID, r.Version, r.Hash
			e.Block = evidence.Block{Number: r.BlockNumber, Hash: r.BlockHash, Time: r.At}
			blocks[r.BlockNumber] = true
			a := w.anchor(network.Block{Number: r.BlockNumber})
			e, err = e.AddCheckpoint(a.Checkpoint, a.Consistency)
			w.must(err)
			e, err = e.AddAnchor(a.Anchor)
			w.must(err)
			if again, err := e.AddAnchor(a.Anchor); err != nil || len(again.Attestations) != len(e.Attestations) {
				t.Fatal(err)
			}
			file, err := evidence.Encode(e)
			w.must(err)
			e, err = evidence.Decode(bytes.NewReader(file))
			w.must(err)
			report, err := evidence.Verify(e, o)
			w.must(err)
			if dates := report.Dates(e); !slices.Equal(report.Levels(), []evidence.Level{evidence.LevelLogged, evidence.LevelChained}) || len(dates) != 2 || !dates[0].Independent {
				t.Fatalf("%s: %v %+v", e.Title, report.Levels(), report)
			}
		}
		if len(blocks) < 3 || anchors(c) != 1 {
			t.Errorf("%d blocks, %d anchors", len(blocks), anchors(c))
		}
	})
}
