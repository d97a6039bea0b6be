package api

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"timbre.example/fault"
)

// MetricsHandler serves the metrics in Prometheus' text format. The request's host must be
// an address, a name without a dot, or one of names. Any other host is refused with
// common.not_found: a web page may have a name that leads to this server (DNS rebinding).
func (a *API) MetricsHandler(names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		host := hostOf(r)
		if net.ParseIP(host) == nil && strings.Contains(host, ".") && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) }) {
			a.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a.RenderError(w, r, fault.CommonNotFound().With("reason", "host"))
			})).ServeHTTP(w, r)
			return
		}
		a.metrics.ServeHTTP(w, r)
	})
}

// hostOf returns the name or address that the client called, without port and brackets.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}

// metricsHere serves the metrics beside the API, only to programs on this machine. A server
// with a public name has a proxy in front. That proxy may run on the same machine and not
// forward the client's address, so then the answer is common.not_found.
func (a *API) metricsHere(w http.ResponseWriter, r *http.Request) {
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	public, urlErr := url.Parse(a.PublicURL)
	forwarded := r.Header.Get("X-Forwarded-For") + r.Header.Get("Forwarded") + r.Header.Get("Via")
	if err != nil || urlErr != nil || !thisMachine(from) || !thisMachine(public.Hostname()) || forwarded != "" {
		a.RenderError(w, r, fault.CommonNotFound())
		return
	}
	if !thisMachine(hostOf(r)) { // a web page whose name leads here: see MetricsHandler
		a.RenderError(w, r, fault.CommonNotFound().With("reason", "host"))
		return
	}
	a.metrics.ServeHTTP(w, r)
}

func thisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
