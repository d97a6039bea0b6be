package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"timbre.example/internal/api"
	"timbre.example/internal/blob"
	"timbre.example/internal/compressed"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/docsite"
	"timbre.example/internal/explorer"
	jobfiles "timbre.example/internal/files"
	"timbre.example/internal/media"
	"timbre.example/internal/network"
	"timbre.example/internal/paths"
	"timbre.example/internal/registry"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/stamping"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
	"timbre.example/verify"
	"timbre.example/widget"
)

// faces is everything that a process answers over HTTP.
type faces struct {
	opened
	web    *web.Router
	packed *compressed.Cache
}

// openFaces builds the routes of the process's roles. metrics is the listener of
// --metrics-listen, or nil. Streams end when stop is closed.
func (f serverFlags) openFaces(ctx context.Context, at entrance, st storage, who identity, w works, stop <-chan struct{}, told telling) (out faces, err error) {
	var serves *registry.Registry // what the API serves
	if f.has(ats) {
		serves = w.registry
	}
	disk, onDisk := st.blobs.(*blob.Disk)
	out.packed = compressed.New(maxCompressed)
	requests := requestlog.New(st.db, time.Duration(f.RequestLog)*24*time.Hour, told.log)
	out.runs(requests.Run)
	if f.has(worker) {
		out.runs(requests.Sweeper().Run)
	}
	out.web = web.New(web.Config{
		PublicURL: at.url, Version: version, Log: told.log, Limits: who.limits, Streams: f.LimitsFollowers, TrustedProxies: f.TrustedProxies,
		Metrics: told.metrics, Requests: requests, Tracer: told.tracer, Once: who.requests, Ping: st.db.Ping, Checks: append(api.Checks(st.space, w.registry), conditions(st.db, w.networks)...),
	}, stop)
	skew := &clockSkew{db: st.db}
	out.runs(skew.worker(told.log).Run)
	told.metrics.Read(f.sources(st, who, w, requests, out.web.OpenStreams, skew))
	api.New(api.Config{Web: out.web, Sessions: who.sessions, Keys: who.keys, Registry: serves, Limits: who.limits, SupportedFormats: media.Supported(), PartsFrom: f.UploadPartsFrom})
	hooks := who.webhooks
	if w.registry != nil {
		hooks = w.registry.Webhooks // its worker is woken
	}
	if f.has(organizations) {
		if err := openManagement(strings.HasPrefix(at.url, "https:"), out.web, st, who, hooks); err != nil {
			return out, err
		}
	}
	if serves != nil {
		if onDisk {
			out.web.Mount("/blob", disk.Handler(uploads{serves.Intake}, web.RenderError))
		}
		out.pages(at.url, st.db, w.networks.All(), w.chains, f.NetworkExplorer)
	}
	describeWebhooks(out.web)
	out.web.Mount("/docs", out.packed.Handler(docsite.New(web.RenderError, out.web.Description))) // with every role: errors link there
	if serves != nil && who.people != nil {
		pages, err := openConsole(ctx, at.url, st, who, w, requests, hooks, f.NetworkExplorer, stop)
		if err != nil {
			return out, err
		}
		out.web.Stream(shell.Root+transactions.LivePath, pages.ServeHTTP)
		out.web.Mount(shell.Root, pages)
		out.web.Mount(shell.Root+"/assets", out.packed.Handler(pages)) // pages have secrets, and are not compressed
	}
	if at.metrics != nil {
		handler := out.web.MetricsHandler(f.MetricsHost)
		out.runs(func(ctx context.Context) { serveMetrics(ctx, at.metrics, handler, told.log) })
	}
	return out, nil
}

// uploads records for the request log whose job an upload is for.
type uploads struct{ blob.Receiver }

func (u uploads) Uploading(ctx context.Context, key string) (blob.Owner, error) {
	owner, err := u.Receiver.Uploading(ctx, key)
	if job, ok := jobfiles.JobOf(key); ok && err == nil {
		web.Caller(ctx, owner.Group, requestlog.Caller{Kind: requestlog.Upload})
		web.Trace(ctx, job)
	}
	return owner, err
}

// pages adds what browsers open: the explorer, the widget's files, the page /verify and the
// networks' own files. Their refusals are pages, too.
func (f *faces) pages(url string, db *store.DB, networks []network.Network, chains map[network.Name]network.Network, elsewhere network.Elsewheres) {
	pages := explorer.New(networks, elsewhere, web.RenderError)
	f.web.Missing(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" { // browsers request it for pages that name no icon
			pages.Icon(w, r)
			return
		}
		pages.Refuse(w, r, notFound)
	})
	readable := f.packed.Handler(pages)
	f.web.Mount(strings.TrimSuffix(paths.Explorer, "/"), readable)
	f.web.Mount(strings.TrimSuffix(paths.Works, "/"), readable)
	for _, n := range networks {
		if p, ok := n.(published); ok {
			f.web.Mount(p.FilesPath(), filesOf(db, p, chains[network.ChainOf(n.Name())], pages.Refuse))
		}
	}
	logs := newLogKeys(url, networks)
	f.web.Handle(paths.Logs, http.HandlerFunc(logs.serve))
	f.web.Mount("/widget", f.packed.Handler(widgetFiles(pages.Refuse, widget.Releases())))
	addWidget(f.packed)
	f.web.Mount("/packages", packageFiles(pages.Refuse))
	// A visitor at "/" probably shortened the URL on a certificate, and wants to verify it.
	f.web.Handle("/", http.RedirectHandler("/verify", http.StatusFound))
	f.web.Mount("/verify", f.packed.Handler(verify.New(url, logs.all, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/verify/" {
			http.Redirect(w, r, "/verify", http.StatusMovedPermanently)
			return
		}
		pages.Refuse(w, r, notFound)
	})))
}

// serveMetrics serves the metrics on their own listener until ctx ends.
func serveMetrics(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) {
	server := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: web.MaxHeaderBytes}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		log.Error("serving metrics", "error", err)
	}
}

// maxCompressed bounds the cache of compressed files, in bytes. All documents take about
// 2 MB in both codings.
const maxCompressed = 16 << 20

// describing compresses only the API's description, which is the same for every client.
// Other answers are not compressed, because they can contain a secret.
func describing(packed *compressed.Cache, api http.Handler) http.Handler {
	description := packed.Handler(api)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && (r.URL.Path == "/openapi.json" || r.URL.Path == "/v1/openapi.json") {
			description.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// published is a network with files of its own.
type published interface {
	network.Network
	network.Published
}

// filesOf serves the files of a network, and the dates of its blocks below /stamps. chain is
// where its blocks are anchored, or nil.
func filesOf(db *store.DB, n published, chain network.Network, refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	var anchored func(context.Context, [32]byte) (*stamping.Anchored, error)
	log, ok := n.(interface {
		stamping.Logged
		network.Browsable
	})
	if ok && chain != nil {
		anchored = func(ctx context.Context, block [32]byte) (*stamping.Anchored, error) {
			number, err := log.BlockWithHash(ctx, block)
			if err != nil {
				return nil, err
			}
			return stamping.AnchorOf(ctx, db, n.Name(), log, chain, number)
		}
	}
	path := n.FilesPath() + "/stamps"
	files, stamps := n.Files(refuse), stamping.Handler(db, n.Name(), path, anchored, refuse)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path+"/") {
			stamps.ServeHTTP(w, r)
			return
		}
		files.ServeHTTP(w, r)
	})
}
