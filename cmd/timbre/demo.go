package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/credits"
	"timbre.example/internal/demo"
	"timbre.example/internal/fault"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
	"timbre.example/internal/webhook"
)

type demoCmd struct {
	Addr        string        `example:"127.0.0.1:8090" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address to listen on; port 0 takes a free port (default: ${default})."`
	Data        string        `example:"timbre-demo" default:"timbre-demo" type:"path" placeholder:"DIR" help:"Directory for all data. Remove it to start again (default: ./timbre-demo)."`
	BlockTime   time.Duration `example:"1s" default:"1s" placeholder:"TIME" help:"Time between blocks of the log (default: ${default})."`
	DatabaseURL string        `secret:"after-scheme" example:"sqlite:demo.db" placeholder:"URL" help:"Use this database instead of one in --data."`
	BlobURL     string        `example:"file:blobs" placeholder:"URL" help:"Store files here instead of in --data: s3://BUCKET?endpoint=URL."`
	s3Flags
	UploadPartsFrom int64  `example:"33554432" default:"33554432" placeholder:"BYTES" help:"Size of a file from which the widget uploads it in parts; 0: never (default: ${default}, 32 MiB)."`
	MaxFileSize     int64  `example:"524288000" default:"524288000" placeholder:"BYTES" help:"Largest file in bytes (default: ${default}, 500 MB)."`
	WidgetDir       string `example:"widget-dev" type:"path" placeholder:"DIR" help:"For people who change the widget: serve it from this directory, as it is at each request, and reload the demo's page after each change. go run ./widget/build -watch DIR builds it."`
	Seed            bool   `default:"true" negatable:"" help:"Fill the console with works, webhooks and members at the first start, in the background. The works are on mainnet, so testnet begins empty."`
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
	// APIKey has every scope.
	APIKey  string      `json:"api_key"`
	Console demoConsole `json:"console"`
	// Seeded: the works, endpoints and members of the demo were made.
	Seeded bool `json:"seeded"`
}

// demoConsole is the account of the organization's owner.
type demoConsole struct {
	URL      string `json:"url"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (c *demoCmd) Run(o *output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	f := serverFlags{
		RequestLog: 14, // days
		Listen:     c.Addr, BlobURL: cmp.Or(c.BlobURL, "file:"+filepath.Join(c.Data, "blobs")), s3Flags: c.s3Flags, SecretFile: filepath.Join(c.Data, "secret"),
		NetworkBlockTime: c.BlockTime, MaxFileSize: c.MaxFileSize, UploadPartsFrom: c.UploadPartsFrom,
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
	path := filepath.Join(c.Data, "demo.json")
	seed.URL, seed.DatabaseURL, seed.Console.URL = s.url, f.DatabaseURL, s.url+shell.Root+"/"
	if err := errors.Join(seed.addOwner(ctx, s), seed.addAPIKey(ctx, s)); err != nil {
		s.close()
		return err
	}
	if err := writeDemo(path, seed); err != nil {
		s.close()
		return err
	}
	if c.Seed && !seed.Seeded {
		s.runs(func(ctx context.Context) {
			seed.fill(ctx, s, path)
			if seed.Seeded { // the log has moved the first lines away
				fmt.Fprintf(o.out, "The example works are there. Timbre demo: %s/demo/\n", s.url)
			}
		})
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
	fmt.Fprintf(o.out, "Console:     %s   %s   %s\n", seed.Console.URL, seed.Console.Email, seed.Console.Password)
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

// addOwner makes the owner of the organization, who is an operator too, if they are missing.
func (d *demoFile) addOwner(ctx context.Context, s *server) error {
	if d.Console.Password != "" {
		return nil
	}
	email, password := "owner@demo.example", rand.Text()
	if err := join(ctx, s, d.OrganizationID, email, "Ada Example", password, permission.Owner); err != nil {
		return err
	}
	if err := s.people.SetOperator(ctx, people.CommandLine(), email, true); err != nil {
		return err
	}
	d.Console.Email, d.Console.Password = email, password
	return nil
}

// join makes a person with a role in an organization.
func join(ctx context.Context, s *server, organization, email, name, password string, role permission.Role) error {
	_, token, err := s.people.Invite(ctx, people.CommandLine(), organization, email, role)
	if err != nil {
		return err
	}
	_, _, err = s.people.AcceptNew(ctx, token, name, password, "en", people.Client{Agent: "timbre demo"})
	return err
}

// addAPIKey makes an API key with every scope, if it is missing.
func (d *demoFile) addAPIKey(ctx context.Context, s *server) error {
	if d.APIKey != "" {
		return nil
	}
	r := apikey.Request{Name: "Demo"}
	for _, scope := range permission.Scopes() {
		r.Scopes = append(r.Scopes, string(scope))
	}
	k, err := s.keys.Create(ctx, audit.CommandLine(), d.OrganizationID, r)
	d.APIKey = k.Token
	return err
}

// fill makes what the pages of the console show. It runs while the server serves. Each part
// keeps what an interrupted run has made.
func (d *demoFile) fill(ctx context.Context, s *server, path string) {
	err := d.addEndpoints(ctx, s)
	if err == nil {
		err = d.addMembers(ctx, s)
	}
	if err == nil {
		err = demo.Seed(ctx, s.url, d.APIKey)
	}
	if err == nil {
		d.Seeded = true
		err = writeDemo(path, *d)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("the demo's console is not filled", "error", err)
	}
}

// addEndpoints makes endpoints whose receivers are pages of the demo: see package demo.
func (d *demoFile) addEndpoints(ctx context.Context, s *server) error {
	made, err := s.hooks.ListEndpoints(ctx, d.OrganizationID, "", 20)
	if err != nil {
		return err
	}
	for _, e := range []struct{ name, about string }{
		{"ok", "Accepts every delivery"}, {"flaky", "Fails every second time, so deliveries are retried"},
		{"broken", "Refuses for good, so deliveries end without success"}, {"gone", "Answers 410, which disables the endpoint"},
	} {
		url := s.url + "/demo/hooks/" + e.name
		if slices.ContainsFunc(made, func(m webhook.Endpoint) bool { return m.URL == url }) {
			continue
		}
		if _, _, err := s.hooks.CreateEndpoint(ctx, d.OrganizationID, webhook.EndpointInput{URL: url, Description: e.about}, audit.CommandLine()); err != nil {
			return err
		}
	}
	return nil
}

// addMembers makes one member of each role, and an open invitation.
func (d *demoFile) addMembers(ctx context.Context, s *server) error {
	for _, m := range []struct {
		email, name string
		role        permission.Role
	}{{"admin@demo.example", "Ben Example", permission.Admin}, {"developer@demo.example", "山田 花子", permission.Developer}, {"viewer@demo.example", "ليلى مثال", permission.Viewer}} {
		found, err := s.people.Members(ctx, d.OrganizationID, people.Part{Search: m.email, Most: 1})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			continue
		}
		if err := join(ctx, s, d.OrganizationID, m.email, m.name, rand.Text(), m.role); err != nil {
			return err
		}
	}
	_, _, err := s.people.Invite(ctx, people.CommandLine(), d.OrganizationID, "invited@demo.example", permission.Viewer)
	return err
}

func writeDemo(path string, d demoFile) error {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(path, append(b, '\n'))
}
