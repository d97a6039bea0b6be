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
	songs := count / 100
	// Between two blocks everybody has to connect.
	block := sized(b, 30*time.Second, 4*time.Second)
	if most, err := raiseFiles(); err != nil || most < uint64(count)+500 {
		b.skip(fmt.Sprintf("%d sockets", count), fmt.Sprintf("a process may open %d files only (%v)", most, err))
		return nil
	}
	s, err := b.start(ctx, filepath.Join(b.dir, "sockets"), block, "")
	if err != nil {
		return err
	}
	defer s.stop()
	c := s.client("testnet")
	file := wav(4096)
	// The first block is made at once; the next is then a block time away.
	id, err := c.register(ctx, file)
	if err == nil {
		err = c.final(ctx, id)
	}
	if err != nil {
		return err
	}
	ids := make([]string, songs)
	for i := range ids {
		unique(file)
		if ids[i], err = c.register(ctx, file); err != nil {
			return err
		}
	}
	c.http.CloseIdleConnections()
	before, _, err := s.memory()
	if err != nil {
		b.skip(fmt.Sprintf("%d sockets", count), err.Error())
		return nil
	}

	dialling := make(chan struct{}, 64)
	delays := make([]float64, count) // milliseconds
	var settled atomic.Int64
	all := make(chan struct{})
	over := make(chan error, 1)
	start := time.Now()
	go func() {
		over <- together(ctx, count, func(ctx context.Context, i int) error {
			ctx, cancel := context.WithTimeout(ctx, 2*block+time.Minute)
			defer cancel()
			dialling <- struct{}{}
			conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http")+"/v1/ws/transactions/"+ids[i%songs], nil)
			<-dialling
			if err != nil {
				return err
			}
			defer conn.CloseNow()
			delay, err := follow(ctx, conn, func() {
				if settled.Add(1) == int64(count) {
					close(all)
				}
			})
			delays[i] = delay.Seconds() * 1000
			return err
		})
	}()
	select {
	case <-all:
	case err := <-over:
		return errors.Join(errors.New("not every socket was open before the block"), err)
	}
	connected := time.Since(start)
	open, _, err := s.memory()
	if err != nil {
		return err
	}
	if err := <-over; err != nil {
		return err
	}
	what := fmt.Sprintf("%d sockets", count)
	b.add(row{What: what + ": memory each", Unit: "KB", Ours: float64(open-before) / 1000 / float64(count), Note: fmt.Sprintf("growth of resident memory, garbage of connecting them in %.1f s included", connected.Seconds())})
	b.add(row{What: what + ": commit to frame, p99", Unit: "ms", Ours: quantile(delays, 0.99), Note: fmt.Sprintf("%d registrations final in one commit; p50 %.0f ms, slowest %.0f ms; from the time in the frame, which is before the commit", songs, median(delays), quantile(delays, 1))})
	return nil
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
