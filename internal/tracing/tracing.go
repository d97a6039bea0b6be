// Package tracing records spans of requests and of the steps of their transactions, and
// sends them to an OpenTelemetry collector (OTLP over HTTP, protobuf).
//
// A request id is "req_" and a ULID: 128 bits, as many as a trace id has. So the trace of a
// request has the ULID as its id, and its first span the last half of it. A worker that reads
// the request id in the row of a transaction knows the trace and its first span: nothing else
// is stored, and an operator finds the trace of a reference that the widget shows.
//
// A span has no title, name, address, query, access code or complete job id. A trace context
// that a client sends is ignored: clients are strangers.
package tracing

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer records spans. A nil Tracer records none, starts nothing and allocates nothing.
type Tracer struct {
	provider *sdk.TracerProvider
	spans    trace.Tracer
}

// Config configures New.
type Config struct {
	// Endpoint is the URL that receives spans, such as http://collector:4318/v1/traces. ""
	// switches tracing off.
	Endpoint string
	// Ratio is the part of the traces that is recorded, 0 to 1. A trace is recorded as a
	// whole: every process decides by its id.
	Ratio float64
	// Version is the release, Roles those of this process.
	Version, Roles string
	// Log receives the failures of the collector, at most once a minute.
	Log *slog.Logger
}

// New starts a tracer. It returns nil without an endpoint.
func New(c Config) *Tracer {
	if c.Endpoint == "" {
		return nil
	}
	p := sdk.NewTracerProvider(
		sdk.WithBatcher(newExporter(c.Endpoint, c.Log)),
		sdk.WithSampler(sdk.TraceIDRatioBased(c.Ratio)), // not by the parent, which a worker cannot ask
		sdk.WithIDGenerator(ids{}),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "timbre"), attribute.String("service.version", c.Version), attribute.String("timbre.roles", c.Roles))),
	)
	return &Tracer{p, p.Tracer("timbre.example")}
}

// Close sends the spans that wait, until ctx ends.
func (t *Tracer) Close(ctx context.Context) {
	if t != nil {
		_ = t.provider.Shutdown(ctx) // a failure was logged
	}
}

// Answer is what is known at the end of a request.
type Answer struct {
	Route  string
	Status int
	// Code is the catalogue code of a refusal, Job the shortened id of the job; both may be "".
	Code, Job string
}

// Request begins the span of a request. The returned function ends it.
func (t *Tracer) Request(ctx context.Context, id, method string) (context.Context, func(Answer)) {
	if t == nil {
		return ctx, func(Answer) {}
	}
	first, ok := origin(id)
	if !ok {
		return ctx, func(Answer) {}
	}
	ctx, span := t.spans.Start(context.WithValue(ctx, originKey{}, first), method, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(a Answer) {
		span.SetName(method + " " + a.Route)
		attrs := []attribute.KeyValue{
			attribute.String("http.request.method", method), attribute.String("http.route", a.Route), attribute.Int("http.response.status_code", a.Status),
			attribute.String("timbre.request_id", id),
		}
		if a.Job != "" {
			attrs = append(attrs, attribute.String("timbre.job", a.Job))
		}
		if a.Code != "" {
			attrs = append(attrs, attribute.String("timbre.code", a.Code))
		}
		span.SetAttributes(attrs...)
		if a.Status >= 500 {
			span.SetStatus(codes.Error, a.Code)
		}
		span.End()
	}
}

// Step records a step of the transaction that the request with this id confirmed: it began at
// begun and ends now. err is why it failed, or nil.
func (t *Tracer) Step(request, name, network, job string, begun time.Time, err error) {
	if t == nil {
		return
	}
	first, ok := origin(request)
	if !ok {
		return
	}
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: first.trace, SpanID: first.span, TraceFlags: trace.FlagsSampled, Remote: true})
	_, span := t.spans.Start(trace.ContextWithRemoteSpanContext(context.Background(), parent), name, trace.WithTimestamp(begun),
		trace.WithAttributes(attribute.String("timbre.network", network), attribute.String("timbre.job", job)))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// beginning is the first span of a request's trace.
type beginning struct {
	trace trace.TraceID
	span  trace.SpanID
}

type originKey struct{}

// origin derives the first span of the trace from a request id.
func origin(id string) (beginning, bool) {
	text, ok := strings.CutPrefix(id, "req_")
	u, err := ulid.ParseStrict(text)
	return beginning{trace.TraceID(u), trace.SpanID(u[8:])}, ok && err == nil
}

// ids gives the first span of a request the ids of its origin, and other spans random ones.
type ids struct{}

func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if first, ok := ctx.Value(originKey{}).(beginning); ok {
		return first.trace, first.span
	}
	var id trace.TraceID
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	return id, ids{}.NewSpanID(ctx, id)
}

func (ids) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], 1+rand.Uint64N(1<<63)) // never zero, which is invalid
	return id
}
