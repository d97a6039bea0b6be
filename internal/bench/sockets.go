package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// benchSockets holds many followers open and times how soon they all learn that
// their registrations are final. Every registration is in the same block, so
// the frames all fall due at once: the worst there is.
func benchSockets(ctx context.Context, b *bench) error {
	count := sized(b, 5000, 200)
	// Between two blocks everybody has to connect.
	block := sized(b, 45*time.Second, 6*time.Second)
	what := fmt.Sprintf("%d sockets", count)
	if most, err := raiseFiles(); err != nil || most < uint64(count)+500 {
		b.skip(what, fmt.Sprintf("a process may open %d files only (%v)", most, err))
		return nil
	}
	s, err := b.start(ctx, filepath.Join(b.dir, "sockets"), block, "")
	if err != nil {
		return err
	}
	defer s.stop()
	c := s.client("testnet")
	if err := c.first(ctx, wav(4096)); err != nil {
		return err
	}
	// The process has little free memory now that could hide what the sockets need.
	fresh, _, err := s.memory()
	if err != nil {
		b.skip(what, err.Error())
		return nil
	}
	ids, err := c.waiting(ctx, count/100)
	if err != nil {
		return err
	}
	before, _, err := s.memory()
	if err != nil {
		return err
	}
	var open int64
	var used time.Duration
	delays, took, err := crowd(ctx, count, block, func(i int) string { return socketURL(s, ids[i%len(ids)]) }, func() error {
		open, _, err = s.memory()
		used = s.processor()
		return err
	})
	if err != nil {
		return err
	}
	used = s.processor() - used
	b.add(row{What: what + ": memory each", Unit: "KB", Ours: float64(open-fresh) / 1000 / float64(count), Goal: oursAtMost(8), Note: fmt.Sprintf("growth of resident memory, with that of making %d registrations and the garbage of connecting in %.1f s; without the registrations %.1f KB", len(ids), took.Seconds(), float64(open-before)/1000/float64(count))})
	b.add(row{What: what + ": commit to frame, p99", Unit: "ms", Ours: quantile(delays, 0.99), Goal: oursAtMost(250), Note: fmt.Sprintf("%d registrations final in one commit; p50 %.0f ms, slowest %.0f ms; from the time in the frame, which is before the commit; server's processor time %.0f µs a socket, from the last one open to the last one closed", len(ids), median(delays), quantile(delays, 1), used.Seconds()*1e6/float64(count))})
	return benchFewSockets(ctx, b)
}

// benchFewSockets times frames that fall due for a few sockets alone.
func benchFewSockets(ctx context.Context, b *bench) error {
	const followers = 20
	s, err := b.start(ctx, filepath.Join(b.dir, "few"), sized(b, time.Second, 500*time.Millisecond), "")
	if err != nil {
		return err
	}
	defer s.stop()
	c := s.client("testnet")
	if err := c.first(ctx, wav(4096)); err != nil {
		return err
	}
	var delays []float64
	for range sized(b, 25, 2) {
		ids, err := c.waiting(ctx, 1)
		if err != nil {
			return err
		}
		some, _, err := crowd(ctx, followers, time.Second, func(int) string { return socketURL(s, ids[0]) }, func() error { return nil })
		if errors.Is(err, errLate) {
			continue
		} else if err != nil {
			return err
		}
		delays = append(delays, some...)
	}
	b.add(row{What: fmt.Sprintf("%d sockets of one registration: commit to frame, p99", followers), Unit: "ms", Ours: quantile(delays, 0.99), Goal: oursAtMost(50), Note: fmt.Sprintf("%d frames; p50 %.0f ms, slowest %.0f ms; from the time in the frame, which is before the commit", len(delays), median(delays), quantile(delays, 1))})
	return nil
}

func socketURL(s *server, id string) string {
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/v1/ws/transactions/" + id
}

// waiting registers songs, which then wait for their block.
func (c *client) waiting(ctx context.Context, songs int) (ids []string, err error) {
	defer c.http.CloseIdleConnections()
	file := wav(4096)
	for range songs {
		unique(file)
		id, err := c.register(ctx, file)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// first registers a song and waits for it. The first block is made at once; the next is then a
// block time away.
func (c *client) first(ctx context.Context, file []byte) error {
	id, err := c.register(ctx, file)
	if err == nil {
		err = c.final(ctx, id)
	}
	return err
}

// errLate means that a registration was final before all sockets were open.
var errLate = errors.New("not every socket was open before the block")

// crowd opens count sockets and follows each to its end. It calls open when all wait for their
// block, and returns the delays of the last frames in milliseconds.
func crowd(ctx context.Context, count int, block time.Duration, at func(int) string, open func() error) (delays []float64, took time.Duration, err error) {
	dialling := make(chan struct{}, 64)
	delays = make([]float64, count)
	var settled atomic.Int64
	var ended atomic.Bool // for one of the sockets
	full := make(chan struct{})
	over := make(chan error, 1)
	start := time.Now()
	go func() {
		over <- together(ctx, count, func(ctx context.Context, i int) error {
			ctx, cancel := context.WithTimeout(ctx, 2*block+time.Minute)
			defer cancel()
			dialling <- struct{}{}
			conn, _, err := websocket.Dial(ctx, at(i), nil)
			<-dialling
			if err != nil {
				return err
			}
			defer conn.CloseNow()
			delay, err := follow(ctx, conn, func() {
				if settled.Add(1) == int64(count) {
					close(full)
				}
			})
			ended.Store(true)
			delays[i] = delay.Seconds() * 1000
			return err
		})
	}()
	select {
	case <-full:
		if took = time.Since(start); ended.Load() {
			return nil, 0, errors.Join(errLate, <-over)
		}
		err = open()
		return delays, took, errors.Join(err, <-over)
	case err := <-over:
		return nil, 0, errors.Join(errLate, err)
	}
}

// follow reads frames to the last one and returns how long after its step it
// came. Waiting is called when the registration waits for its block.
func follow(ctx context.Context, conn *websocket.Conn, waiting func()) (time.Duration, error) {
	for {
		_, text, err := conn.Read(ctx)
		came := time.Now()
		if err != nil {
			return 0, err
		}
		var frame struct {
			Type, Step string
			Timestamp  time.Time
		}
		if err := json.Unmarshal(text, &frame); err != nil {
			return 0, err
		}
		switch {
		case frame.Type == "error":
			return 0, fmt.Errorf("the registration failed: %s", text)
		case frame.Step == "confirming":
			waiting()
		case frame.Step == "completed":
			return came.Sub(frame.Timestamp), nil
		}
	}
}

// raiseFiles lets this process open as many files as it may, and returns how
// many. The server, a process of its own, does so by itself.
func raiseFiles() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	return limit.Cur, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
