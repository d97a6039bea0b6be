package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// floods is how many large bodies are sent at once, again and again each floodEvery.
const (
	floods     = 200
	floodEvery = time.Second
)

// benchFlood measures how long a client waits for a session while others flood the
// server. They have no key and send bodies of 1 MB with the most costly JSON. The floor
// is the same client without the flood.
func benchFlood(ctx context.Context, b *bench) error {
	return b.onEach(ctx, "mint under a flood", func(s *server, engine string) error {
		body := []byte(`{"x":[` + strings.Repeat("{},", 340_000) + `{}]}`)
		head := fmt.Appendf(nil, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
		request := append(head, body...)
		c := s.client("testnet")
		turn, rounds := sized(b, 5*time.Second, time.Second), sized(b, 5, 1)
		slowest := func() (float64, error) {
			var waits []float64
			for begun := time.Now(); time.Since(begun) < turn; {
				d, err := timed(func() error { _, err := c.mint(ctx); return err })
				if err != nil {
					return 0, err
				}
				waits = append(waits, d*1000)
			}
			return quantile(waits, 0.99), nil
		}
		if _, err := slowest(); err != nil { // warm
			return err
		}
		idle, _, err := s.memory()
		if err != nil {
			return err
		}
		s.resetPeak()
		bodies := 0
		flooded := func() (p99 float64, err error) {
			flood, stop := context.WithCancel(ctx)
			sent := make(chan int, 1)
			go func() {
				done := make(chan int)
				for range floods {
					go func() { done <- send(flood, strings.TrimPrefix(s.URL, "http://"), request) }()
				}
				all := 0
				for range floods {
					all += <-done
				}
				sent <- all
			}()
			p99, err = slowest()
			stop()
			bodies += <-sent
			return p99, err
		}
		o, f, ratio, err := pairs(rounds, flooded, slowest)
		if err != nil {
			return err
		}
		_, peak, err := s.memory()
		if err != nil {
			return err
		}
		b.add(row{What: "mint under a flood, p99, " + engine, Unit: "ms", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtMost(3),
			Note: fmt.Sprintf("%d clients without a key sent %d bodies of 1 MB, %d at once each second, on the same processors; floor: the same mints without them", floods, bodies, floods)})
		b.add(row{What: "its memory growth, " + engine, Unit: "MiB", Ours: float64(peak-idle) / mib, Goal: oursAtMost(256)})
		return nil
	})
}

// send sends a request again and again, each time on a connection of its own, until
// ctx ends. It returns how many were answered.
func send(ctx context.Context, to string, request []byte) (answered int) {
	tick := time.NewTicker(floodEvery)
	defer tick.Stop()
	for ; ctx.Err() == nil; await(ctx, tick.C) {
		conn, err := net.Dial("tcp", to)
		if err != nil {
			return answered
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, _ = bytes.NewReader(request).WriteTo(conn) // refused before its end
		}()
		if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			res.Body.Close()
			answered++
		}
		stop()
		conn.Close()
		<-written
	}
	return answered
}

func await(ctx context.Context, tick <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-tick:
	}
}
