package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"timbre.example/internal/apikey"
	"timbre.example/internal/compressed"
	"timbre.example/internal/events"
	"timbre.example/internal/fault"
	"timbre.example/internal/people"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
	"timbre.example/internal/webhook"
)

var notFound = fault.CommonNotFound()

type serveCmd struct {
	serverFlags
}

func (c *serveCmd) Run(o *output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	log := c.logger(o.err)
	s, err := newServer(ctx, c.serverFlags, log)
	if err != nil {
		return err
	}
	if err := printFirstLink(ctx, s.people, o.out); err != nil { // as on a full disk: nothing has said yet that it is ready
		s.close()
		return err
	}
	s.events.Ready(ctx, s.url, c.roleNames(), version)
	return s.run(ctx)
}

// server is everything that runs in one process. newServer builds it.
type server struct {
	opened
	db    *store.DB
	blobs blobStore // nil without the roles ats and worker
	url   string
	// people is nil in a process without the console.
	people *people.Service
	// keys and hooks are those of the organizations; hooks is nil without the roles ats and
	// worker.
	keys  *apikey.Service
	hooks *webhook.Service
	web   *web.Router
	http  *http.Server
	// packed has the compressed files of web.
	packed   *compressed.Cache
	listener net.Listener
	// drain is how long it still accepts connections when it is asked to end.
	drain time.Duration
	// connections is the largest number of connections of one address, except for those of
	// the trusted proxies.
	connections int
	proxies     []netip.Prefix
	log         *slog.Logger
	events      *events.Recorder

	stop   chan struct{} // ends progress streams
	stopMu sync.Once
}

// requestTime is how long running requests may take when the server stops.
const requestTime = 20 * time.Second

// run serves until ctx ends. Then no client notices, if others serve as well:
//
//  1. /readyz is 503, and each answer closes its connection. Everything is still served for the
//     time to drain, so load balancers can notice.
//  2. Progress streams receive what makes their clients poll or connect again.
//  3. The server accepts no further connection. Running requests have requestTime to end. The
//     remaining connections are idle, and are closed.
//  4. The workers end their current step, and give back what they have leased.
func (s *server) run(ctx context.Context) error {
	begun := time.Now()
	defer s.close()
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for _, w := range s.workers {
		wg.Go(func() { w(working) })
	}
	served := make(chan error, 1)
	listener := web.NewListener(s.listener)
	s.http.ConnState = listener.State
	go func() { served <- s.http.Serve(web.LimitConnections(listener, s.connections, s.proxies)) }()
	var err error
	select {
	case <-ctx.Done():
		s.log.Info("stopping", "drain", s.drain)
		s.web.Leave()
		time.Sleep(s.drain)
		s.stopMu.Do(func() { close(s.stop) })
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
		listener.Finish(limit)
		if err = s.http.Shutdown(limit); err != nil {
			s.http.Close() // closes the remaining connections
		}
		s.web.Drain(limit) // WebSockets, which Shutdown does not wait for
		cancel()
	case err = <-served:
	}
	stopWork()
	wg.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	s.events.Stopped(context.WithoutCancel(ctx), time.Since(begun))
	return err
}

// listen listens on an address. Its errors name the flag to change.
func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("--%s %s: another program listens on this address, perhaps another timbre. Stop it, or choose another port (`ss -ltnp` shows the program)", flag, address)
	case errors.Is(err, syscall.EACCES):
		return nil, wrongf(flag, "this user may not listen on a port below 1024. Choose a higher port, and put a proxy in front")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, wrongf(flag, "this machine does not have this address")
	}
	return nil, wrongf(flag, "cannot listen on this address: %s", plainly(err))
}

// reachable returns the host and port at which a browser on this machine reaches a
// listener. A listener on all addresses is reached as localhost.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", strconv.Itoa(a.Port))
	}
	return a.String()
}
