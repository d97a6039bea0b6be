package tracing_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	wire "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"timbre.example/internal/tracing"
)

// collector receives spans and decodes them.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []*wire.ResourceSpans
}

func newCollector(t *testing.T) *collector {
	c := &collector{status: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m wire.TracesData
		if err == nil {
			err = proto.Unmarshal(body, &m)
		}
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s %v: %v", r.Method, r.URL.Path, r.Header, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, m.ResourceSpans...)
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) spans() (all []*wire.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.got {
		for _, s := range r.ScopeSpans {
			all = append(all, s.Spans...)
		}
	}
	return all
}

func text(all []*common.KeyValue) string {
	var b strings.Builder
	for _, a := range all {
		b.WriteString(a.Key + "=" + a.Value.GetStringValue())
		if n := a.Value.GetIntValue(); n != 0 {
			b.WriteString("#")
		}
		b.WriteString(" ")
	}
	return b.String()
}

// A step that another process records joins the trace of the request, by the request's id
// alone.
func TestTrace(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	start := func(roles string) *tracing.Tracer {
		return tracing.New(tracing.Config{Endpoint: c.URL + "/v1/traces", Ratio: 1, Version: "1.2.3", Roles: roles, Log: slog.New(slog.DiscardHandler)})
	}
	front, worker := start("ats"), start("worker")
	u := ulid.Make()
	id := "req_" + u.String()
	ctx, end := front.Request(t.Context(), id, "POST")
	if ctx.Err() != nil {
		t.Fatal(ctx.Err())
	}
	end(tracing.Answer{Route: "/v1/works/confirm", Status: 202, Job: "0198a1b2-c3d4-7abc"})
	begun := time.Now().Add(-3 * time.Second)
	worker.Step(id, "stage", "mainnet", "0198a1b2-c3d4-7abc", begun, nil)
	worker.Step(id, "broadcast", "mainnet", "0198a1b2-c3d4-7abc", begun, errors.New("network refused"))
	worker.Step("not a request id", "stage", "mainnet", "", begun, nil)
	front.Close(t.Context())
	worker.Close(t.Context())
	byName := map[string]*wire.Span{}
	for _, s := range c.spans() {
		byName[s.Name] = s
		if hex.EncodeToString(s.TraceId) != hex.EncodeToString(u[:]) {
			t.Errorf("%s: trace %x, want the ULID %x", s.Name, s.TraceId, u)
		}
	}
	first, stage, failed := byName["POST /v1/works/confirm"], byName["stage"], byName["broadcast"]
	if len(byName) != 3 || first == nil || stage == nil || failed == nil {
		t.Fatalf("spans %v", byName)
	}
	if first.ParentSpanId != nil || first.Kind != wire.Span_SPAN_KIND_SERVER || !strings.Contains(text(first.Attributes), "http.route=/v1/works/confirm http.response.status_code=# timbre.request_id="+id) {
		t.Errorf("first span: %v", first)
	}
	for _, s := range []*wire.Span{stage, failed} {
		if !bytes.Equal(s.ParentSpanId, first.SpanId) || s.EndTimeUnixNano-s.StartTimeUnixNano < uint64(3*time.Second) || bytes.Equal(s.SpanId, first.SpanId) {
			t.Errorf("%s: %v", s.Name, s)
		}
	}
	if stage.Status != nil || failed.Status.GetCode() != wire.Status_STATUS_CODE_ERROR || failed.Status.Message != "network refused" {
		t.Errorf("status %v and %v", stage.Status, failed.Status)
	}
	if got := text(c.got[0].Resource.Attributes); !strings.Contains(got, "service.name=timbre") || !strings.Contains(got, "service.version=1.2.3") {
		t.Errorf("resource %s", got)
	}
}

// Every process records the same part of the traces.
func TestRatio(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	start := func() *tracing.Tracer {
		return tracing.New(tracing.Config{Endpoint: c.URL + "/v1/traces", Ratio: 0.5, Log: slog.New(slog.DiscardHandler)})
	}
	a, b := start(), start()
	const n = 400
	for range n { // not ulid.Make: its ids of one millisecond are neighbours, and share their fate
		id := "req_" + ulid.MustNew(ulid.Now(), rand.Reader).String()
		_, end := a.Request(t.Context(), id, "GET")
		end(tracing.Answer{})
		b.Step(id, "stage", "", "", time.Now(), nil)
	}
	a.Close(t.Context())
	b.Close(t.Context())
	seen := map[string]int{}
	for _, s := range c.spans() {
		seen[string(s.TraceId)]++
	}
	if len(seen) < n/4 || len(seen) > 3*n/4 {
		t.Errorf("%d of %d traces", len(seen), n)
	}
	for id, spans := range seen {
		if spans != 2 {
			t.Errorf("trace %x has %d spans, want both", id, spans)
		}
	}
}

// A collector that fails holds up nothing. Its failure is logged once.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	c.status = http.StatusServiceUnavailable
	var said bytes.Buffer
	tr := tracing.New(tracing.Config{Endpoint: c.URL + "/v1/traces", Ratio: 1, Log: slog.New(slog.NewTextHandler(&said, nil))})
	for range 2000 {
		tr.Step("req_"+ulid.Make().String(), "stage", "", "", time.Now(), nil)
	}
	tr.Close(t.Context())
	if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), "503") {
		t.Errorf("%d lines: %s", n, &said)
	}
}

// Without an endpoint tracing starts no goroutine and allocates nothing.
func TestOff(t *testing.T) {
	before := goleak.IgnoreCurrent()
	tr := tracing.New(tracing.Config{Ratio: 1})
	if tr != nil {
		t.Fatal("a tracer without an endpoint")
	}
	ctx, id, begun := context.Background(), "req_"+ulid.Make().String(), time.Now()
	if n := testing.AllocsPerRun(100, func() {
		_, end := tr.Request(ctx, id, "GET")
		end(tracing.Answer{Status: 200})
		tr.Step(id, "stage", "mainnet", "", begun, nil)
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
	tr.Close(ctx)
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
