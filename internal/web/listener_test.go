package web

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A server that closes its listener answers all requests of connections from before.
func TestListenerLosesNoConnection(t *testing.T) {
	t.Parallel()
	l := NewListener(must(net.Listen("tcp", "127.0.0.1:0")))
	var early []net.Conn
	for range 20 { // connected by the system, and not accepted yet
		conn := must(net.Dial("tcp", l.Addr().String()))
		defer conn.Close()
		must(0, conn.SetDeadline(time.Now().Add(20*time.Second)))
		early = append(early, conn)
	}
	idle := early[0]
	server := &http.Server{ConnState: l.State, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/keep" {
			w.Header().Set("Connection", "close") // as the router does when it leaves
		}
		io.WriteString(w, "here")
	})}
	get := func(conn net.Conn, path string) {
		t.Helper()
		io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.Close != (path != "/keep") {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	get(idle, "/keep")
	finished := make(chan struct{})
	go func() { l.Finish(t.Context()); close(finished) }()
	<-l.closed
	for _, conn := range early[1:] {
		get(conn, "/")
	}
	<-finished // although a connection is idle
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("a closed listener accepts")
	}
}

// A server that leaves says so at /readyz, serves everything, and closes each connection after
// its answer.
func TestLeave(t *testing.T) {
	t.Parallel()
	r := router("https://songs.example", healthy)
	r.Get("/x", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") })
	if status, _, a := call(r, "GET", "/x", ""); status != 200 || a.Header().Get("Connection") != "" {
		t.Errorf("before: %d %v", status, a.Header())
	}
	r.Leave()
	if status, _, a := call(r, "GET", "/x", ""); status != 200 || a.Header().Get("Connection") != "close" {
		t.Errorf("after: %d %v", status, a.Header())
	}
	if status, _, _ := call(r, "GET", "/healthz", ""); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	for _, path := range []string{"/readyz", "/readyz?exclude=stopping"} {
		if status, code, a := call(r, "GET", path, ""); status != 503 || code != "common.service_unavailable" || a.Header().Get("Retry-After") != "2" {
			t.Errorf("%s: %d %s %v", path, status, code, a.Header())
		}
	}
}
