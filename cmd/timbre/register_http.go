package main

import (
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// transport carries the calls of register. It tells the progress why the server makes the command wait, because the client
// repeats calls silently. It has connections of two kinds: few that send much, and many that wait for the network.
type transport struct {
	calls, uploads http.RoundTripper
	told           atomic.Pointer[progress]
}

func newTransport() *transport {
	kind := func(buffer int) http.RoundTripper {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DialContext = (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}).DialContext
		t.MaxIdleConns, t.MaxIdleConnsPerHost, t.IdleConnTimeout = 1024, 1024, time.Minute
		t.WriteBufferSize, t.ReadBufferSize = buffer, 4<<10
		return t
	}
	return &transport{calls: kind(4 << 10), uploads: kind(256 << 10)}
}

// RoundTrip makes one attempt of a call.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	through := t.calls
	if r.Method == http.MethodPut {
		through = t.uploads
	}
	res, err := through.RoundTrip(r)
	p := t.told.Load()
	if p == nil {
		return res, err
	}
	switch {
	case err != nil && r.Context().Err() == nil:
		p.waits("the server does not answer, and the command tries again")
	case err != nil:
	case res.StatusCode == http.StatusTooManyRequests:
		p.waits("the server limits how much it receives" + after(res))
	case res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusBadGateway || res.StatusCode == http.StatusGatewayTimeout:
		p.waits("the server is not ready" + after(res))
	}
	return res, err
}

// after says for how long to wait, if the server named it.
func after(res *http.Response) string {
	n, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || n < 1 {
		return ""
	}
	return ", and asks to wait " + plural(n, "second")
}
