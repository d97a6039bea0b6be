package main

import (
	"context"
	"log/slog"
	"time"

	"timbre.example/internal/events"
	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	"timbre.example/internal/tracing"
)

// telling is what a process tells its operator: its log, metrics, traces and events.
type telling struct {
	log     *slog.Logger
	metrics *metrics.Metrics
	tracer  *tracing.Tracer // nil without --traces-endpoint
	events  *events.Recorder
}

// openTelling builds the metrics and the tracer. It connects to nothing.
func (f serverFlags) openTelling(log *slog.Logger) telling {
	var networks []string
	for _, n := range network.Names() {
		networks = append(networks, string(n))
	}
	t := telling{log: log, metrics: metrics.New(version, networks...)}
	t.tracer = tracing.New(tracing.Config{Endpoint: f.TracesEndpoint, Ratio: float64(f.TracesRatio), Version: version, Roles: f.roleNames(), Log: log})
	t.events = events.New(log, t.metrics, t.tracer)
	return t
}

// Close implements io.Closer: it sends the spans that wait, for at most 5 seconds.
func (t telling) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	t.tracer.Close(ctx)
	return nil
}
