package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"timbre.example/internal/store/storetest"
)

// cluster is several instances on one Postgres and one folder of files. All have all roles; with
// oneWorker only the first one makes blocks.
type cluster struct {
	oneWorker bool
	b         *bench
	dir       string
	database  string
	blockTime time.Duration
	instances []*server
}

const clusterURL = "http://bench.example"

// startCluster starts n instances, and makes an organization.
func (b *bench) startCluster(ctx context.Context, name string, n int, blockTime time.Duration, oneWorker bool) (c *cluster, err error) {
	if err := os.Setenv("TIMBRE_TEST_FSYNC", "1"); err != nil {
		return nil, err
	}
	c = &cluster{oneWorker: oneWorker, b: b, dir: filepath.Join(b.dir, name), blockTime: blockTime}
	if c.database, err = storetest.NewPostgres(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	var secret [32]byte
	rand.Read(secret[:])
	if err := os.WriteFile(filepath.Join(c.dir, "secret"), []byte(hex.EncodeToString(secret[:])), 0o600); err != nil {
		return nil, err
	}
	for i := range n {
		s, err := c.instance(ctx, i)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		c.instances = append(c.instances, s)
	}
	if err := c.organization(ctx); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// instance starts the instance with a number, and waits until it is ready.
func (c *cluster) instance(ctx context.Context, i int) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	said, err := os.OpenFile(filepath.Join(c.dir, fmt.Sprint("server-", i, ".log")), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	s := &server{exited: make(chan error, 1), dir: c.dir, URL: "http://" + addr, DatabaseURL: c.database, public: clusterURL}
	s.cmd = exec.CommandContext(ctx, c.b.binary, "serve", "--listen", addr, "--public-url", clusterURL, "--database-url", c.database, "--blob-url", "file:"+filepath.Join(c.dir, "blobs"),
		"--secret-file", filepath.Join(c.dir, "secret"), "--network-block-time", c.blockTime.String(), "--drain-time", "0s", "--limits-connections", "0",
		"--limits-mint", "off", "--limits-session", "off", "--limits-key", "off", "--limits-address", "off", "--limits-organization", "off")
	if c.oneWorker && i > 0 {
		s.cmd.Args = append(s.cmd.Args, "--roles", "organizations,ats")
	}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 30 * time.Second
	s.cmd.Stderr = said
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.exited <- s.cmd.Wait() }()
	for {
		res, err := http.Get(s.URL + "/healthz")
		if err == nil {
			res.Body.Close()
			if s.ready = time.Since(begun); res.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case err := <-s.exited:
			tail, _ := os.ReadFile(said.Name())
			return nil, fmt.Errorf("timbre serve: %w\n%s", err, tail)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	if len(c.instances) > 0 {
		s.SiteKey, s.SecretKey, s.Org = c.instances[0].SiteKey, c.instances[0].SecretKey, c.instances[0].Org
	}
	return s, nil
}

// organization makes an organization, by the command line.
func (c *cluster) organization(ctx context.Context) error {
	command := func(out any, args ...string) error {
		cmd := exec.CommandContext(ctx, c.b.binary, append(args, "--database-url", c.database)...)
		text, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("timbre %s: %w", args[0], err)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(text, out)
	}
	var org struct{ ID string }
	var keys struct {
		SiteKey   string `json:"site_key"`
		SecretKey string `json:"secret_key"`
	}
	err := command(&org, "org", "create", "Bench", "--json")
	if err == nil {
		err = command(&keys, "keys", "create", org.ID, "--json")
	}
	if err == nil {
		err = command(nil, "origins", "add", org.ID, origin)
	}
	for _, s := range c.instances {
		s.SiteKey, s.SecretKey, s.Org = keys.SiteKey, keys.SecretKey, org.ID
	}
	return err
}

func (c *cluster) clients() (all []*client) {
	for _, s := range c.instances {
		all = append(all, s.client("testnet"))
	}
	return all
}

func (c *cluster) stop() (err error) {
	for _, s := range c.instances {
		err = errors.Join(err, s.stop())
	}
	return err
}

// benchInstances measures two instances on one Postgres.
func benchInstances(ctx context.Context, b *bench) error {
	c, err := b.startCluster(ctx, "instances", 2, blockTime, false)
	if err != nil {
		b.skip("two instances", err.Error())
		return nil
	}
	err = errors.Join(benchPair(ctx, b, c), benchKilled(ctx, b, c))
	if err := errors.Join(err, c.stop()); err != nil {
		return err
	}
	return benchSocketsApart(ctx, b)
}

// benchPair measures registrations at two instances against those at one of them. All share
// the processors of the machine.
func benchPair(ctx context.Context, b *bench, c *cluster) error {
	at := c.clients()
	load := newLoad(at[0], 64<<10)
	turn := sized(b, 5*time.Second, 300*time.Millisecond)
	on := func(spread ...*client) func() (float64, error) {
		return func() (float64, error) {
			load.spread = spread
			perSecond, _, err := load.run(ctx, turn)
			return perSecond, err
		}
	}
	if _, err := on(at...)(); err != nil { // warms up
		return err
	}
	o, f, ratio, err := pairs(sized(b, 5, 1), on(at...), on(at[0]))
	if err != nil {
		return err
	}
	b.add(row{What: "registrations of 64 KiB at two instances, Postgres", Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(0.9), Note: "16 clients; floor: all of them at one of the instances; both have all roles, and share the processors"})
	return nil
}

// benchKilled registers at two instances, kills one of them each time, and starts it again at
// once. A client whose call fails goes on at the other one.
func benchKilled(ctx context.Context, b *bench, c *cluster) error {
	every, kills := sized(b, 10*time.Second, 2*time.Second), sized(b, 4, 1)
	var mu sync.Mutex // guards what follows, and c.instances
	var ends []time.Time
	failed := 0
	at := func(i int) *client {
		mu.Lock()
		defer mu.Unlock()
		return c.instances[i%len(c.instances)].client("testnet")
	}
	begun := time.Now()
	until := begun.Add(every * time.Duration(kills+1))
	var killed []time.Time
	registering := make(chan error, 1)
	go func() {
		registering <- together(ctx, clients, func(ctx context.Context, i int) error {
			file := wav(64 << 10)
			one := at(i)
			other := func() {
				i++
				one = at(i)
				mu.Lock()
				failed++
				mu.Unlock()
			}
			for time.Now().Before(until) {
				unique(file)
				id, err := one.register(ctx, file)
				if err != nil {
					if ctx.Err() != nil {
						return err
					}
					other()
					continue
				}
				for tries := 0; one.final(ctx, id) != nil; tries++ { // what was confirmed becomes final
					if tries == 100 || ctx.Err() != nil {
						return fmt.Errorf("transaction %s is not final: %w", id, context.Cause(ctx))
					}
					other()
				}
				mu.Lock()
				ends = append(ends, time.Now())
				mu.Unlock()
			}
			return nil
		})
	}()
	for k := range kills {
		time.Sleep(time.Until(begun.Add(every * time.Duration(k+1))))
		i := k % len(c.instances)
		killed = append(killed, time.Now())
		mu.Lock()
		old := c.instances[i]
		mu.Unlock()
		if err := old.cmd.Process.Kill(); err != nil {
			return err
		}
		<-old.exited
		again, err := c.instance(ctx, i)
		if err != nil {
			return err
		}
		mu.Lock()
		c.instances[i] = again
		mu.Unlock()
	}
	if err := <-registering; err != nil {
		return err
	}
	slices.SortFunc(ends, time.Time.Compare)
	window := sized(b, time.Second, 500*time.Millisecond)
	usual := median(rates(ends, begun.Add(every/2), killed[0], window))
	worst := time.Duration(0)
	for _, at := range killed {
		worst = max(worst, backAfter(ends, at, every, window, 0.8*usual))
	}
	b.add(row{What: "throughput after an instance is killed is back in, worst", Unit: "s", Ours: worst.Seconds(), Goal: oursAtMost(5), Note: fmt.Sprintf("%d kills (SIGKILL), one each %v, of one of two instances, which is started again at once; back: 80 %% of the %.0f registrations/s before, within %v; %d calls failed and were made again at the other instance, %d registrations became final", kills, every, usual, window, failed, len(ends))})
	return nil
}

// count counts the times from a time, within a window.
func count(ends []time.Time, from time.Time, window time.Duration) float64 {
	first, _ := slices.BinarySearchFunc(ends, from, time.Time.Compare)
	last, _ := slices.BinarySearchFunc(ends, from.Add(window), time.Time.Compare)
	return float64(last-first) / window.Seconds()
}

// rates are the rates of all windows between two times.
func rates(ends []time.Time, from, to time.Time, window time.Duration) (all []float64) {
	for ; !from.Add(window).After(to); from = from.Add(window / 10) {
		all = append(all, count(ends, from, window))
	}
	return all
}

// backAfter is how long after a time the rate of the window that then ends has reached a rate
// again. It is limit if it never does.
func backAfter(ends []time.Time, at time.Time, limit, window time.Duration, perSecond float64) time.Duration {
	for after := window; after < limit; after += window / 10 {
		if count(ends, at.Add(after-window), window) >= perSecond {
			return after
		}
	}
	return limit
}

// benchSocketsApart holds twice as many sockets over two instances as benchSockets at one. The
// registrations are made at one of them.
func benchSocketsApart(ctx context.Context, b *bench) error {
	sockets := sized(b, 10_000, 200)
	what := fmt.Sprintf("%d sockets over two instances", sockets)
	if most, err := raiseFiles(); err != nil || most < uint64(sockets)+500 {
		b.skip(what, fmt.Sprintf("a process may open %d files only (%v)", most, err))
		return nil
	}
	block := sized(b, 90*time.Second, 8*time.Second)
	c, err := b.startCluster(ctx, "apart", 2, block, true)
	if err != nil {
		b.skip(what, err.Error())
		return nil
	}
	defer c.stop()
	one := c.instances[0].client("testnet")
	if err := one.first(ctx, wav(4096)); err != nil {
		return err
	}
	ids, err := one.waiting(ctx, sockets/100)
	if err != nil {
		return err
	}
	memory := func() (sum int64) {
		for _, s := range c.instances {
			now, _, _ := s.memory()
			sum += now
		}
		return sum
	}
	before, open := memory(), int64(0)
	delays, took, err := crowd(ctx, sockets, block, func(i int) string { return socketURL(c.instances[i%2], strings.ToLower(ids[i/2%len(ids)])) }, func() error {
		open = memory()
		return nil
	})
	if err != nil {
		return err
	}
	var here, there []float64
	for i, delay := range delays {
		if i%2 == 0 {
			here = append(here, delay)
		} else {
			there = append(there, delay)
		}
	}
	b.add(row{What: what + ": commit to frame, p99", Unit: "ms", Ours: quantile(delays, 0.99), Note: fmt.Sprintf("%d registrations final in one commit; p50 %.0f ms, slowest %.0f ms; p50 of the instances %.0f and %.0f ms: one of them makes the block, the other one looks twice a second; memory each %.1f KB, connected in %.1f s", len(ids), median(delays), quantile(delays, 1), median(here), median(there), float64(open-before)/1000/float64(sockets), took.Seconds())})
	return nil
}
