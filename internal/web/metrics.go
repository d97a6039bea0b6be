package web

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"timbre.example/internal/fault"
	"timbre.example/internal/metrics"
)

// measures counts requests and their answers, and serves the metrics of the process.
type measures struct {
	all      *metrics.Metrics
	streamed map[string]bool // routes whose duration is not measured
	handler  http.Handler
}

func newMeasures(all *metrics.Metrics) *measures {
	return &measures{all: all, streamed: map[string]bool{}, handler: all.Handler()}
}

// hostOf returns the name or address that the client called, without port and brackets.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}

// local serves the metrics beside the faces, only to programs on this machine. A server with a
// public name has a proxy in front. That proxy may run on the same machine and not forward the
// client's address, so then the answer is common.not_found.
func (m *measures) local(publicURL string) http.HandlerFunc {
	public, urlErr := url.Parse(publicURL)
	return func(w http.ResponseWriter, r *http.Request) {
		from, _, err := net.SplitHostPort(r.RemoteAddr)
		forwarded := r.Header.Get("X-Forwarded-For") + r.Header.Get("Forwarded") + r.Header.Get("Via")
		if err != nil || urlErr != nil || !thisMachine(from) || !thisMachine(public.Hostname()) || forwarded != "" {
			RenderError(w, r, fault.CommonNotFound())
			return
		}
		if !thisMachine(hostOf(r)) { // a web page whose name leads here: see MetricsHandler
			RenderError(w, r, fault.CommonNotFound().With("reason", "host"))
			return
		}
		m.handler.ServeHTTP(w, r)
	}
}

func thisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// foreign reports whether a host is a name with a dot that is not one of names: a web page may
// have such a name, and lead here with it (DNS rebinding).
func foreign(host string, names []string) bool {
	return net.ParseIP(host) == nil && strings.Contains(host, ".") && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) })
}
