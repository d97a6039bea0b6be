package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

// An address can hold a limited number of connections; those of proxies are not counted.
func TestConnectionsOfAnAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proxies []netip.Prefix
		most    int
		closed  bool
	}{{nil, 2, true}, {loopback, 2, false}, {nil, 0, false}} {
		l := must(net.Listen("tcp", "127.0.0.1:0"))
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") })}
		go server.Serve(LimitConnections(l, c.most, c.proxies))
		defer server.Close()
		// answered makes a request on a new connection, and leaves it open.
		answered := func() (net.Conn, bool) {
			conn := must(net.Dial("tcp", l.Addr().String()))
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			_, err := http.ReadResponse(bufio.NewReader(conn), nil)
			return conn, err == nil
		}
		first, ok := answered()
		second, also := answered()
		defer second.Close()
		if !ok || !also {
			t.Fatal("not even two are answered")
		}
		if third, ok := answered(); ok == c.closed {
			t.Errorf("a third of %d: answered %t", c.most, ok)
		} else {
			third.Close()
		}
		first.Close()
		eventually(t, func() bool { // the place is free when the server has seen the close
			conn, ok := answered()
			defer conn.Close()
			return ok
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// eventually waits until ok is true.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("timed out")
		}
		<-time.After(time.Millisecond)
	}
}
