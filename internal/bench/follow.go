package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"timbre.example/internal/monitor"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
)

// benchFollow measures how fast a follower reads and checks a log over HTTP. The floor is the
// download of the same bundles of entries, without a check. The log is in this process,
// because a server's limits for one address would be measured instead.
func benchFollow(ctx context.Context, b *bench) (err error) {
	dir := filepath.Join(b.dir, "follow")
	if err := os.MkdirAll(dir, 0o700); err != nil {
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
	l, err := netlog.Open(ctx, db, netlog.Config{
		Network: network.Testnet, Origin: "songs.example/log/testnet", Key: make([]byte, 32), BlockTime: time.Millisecond, Checkpoints: checkpoint.Dir(filepath.Join(dir, "checkpoints")),
	})
	if err != nil {
		return err
	}
	n := sized(b, 100, 2) * 256
	for made := 0; made < n; made += 256 {
		var staged []network.Staged
		for i := range 256 {
			c := network.Call{ProtocolVersion: 1, Nonce: fmt.Sprint(made + i)}
			binary.BigEndian.PutUint64(c.Commitment[:], uint64(made+i+1))
			s, err := l.Stage(ctx, c)
			if err != nil {
				return err
			}
			staged = append(staged, s)
		}
		if err := l.Broadcast(ctx, staged); err != nil {
			return err
		}
		for more := true; more; {
			if more, err = l.Sequence(ctx); err != nil {
				return err
			}
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := &http.Server{Handler: l.Handler(func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusNotFound)
	})}
	go func() { _ = served.Serve(listener) }()
	defer func() { err = errors.Join(err, served.Close()) }()
	url := "http://" + listener.Addr().String()
	follow := func() (float64, error) {
		took, err := timed(func() error {
			m, err := monitor.Open(monitor.Config{URL: url, Key: l.VerifierKey()})
			if err != nil {
				return err
			}
			r, err := m.Check(ctx)
			if err == nil && r.New != int64(n) {
				err = fmt.Errorf("%d of %d entries", r.New, n)
			}
			return err
		})
		return float64(n) / took, err
	}
	download := func() (float64, error) {
		took, err := timed(func() error {
			for i := range n / 256 {
				res, err := http.Get(fmt.Sprintf("%s/tile/entries/%03d", url, i))
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, res.Body)
				if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK {
					return fmt.Errorf("bundle %d: %s, %w", i, res.Status, err)
				}
			}
			return nil
		})
		return float64(n) / took, err
	}
	ours, floor, ratio, err := pairs(sized(b, 5, 1), follow, download)
	if err != nil {
		return err
	}
	b.add(row{What: "a follower of the log", Unit: "entries/s", Ours: ours, Floor: floor, Ratio: ratio, Goal: oursAtLeast(1000),
		Note: fmt.Sprintf("in this process, %d entries: signature, hashes, numbers and times; the floor downloads the bundles", n)})
	return nil
}
