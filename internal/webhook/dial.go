package webhook

import (
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// The bounds of one request.
const (
	// bodyTime is how long the body of an answer may take after its status.
	bodyTime = 5 * time.Second
	// maxHeaders bounds the header of an answer, in bytes.
	maxHeaders = 16 << 10
	// maxBody is how much of the body of an answer is read, kept how much is stored.
	maxBody = 64 << 10
	kept    = 4 << 10
)

// client makes requests of this policy alone: no proxy of the environment, no redirect, no
// decompression, no HTTP/2. Addresses are checked when a connection begins, after the names
// were looked up: a name that changes its address between two look-ups gains nothing.
func (p policy) client(options ...func(*net.Dialer)) *http.Client {
	transport := func(check func(netip.AddrPort) error) *http.Transport {
		d := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return errAddress
			}
			return check(at)
		}}
		for _, o := range options {
			o(d)
		}
		return &http.Transport{
			DialContext: d.DialContext, TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: maxHeaders,
			MaxIdleConns: quickSlots, MaxIdleConnsPerHost: maxWindow, IdleConnTimeout: 30 * time.Second,
		}
	}
	secure := transport(func(at netip.AddrPort) error {
		if !usual(at.Port()) && !p.inside(at.Addr()) {
			return errAddress
		}
		return p.safe(at.Addr())
	})
	plain := transport(func(at netip.AddrPort) error {
		if !p.inside(at.Addr()) {
			return errPlain
		}
		return nil
	})
	return &http.Client{Transport: byScheme{secure, plain}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// byScheme has one transport for https and one for http.
type byScheme struct{ secure, plain *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b byScheme) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return b.secure.RoundTrip(r)
	}
	return b.plain.RoundTrip(r)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (b byScheme) CloseIdleConnections() {
	b.secure.CloseIdleConnections()
	b.plain.CloseIdleConnections()
}
