package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/store"
	"timbre.example/internal/webhook"
)

// benchConsole compares the pages of the console of an organization with many works, each with ten
// deliveries, with those of an organization with few. Both are real servers; the rows of the works are written with
// SQL while the servers are stopped. The requests to the two servers alternate.
func benchConsole(ctx context.Context, b *bench) error {
	few := sized(b, 1000, 100)
	many := sized(b, b.works, 500)
	if err := os.Setenv("TIMBRE_TEST_FSYNC", "1"); err != nil {
		return err
	}
	var failed []error
	for _, e := range engines {
		if err := b.consoleOn(ctx, e, few, many); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", e.name, err))
		}
	}
	return errors.Join(failed...)
}

// benchWebhooks measures deliveries to a local receiver, in this process: their rows, leases,
// attempts, signatures and records. The floor is one plain loop: it signs a body of that size
// and posts it, one after another on one connection, and stores nothing. The second row has the
// same deliveries beside an endpoint that hangs. Each row has the CPU time too: other programs of
// the machine change it less than the rate.
func benchWebhooks(ctx context.Context, b *bench) error {
	if err := os.Setenv("TIMBRE_TEST_FSYNC", "1"); err != nil {
		return err
	}
	var failed []error
	for _, e := range engines {
		url, err := e.url()
		if err != nil {
			b.skip("webhooks to one receiver, "+e.name, err.Error())
			continue
		}
		if err := b.webhooksOn(ctx, e, url); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", e.name, err))
		}
	}
	return errors.Join(failed...)
}

func (b *bench) webhooksOn(ctx context.Context, e engine, first string) error {
	n := sized(b, 10_000, 200)
	var got atomic.Int64
	quick := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got.Add(1)
	}))
	defer quick.Close()
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that its client has left
		<-r.Context().Done()
	}))
	defer hanging.Close()
	run := 0
	var ours, floor []float64 // CPU time of one delivery, and of one POST, in microseconds
	deliver := func(beside bool) (float64, error) {
		run++
		got.Store(0)
		url := first
		if url == "" {
			url = "sqlite:" + filepath.Join(b.dir, fmt.Sprintf("webhooks-%d.db", run))
		} else if run > 1 {
			var err error
			if url, err = e.url(); err != nil {
				return 0, err
			}
		}
		rate, cpu, err := delivered(ctx, url, n, &got, quick.URL, map[bool]string{true: hanging.URL}[beside])
		if !beside {
			ours = append(ours, cpu)
		}
		return rate, err
	}
	body := bytes.Repeat([]byte("x"), 700)
	loop := func() (float64, error) {
		began, cpu := time.Now(), processTime()
		for range n {
			mac := hmac.New(sha256.New, make([]byte, 32))
			mac.Write(body)
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, quick.URL, bytes.NewReader(body))
			if err != nil {
				return 0, err
			}
			req.Header.Set("Webhook-Signature", fmt.Sprintf("%x", mac.Sum(nil)))
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return 0, err
			}
			_, _ = io.Copy(io.Discard, res.Body)
			if err := res.Body.Close(); err != nil {
				return 0, err
			}
		}
		floor = append(floor, float64((processTime()-cpu).Microseconds())/float64(n))
		return float64(n) / time.Since(began).Seconds(), nil
	}
	rounds := sized(b, 3, 1)
	o, f, ratio, err := pairs(rounds, func() (float64, error) { return deliver(false) }, loop)
	if err != nil {
		return err
	}
	b.add(row{What: "webhooks to one receiver, " + e.name, Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(0.7), Note: fmt.Sprintf("%d deliveries, in this process, %.0f µs of CPU each; floor: a loop of signed POSTs, one after another, that stores nothing, %.0f µs each", n, median(ours), median(floor))})
	o, f, ratio, err = pairs(rounds, func() (float64, error) { return deliver(true) }, func() (float64, error) { return deliver(false) })
	if err != nil {
		return err
	}
	b.add(row{What: "webhooks beside an endpoint that hangs, " + e.name, Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(0.9), Note: fmt.Sprintf("%d deliveries to each; floor: without the endpoint that hangs", n)})
	return nil
}

// processTime returns the CPU time that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// delivered enqueues n deliveries for a receiver, and for one that hangs ("": none). It returns
// how many per second the receiver gets, and the CPU time of each in microseconds.
func delivered(ctx context.Context, url string, n int, got *atomic.Int64, quick, hanging string) (rate, cpu float64, err error) {
	db, err := store.Open(ctx, url)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return 0, 0, err
	}
	org, err := account.CreateOrganization(ctx, db, audit.CommandLine(), "Bench")
	if err != nil {
		return 0, 0, err
	}
	s := webhook.New(webhook.Config{DB: db, Key: make([]byte, 32), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, UserAgent: "bench", Log: slog.New(slog.DiscardHandler)})
	for _, url := range []string{hanging, quick} {
		if url == "" {
			continue
		}
		if _, _, err := s.CreateEndpoint(ctx, org.ID, webhook.EndpointInput{URL: url}, audit.CommandLine()); err != nil {
			return 0, 0, err
		}
	}
	for left := n; left > 0; left -= 500 {
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			for range min(left, 500) {
				if err := webhook.TransactionEnded(ctx, tx, webhook.Ended{
					Event: webhook.WorkRegistered, Transaction: uuid.NewString(), Organization: org.ID, Work: uuid.NewString(), Network: "testnet", At: tx.Now, TxHash: make([]byte, 32), BlockHash: make([]byte, 32), ExplorerURL: "https://songs.example/explorer",
				}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return 0, 0, err
		}
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	began, used := time.Now(), processTime()
	go func() { defer close(ended); s.Run(working) }()
	for late := began.Add(5 * time.Minute); got.Load() < int64(n); time.Sleep(time.Millisecond) {
		if time.Now().After(late) || ctx.Err() != nil {
			return 0, 0, fmt.Errorf("%d of %d deliveries arrived", got.Load(), n)
		}
	}
	took := time.Since(began)
	stop()
	<-ended // the last attempts are recorded
	if hanging == "" {
		took = time.Since(began)
	}
	return float64(n) / took.Seconds(), float64((processTime() - used).Microseconds()) / float64(n), nil
}
