package faultproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"timbre.example/internal/e2e/faultproxy"
)

// echo is a server that says every line again.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

type client struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, p *faultproxy.Proxy) *client {
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) say(within time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	line, err := c.lines.ReadString('\n')
	if err == nil && line != "hello\n" {
		c.t.Fatalf("heard %q", line)
	}
	return err
}

func TestFaults(t *testing.T) {
	t.Parallel()
	p := faultproxy.New(t, "tcp", echo(t))
	old := dial(t, p)
	if err := old.say(faultproxy.Timeout); err != nil {
		t.Fatal(err)
	}

	p.Refuse()
	if c, err := net.Dial("tcp", p.Addr); err == nil { // or refused already
		if err := (&client{t, c, bufio.NewReader(c)}).say(faultproxy.Timeout); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("refused: %v", err)
		}
		c.Close()
	}
	p.Await(func(c faultproxy.Counts) bool { return c.Refused == 1 })
	if err := old.say(faultproxy.Timeout); err != nil {
		t.Errorf("a connection from before: %v", err)
	}

	p.Swallow()
	for name, c := range map[string]*client{"old": old, "new": dial(t, p)} {
		if err := c.say(50 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: a black hole said %v", name, err)
		}
	}
	p.Await(func(c faultproxy.Counts) bool { return c.Swallowed >= 2 && c.Live == 2 })

	p.Pass() // what lost bytes is cut
	p.Await(func(c faultproxy.Counts) bool { return c.Live == 0 })
	if err := old.say(faultproxy.Timeout); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("half a conversation went on: %v", err)
	}
	c := dial(t, p)
	if err := c.say(faultproxy.Timeout); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if err := c.say(faultproxy.Timeout); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cut: %v", err)
	}

	const late = 30 * time.Millisecond
	p.Delay(late)
	begun := time.Now()
	if err := dial(t, p).say(faultproxy.Timeout); err != nil || time.Since(begun) < 2*late {
		t.Errorf("slow: %v after %s", err, time.Since(begun))
	}
}
