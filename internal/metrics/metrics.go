// Package metrics holds every metric of a process. No other package registers a metric.
//
// Events move counters and histograms: a request, a final transaction, a block. Sources are
// read when a scrape comes; the counts of rows among them are cached, so that scrapes cannot
// load the database. A label has few values that the code or the configuration knows: never
// an id, a title, an address, or a word that a client chose.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the metrics of one process. The methods of a nil Metrics do nothing.
type Metrics struct {
	registry *prometheus.Registry
	version  string
	networks []string

	requests            *prometheus.CounterVec
	requestSeconds      *prometheus.HistogramVec
	transactions        *prometheus.CounterVec
	transactionSeconds  *prometheus.HistogramVec
	credits             *prometheus.CounterVec
	certificatesMade    prometheus.Counter
	certificatesFailed  prometheus.Counter
	certificateSeconds  prometheus.Histogram
	timestampsMade      prometheus.Counter
	timestampsFailed    prometheus.Counter
	timestampsAbandoned prometheus.Counter
	erasures            prometheus.Counter
	webhookAttempts     *prometheus.CounterVec
	webhookSeconds      prometheus.Histogram
	webhooksDisabled    *prometheus.CounterVec
	blockSeconds        *prometheus.HistogramVec
	blockEntries        *prometheus.HistogramVec
}

// The values of the label outcome of timbre_transactions_total.
const (
	confirmed = "confirmed"
	final     = "final"
	failed    = "failed"
)

// The values of the label kind of timbre_credits_total.
const (
	held     = "held"
	captured = "captured"
	released = "released"
)

// outcomes are the values of the label outcome of timbre_webhook_attempts_total, and
// disabling those of the label reason of timbre_webhook_endpoints_disabled_total.
var (
	outcomes  = map[string]string{"delivered": "delivered", "waiting": "retried", "failed": "failed"}
	disabling = []string{"gone", "failing"}
)

// New makes the metrics of a release. networks are the values of the label network.
func New(version string, networks ...string) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(), // its own: libraries use the global one
		version:  version,
		networks: networks,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "timbre_requests_total", Help: "Requests by route, status and catalogue code of the refusal (empty for a success).",
		}, []string{"method", "route", "status", "code"}),
		requestSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "timbre_request_seconds", Help: "Duration of requests in seconds, without progress streams.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"route"}),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "timbre_transactions_total", Help: "Transactions that this process confirmed, or saw become final or failed.",
		}, []string{"network", "outcome"}),
		transactionSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "timbre_transaction_seconds", Help: "Time from confirm to final in seconds.",
			Buckets: []float64{.5, 1, 2.5, 5, 10, 20, 60, 300, 1800},
		}, []string{"network"}),
		credits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "timbre_credits_total", Help: "Credits that this process held, captured or released.",
		}, []string{"network", "kind"}),
		certificatesMade:   counter("timbre_certificates_made_total", "Certificates that this process made."),
		certificatesFailed: counter("timbre_certificates_failed_total", "Failed attempts to make a certificate; each is retried."),
		certificateSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "timbre_certificate_seconds", Help: "Time to make a certificate in seconds, without the waits for database and store.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}),
		timestampsMade:      counter("timbre_timestamps_made_total", "Time stamps that this process received and stored."),
		timestampsFailed:    counter("timbre_timestamps_failed_total", "Failed requests to the time-stamp authority; each is retried until the timeout of its version."),
		timestampsAbandoned: counter("timbre_timestamps_abandoned_total", "Versions that stay without a time stamp, because their timeout has passed."),
		erasures:            counter("timbre_erasures_total", "Files of erased works that this process deleted."),
		webhookAttempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "timbre_webhook_attempts_total", Help: "Attempts of this process to deliver a webhook, by what followed: delivered, retried, or failed for good.",
		}, []string{"outcome"}),
		webhookSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "timbre_webhook_seconds", Help: "Time of an attempt to deliver a webhook in seconds, from the look-up of the host to the end of the answer.",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		webhooksDisabled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "timbre_webhook_endpoints_disabled_total", Help: "Webhook endpoints that this process disabled: they answered 410 (gone), or every attempt failed for days (failing).",
		}, []string{"reason"}),
		blockSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "timbre_log_block_seconds", Help: "Time to make a block in seconds.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"network"}),
		blockEntries: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "timbre_log_block_entries", Help: "Entries of a block.",
			Buckets: []float64{1, 2, 5, 10, 50, 100, 250, 500, 1000},
		}, []string{"network"}),
	}
	about := prometheus.NewGauge(prometheus.GaugeOpts{Name: "timbre_info", Help: "Always 1; the label is the release.", ConstLabels: prometheus.Labels{"version": version}})
	about.Set(1)
	m.registry.MustRegister(about, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.requestSeconds, m.transactions, m.transactionSeconds, m.credits,
		m.certificatesMade, m.certificatesFailed, m.certificateSeconds, m.timestampsMade, m.timestampsFailed, m.timestampsAbandoned, m.erasures,
		m.webhookAttempts, m.webhookSeconds, m.webhooksDisabled, m.blockSeconds, m.blockEntries)
	for _, outcome := range outcomes {
		m.webhookAttempts.WithLabelValues(outcome)
	}
	for _, reason := range disabling {
		m.webhooksDisabled.WithLabelValues(reason)
	}
	for _, n := range networks { // a series exists before its first event: otherwise a rate misses that event
		for _, outcome := range []string{confirmed, final, failed} {
			m.transactions.WithLabelValues(n, outcome)
		}
		for _, kind := range []string{held, captured, released} {
			m.credits.WithLabelValues(n, kind)
		}
		m.transactionSeconds.WithLabelValues(n)
		m.blockSeconds.WithLabelValues(n)
		m.blockEntries.WithLabelValues(n)
	}
	return m
}

// Handler serves the metrics in Prometheus' text format. Its caller decides who may read them.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// methods are the methods with a label of their own: a client may send any word.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "OPTIONS": true}

// Request counts an answered request. code is the catalogue code of a refusal, or "". stream
// leaves out its duration: a progress stream is open for as long as its client wants.
func (m *Metrics) Request(method, route string, status int, code string, took time.Duration, stream bool) {
	if m == nil {
		return
	}
	if !methods[method] {
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status), code).Inc()
	if !stream {
		m.requestSeconds.WithLabelValues(route).Observe(took.Seconds())
	}
}

// Confirmed counts a confirmed transaction and the credits that it holds.
func (m *Metrics) Confirmed(network string, credits int64) {
	m.transaction(network, confirmed, held, credits)
}

// Final counts a final transaction, its captured credits, and the time since its confirm.
func (m *Metrics) Final(network string, credits int64, took time.Duration) {
	if m == nil {
		return
	}
	m.transaction(network, final, captured, credits)
	m.transactionSeconds.WithLabelValues(network).Observe(took.Seconds())
}

// Failed counts a transaction that the network refused, and its released credits.
func (m *Metrics) Failed(network string, credits int64) {
	m.transaction(network, failed, released, credits)
}

func (m *Metrics) transaction(network, outcome, kind string, credits int64) {
	if m == nil {
		return
	}
	m.transactions.WithLabelValues(network, outcome).Inc()
	m.credits.WithLabelValues(network, kind).Add(float64(credits))
}

// CertificateMade counts a certificate and the time that making it took.
func (m *Metrics) CertificateMade(took time.Duration) {
	if m == nil {
		return
	}
	m.certificatesMade.Inc()
	m.certificateSeconds.Observe(took.Seconds())
}

// CertificateFailed counts a failed attempt to make a certificate.
func (m *Metrics) CertificateFailed() {
	if m != nil {
		m.certificatesFailed.Inc()
	}
}

// TimestampMade counts a time stamp.
func (m *Metrics) TimestampMade() {
	if m != nil {
		m.timestampsMade.Inc()
	}
}

// TimestampFailed counts a failed request for a time stamp.
func (m *Metrics) TimestampFailed() {
	if m != nil {
		m.timestampsFailed.Inc()
	}
}

// TimestampAbandoned counts a version that stays without a time stamp.
func (m *Metrics) TimestampAbandoned() {
	if m != nil {
		m.timestampsAbandoned.Inc()
	}
}

// Erased counts deleted files of erased works.
func (m *Metrics) Erased(files int) {
	if m != nil {
		m.erasures.Add(float64(files))
	}
}

// WebhookAttempt counts an attempt to deliver a webhook. state is that of the delivery after it.
func (m *Metrics) WebhookAttempt(state string, took time.Duration) {
	if m == nil {
		return
	}
	m.webhookAttempts.WithLabelValues(outcomes[state]).Inc()
	m.webhookSeconds.Observe(took.Seconds())
}

// WebhookDisabled counts an endpoint that the server disabled; with reason "" it was warned
// only, which counts nothing.
func (m *Metrics) WebhookDisabled(reason string) {
	if m != nil && reason != "" {
		m.webhooksDisabled.WithLabelValues(reason).Inc()
	}
}

// Block counts a block, its entries, and the time that making it took.
func (m *Metrics) Block(network string, entries int64, took time.Duration) {
	if m == nil {
		return
	}
	m.blockSeconds.WithLabelValues(network).Observe(took.Seconds())
	m.blockEntries.WithLabelValues(network).Observe(float64(entries))
}
