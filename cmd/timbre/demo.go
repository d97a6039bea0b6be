package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/demo"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
)

type demoCmd struct {
	Addr        string        `example:"127.0.0.1:8090" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address to listen on; port 0 takes a free port (default: ${default})."`
	Data        string        `example:"timbre-demo" default:"timbre-demo" type:"path" placeholder:"DIR" help:"Directory for all data. Remove it to start again (default: ./timbre-demo)."`
	BlockTime   time.Duration `example:"1s" default:"1s" placeholder:"TIME" help:"Time between blocks of the log (default: ${default})."`
	DatabaseURL string        `secret:"after-scheme" example:"sqlite:demo.db" placeholder:"URL" help:"Use this database instead of one in --data."`
	BlobURL     string        `example:"file:blobs" placeholder:"URL" help:"Store files here instead of in --data: s3://BUCKET?endpoint=URL."`
	s3Flags
	MaxFileSize int64  `example:"524288000" default:"524288000" placeholder:"BYTES" help:"Largest file in bytes (default: ${default}, 500 MB)."`
	WidgetDir   string `example:"widget-dev" type:"path" placeholder:"DIR" help:"For people who change the widget: serve it from this directory, as it is at each request, and reload the demo's page after each change. go run ./widget/build -watch DIR builds it."`
	limitFlags
	Signing signingFlags `embed:"" prefix:"certificate-"`
	registryFlag
	authorityFlag
}

// demoFile is the content of DIR/demo.json, for scripts. It holds a secret key, so only
// its owner can read the file.
type demoFile struct {
	URL            string `json:"url"`
	SiteKey        string `json:"site_key"`
	SecretKey      string `json:"secret_key"`
	TestSiteKey    string `json:"test_site_key"`
	TestSecretKey  string `json:"test_secret_key"`
	OrganizationID string `json:"organization_id"`
	DatabaseURL    string `json:"database_url"`
}

func (c *demoCmd) Run(o *output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	f := serverFlags{
		RequestLog: 14, // days
		Listen:     c.Addr, BlobURL: cmp.Or(c.BlobURL, "file:"+filepath.Join(c.Data, "blobs")), s3Flags: c.s3Flags, SecretFile: filepath.Join(c.Data, "secret"),
		NetworkBlockTime: c.BlockTime, MaxFileSize: c.MaxFileSize,
		clockFlag:     clockFlag{NetworkClockTolerance: time.Minute},
		WebhooksAllow: proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, // receivers on this machine
		limitFlags:    c.limitFlags, Signing: c.Signing, registryFlag: c.registryFlag, authorityFlag: c.authorityFlag, LogFormat: "text", trial: true,
	}
	f.DatabaseURL = c.DatabaseURL
	if f.DatabaseURL == "" {
		f.DatabaseURL = "sqlite:" + filepath.Join(c.Data, "timbre.db")
	}
	var ownWidget http.Handler // nil: the built-in widget
	if c.WidgetDir != "" {
		var err error
		if ownWidget, err = widgetDir(c.WidgetDir, web.RenderError); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return wrongf("data", "cannot create this directory: %s", plainly(err))
	}
	s, err := newServer(ctx, f, f.logger(o.err))
	if w := (*wrong)(nil); errors.As(err, &w) { // demo has other names for these flags
		switch w.name {
		case "listen":
			w.name = "addr"
		case "network-block-time":
			w.name = "block-time"
		case "secret-file":
			w.name = "data"
		}
	}
	if err != nil {
		return err
	}
	seed, err := seedDemo(ctx, s.db, filepath.Join(c.Data, "demo.json"))
	if err != nil {
		s.close()
		return err
	}
	seed.URL, seed.DatabaseURL = s.url, f.DatabaseURL
	if err := writeDemo(filepath.Join(c.Data, "demo.json"), seed); err != nil {
		s.close()
		return err
	}
	uploads, err := uploadOrigin(ctx, s.blobs)
	if err != nil {
		s.close()
		return err
	}
	s.web.Mount("/demo", s.packed.Handler(demo.New(demo.Config{
		APIURL: s.url, UploadOrigin: uploads, SiteKey: seed.SiteKey, SecretKey: seed.SecretKey,
		TestSiteKey: seed.TestSiteKey, TestSecretKey: seed.TestSecretKey, RenderError: web.RenderError,
	})))
	s.web.Handle("/", http.RedirectHandler("/demo/", http.StatusFound))
	if ownWidget != nil {
		mux := http.NewServeMux()
		mux.Handle("/widget/", ownWidget)
		mux.Handle("/", s.http.Handler)
		s.http.Handler = mux
	}
	fmt.Fprintf(o.out, "Timbre demo: %s/demo/\n", s.url)
	return s.run(ctx)
}

// seedDemo returns the organization of an earlier run, or creates one.
func seedDemo(ctx context.Context, db *store.DB, path string) (demoFile, error) {
	var d demoFile
	b, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(b, &d) == nil && d.SecretKey != "" {
		if _, err := account.GetOrganization(ctx, db, d.OrganizationID); err == nil {
			return d, d.addTestKeys(ctx, db) // older releases created no test keys
		} else if !errors.Is(err, fault.CodeOrganizationNotFound) {
			return d, err
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	org, err := account.CreateOrganization(ctx, db, audit.CommandLine(), "Demo Records")
	if err != nil {
		return d, err
	}
	keys, err := account.CreateKeys(ctx, db, audit.CommandLine(), org.ID, "", false)
	if err != nil {
		return d, err
	}
	for _, origin := range []string{"localhost:*", "127.0.0.1:*", "[::1]:*"} {
		if _, err := account.AddOrigin(ctx, db, audit.CommandLine(), org.ID, origin); err != nil {
			return d, err
		}
	}
	if err := db.Tx(ctx, func(tx *store.Tx) error {
		return credits.Grant(ctx, tx, audit.CommandLine(), org.ID, 1_000_000, "demo")
	}); err != nil {
		return d, err
	}
	d = demoFile{SiteKey: keys.SiteKey, SecretKey: keys.SecretKey, OrganizationID: org.ID}
	return d, d.addTestKeys(ctx, db)
}

// addTestKeys creates the test key pair, which can rehearse errors, if it is missing.
func (d *demoFile) addTestKeys(ctx context.Context, db *store.DB) error {
	if d.TestSecretKey != "" {
		return nil
	}
	keys, err := account.CreateKeys(ctx, db, audit.CommandLine(), d.OrganizationID, "", true)
	d.TestSiteKey, d.TestSecretKey = keys.SiteKey, keys.SecretKey
	return err
}

func writeDemo(path string, d demoFile) error {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(path, append(b, '\n'))
}
