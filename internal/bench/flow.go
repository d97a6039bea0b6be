package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
)

// benchMint measures a session token: what it must cost is one signature and
// one commit.
func benchMint(ctx context.Context, b *bench) error {
	return b.onEach(ctx, "mint", func(s *server, engine string) error {
		floor, err := openCommits(ctx, s.DatabaseURL)
		if err != nil {
			return err
		}
		defer floor.close()
		db, err := store.Open(ctx, s.DatabaseURL)
		if err != nil {
			return err
		}
		defer db.Close()
		var secret [32]byte
		rand.Read(secret[:])
		tokens, err := session.NewTokens(secret[:], s.URL, db.Now)
		if err != nil {
			return err
		}
		sessions := &session.Service{DB: db, Tokens: tokens, MaxFileSize: 500 * mib, Lifetime: session.DefaultLifetime, MinimumCredits: func(session.Action, network.Name) int64 { return 0 }, Remember: time.Second}
		request := session.MintRequest{Action: session.Register, Network: network.Testnet}
		mint := func(ctx context.Context, _ int) error {
			backend, err := sessions.Minter(ctx, s.SecretKey, origin)
			if err == nil {
				_, err = sessions.Mint(ctx, backend, request)
			}
			return err
		}
		key := ed25519.NewKeyFromSeed(secret[:])
		text := make([]byte, 400) // about the size of the signed part of our token
		least := func(ctx context.Context, i int) error {
			ed25519.Sign(key, text)
			return floor.commit(ctx, i)
		}
		c := s.client("testnet")
		turn, rounds := sized(b, 2*time.Second, 200*time.Millisecond), sized(b, 7, 1)
		for _, way := range []struct {
			what, note string
			mint       func(context.Context, int) error
			goal       *goal
		}{
			{"mint in-process", "16 goroutines on session.Service.Mint", mint, ratioAtLeast(0.6)},
			{"mint over HTTP", "16 clients on POST /v1/sessions of the binary; they share its processors", func(ctx context.Context, _ int) error { _, err := c.mint(ctx); return err }, nil},
		} {
			o, f, ratio, err := pairs(rounds,
				func() (float64, error) { return rate(ctx, clients, turn, way.mint) },
				func() (float64, error) { return rate(ctx, clients, turn, least) })
			if err != nil {
				return fmt.Errorf("%s: %w", way.what, err)
			}
			b.add(row{What: way.what + ", " + engine, Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: way.goal, Note: way.note + "; floor: one Ed25519 signature and one bare insert commit, likewise"})
		}
		return nil
	})
}

// benchKeys measures calls by API key against the same calls by session token: a list of one
// end-user's works, and a work that is not there, which costs little more than the caller's
// check.
func benchKeys(ctx context.Context, b *bench) error {
	return b.onEach(ctx, "keys", func(s *server, engine string) error {
		db, err := store.Open(ctx, s.DatabaseURL)
		if err != nil {
			return err
		}
		defer db.Close()
		keys := &apikey.Service{DB: db, MaxFileSize: 500 * mib}
		key, err := keys.Create(ctx, audit.CommandLine(), s.Org, apikey.Request{Name: "bench", Scopes: []string{"works:register", "works:read"}})
		if err != nil {
			return err
		}
		c := s.client("testnet")
		c.user = "bench"
		for range 5 {
			transaction, err := c.registerWith(ctx, key.Token, wav(4<<10))
			if err == nil {
				err = c.final(ctx, transaction)
			}
			if err != nil {
				return err
			}
		}
		var minted struct{ Token string }
		if err := c.call(ctx, "/v1/sessions", "", map[string]string{"secret_key": c.SecretKey, "action_type": "access", "allowed_network": c.network, "external_user_ref": c.user}, &minted); err != nil {
			return err
		}
		turn, rounds := sized(b, 2*time.Second, 200*time.Millisecond), sized(b, 9, 1)
		for _, call := range []struct {
			what, path, query string
			status            int
		}{
			{"a list of 5 works by API key", "/v1/works", "&external_user_ref=" + c.user, http.StatusOK},
			{"a missing work by API key", "/v1/works/999999999", "", http.StatusNotFound},
		} {
			each := func(token, query string) func() (float64, error) {
				return func() (float64, error) {
					perSecond, err := rate(ctx, clients, turn, func(ctx context.Context, _ int) error {
						return c.read(ctx, call.path+"?network=testnet"+query, token, call.status)
					})
					return clients / perSecond * 1000, err
				}
			}
			o, f, ratio, err := pairs(rounds, each(key.Token, call.query), each(minted.Token, ""))
			if err != nil {
				return fmt.Errorf("%s: %w", call.what, err)
			}
			b.add(row{What: call.what + ", " + engine, Unit: "ms", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtMost(1.1), Note: "16 clients; floor: the same call by session token"})
		}
		return nil
	})
}

// benchRegistrations measures whole registrations against as many bare commits
// as they make.
func benchRegistrations(ctx context.Context, b *bench) error {
	return b.onEach(ctx, "registrations", func(s *server, engine string) error {
		floor, err := openCommits(ctx, s.DatabaseURL)
		if err != nil {
			return err
		}
		defer floor.close()
		c := s.client("testnet")
		for _, x := range []struct {
			what string
			size int
		}{{"64 KiB", 64 << 10}, {"5 MB", 5 << 20}} {
			load := newLoad(c, x.size)
			turn := sized(b, 5*time.Second, 300*time.Millisecond)
			if _, _, err := load.run(ctx, turn/5); err != nil { // warms up both sides
				return err
			}
			alone, err := commitsAlone(ctx, c, floor, x.size)
			if err != nil {
				return err
			}
			load.latencies = nil
			var made, finished int64
			var used time.Duration
			var withFiles []float64
			for i := range load.files {
				if err := os.MkdirAll(filepath.Join(s.dir, fmt.Sprint("copy-", i)), 0o700); err != nil {
					return err
				}
			}
			o, f, ratio, err := pairs(sized(b, 5, 1), func() (float64, error) {
				commits, err := floor.made(ctx)
				if err != nil {
					return 0, err
				}
				processor := s.processor()
				perSecond, n, err := load.run(ctx, turn)
				if err != nil {
					return 0, err
				}
				after, err := floor.made(ctx)
				made, finished, used = made+after-commits, finished+n, used+s.processor()-processor
				return perSecond, err
			}, func() (float64, error) {
				withFile, err := rate(ctx, clients, turn/3, func(ctx context.Context, i int) error {
					for range int(alone) {
						if err := floor.commit(ctx, i); err != nil {
							return err
						}
					}
					return syncedCopy(filepath.Join(s.dir, fmt.Sprint("copy-", i)), load.files[i])
				})
				if err != nil {
					return 0, err
				}
				withFiles = append(withFiles, withFile)
				perSecond, err := rate(ctx, clients, turn/3, floor.commit)
				return perSecond / alone, err
			})
			if err != nil {
				return err
			}
			b.add(row{
				What: fmt.Sprintf("registrations of %s, %s", x.what, engine), Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(0.5),
				Note: fmt.Sprintf("16 clients; floor: %.0f bare commits/s, likewise, by the %g commits of a registration alone (here they shared them: %.2f each); server's processor time %.2f ms each; confirm to final p50 %.0f ms, p99 %.0f ms at blocks of %v",
					f*alone, alone, float64(made)/float64(finished), used.Seconds()*1000/float64(finished), median(load.latencies), quantile(load.latencies, 0.99), blockTime),
			})
			b.add(row{
				What: "… and with their files", Unit: "/s", Ours: o, Floor: median(withFiles),
				Note: "floor: those commits and one synced copy of the file, by 16 goroutines",
			})
		}
		return nil
	})
}

// commitsAlone counts the commits of a registration that has the server to
// itself, by the database's own counter: the median of a few, since a database
// also has housekeeping to do.
func commitsAlone(ctx context.Context, c *client, floor *commits, size int) (float64, error) {
	var counts []float64
	file := wav(size)
	for range 5 {
		unique(file)
		before, err := floor.made(ctx)
		if err != nil {
			return 0, err
		}
		id, err := c.register(ctx, file)
		if err == nil {
			err = c.final(ctx, id)
		}
		if err != nil {
			return 0, err
		}
		after, err := floor.made(ctx)
		if err != nil {
			return 0, err
		}
		counts = append(counts, float64(after-before))
	}
	return median(counts), nil
}

// load is 16 clients that register without pause.
type load struct {
	c         *client
	spread    []*client // if there are any, the clients register at these in turn
	files     [clients][]byte
	mu        sync.Mutex
	latencies []float64 // milliseconds from confirm to final
}

// followers bounds how many registrations may wait for their block.
const followers = 2048

func newLoad(c *client, size int) *load {
	l := &load{c: c}
	for i := range l.files {
		l.files[i] = wav(size)
	}
	return l
}

// run registers for a time. A client continues with its next song when the last one is
// confirmed. A follower waits for the last one to be final, as a page would. So the block
// time is a delay and not a limit. The clock stops when the last registration is final,
// and only final registrations count.
func (l *load) run(ctx context.Context, d time.Duration) (perSecond float64, n int64, err error) {
	var done atomic.Int64
	slots := make(chan struct{}, followers)
	start := time.Now()
	err = together(ctx, clients, func(ctx context.Context, i int) error {
		var waiting sync.WaitGroup
		var mu sync.Mutex
		var failed error
		c := l.c
		if len(l.spread) > 0 {
			c = l.spread[i%len(l.spread)]
		}
		for time.Since(start) < d {
			unique(l.files[i])
			id, err := c.register(ctx, l.files[i])
			if err != nil {
				failed = err
				break
			}
			confirmed := time.Now()
			slots <- struct{}{}
			waiting.Go(func() {
				defer func() { <-slots }()
				err := c.final(ctx, id)
				if err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed = errors.Join(failed, err)
					return
				}
				done.Add(1)
				l.mu.Lock()
				defer l.mu.Unlock()
				l.latencies = append(l.latencies, time.Since(confirmed).Seconds()*1000)
			})
		}
		waiting.Wait()
		return failed
	})
	n = done.Load()
	return float64(n) / time.Since(start).Seconds(), n, err
}
