package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"timbre.example/internal/api"
	"timbre.example/internal/blob"
	"timbre.example/internal/certificate"
	"timbre.example/internal/compressed"
	"timbre.example/internal/crash"
	"timbre.example/internal/docsite"
	"timbre.example/internal/events"
	"timbre.example/internal/explorer"
	"timbre.example/internal/limit"
	"timbre.example/internal/media"
	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/registry"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/tracing"
	"timbre.example/internal/work"
	"timbre.example/verify"
	"timbre.example/widget"
)

// server is everything that runs in one process.
type server struct {
	db       *store.DB
	api      *api.API
	url      string
	listener net.Listener
	metrics  net.Listener // nil without --metrics-listen
	http     *http.Server
	blobs    blobStore
	// checkpoints is the place of the logs' checkpoints; nil without the role worker.
	checkpoints io.Closer
	// connections is the largest number of connections of one address, except for those of
	// the trusted proxies.
	connections int
	proxies     []netip.Prefix
	packed      *compressed.Cache
	log         *slog.Logger
	events      *events.Recorder
	tracer      *tracing.Tracer // nil: no traces

	work   []func(context.Context) // run until the context ends
	stop   chan struct{}           // ends progress streams
	stopMu sync.Once
}

// newServer opens and connects everything, and listens, but does not serve yet.
func newServer(ctx context.Context, f serverFlags, log *slog.Logger) (_ *server, err error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	prices, err := f.prices()
	if err != nil {
		return nil, err
	}
	var signer *certificate.Signer
	if f.has(worker) {
		if signer, err = f.Signing.signer("certificate-"); err != nil {
			return nil, err
		}
	}
	s := &server{log: log, stop: make(chan struct{}), connections: f.LimitsConnections, proxies: f.TrustedProxies}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	// Listen before anything is created: a second server on the same files ends here.
	if s.listener, err = listen("listen", f.Listen); err != nil {
		return nil, err
	}
	if f.MetricsListen != "" {
		if s.metrics, err = listen("metrics-listen", f.MetricsListen); err != nil {
			return nil, err
		}
	}
	counted := metrics.New(version, string(network.Testnet), string(network.Mainnet))
	s.tracer = tracing.New(tracing.Config{Endpoint: f.TracesEndpoint, Ratio: float64(f.TracesRatio), Version: version, Roles: f.roleNames(), Log: log})
	s.events = events.New(log, counted, s.tracer)
	root, err := s.openDatabase(ctx, f)
	if err != nil {
		return nil, err
	}
	s.url = strings.TrimSuffix(f.PublicURL, "/")
	if s.url == "" {
		s.url = "http://" + reachable(s.listener.Addr().(*net.TCPAddr))
	}
	address, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}

	// The store renders errors with the API, which is created later.
	render := func(w http.ResponseWriter, r *http.Request, err error) { s.api.RenderError(w, r, err) }
	sessions := &session.Service{
		DB: s.db, MaxFileSize: f.MaxFileSize, Lifetime: f.LimitsToken,
		MinimumCredits: func(action session.Action, n network.Name) int64 {
			switch action {
			case session.Register:
				return prices[n].Register(1).Total
			case session.UpdateVersion:
				return prices[n].Update(0).Total
			}
			return 0
		},
	}
	limits := limit.New(s.db, f.rates(), log)
	if sweep := limits.Worker(); sweep != nil {
		s.work = append(s.work, sweep.Run)
	}
	if f.has(organizations) {
		if sessions.Tokens, err = session.NewTokens(root.key(purposeTokens), f.issuer(s.url), s.db.Now); err != nil {
			return nil, err
		}
		s.work = append(s.work, sessions.Worker(log).Run)
	}
	if f.verifiesElsewhere() {
		sessions.Issuer = session.NewIssuer(session.IssuerConfig{
			Name: f.issuer(s.url), URL: f.keySetURL(s.url), Refresh: f.JWKSRefresh, MaxAge: f.JWKSMaxAge, Now: s.db.Now, Log: log,
		})
		s.work = append(s.work, sessions.Issuer.Worker().Run)
	}

	var reg *registry.Registry
	room := f.space()
	logs := map[network.Name]*netlog.Log{}
	if f.has(ats) || f.has(worker) {
		if s.blobs, err = f.openBlobs(s.url+"/blob", root.uploads(), blob.Options{
			RenderError: render, Now: s.db.Now, Limits: f.uploads(), Space: room,
			// The registry is created after its store.
			Admit: func(ctx context.Context, key string) (blob.Owner, error) { return reg.Intake.Uploading(ctx, key) },
			Land:  func(ctx context.Context, key string, size int64) error { return reg.Intake.Uploaded(ctx, key, size) },
		}); err != nil {
			return nil, err
		}
		networks := map[network.Name]network.Network{}
		var kept checkpoint.Store
		if f.has(worker) { // only a worker makes blocks
			if kept, s.checkpoints, err = f.checkpoints(ctx, log, true); err != nil {
				return nil, err
			}
		}
		for _, name := range []network.Name{network.Testnet, network.Mainnet} {
			l, err := netlog.Open(ctx, s.db, netlog.Config{
				Network: name, Origin: address.Host + "/log/" + string(name), Key: root.key(purposeLog(name)), PublicKey: root.key(purposeLog(name) + public),
				BlockTime: f.NetworkBlockTime, Silence: f.NetworkSilence, Checkpoints: kept, WentBack: endSessions(s.db, log), ClockTolerance: f.NetworkClockTolerance, Events: s.events, Logger: log,
			})
			if err != nil {
				return nil, wrongSecret(ctx, s.db, f.SecretFile, name, err)
			}
			if kept != nil {
				guard(ctx, l, log)
			}
			networks[name], logs[name] = l, l
		}
		authority, err := f.authority()
		if err != nil {
			return nil, err
		}
		var stamp func(context.Context, [32]byte) ([]byte, error)
		if authority != nil {
			stamp = authority.Stamp
		}
		reg = registry.New(registry.Config{
			DB: s.db, Blobs: s.blobs, Networks: networks, Prices: prices, AccessSecret: root.key(purposeCodes), Times: f.times(), Prepares: f.LimitsPrepares, Space: room, Events: s.events, Log: log,
			WorkURL:     func(n network.Name, atsID int64) string { return fmt.Sprintf("%s/w/%s/%d", s.url, n, atsID) },
			ExplorerURL: func(n network.Name, hash string) string { return s.url + "/explorer/" + string(n) + "/tx/" + hash },
			Certify:     certifier(s.url, f.registryName(s.url), signer),
			Stamp:       stamp,
			// Longer than it takes to make one certificate, and shorter than people wait for a download to start.
			AwaitCertificate: 4 * time.Second,
		})
	}
	var working *registry.Registry
	var workers []*work.Worker
	if f.has(worker) {
		for _, l := range logs {
			s.work = append(s.work, l.Run)
		}
		working = reg
		workers = reg.Workers()
		s.work = append(s.work, func(ctx context.Context) { work.Run(ctx, workers...) })
	}
	if f.has(ats) {
		s.work = append(s.work, reg.Works.Progress.Worker().Run)
	} else {
		reg = nil // a worker-only process: no API
	}

	counted.Read(s.sources(measured{limits: limits, followed: reg, working: working, workers: workers, logs: logs, space: room}))
	s.api = api.New(api.Config{
		Sessions: sessions, Registry: reg, Metrics: counted, Unready: unready(s.db, logs), Tracer: s.tracer, Space: room, Limits: limits, Followers: f.LimitsFollowers, TrustedProxies: f.TrustedProxies, SupportedFormats: media.Supported(), PublicURL: s.url, Version: version, Log: log,
	}, s.stop)
	refuse := render // with the role ats, browsers get pages instead of JSON
	packed := compressed.New(maxCompressed)
	if f.has(ats) {
		if own, ok := s.blobs.(http.Handler); ok {
			s.api.Mount("/blob", own)
		}
		pages := explorer.New(logs, render)
		refuse = pages.Refuse
		s.api.Missing(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/favicon.ico" { // browsers request it for pages that name no icon
				pages.Icon(w, r)
				return
			}
			refuse(w, r, notFound)
		})
		for name, l := range logs {
			prefix := "/log/" + string(name)
			s.api.Mount(prefix, http.StripPrefix(prefix, l.Handler(refuse)))
		}
		readable := packed.Handler(pages)
		s.api.Mount("/explorer", readable)
		s.api.Mount("/w", readable)
		s.api.Mount("/widget", packed.Handler(widgetFiles(refuse)))
		addWidget(packed)
		var keys []string
		for _, name := range slices.Sorted(maps.Keys(logs)) {
			keys = append(keys, logs[name].VerifierKey())
		}
		// A visitor at "/" probably shortened the URL on a certificate, and wants to verify it.
		s.api.Handle("/", http.RedirectHandler("/verify", http.StatusFound))
		s.api.Mount("/verify", packed.Handler(verify.New(s.url, keys, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/verify/" {
				http.Redirect(w, r, "/verify", http.StatusMovedPermanently)
				return
			}
			refuse(w, r, notFound)
		})))
	}
	s.packed = packed
	s.api.Mount("/docs", packed.Handler(docsite.New(render))) // with every role: errors link there
	if f.MetricsListen != "" {
		s.work = append(s.work, func(ctx context.Context) { serveMetrics(ctx, s.metrics, s.api.MetricsHandler(f.MetricsHost), log) })
	}
	s.http = &http.Server{
		Handler: describing(packed, s.api), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: api.MaxHeaderBytes,
		DisableGeneralOptionsHandler: true, // OPTIONS * is refused like every unknown path
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	f.memoryFlag.set(log)
	return s, nil
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

// openDatabase opens the database and reads its secret. It creates them only for a new
// registry, and only after the registry's name is known.
func (s *server) openDatabase(ctx context.Context, f serverFlags) (secret, error) {
	dbURL, _, err := f.databaseFlag.url()
	if err != nil {
		return secret{}, err
	}
	path, onSQLite := strings.CutPrefix(dbURL, "sqlite:")
	if _, err := os.Stat(path); onSQLite && errors.Is(err, fs.ErrNotExist) {
		if err := f.named(); err != nil { // before the database file is created
			return secret{}, err
		}
	}
	if onSQLite {
		switch closed, err := tighten(path); {
		case err != nil:
			s.log.Warn("other users of this machine can read the database, and this user cannot change its mode", "error", err)
		case len(closed) > 0:
			s.log.Warn("other users of this machine could read the database: its mode was changed, now they cannot", "files", strings.Join(closed, " "))
		}
	}
	if s.db, err = f.databaseFlag.open(ctx, false); err != nil {
		return secret{}, err
	}
	s.db.Now = crash.Now()
	if behind, err := s.db.Pending(ctx); err != nil {
		return secret{}, err
	} else if behind < 0 {
		return secret{}, errAhead(-behind)
	}
	begun, err := logBegun(ctx, s.db)
	if err != nil {
		return secret{}, err
	}
	if !begun {
		if err := f.named(); err != nil {
			return secret{}, err
		}
	}
	root, err := readSecret(f.SecretFile, !begun && (f.trial || onSQLite))
	if err != nil {
		return secret{}, err
	}
	if err := root.serves(f.SecretFile, f.roles()); err != nil {
		return secret{}, err
	}
	if spare := root.spare(f.roles()); len(spare) > 0 {
		s.log.Warn("the secret file has keys that the roles of this process do not need: make a file with only the needed keys, see timbre secret derive --help", "not_needed", strings.Join(spare, ", "))
	}
	warning, err := guarded("secret-file", "secret file", f.SecretFile)
	if err != nil {
		return secret{}, err
	}
	if warning != "" {
		s.log.Warn(warning)
	}
	behind, err := s.db.Pending(ctx)
	if err != nil {
		return secret{}, err
	}
	if err := s.db.Migrate(ctx); err != nil {
		return secret{}, err
	}
	if behind > 0 {
		s.events.Migrated(ctx, version, behind)
	}
	return root, nil
}

// named refuses to start a log without --public-url: the log's name is in every proof and
// cannot be changed.
func (f serverFlags) named() error {
	if f.PublicURL != "" || f.trial || !f.has(ats) && !f.has(worker) {
		return nil
	}
	return wrongf("public-url", "is required at the first start of a registry: the log takes the name of this host, which is in every proof and cannot be changed. To try Timbre on this machine only, give http://127.0.0.1:8080, or run `timbre demo`")
}

// logBegun reports whether a database has the log of a registry.
func logBegun(ctx context.Context, db *store.DB) (bool, error) {
	if empty, err := db.Empty(ctx); err != nil || empty {
		return false, err
	}
	for _, name := range []network.Name{network.Testnet, network.Mainnet} {
		_, err := db.Read().GetLog(ctx, string(name))
		if err == nil {
			return true, nil
		}
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		// The tables of an older release can lack a column that GetLog reads.
		if behind, e := db.Pending(ctx); e == nil && behind > 0 {
			return true, nil
		}
		return false, err
	}
	return false, nil
}

// wrongSecret explains the error of netlog.Open: a wrong secret file, or a log that has not
// started.
func wrongSecret(ctx context.Context, db *store.DB, file string, name network.Name, err error) error {
	if row, e := db.Read().GetLog(ctx, string(name)); errors.Is(err, netlog.ErrKeyMismatch) && e == nil {
		return wrongf("secret-file", "the secret file %s did not sign the log %s. Restore or give the file that did: the log cannot continue with another one", file, row.Origin)
	}
	if errors.Is(err, netlog.ErrNotBegun) {
		return fmt.Errorf("the log %s has not started, and %s has no key to sign it: first start a worker, with the whole secret or the keys of a worker", name, file)
	}
	return fmt.Errorf("network %s: %w", name, err)
}

// serveMetrics serves the metrics on their own listener until ctx ends.
func serveMetrics(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) {
	server := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: api.MaxHeaderBytes}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		log.Error("serving metrics", "error", err)
	}
}

// reachable returns the host and port at which a browser on this machine reaches a
// listener. A listener on all addresses is reached as localhost.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", strconv.Itoa(a.Port))
	}
	return a.String()
}

// run serves until ctx ends. Then running requests have 20 s to finish, and the worker
// finishes its current step.
func (s *server) run(ctx context.Context) error {
	begun := time.Now()
	defer s.close()
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for _, w := range s.work {
		wg.Go(func() { w(working) })
	}
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(api.LimitConnections(s.listener, s.connections, s.proxies)) }()
	var err error
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
		s.stopMu.Do(func() { close(s.stop) })
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		if err = s.http.Shutdown(limit); err != nil {
			s.http.Close() // closes the remaining connections
		}
		s.api.Drain(limit) // WebSockets, which Shutdown does not wait for
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

func (s *server) close() {
	ended, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.tracer.Close(ended)
	for _, l := range []net.Listener{s.listener, s.metrics} {
		if l != nil {
			l.Close()
		}
	}
	if s.blobs != nil {
		s.blobs.Close()
	}
	if s.checkpoints != nil {
		s.checkpoints.Close()
	}
	if s.db != nil {
		s.db.Close()
	}
}

// maxCompressed bounds the cache of compressed files, in bytes. All documents take about
// 2 MB in both codings.
const maxCompressed = 16 << 20

// addWidget adds the widget's files to the cache, as compressed at build time.
func addWidget(packed *compressed.Cache) {
	_ = fs.WalkDir(widget.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(widget.Files, name)
		for _, coding := range compressed.Codings {
			if b := widget.Packed(name, coding); err == nil && b != nil {
				packed.Add(coding, body, b)
			}
		}
		return err
	})
}

// describing compresses only the API's description, which is the same for every client.
// Other answers are not compressed, because they can contain a secret.
func describing(packed *compressed.Cache, api http.Handler) http.Handler {
	description := packed.Handler(api)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/v1/openapi.json" {
			description.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// widgetFiles serves the bundles and their languages at /widget/v1/, which
// follows releases, and at /widget/VERSION/, which never changes and so can
// carry an integrity hash.
func widgetFiles(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	files := http.FileServerFS(widget.Files)
	serve := func(cache string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			name := r.PathValue("file")
			if f, err := fs.Stat(widget.Files, name); err != nil || f.IsDir() {
				refuse(w, r, notFound)
				return
			}
			h.Set("Cache-Control", cache)
			if hash := widget.Integrity(name); hash != "" {
				h.Set("ETag", `"`+hash+`"`)
			}
			if strings.HasSuffix(name, ".d.ts") {
				h.Set("Content-Type", "text/plain; charset=utf-8")
			}
			r2 := r.Clone(r.Context())
			for _, conditional := range []string{"Range", "If-Range", "If-Match", "If-Unmodified-Since"} {
				r2.Header.Del(conditional) // http.FileServer would refuse them with a text of its own
			}
			r2.URL.Path = "/" + name
			files.ServeHTTP(w, r2)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("GET /widget/v1/{file...}", serve("public, max-age=300"))
	mux.Handle("GET /widget/"+widget.Version+"/{file...}", serve("public, max-age=31536000, immutable"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { refuse(w, r, notFound) })
	return mux
}
