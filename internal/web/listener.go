package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// lastAccept is how long a listener accepts what clients have connected already.
	lastAccept = 50 * time.Millisecond
	// firstRequest is how long a listener that closes waits for the first request of a
	// connection. Browsers open some connections without one.
	firstRequest = time.Second
)

// Listener is a listener that closes without losing a request. http.Server.Shutdown alone
// loses some: the system completes connections before they are accepted, and resets these when
// the listener closes; and a request that arrives during Shutdown is dropped. A proxy then does
// not know whether its request was served.
type Listener struct {
	net.Listener
	accepted, closed chan struct{}
	accept, closing  sync.Once

	mu     sync.Mutex
	states map[net.Conn]http.ConnState // of open connections
	news   chan struct{}
}

// NewListener wraps a listener. The server that serves on it has State as its ConnState.
func NewListener(l net.Listener) *Listener {
	return &Listener{Listener: l, accepted: make(chan struct{}), closed: make(chan struct{}), states: map[net.Conn]http.ConnState{}, news: make(chan struct{}, 1)}
}

// State records the state of a connection, for http.Server.
func (l *Listener) State(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(l.states, conn)
	} else {
		l.states[conn] = state
	}
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// busy reports whether a request is served, or may follow on a new connection.
func (l *Listener) busy(waits bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.states {
		if s == http.StateActive || waits && s == http.StateNew {
			return true
		}
	}
	return false
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) { // Finish has set it
		l.accept.Do(func() { close(l.accepted) })
		<-l.closed
		return nil, net.ErrClosed
	}
	return conn, err
}

// Finish accepts the connections that are there, closes the listener, and waits until no
// request is served, or until ctx ends. Call it before Shutdown, and [Router.Leave] before it.
func (l *Listener) Finish(ctx context.Context) {
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok && d.SetDeadline(time.Now().Add(lastAccept)) == nil {
		select {
		case <-l.accepted:
		case <-time.After(20 * lastAccept): // no server accepts
		}
	}
	_ = l.Close() // it was open
	waits, first := true, time.NewTimer(firstRequest)
	defer first.Stop()
	for l.busy(waits) {
		select {
		case <-l.news:
		case <-first.C:
			waits = false
		case <-ctx.Done():
			return
		}
	}
}

// Close implements net.Listener. Only the first call can fail.
func (l *Listener) Close() (err error) {
	l.closing.Do(func() {
		err = l.Listener.Close()
		close(l.closed)
	})
	return err
}
