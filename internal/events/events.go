// Package events records what happens in the life of a registration and of the server: one
// line of the log and one metric for each event, under fixed names, and a span of the trace.
// docs/operating.md lists the names.
//
// A line has ids, numbers and words of the code. It never has a title, a name, a file name,
// an address, an access code, or a complete job id: with it anyone could follow the
// transaction. An event is recorded after its commit, so it is true, and once.
package events

import (
	"context"
	"log/slog"
	"time"

	"timbre.example/internal/metrics"
	"timbre.example/internal/tracing"
)

// The events, as the message of their line. Each is at INFO.
const (
	Migrated    = "migrated"
	Ready       = "ready"
	Confirmed   = "confirmed"
	Final       = "final"
	Failed      = "failed"
	Block       = "block"
	Timestamped = "time-stamped"
	Certified   = "certificate"
	Erased      = "erased"
	Notified    = "webhook"
	Unhealthy   = "webhook endpoint"
	Stopped     = "stopped"
)

// Recorder records events. A nil Recorder records nothing.
type Recorder struct {
	log     *slog.Logger
	metrics *metrics.Metrics
	tracer  *tracing.Tracer
}

// New makes a recorder. m and t may be nil: then events only reach the log.
func New(log *slog.Logger, m *metrics.Metrics, t *tracing.Tracer) *Recorder {
	return &Recorder{log, m, t}
}

func (r *Recorder) line(ctx context.Context, event string, attrs ...slog.Attr) {
	r.log.LogAttrs(ctx, slog.LevelInfo, event, attrs...) //nolint:sloglint // each caller passes a constant: the functions below
}

// short shortens a job's id: enough to find its row, but without 62 random bits.
func short(id string) string { return id[:min(len(id), 18)] }

// Ready records that a server answers from now on at its public URL. roles are separated by
// commas.
func (r *Recorder) Ready(ctx context.Context, url, roles, version string) {
	if r != nil {
		r.line(ctx, Ready, slog.String("url", url), slog.String("roles", roles), slog.String("version", version))
	}
}

// Stopped records the end of a server, and how long it ran.
func (r *Recorder) Stopped(ctx context.Context, ran time.Duration) {
	if r != nil {
		r.line(ctx, Stopped, slog.Duration("ran", ran.Round(time.Millisecond)))
	}
}

// Migrated records that the schema was brought to this release.
func (r *Recorder) Migrated(ctx context.Context, version string, migrations int64) {
	if r != nil {
		r.line(ctx, Migrated, slog.String("version", version), slog.Int64("migrations", migrations))
	}
}

// Transaction is what the lines about a transaction have in common.
type Transaction struct {
	Job          string // the id of its job; the line shortens it
	Network      string
	Kind         string
	Organization string
	Credits      int64
	// Request is the id of the request that confirmed it: the trace of its steps.
	Request string
}

func (t Transaction) attrs(more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{slog.String("job", short(t.Job)), slog.String("network", t.Network), slog.String("kind", t.Kind), slog.String("organization", t.Organization), slog.Int64("credits", t.Credits)}, more...)
}

// Confirmed records that a quote was accepted.
func (r *Recorder) Confirmed(ctx context.Context, t Transaction) {
	if r != nil {
		r.metrics.Confirmed(t.Network, t.Credits)
		r.line(ctx, Confirmed, t.attrs()...)
	}
}

// Final records a final transaction: its work, its block, and the time since its confirm.
func (r *Recorder) Final(ctx context.Context, t Transaction, work string, version, block int64, took time.Duration) {
	if r != nil {
		r.metrics.Final(t.Network, t.Credits, took)
		r.line(ctx, Final, t.attrs(slog.String("work", work), slog.Int64("version", version), slog.Int64("block", block), slog.Duration("took", took.Round(time.Millisecond)))...)
	}
}

// Failed records a transaction that the network refused. reason is the network's.
func (r *Recorder) Failed(ctx context.Context, t Transaction, code, reason string) {
	if r != nil {
		r.metrics.Failed(t.Network, t.Credits)
		r.line(ctx, Failed, t.attrs(slog.String("code", code), slog.String("reason", reason))...)
	}
}

// Step records a step of a transaction in its trace: it began at begun and ends now. It
// writes no line: err, if any, is logged by its caller, which tries again.
func (r *Recorder) Step(t Transaction, step string, begun time.Time, err error) {
	if r != nil {
		r.tracer.Step(t.Request, step, t.Network, short(t.Job), begun, err)
	}
}

// Block records a block of a log.
func (r *Recorder) Block(ctx context.Context, network string, size, entries int64, took time.Duration) {
	if r != nil {
		r.metrics.Block(network, entries, took)
		r.line(ctx, Block, slog.String("network", network), slog.Int64("size", size), slog.Int64("entries", entries), slog.Duration("took", took.Round(time.Microsecond)))
	}
}

// Timestamped records the token of a version.
func (r *Recorder) Timestamped(ctx context.Context, work string, version int64, took time.Duration) {
	if r != nil {
		r.metrics.TimestampMade()
		r.line(ctx, Timestamped, slog.String("work", work), slog.Int64("version", version), slog.Duration("took", took.Round(time.Millisecond)))
	}
}

// Certified records the certificate of a version.
func (r *Recorder) Certified(ctx context.Context, work string, version int64, took time.Duration) {
	if r != nil {
		r.metrics.CertificateMade(took)
		r.line(ctx, Certified, slog.String("work", work), slog.Int64("version", version), slog.Duration("took", took.Round(time.Millisecond)))
	}
}

// Erased records deleted files: those of an organization's erased works, and files without a
// row.
func (r *Recorder) Erased(ctx context.Context, organization string, files int) {
	if r != nil {
		r.metrics.Erased(files)
		r.line(ctx, Erased, slog.String("organization", organization), slog.Int("files", files))
	}
}

// Webhook is what the lines about a delivery have in common. The line shortens the ids.
type Webhook struct {
	Delivery, Event, Organization, Endpoint string
	// Job is the job of the transaction that the event is about, or "".
	Job string
}

// WebhookAttempt counts an attempt of a delivery. state is that of the delivery after it: a
// delivery that waits for another attempt has no line. status is 0 without an answer.
func (r *Recorder) WebhookAttempt(ctx context.Context, w Webhook, state string, status int, attempt int64, took time.Duration) {
	if r == nil {
		return
	}
	r.metrics.WebhookAttempt(state, took)
	if state == "waiting" {
		return
	}
	r.line(ctx, Notified, slog.String("delivery", w.Delivery), slog.String("event", w.Event), slog.String("job", short(w.Job)), slog.String("organization", w.Organization), slog.String("endpoint", w.Endpoint),
		slog.String("state", state), slog.Int("status", status), slog.Int64("attempt", attempt), slog.Duration("took", took.Round(time.Millisecond)))
}

// WebhookEndpoint records that an endpoint has failed for days (reason is ""), or was disabled
// by the server for a reason.
func (r *Recorder) WebhookEndpoint(ctx context.Context, organization, endpoint, reason string) {
	if r != nil {
		r.metrics.WebhookDisabled(reason)
		r.line(ctx, Unhealthy, slog.String("organization", organization), slog.String("endpoint", endpoint), slog.String("disabled", reason))
	}
}

// Failures that are retried have a line at WARN or ERROR where they happen. Here they only
// move their metric.

// CertificateFailed counts a failed attempt to make a certificate.
func (r *Recorder) CertificateFailed() {
	if r != nil {
		r.metrics.CertificateFailed()
	}
}

// TimestampFailed counts a failed request to the time-stamp authority.
func (r *Recorder) TimestampFailed() {
	if r != nil {
		r.metrics.TimestampFailed()
	}
}

// TimestampAbandoned counts a version that stays without a time stamp.
func (r *Recorder) TimestampAbandoned() {
	if r != nil {
		r.metrics.TimestampAbandoned()
	}
}
