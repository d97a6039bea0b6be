package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// addressOf returns the caller's address as far as it can be trusted: the other end of the
// connection or, behind trusted proxies, the right-most untrusted address in
// X-Forwarded-For. An IPv6 address is truncated to its /64, since one client usually has all
// of it.
func addressOf(r *http.Request, proxies []netip.Prefix) string {
	socket, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	at := plain(socket.Addr())
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(forwarded) {
		if !slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(at) }) {
			break
		}
		next, ok := forwardedFor(strings.TrimSpace(text))
		if !ok {
			break // entries to the left are client-controlled
		}
		at = plain(next)
	}
	return keyOf(at)
}

// keyOf returns the key that an address is counted by.
func keyOf(at netip.Addr) string {
	if at.Is6() {
		p, _ := at.Prefix(64)
		return p.String()
	}
	return at.String()
}

// forwardedFor reads one address as proxies write it: some add the port.
func forwardedFor(text string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a, true
	}
	a, err := netip.ParseAddrPort(text)
	return a.Addr(), err == nil
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
