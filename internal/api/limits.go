package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"timbre.example/fault"
	"timbre.example/internal/limit"
)

// spend takes one call of a budget, or refuses it. The answer says what is left
// of the last budget that was asked: the caller's own, unless another refused.
func (a *API) spend(ctx context.Context, b *limit.Budget, key string) error {
	s := b.Take(ctx, key)
	if !s.Allowed || b != a.Limits.Organization {
		tell(ctx, b, s)
	}
	switch {
	case s.Allowed:
		return nil
	case b == a.Limits.Address:
		return fault.CommonRateLimited(s.Wait).With("reason", "address")
	case b == a.Limits.Organization:
		return fault.CommonRateLimited(s.Wait).With("reason", "organization")
	case b == a.Limits.Mint:
		return fault.SessionRateLimited(s.Wait).With("reason", "mint")
	}
	return fault.SessionRateLimited(s.Wait).With("reason", "session")
}

// tell says in the answer what is left of a budget.
func tell(ctx context.Context, b *limit.Budget, s limit.State) {
	if policy, standing := b.Headers(s); policy != "" {
		h := exchangeOf(ctx).header
		h.Set("RateLimit-Policy", policy)
		h.Set("RateLimit", standing)
	}
}

// admit holds a mint to its key's budget and to its organization's. A refused
// one costs the organization nothing.
func (a *API) admit(ctx context.Context, siteKey, organization string) error {
	if err := a.spend(ctx, a.Limits.Mint, siteKey); err != nil {
		return err
	}
	return a.spend(ctx, a.Limits.Organization, organization)
}

// countedPaths are the API, and all that is read, packed, searched or proved anew for a
// call.
var countedPaths = []string{"/v1/", "/w/", "/explorer/", "/log/", "/docs/search"}

// Counts reports whether a call of path costs its address one of its budget.
func Counts(path string) bool {
	return slices.ContainsFunc(countedPaths, func(p string) bool { return strings.HasPrefix(path, p) })
}

// The bounds of what comes before a body. net/http refuses more bytes of it than
// [MaxHeaderBytes].
const (
	maxTarget  = 8 << 10 // bytes of path and query
	maxHeaders = 100     // header fields
)

// MaxHeaderBytes is the bound of a request's line and headers, for http.Server.
const MaxHeaderBytes = 16 << 10

// limitHead refuses what would be taken apart into more than any client of ours sends.
func (a *API) limitHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fields := 0
		for _, values := range r.Header {
			fields += len(values)
		}
		switch {
		case len(r.RequestURI) > maxTarget:
			w.Header().Set("Connection", "close")
			a.RenderError(w, r, fault.CommonValidationFailed([]fault.Field{{Field: "url", Rule: "max_bytes", Message: "Path and query are longer than " + strconv.Itoa(maxTarget) + " bytes."}}))
		case fields > maxHeaders:
			w.Header().Set("Connection", "close")
			a.RenderError(w, r, fault.CommonValidationFailed([]fault.Field{{Field: "headers", Rule: "max_items", Message: "There are more than " + strconv.Itoa(maxHeaders) + " headers."}}))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// limitAddress holds every call that counts to the budget of where it comes from,
// before anything else is asked about it. A preflight is no call: cors has answered it.
func (a *API) limitAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Counts(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		if err := a.spend(r.Context(), a.Limits.Address, addressOf(r, a.TrustedProxies)); err != nil {
			a.RenderError(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// addressOf is who calls, as far as that can be believed: the other end of the
// connection or, where that is a proxy of ours, the last in X-Forwarded-For that
// is none. An IPv6 caller is his network of 64 bits, since he has all of it.
func addressOf(r *http.Request, proxies []netip.Prefix) string {
	socket, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	at := plain(socket.Addr())
	told := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(told) {
		if !slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(at) }) {
			break
		}
		next, ok := forwardedFor(strings.TrimSpace(text))
		if !ok {
			break // what stands before it, nobody we trust has vouched for
		}
		at = plain(next)
	}
	return keyOf(at)
}

// keyOf is what an address is counted by.
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
