package tracing

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	res "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	wire "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// exporter sends spans as OTLP over HTTP. The exporter of OpenTelemetry would do the same,
// but it links gRPC: 5.5 MB more (ADR 75).
type exporter struct {
	endpoint string
	client   *http.Client
	log      *slog.Logger

	mu   sync.Mutex
	said time.Time
}

const (
	// exportTime is the timeout of one message to the collector.
	exportTime = 10 * time.Second
	// quiet is the shortest time between two log lines about the collector.
	quiet = time.Minute
)

func newExporter(endpoint string, log *slog.Logger) *exporter {
	return &exporter{endpoint: endpoint, client: &http.Client{Timeout: exportTime, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 2, IdleConnTimeout: time.Minute}}, log: log}
}

// ExportSpans implements sdk.SpanExporter. Spans that the collector does not take are lost:
// tracing never holds up a registration.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	if err := e.send(ctx, spans); err != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		if now := time.Now(); e.said.IsZero() || now.Sub(e.said) >= quiet {
			e.said = now
			e.log.WarnContext(ctx, "the collector of traces does not take spans", "spans", len(spans), "error", err)
		}
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func (e *exporter) send(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	body, err := proto.Marshal(message(spans))
	if err != nil {
		return fmt.Errorf("encode %d spans: %w", len(spans), err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := e.client.Do(req)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("send spans: the collector answers %s", answer.Status)
	}
	return nil
}

// message is the body of a request. ExportTraceServiceRequest and TracesData have the same
// encoding. All spans have one resource and one scope: those of this process.
func message(spans []sdk.ReadOnlySpan) *wire.TracesData {
	out := &wire.ScopeSpans{Scope: &common.InstrumentationScope{Name: spans[0].InstrumentationScope().Name}}
	for _, s := range spans {
		id, span := s.SpanContext().TraceID(), s.SpanContext().SpanID()
		one := &wire.Span{
			TraceId: id[:], SpanId: span[:], Flags: uint32(s.SpanContext().TraceFlags()), Name: s.Name(), Kind: wire.Span_SpanKind(s.SpanKind()),
			StartTimeUnixNano: uint64(s.StartTime().UnixNano()), EndTimeUnixNano: uint64(s.EndTime().UnixNano()), Attributes: attributes(s.Attributes()),
		}
		if parent := s.Parent().SpanID(); parent.IsValid() {
			one.ParentSpanId = parent[:]
		}
		if s.Status().Code == codes.Error {
			one.Status = &wire.Status{Code: wire.Status_STATUS_CODE_ERROR, Message: s.Status().Description}
		}
		out.Spans = append(out.Spans, one)
	}
	return &wire.TracesData{ResourceSpans: []*wire.ResourceSpans{{
		Resource: &res.Resource{Attributes: attributes(spans[0].Resource().Attributes())}, ScopeSpans: []*wire.ScopeSpans{out},
	}}}
}

func attributes(all []attribute.KeyValue) (out []*common.KeyValue) {
	for _, a := range all {
		value := &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: a.Value.String()}}
		if a.Value.Type() == attribute.INT64 {
			value.Value = &common.AnyValue_IntValue{IntValue: a.Value.AsInt64()}
		}
		out = append(out, &common.KeyValue{Key: string(a.Key), Value: value})
	}
	return out
}
