// Package outbound makes HTTP requests to addresses that others name: endpoints of
// organizations, witnesses of a policy. It connects to public addresses, and to the networks
// that the operator allows. It never follows a redirect, and never uses a proxy of the
// environment. It does not know what is sent.
package outbound

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// Policy decides which addresses a client connects to: every public address, and the networks
// that the operator allows. Only there may a URL begin with http, or have any port.
type Policy struct {
	allowed []netip.Prefix
	public  *ssrf.Guardian
}

// NewPolicy returns a policy that allows these networks beside public addresses.
func NewPolicy(allowed []netip.Prefix) Policy {
	return Policy{allowed: allowed, public: ssrf.New(ssrf.WithAnyPort())}
}

// AllowsAny reports whether the operator allows any network.
func (p Policy) AllowsAny() bool { return len(p.allowed) > 0 }

// Inside reports whether the operator allows the network of this address.
func (p Policy) Inside(ip netip.Addr) bool {
	return slices.ContainsFunc(p.allowed, func(n netip.Prefix) bool { return n.Contains(ip.Unmap()) })
}

// Usual reports whether a port is that of http or https, or not reserved for a service.
func Usual(port uint16) bool { return port == 80 || port == 443 || port >= 1024 }

// ErrAddress is the refusal of an address. It does not say which one: a name may lead into
// the operator's network, and its owner must not learn how.
var ErrAddress = errors.New("the host has an address to which nothing is delivered")

// ErrPlain is the refusal of http outside of the allowed networks.
var ErrPlain = errors.New("http is delivered only to networks that the operator allowed")

// Safe refuses an address that is neither public nor allowed.
func (p Policy) Safe(ip netip.Addr) error {
	if ip = ip.Unmap(); p.Inside(ip) || ip.Zone() == "" && p.public.SafeAddr(ip) == nil {
		return nil
	}
	return ErrAddress
}

// maxHeaders bounds the header of an answer, in bytes.
const maxHeaders = 16 << 10

// Client makes requests of this policy alone: no proxy of the environment, no redirect, no
// decompression, no HTTP/2. Addresses are checked when a connection begins, after the names
// were looked up: a name that changes its address between two look-ups gains nothing. The
// client keeps at most idle idle connections, and perHost to one host.
func (p Policy) Client(idle, perHost int, options ...func(*net.Dialer)) *http.Client {
	return p.client(idle, perHost, func(at netip.AddrPort) error {
		if !p.Inside(at.Addr()) {
			return ErrPlain
		}
		return nil
	}, options)
}

// PlainClient is Client, but http is allowed to public addresses, too. Use it only for answers
// that are signed, and requests without secrets: authorities publish what they revoked by http,
// because a secure connection would need what they publish.
func (p Policy) PlainClient(idle, perHost int) *http.Client {
	return p.client(idle, perHost, p.usual, nil)
}

// usual refuses addresses that are neither public nor allowed, and unusual ports of public ones.
func (p Policy) usual(at netip.AddrPort) error {
	if !Usual(at.Port()) && !p.Inside(at.Addr()) {
		return ErrAddress
	}
	return p.Safe(at.Addr())
}

// client makes a client whose connections for http are checked by plainly.
func (p Policy) client(idle, perHost int, plainly func(netip.AddrPort) error, options []func(*net.Dialer)) *http.Client {
	transport := func(check func(netip.AddrPort) error) *http.Transport {
		d := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return ErrAddress
			}
			return check(at)
		}}
		for _, o := range options {
			o(d)
		}
		return &http.Transport{
			DialContext: d.DialContext, TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: maxHeaders,
			MaxIdleConns: idle, MaxIdleConnsPerHost: perHost, IdleConnTimeout: 30 * time.Second,
		}
	}
	secure, plain := transport(p.usual), transport(plainly)
	return &http.Client{Transport: ByScheme{secure, plain}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ByScheme has one transport for https and one for http.
type ByScheme struct{ Secure, Plain *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b ByScheme) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return b.Secure.RoundTrip(r)
	}
	return b.Plain.RoundTrip(r)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (b ByScheme) CloseIdleConnections() {
	b.Secure.CloseIdleConnections()
	b.Plain.CloseIdleConnections()
}
