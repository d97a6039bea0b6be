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
	"timbre.example/internal/explorer"
	"timbre.example/internal/limit"
	"timbre.example/internal/media"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/registry"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/verify"
	"timbre.example/widget"
)

// server is everything that runs in one process.
type server struct {
	db       *store.DB
	api      *api.API
	url      string
	listener net.Listener
	metrics  net.Listener // nil when they have no address of their own
	http     *http.Server
	blobs    blobStore
	// checkpoints is the place of the logs' checkpoints; nil where no blocks are made.
	checkpoints io.Closer
	// connections is how many one address may hold, where it is none of the proxies.
	connections int
	proxies     []netip.Prefix
	packed      *compressed.Cache
	log         *slog.Logger

	work   []func(context.Context) // run until the context ends
	stop   chan struct{}           // ends progress streams
	stopMu sync.Once
}

// newServer opens and wires everything, and listens, but serves nothing yet.
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
	// Before anything is made: a second server on the same files ends here.
	if s.listener, err = listen("listen", f.Listen); err != nil {
		return nil, err
	}
	if f.MetricsListen != "" {
		if s.metrics, err = listen("metrics-listen", f.MetricsListen); err != nil {
			return nil, err
		}
	}
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

	// The store renders through the API, which is made after it.
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
	s.work = append(s.work, limits.Run)
	if f.has(organizations) {
		if sessions.Tokens, err = session.NewTokens(root.key(purposeTokens), f.issuer(s.url), s.db.Now); err != nil {
			return nil, err
		}
		s.work = append(s.work, func(ctx context.Context) { sweepSessions(ctx, sessions, log) })
	}
	if f.verifiesElsewhere() {
		sessions.Issuer = session.NewIssuer(session.IssuerConfig{
			Name: f.issuer(s.url), URL: f.keySetURL(s.url), Refresh: f.JWKSRefresh, MaxAge: f.JWKSMaxAge, Now: s.db.Now, Log: log,
		})
		s.work = append(s.work, sessions.Issuer.Run)
	}

	var reg *registry.Registry
	room := f.space()
	logs := map[network.Name]*netlog.Log{}
	if f.has(ats) || f.has(worker) {
		if s.blobs, err = f.openBlobs(s.url+"/blob", root.uploads(), blob.Options{
			RenderError: render, Now: s.db.Now, Limits: f.uploads(), Space: room,
			// The registry is made after its store.
			Admit: func(ctx context.Context, key string) (blob.Owner, error) { return reg.Uploading(ctx, key) },
			Land:  func(ctx context.Context, key string, size int64) error { return reg.Uploaded(ctx, key, size) },
		}); err != nil {
			return nil, err
		}
		networks := map[network.Name]network.Network{}
		var kept checkpoint.Store
		if f.has(worker) { // others make no blocks
			if kept, s.checkpoints, err = f.checkpoints(ctx, log, true); err != nil {
				return nil, err
			}
		}
		for _, name := range []network.Name{network.Testnet, network.Mainnet} {
			l, err := netlog.Open(ctx, s.db, netlog.Config{
				Network: name, Origin: address.Host + "/log/" + string(name), Key: root.key(purposeLog(name)), PublicKey: root.key(purposeLog(name) + public),
				BlockTime: f.NetworkBlockTime, Silence: f.NetworkSilence, Checkpoints: kept, WentBack: endSessions(s.db, log), ClockTolerance: f.NetworkClockTolerance, Logger: log,
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
			DB: s.db, Blobs: s.blobs, Networks: networks, Prices: prices, AccessSecret: root.key(purposeCodes), Times: f.times(), Prepares: f.LimitsPrepares, Space: room, Log: log,
			WorkURL:     func(n network.Name, atsID int64) string { return fmt.Sprintf("%s/w/%s/%d", s.url, n, atsID) },
			ExplorerURL: func(n network.Name, hash string) string { return s.url + "/explorer/" + string(n) + "/tx/" + hash },
			Certify:     certifier(s.url, f.registryName(s.url), signer),
			Stamp:       stamp,
			// Longer than one takes to make, and shorter than people wait for a download to begin.
			AwaitCertificate: 4 * time.Second,
		})
	}
	var working *registry.Registry
	if f.has(worker) {
		for _, l := range logs {
			s.work = append(s.work, l.Run)
		}
		working = reg
		s.work = append(s.work, reg.Run)
	}
	if f.has(ats) {
		s.work = append(s.work, reg.Progress.Watch)
	} else {
		reg = nil // it has work to do and nothing to answer
	}

	var running func() (int, int64)
	if disk, ok := s.blobs.(*blob.Disk); ok && f.has(ats) {
		running = disk.Running
	}
	s.api = api.New(api.Config{
		Sessions: sessions, Registry: reg, Worker: working, Metrics: logMetrics(logs), Space: room, Uploads: running, Limits: limits, Followers: f.LimitsFollowers, TrustedProxies: f.TrustedProxies, SupportedFormats: media.Supported(), PublicURL: s.url, Version: version, Log: log,
	}, s.stop)
	refuse := render // people get pages where there are any
	packed := compressed.New(maxCompressed)
	if f.has(ats) {
		if own, ok := s.blobs.(http.Handler); ok {
			s.api.Mount("/blob", own)
		}
		pages := explorer.New(logs, render)
		refuse = pages.Refuse
		s.api.Missing(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/favicon.ico" { // browsers ask for it beside pages that name none
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
		// Who cuts an address of a certificate down to its host wants to check one.
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
	s.api.Mount("/docs", packed.Handler(docsite.New(render))) // in every role: refusals point there
	if f.MetricsListen != "" {
		s.work = append(s.work, func(ctx context.Context) { serveMetrics(ctx, s.metrics, s.api.MetricsHandler(f.MetricsHost), log) })
	}
	s.http = &http.Server{
		Handler: describing(packed, s.api), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: api.MaxHeaderBytes,
		DisableGeneralOptionsHandler: true, // OPTIONS * is refused as every unknown path is
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	f.memoryFlag.set(log)
	return s, nil
}

// listen listens, or says which flag to change.
func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("--%s %s: another program listens on this address, perhaps another timbre. Stop it, or choose another port (`ss -ltnp` shows which program it is)", flag, address)
	case errors.Is(err, syscall.EACCES):
		return nil, wrongf(flag, "this user may not listen on a port below 1024. Choose a higher one, and let a proxy listen there")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, wrongf(flag, "this machine does not have this address")
	}
	return nil, wrongf(flag, "cannot listen there: %s", plainly(err))
}

// openDatabase opens the database and reads the secret that belongs to it. What is
// made is made for a new registry only, after its name is known.
func (s *server) openDatabase(ctx context.Context, f serverFlags) (secret, error) {
	dbURL, _, err := f.databaseFlag.url()
	if err != nil {
		return secret{}, err
	}
	path, onSQLite := strings.CutPrefix(dbURL, "sqlite:")
	if _, err := os.Stat(path); onSQLite && errors.Is(err, fs.ErrNotExist) {
		if err := f.named(); err != nil { // and no file is made
			return secret{}, err
		}
	}
	if onSQLite {
		switch closed, err := tighten(path); {
		case err != nil:
			s.log.Warn("other users of this machine can read the database, and this user may not change that", "error", err)
		case len(closed) > 0:
			s.log.Warn("other users of this machine could read the database: it is closed to them now", "files", strings.Join(closed, " "))
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
		s.log.Warn("the secret file holds more than the roles of this process need: give it a file of its own, see timbre secret derive --help", "not_needed", strings.Join(spare, ", "))
	}
	warning, err := guarded("secret-file", "secret file", f.SecretFile)
	if err != nil {
		return secret{}, err
	}
	if warning != "" {
		s.log.Warn(warning)
	}
	if err := s.db.Migrate(ctx); err != nil {
		return secret{}, err
	}
	return root, nil
}

// named refuses to begin a log without a name that somebody chose: it stands in
// every proof, and cannot be changed.
func (f serverFlags) named() error {
	if f.PublicURL != "" || f.trial || !f.has(ats) && !f.has(worker) {
		return nil
	}
	return wrongf("public-url", "is needed at the first start of a registry: its log is named after this host for ever, in every proof. To try it on this machine only, say so (http://127.0.0.1:8080), or run `timbre demo`")
}

// logBegun says whether a database has the log of a registry.
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
		// An older release's tables may lack a column that is read here.
		if behind, e := db.Pending(ctx); e == nil && behind > 0 {
			return true, nil
		}
		return false, err
	}
	return false, nil
}

// wrongSecret says of a log that a secret did not sign which one that is.
func wrongSecret(ctx context.Context, db *store.DB, file string, name network.Name, err error) error {
	if row, e := db.Read().GetLog(ctx, string(name)); errors.Is(err, netlog.ErrKeyMismatch) && e == nil {
		return wrongf("secret-file", "the secret file %s is not the one that signed the log %s. Restore or name that file: the log goes on with no other", file, row.Origin)
	}
	if errors.Is(err, netlog.ErrNotBegun) {
		return fmt.Errorf("the log %s has not begun, and %s cannot sign it: start the worker first, with the secret file or the keys of a worker", name, file)
	}
	return fmt.Errorf("network %s: %w", name, err)
}

// serveMetrics serves them on a listener of their own until ctx ends.
func serveMetrics(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) {
	server := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: api.MaxHeaderBytes}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		log.Error("serving metrics", "error", err)
	}
}

// reachable is how this machine's browser gets to a listener. One on every
// address is there under the name localhost.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", strconv.Itoa(a.Port))
	}
	return a.String()
}

// run serves until ctx ends, then lets what is under way finish: requests for
// a while, the worker its current step.
func (s *server) run(ctx context.Context) error {
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
			s.http.Close() // whoever is still there is dropped
		}
		s.api.Drain(limit) // sockets, which Shutdown does not know
		cancel()
	case err = <-served:
	}
	stopWork()
	wg.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	s.log.Info("stopped")
	return err
}

func (s *server) close() {
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

func sweepSessions(ctx context.Context, s *session.Service, log *slog.Logger) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.Error("sweeping sessions", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// maxCompressed is how much is kept of what was compressed while the server runs:
// all documents take some 2 MB, in both codings.
const maxCompressed = 16 << 20

// addWidget gives a cache the widget's files as they were compressed when they
// were built.
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

// describing compresses the one answer of the API that is the same for everybody,
// its description. Every other answer stays as it is: it may hold a secret.
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
				r2.Header.Del(conditional) // http.FileServer would refuse them in words of its own
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
