package web

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// LimitConnections lets each address hold at most so many connections of a listener at the
// same time; 0 means unlimited. A further connection is closed at once, without an answer:
// reading its request would already be the cost. Trusted proxies are not counted, since they
// carry many clients.
func LimitConnections(l net.Listener, most int, proxies []netip.Prefix) net.Listener {
	if most == 0 {
		return l
	}
	return &connections{Listener: l, most: most, proxies: proxies, held: map[string]int{}}
}

type connections struct {
	net.Listener
	most    int
	proxies []netip.Prefix

	mu   sync.Mutex
	held map[string]int // by address
}

func (l *connections) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return conn, nil
		}
		at := plain(tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
		if slices.ContainsFunc(l.proxies, func(p netip.Prefix) bool { return p.Contains(at) }) {
			return conn, nil
		}
		key := keyOf(at)
		l.mu.Lock()
		full := l.held[key] >= l.most
		if !full {
			l.held[key]++
		}
		l.mu.Unlock()
		if full {
			conn.Close()
			continue
		}
		return &held{TCPConn: tcp, leave: sync.OnceFunc(func() { l.leave(key) })}, nil
	}
}

func (l *connections) leave(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key]--; l.held[key] == 0 {
		delete(l.held, key)
	}
}

// held is a connection that counts until it is closed. It embeds a TCPConn, so that net/http
// can send files without copying them.
type held struct {
	*net.TCPConn
	leave func()
}

func (h *held) Close() error {
	defer h.leave()
	return h.TCPConn.Close()
}
