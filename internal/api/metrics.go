package api

import (
	"cmp"
	"context"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"timbre.example/fault"
	"timbre.example/internal/space"
)

// metrics count requests and their answers. Labels are routes and codes, of which there are
// few; never an id, a title or an address.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	handler  http.Handler
}

func newMetrics(c Config, followers func() int) *metrics {
	worker := c.Worker
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "timbre_requests_total", Help: "Requests by route, status and catalogue code of the refusal (empty for a success).",
		}, []string{"method", "route", "status", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "timbre_request_seconds", Help: "Duration of requests in seconds, without progress streams.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"route"}),
	}
	about := prometheus.NewGauge(prometheus.GaugeOpts{Name: "timbre_info", Help: "Always 1; the label is the release.", ConstLabels: prometheus.Labels{"version": c.Version}})
	about.Set(1)
	// A registry of its own: other packages use the global one.
	r := prometheus.NewRegistry()
	r.MustRegister(m.requests, m.seconds, about, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "timbre_followers", Help: "Open progress streams."}, func() float64 { return float64(followers()) }))
	r.MustRegister(c.Metrics...)
	if worker != nil {
		r.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "timbre_certificates_waiting", Help: "Final versions that have no certificate yet; NaN if the database is unavailable."}, func() float64 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				n, err := worker.Issuing.CertificatesWaiting(ctx)
				if err != nil {
					return math.NaN()
				}
				return float64(n)
			}),
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "timbre_certificates_failed_total", Help: "Failed attempts to make a certificate; each is retried."}, func() float64 { return float64(worker.Issuing.CertificatesFailed()) }))
	}
	if c.Uploads != nil {
		gauge := func(name, help string, value func() float64) {
			r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
		}
		gauge("timbre_uploads_running", "Uploads that this process is receiving.", func() float64 { n, _ := c.Uploads(); return float64(n) })
		gauge("timbre_uploads_running_bytes", "The most bytes that the running uploads may have.", func() float64 { _, n := c.Uploads(); return float64(n) })
	}
	if works := cmp.Or(c.Registry, worker); works != nil {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "timbre_uploads_staged_bytes", Help: "Stored bytes of uploads that are not registered yet; NaN if the database is unavailable."}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			n, err := works.Intake.StagedBytes(ctx)
			if err != nil {
				return math.NaN()
			}
			return float64(n)
		}))
	}
	r.MustRegister(places{c.Space})
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return m
}

// places collects the free space of the server's file systems.
type places struct{ *space.Guard }

var (
	freeBytes     = prometheus.NewDesc("timbre_storage_free_bytes", "Free bytes of the file system that holds the uploads or the database.", []string{"place"}, nil)
	reservedBytes = prometheus.NewDesc("timbre_storage_reserve_bytes", "New registrations and uploads are refused below this number of free bytes.", []string{"place"}, nil)
)

func (p places) Describe(to chan<- *prometheus.Desc) { to <- freeBytes; to <- reservedBytes }

func (p places) Collect(to chan<- prometheus.Metric) {
	for _, s := range p.States() {
		to <- prometheus.MustNewConstMetric(freeBytes, prometheus.GaugeValue, float64(s.Free), s.Name)
		to <- prometheus.MustNewConstMetric(reservedBytes, prometheus.GaugeValue, float64(s.Reserved), s.Name)
	}
}

// methods are the methods with a label of their own: a client may send any word.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "OPTIONS": true}

func (m *metrics) seen(method, route string, status int, code string, took time.Duration) {
	if !methods[method] {
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status), code).Inc()
	if route != routeSocket && route != routeEvents {
		m.seconds.WithLabelValues(route).Observe(took.Seconds())
	}
}

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
		a.metrics.handler.ServeHTTP(w, r)
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
	a.metrics.handler.ServeHTTP(w, r)
}

func thisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
