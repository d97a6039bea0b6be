package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/sr25519"
)

// inFlight is how many calls of the reference client wait for a final block at once. Of 2, 4, 8,
// 16, 64, 256 and 400, it is the fastest.
const inFlight = 8

// chainBlocks is the time between blocks that have transactions.
const chainBlocks = 50 * time.Millisecond

// benchChain registers works on the test node of a chain, as the worker does, until all are final.
// The floor is the reference client polkadot-api with the same calls. Each is a process of its
// own, on a chain of its own. The node is in this process.
func benchChain(ctx context.Context, b *bench) error {
	n := sized(b, 400, 20)
	ours := filepath.Join(b.dir, "anchor")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", ours, "./internal/bench/anchor")
	cmd.Dir, cmd.Env = b.root, append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, said)
	}
	program := filepath.Join(b.root, "internal/bench/polkadot/register.js")
	missing := ""
	if _, err := os.Stat(filepath.Join(b.root, "node_modules/polkadot-api")); err != nil {
		missing = "polkadot-api is missing: run npm ci"
	} else if _, err := exec.LookPath("node"); err != nil {
		missing = "node is missing"
	}
	rows := []struct {
		what, unit string
		of         func(registered) float64
		goal       *goal
	}{
		{"works on a chain until final", "works/s", func(r registered) float64 { return float64(n) / r.Seconds }, ratioAtLeast(1)},
		{"… until the first is final", "s", func(r registered) float64 { return r.First }, nil},
		{"… processor time of the client for a work", "ms", func(r registered) float64 { return r.cpu.Seconds() * 1000 / float64(n) }, nil},
		{"… highest memory of the client", "MiB", func(r registered) float64 { return float64(r.Peak) / (1 << 20) }, ratioAtMost(1)},
	}
	a, f, ratios := make([][]float64, len(rows)), make([][]float64, len(rows)), make([][]float64, len(rows))
	for i := range sized(b, 5, 1) {
		dir := filepath.Join(b.dir, fmt.Sprint("anchor-", i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		our, err := register(ctx, n, func(url, seed string) *exec.Cmd {
			return exec.CommandContext(ctx, ours, "-url", url, "-seed", seed, "-count", strconv.Itoa(n), "-dir", dir)
		})
		if err != nil {
			return fmt.Errorf("ours: %w", err)
		}
		var their registered
		if missing == "" {
			their, err = register(ctx, n, func(url, seed string) *exec.Cmd {
				return exec.CommandContext(ctx, "node", program, url, seed, strconv.Itoa(n), strconv.Itoa(inFlight))
			})
			if err != nil {
				return fmt.Errorf("polkadot-api: %w", err)
			}
		}
		for j, r := range rows {
			a[j] = append(a[j], r.of(our))
			if missing == "" {
				f[j], ratios[j] = append(f[j], r.of(their)), append(ratios[j], r.of(our)/r.of(their))
			}
		}
	}
	for j, r := range rows {
		line := row{What: r.what, Unit: r.unit, Ours: median(a[j]), Note: fmt.Sprintf("%d works; the floor is polkadot-api, %d in flight", n, inFlight)}
		if missing != "" {
			line.Note = missing
		} else {
			line.Floor, line.Ratio, line.Goal = median(f[j]), median(ratios[j]), r.goal
		}
		b.add(line)
	}
	return nil
}

// registered is what one client took.
type registered struct {
	First   float64 `json:"first"`   // seconds until the first work was final
	Seconds float64 `json:"seconds"` // until all were
	Peak    int64   `json:"peak"`    // highest resident memory, in bytes
	cpu     time.Duration
}

// register runs a client on a new chain, and checks that the chain has each work once.
func register(ctx context.Context, works int, client func(url, seed string) *exec.Cmd) (r registered, err error) {
	seed := [sr25519.SeedSize]byte{7}
	pair, err := sr25519.Numbered(seed, 0)
	if err != nil {
		return r, err
	}
	other, err := sr25519.Numbered(seed, 1)
	if err != nil {
		return r, err
	}
	chain := node.New(node.Options{Endowed: map[node.Account]uint64{node.Account(pair.Public()): 100_000 * node.Coin, node.Account(other.Public()): 100 * node.Coin}})
	defer chain.Close()
	if err := firstWork(ctx, chain, other); err != nil {
		return r, err
	}
	blocks, stop := context.WithCancel(ctx)
	made := make(chan struct{})
	go func() {
		defer close(made)
		for tick := time.NewTicker(chainBlocks); ; {
			select {
			case <-blocks.Done():
				return
			case <-tick.C:
				if chain.Pool() > 0 {
					chain.Step(1)
				}
			}
		}
	}()
	cmd := client(chain.URL, hex.EncodeToString(seed[:]))
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	stop()
	<-made
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(said, &r); err != nil {
		return r, fmt.Errorf("%w: %s", err, said)
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	seen := map[[32]byte]bool{}
	for _, w := range chain.Works()[1:] {
		seen[w.Versions[0].Commitment] = true
	}
	if got := len(chain.Works()) - 1; got != works || len(seen) != works {
		return r, fmt.Errorf("the chain has %d works, %d of them different, want %d", got, len(seen), works)
	}
	return r, nil
}

// firstWork registers the work with the number 0, which no registry can name.
func firstWork(ctx context.Context, chain *node.Node, by sr25519.Pair) error {
	client := rpc.New(rpc.Config{Endpoints: []string{chain.URL}})
	defer client.Close()
	described, err := client.Bytes(ctx, "state_getMetadata")
	if err != nil {
		return err
	}
	m, err := metadata.Parse(described)
	if err != nil {
		return err
	}
	var version struct{ SpecVersion, TransactionVersion uint32 }
	if err := client.Call(ctx, &version, "state_getRuntimeVersion"); err != nil {
		return err
	}
	call, _, err := m.Call("Ats", "create")
	if err != nil {
		return err
	}
	genesis := [32]byte(chain.Genesis())
	signing := extrinsic.Chain{Genesis: genesis, SpecVersion: version.SpecVersion, TransactionVersion: version.TransactionVersion, Metadata: m}
	x, err := signing.Sign(by, append(append(call, make([]byte, 32)...), 1), extrinsic.Era{Period: 64, Hash: genesis}, 0)
	if err != nil {
		return err
	}
	var hash string
	if err := client.Call(ctx, &hash, "author_submitExtrinsic", rpc.Hex(x)); err != nil {
		return err
	}
	if chain.Step(1); len(chain.Works()) != 1 {
		return errors.New("the first work was not registered")
	}
	return nil
}
