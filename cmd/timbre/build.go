package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/web"
)

// opened is what a builder has opened: the work that runs in the background, and what is
// closed at the end, the newest first. After an error it has what was opened before.
type opened struct {
	workers []func(context.Context) // each runs until its context ends
	closers closers
}

func (o *opened) runs(worker func(context.Context)) { o.workers = append(o.workers, worker) }
func (o *opened) closes(one io.Closer)              { o.closers = append(o.closers, one) }

// takes adds what another builder has opened.
func (o *opened) takes(other opened) {
	o.workers = append(o.workers, other.workers...)
	o.closers = append(o.closers, other.closers...)
}

func (o *opened) close() { _ = o.closers.Close() } // the process ends, and what was kept is kept

// newServer opens and connects everything, and listens, but does not serve yet. Each builder
// gets what the builders before it have opened.
func newServer(ctx context.Context, f serverFlags, log *slog.Logger) (_ *server, err error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	var signer *certificate.Signer // read before anything is created
	if f.has(worker) {
		if signer, err = f.Signing.signer("certificate-"); err != nil {
			return nil, err
		}
	}
	told := f.openTelling(log)
	s := &server{opened: opened{closers: closers{told}}, log: log, events: told.events, stop: make(chan struct{}), drain: f.DrainTime, connections: f.LimitsConnections, proxies: f.TrustedProxies}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	at, err := f.openEntrance()
	if s.takes(at.opened); err != nil {
		return nil, err
	}
	st, err := f.openStorage(ctx, at, told)
	if s.takes(st.opened); err != nil {
		return nil, err
	}
	who, err := f.openIdentity(at, st, log)
	if s.takes(who.opened); err != nil {
		return nil, err
	}
	var w works
	if f.has(ats) || f.has(worker) {
		w, err = f.openWorks(ctx, at, st, signer, told)
		if s.takes(w.opened); err != nil {
			return nil, err
		}
	}
	faces, err := f.openFaces(ctx, at, st, who, w, s.stop, told)
	if err != nil {
		return nil, err
	}
	s.takes(faces.opened)
	s.listener, s.url, s.db, s.blobs, s.web, s.packed, s.people, s.keys = at.listener, at.url, st.db, st.blobs, faces.web, faces.packed, who.people, who.keys
	if w.registry != nil {
		s.hooks = w.registry.Webhooks
	}
	s.http = &http.Server{
		Handler: describing(s.packed, s.web), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: web.MaxHeaderBytes,
		DisableGeneralOptionsHandler: true, // OPTIONS * is refused like every unknown path
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	f.memoryFlag.set(log)
	return s, nil
}

// entrance is where a process listens, and its public URL.
type entrance struct {
	opened
	listener net.Listener
	metrics  net.Listener // nil without --metrics-listen
	url      string       // without a slash at its end
	host     string       // of url
}

// openEntrance listens. It comes before anything is created: a second server on the same
// files ends here.
func (f serverFlags) openEntrance() (at entrance, err error) {
	if at.listener, err = listen("listen", f.Listen); err != nil {
		return at, err
	}
	at.closes(at.listener)
	if f.MetricsListen != "" {
		if at.metrics, err = listen("metrics-listen", f.MetricsListen); err != nil {
			return at, err
		}
		at.closes(at.metrics)
	}
	at.url = strings.TrimSuffix(f.PublicURL, "/")
	if at.url == "" {
		at.url = "http://" + reachable(at.listener.Addr().(*net.TCPAddr))
	}
	u, err := url.Parse(at.url)
	if err != nil {
		return at, err
	}
	at.host = u.Host
	return at, nil
}
