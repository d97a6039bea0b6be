package web

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"timbre.example/internal/fault"
)

// metrics count requests and their answers. Labels are routes and codes, of which there are
// few; never an id, a title or an address.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	streamed map[string]bool // routes whose duration is not measured
	handler  http.Handler
}

func newMetrics(r *prometheus.Registry, version string) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "timbre_requests_total", Help: "Requests by route, status and catalogue code of the refusal (empty for a success).",
		}, []string{"method", "route", "status", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "timbre_request_seconds", Help: "Duration of requests in seconds, without progress streams.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"route"}),
		streamed: map[string]bool{},
		handler:  promhttp.HandlerFor(r, promhttp.HandlerOpts{}),
	}
	about := prometheus.NewGauge(prometheus.GaugeOpts{Name: "timbre_info", Help: "Always 1; the label is the release.", ConstLabels: prometheus.Labels{"version": version}})
	about.Set(1)
	r.MustRegister(m.requests, m.seconds, about)
	return m
}

// methods are the methods with a label of their own: a client may send any word.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "OPTIONS": true}

func (m *metrics) seen(method, route string, status int, code string, took time.Duration) {
	if !methods[method] {
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status), code).Inc()
	if !m.streamed[route] {
		m.seconds.WithLabelValues(route).Observe(took.Seconds())
	}
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
func (m *metrics) local(publicURL string) http.HandlerFunc {
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
