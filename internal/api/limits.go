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
	"timbre.example/internal/paths"
)

// spend takes one call from a budget, or refuses the call. The answer's headers report the
// last budget that was checked: the caller's own, unless another budget refused.
func (a *API) spend(ctx context.Context, b *limit.Budget, key string) error {
	s := b.Take(ctx, key)
	if !s.Allowed || b != a.Limits.Organization {
		reportBudget(ctx, b, s)
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

// reportBudget reports a budget in the answer's headers.
func reportBudget(ctx context.Context, b *limit.Budget, s limit.State) {
	if policy, standing := b.Headers(s); policy != "" {
		h := exchangeOf(ctx).header
		h.Set("RateLimit-Policy", policy)
		h.Set("RateLimit", standing)
	}
}

// admit takes a mint from the budget of its key and then from that of its organization. A
// mint refused by the first costs the organization nothing.
func (a *API) admit(ctx context.Context, siteKey, organization string) error {
	if err := a.spend(ctx, a.Limits.Mint, siteKey); err != nil {
		return err
	}
	return a.spend(ctx, a.Limits.Organization, organization)
}

// countedPaths are the API and all pages that are read, packed, searched or proved for each
// call.
var countedPaths = []string{"/v1/", paths.Works, paths.Explorer, "/log/", "/docs/search"}

// Counts reports whether a call of path costs its address one of its budget.
func Counts(path string) bool {
	return slices.ContainsFunc(countedPaths, func(p string) bool { return strings.HasPrefix(path, p) })
}

// The limits of a request before its body. net/http itself refuses more than
// [MaxHeaderBytes].
const (
	maxTarget  = 8 << 10 // bytes of path and query
	maxHeaders = 100     // header fields
)

// MaxHeaderBytes is the largest request line with headers, in bytes, for http.Server.
const MaxHeaderBytes = 16 << 10

// limitHead refuses more parts than any of Timbre's clients sends.
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

// limitAddress takes every counted call from the budget of its address, before any other
// check. Preflights are not counted: cors has already answered them.
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
