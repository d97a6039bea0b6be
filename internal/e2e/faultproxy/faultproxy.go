// Package faultproxy stands between a client and a server on this machine and
// fails as networks do: it refuses, says nothing, hangs up, or is slow, from one
// moment to the next and back.
//
// Proxy moves bytes and never looks at them. HTTP shows each request and answer to the test.
// Both are for tests only.
package faultproxy

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// Timeout is how long Await waits before it fails the test.
const Timeout = 30 * time.Second

// mode is what the proxy does with what comes.
type mode int

const (
	passing mode = iota
	refusing
	swallowing
)

// Counts say what the proxy has done so far.
type Counts struct {
	Accepted  int // connections taken, to pass or to swallow
	Refused   int // connections closed at once
	Swallowed int // times that bytes came and went nowhere
	Live      int // connections at this moment
}

// Proxy is one address in front of one server.
type Proxy struct {
	// Addr is where it listens.
	Addr string

	t               testing.TB
	network, target string
	listener        net.Listener
	wg              sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // something of the below is different
	mode    mode
	delay   time.Duration
	links   map[*link]struct{}
	counts  Counts
}

// link is one client with its way to the server.
type link struct {
	client net.Conn
	server net.Conn // nil while swallowed from the beginning
	broken bool     // bytes are lost: the connection cannot continue
}

// New listens in front of target, an address of that network ("tcp", "unix"),
// until the test ends. It passes everything.
func New(t testing.TB, network, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), t: t, network: network, target: target, listener: l, links: map[*link]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		p.wg.Wait()
	})
	return p
}

// Pass lets everything through again. Connections that lost bytes in the
// meantime are cut.
func (p *Proxy) Pass() {
	p.set(passing)
	p.cut(func(l *link) bool { return l.broken })
}

// Refuse closes every connection that is made from now on, at once. Those that
// are there go on.
func (p *Proxy) Refuse() { p.set(refusing) }

// Swallow takes connections and bytes and passes neither on, in either direction.
func (p *Proxy) Swallow() { p.set(swallowing) }

// Cut hangs up on everybody.
func (p *Proxy) Cut() { p.cut(func(*link) bool { return true }) }

// Delay holds everything back for so long from now on.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Await waits until what was counted satisfies ok.
func (p *Proxy) Await(ok func(Counts) bool) {
	p.t.Helper()
	late := false
	timer := time.AfterFunc(Timeout, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.changed.Broadcast()
	})
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !ok(p.counts) {
		if late {
			p.t.Fatalf("the proxy waited without success: %+v", p.counts)
		}
		p.changed.Wait()
	}
}

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
}

func (p *Proxy) cut(which func(*link) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if which(l) {
			l.hangUp()
		}
	}
}

// hangUp resets the connection, as a dying server does. No peer takes it for an orderly
// end.
func (l *link) hangUp() {
	for _, c := range []net.Conn{l.client, l.server} {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		if c != nil {
			c.Close()
		}
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		switch l := (&link{client: c, broken: p.mode == swallowing}); p.mode {
		case refusing:
			p.counts.Refused++
			l.hangUp()
		default:
			p.counts.Accepted++
			p.counts.Live++
			p.links[l] = struct{}{}
			p.wg.Go(func() { p.serve(l) })
		}
		p.changed.Broadcast()
		p.mu.Unlock()
	}
}

func (p *Proxy) serve(l *link) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		l.hangUp()
		delete(p.links, l)
		p.counts.Live--
		p.changed.Broadcast()
	}()
	if !l.broken {
		s, err := net.Dial(p.network, p.target)
		if err != nil {
			return
		}
		p.mu.Lock()
		l.server = s
		p.mu.Unlock()
	}
	if l.server == nil {
		p.copy(l, nil, l.client)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(l, l.server, l.client) })
	both.Go(func() { p.copy(l, l.client, l.server) })
	both.Wait()
}

// copy moves bytes one way until either end is closed, and then closes both.
func (p *Proxy) copy(l *link, to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		swallow, delay := p.mode == swallowing || l.broken, p.delay
		if swallow && (n > 0 || err != nil) {
			// Also an end is not passed on: who is behind a black hole does not
			// learn that the other has gone.
			l.broken = true
			p.counts.Swallowed++
			p.changed.Broadcast()
		}
		p.mu.Unlock()
		switch {
		case swallow && err == nil:
			continue
		case swallow && errors.Is(err, net.ErrClosed):
			return
		case swallow:
			from.Close()
			return
		}
		if n > 0 {
			time.Sleep(delay)
			if _, werr := to.Write(buffer[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			l.client.Close()
			l.server.Close()
			return
		}
	}
}
