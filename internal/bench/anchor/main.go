// Command anchor registers works on a chain as a worker does: it signs calls, stores them, sends
// them, and follows the chain until all are final. It is the half of the bench "chain" that is
// ours, in a process of its own. It collects no proofs, judges no number, and serves nothing.
package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/anchoring"
	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/store"
)

func main() {
	url := flag.String("url", "", "WebSocket of the node")
	seed := flag.String("seed", "", "seed of the account, in hexadecimal")
	count := flag.Int("count", 1, "how many works")
	dir := flag.String("dir", "", "folder of the database")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := run(ctx, *url, *seed, *count, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "anchor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url, seed string, count int, dir string) (err error) {
	secret, err := hex.DecodeString(seed)
	if err != nil || len(secret) != sr25519.SeedSize {
		return errors.New("the seed is wrong")
	}
	keys, err := sr25519.NewKeys([sr25519.SeedSize]byte(secret), 1)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "timbre.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	n, err := substrate.Open(db, substrate.Config{Network: network.Mainnet, URL: "substrate:" + url, Signer: keys})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	followed := make(chan struct{})
	go func() { defer close(followed); n.Run(ctx) }()
	defer func() { stop(); <-followed }()
	var began time.Time
	hashes := make([][32]byte, 0, count)
	for len(hashes) < count {
		var staged []network.Staged
		for len(staged) < anchoring.Batch && len(hashes) < count { // as the worker does
			if len(hashes) == 0 {
				began = time.Now()
			}
			s, err := n.Stage(ctx, call(len(hashes)))
			switch {
			case err == nil:
				staged, hashes = append(staged, s), append(hashes, s.Hash)
			case len(hashes) > 0 || ctx.Err() != nil:
				return err
			default: // the chain was not read yet
				time.Sleep(time.Millisecond)
			}
		}
		if err := n.Broadcast(ctx, staged); err != nil {
			return err
		}
	}
	var first time.Duration
	for {
		head := n.Head()
		found, err := n.Find(ctx, hashes)
		if err != nil {
			return err
		}
		for _, r := range found {
			if r.Failure != "" {
				return fmt.Errorf("the chain refused a call: %s", r.Failure)
			}
		}
		if first == 0 && len(found) > 0 {
			first = time.Since(began)
		}
		if len(found) == count {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-head:
		}
	}
	took := time.Since(began)
	peak, err := peak()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"first": first.Seconds(), "seconds": took.Seconds(), "peak": peak})
}

// peak is the highest resident memory of this process, in bytes. The kernel's number for a parent
// includes the memory of the parent.
func peak() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmHWM")
}

// call returns one of many different new works.
func call(i int) network.Call {
	c := network.Call{ProtocolVersion: 1, Nonce: fmt.Sprint(i)}
	binary.BigEndian.PutUint32(c.Commitment[:], uint32(i+1))
	return c
}
