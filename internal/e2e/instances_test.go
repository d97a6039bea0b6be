package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store/storetest"
)

// balancer is a plain round-robin proxy. It sends each request to the next server, on kept
// connections, and to the other one if no connection can be made. It repeats nothing that a server
// may have received. As docs/operating.md asks, it looks at /readyz every second.
type balancer struct {
	*httptest.Server
	to      []*url.URL
	unready []atomic.Bool
	turn    atomic.Int64
	kept    http.Transport
}

func newBalancer(t *testing.T) *balancer {
	b := &balancer{kept: http.Transport{MaxIdleConnsPerHost: 64}}
	b.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetXForwarded() },
		Transport: b,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the proxy: "+err.Error(), http.StatusBadGateway)
		},
	})
	t.Cleanup(func() {
		b.CloseClientConnections()
		b.Close()
		b.kept.CloseIdleConnections()
	})
	return b
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	first := b.turn.Add(1)
	var ready, others []*url.URL
	for i := range b.to {
		at := int(first+int64(i)) % len(b.to)
		if b.unready[at].Load() {
			others = append(others, b.to[at])
		} else {
			ready = append(ready, b.to[at])
		}
	}
	for i, to := range append(ready, others...) {
		again := r.Clone(r.Context())
		again.URL.Scheme, again.URL.Host = to.Scheme, to.Host
		if r.Body != nil {
			again.Body = io.NopCloser(bytes.NewReader(body))
		}
		res, err := b.kept.RoundTrip(again)
		if dial := (*net.OpError)(nil); err != nil && errors.As(err, &dial) && dial.Op == "dial" && i+1 < len(b.to) {
			continue
		}
		return res, err
	}
	return nil, errors.New("no server")
}

// look asks each server every second whether it is ready, until the context ends. A server that does
// not answer stays as it was: its connections are refused.
func (b *balancer) look(ctx context.Context) {
	b.unready = make([]atomic.Bool, len(b.to))
	t := time.NewTicker(time.Second)
	go func() {
		defer t.Stop()
		for {
			select {
			case <-t.C:
			case <-ctx.Done():
				return
			}
			for i, to := range b.to {
				var r *harness.Refusal
				err := fetch(ctx, to.JoinPath("readyz").String())
				if err == nil || errors.As(err, &r) {
					b.unready[i].Store(err != nil)
				}
			}
		}
	}()
}

// instances are two servers behind a balancer, and two workers, on one Postgres.
type instances struct {
	t        *testing.T
	database string
	data     string
	balancer *balancer
	front    []*harness.Server
	workers  []*harness.Server
	// all is both servers, at the address of the balancer.
	all *harness.Server
}

func newInstances(t *testing.T, settings ...string) *instances {
	t.Helper()
	x := &instances{t: t, database: storetest.PostgresURL(t), data: t.TempDir(), balancer: newBalancer(t)}
	o := harness.Options{DatabaseURL: x.database, Data: x.data, Roles: "worker", Args: []string{"--public-url", x.balancer.URL}, Settings: settings}
	for range 2 {
		x.workers = append(x.workers, harness.Start(t, o))
	}
	o.Roles = "organizations,ats"
	for range 2 {
		s := harness.Start(t, o)
		to, err := url.Parse("http://" + s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		s.URL = to.String()
		x.front, x.balancer.to = append(x.front, s), append(x.balancer.to, to)
	}
	x.balancer.look(t.Context())
	x.front[0].NewOrganization()
	for _, s := range x.front {
		s.SiteKey, s.SecretKey = x.front[0].SiteKey, x.front[0].SecretKey
	}
	x.all = &harness.Server{URL: x.balancer.URL, SiteKey: x.front[0].SiteKey, SecretKey: x.front[0].SecretKey}
	return x
}

const generousLimits = "=100000/1s,burst=100000" // the limits have tests of their own

func generous() (settings []string) {
	for _, name := range []string{"MINT", "SESSION", "ADDRESS", "ORGANIZATION"} {
		settings = append(settings, "TIMBRE_LIMITS_"+name+generousLimits)
	}
	return settings
}

// check checks the invariants at the end.
func (x *instances) check() {
	x.t.Helper()
	disk, err := blob.NewDisk(filepath.Join(x.data, "blobs"), x.balancer.URL, make([]byte, 16), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		x.t.Fatal(err)
	}
	defer disk.Close()
	registrytest.Check(x.t, registrytest.World{DatabaseURL: x.database, Blobs: disk})
}

// load is clients that register songs one after the other until stop. Each step must succeed.
type load struct {
	x        *instances
	ctx      context.Context
	clients  sync.WaitGroup
	over     context.CancelFunc
	finished atomic.Int64
	again    atomic.Int64 // streams that ended before their transaction
}

func (x *instances) load(clients int) *load {
	l := &load{x: x}
	l.ctx, l.over = context.WithCancel(x.t.Context())
	for i := range clients {
		l.clients.Go(func() {
			for n := 0; l.ctx.Err() == nil; n++ {
				if err := l.song(fmt.Sprint("Client ", i, ", song ", n), i*10_000+n); err != nil {
					x.t.Errorf("client %d, song %d: %v", i, n, err)
					return
				}
				l.finished.Add(1)
			}
		})
	}
	return l
}

// song registers a song, also when the load has been stopped meanwhile.
func (l *load) song(title string, seed int) error {
	ctx := l.x.t.Context()
	s := &harness.Song{Server: l.x.all, Title: title, Audio: harness.WAV(seed)}
	for i, step := range []func(context.Context) error{s.Mint, s.Init, s.Put, s.Prepare, s.Confirm} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	for s.Result == nil {
		switch err := s.Follow(ctx); {
		case errors.Is(err, io.ErrUnexpectedEOF): // as an EventSource: it connects again
			l.again.Add(1)
		case err != nil:
			return fmt.Errorf("follow: %w", err)
		}
	}
	if !s.Result.Success {
		return fmt.Errorf("%+v", s.Result)
	}
	return nil
}

// more waits until n more songs are final.
func (l *load) more(n int64) {
	l.x.t.Helper()
	from := l.finished.Load()
	if !harness.Eventually(func() bool { return l.finished.Load() >= from+n || l.x.t.Failed() }) {
		l.x.t.Fatalf("%d songs more, want %d", l.finished.Load()-from, n)
	}
}

func (l *load) stop() {
	l.over()
	l.clients.Wait()
}

// A server that is asked to end costs no request, and no stream ends silently. Meanwhile clients
// register songs through the proxy.
func TestDrain(t *testing.T) {
	t.Parallel()
	x := newInstances(t, append(generous(), "TIMBRE_DRAIN_TIME=4s")...)
	l := x.load(6)
	l.more(10)
	for _, s := range x.front {
		s.Terminate()
		var r *harness.Refusal
		if !harness.Eventually(func() bool { return errors.As(fetch(t.Context(), s.URL+"/readyz"), &r) }) || r.Code != "common.service_unavailable" || r.Details["reason"] != "stopping" {
			t.Errorf("/readyz: %v", r)
		}
		if err := fetch(t.Context(), s.URL+"/healthz"); err != nil {
			t.Errorf("/healthz while it drains: %v", err)
		}
		s.Ended()
		l.more(10)
		s.Restart()
		l.more(10)
	}
	l.stop()
	t.Logf("%d songs, %d streams connected again", l.finished.Load(), l.again.Load())
	x.check()
}

// A stream learns of changes that another instance commits, wherever the client registered.
func TestProgressOnAnotherInstance(t *testing.T) {
	t.Parallel()
	x := newInstances(t)
	for _, w := range x.workers {
		w.Kill()
	}
	s := &harness.Song{Server: x.front[0], Title: "Here and there", Audio: harness.WAV(1)}
	for i, step := range []func(context.Context) error{s.Mint, s.Init, s.Put, s.Prepare, s.Confirm} {
		if err := step(t.Context()); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	all := append(followers(t, x.front[0].URL, s.TransactionID), followers(t, x.front[1].URL, s.TransactionID)...)
	for _, f := range all {
		f.first(t)
	}
	x.workers[1].Restart()
	for _, f := range all {
		f.rest(t)
	}
	x.check()
}

// Several workers make the blocks of a log, one at a time. When one is killed, another goes on.
func TestSequencerIsHandedOver(t *testing.T) {
	t.Parallel()
	x := newInstances(t, generous()...)
	l := x.load(4)
	for range 3 {
		for _, w := range x.workers {
			l.more(5)
			w.Kill()
			l.more(5)
			w.Restart()
		}
	}
	l.stop()
	x.check()
}
