package main

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/crash"
	"timbre.example/internal/credits"
	"timbre.example/internal/issuing"
	"timbre.example/internal/mail"
	"timbre.example/internal/network"
	"timbre.example/internal/paths"
	"timbre.example/internal/people"
	"timbre.example/internal/registry"
	"timbre.example/internal/store"
	"timbre.example/internal/webhook"
)

// works is the registry and its networks. Without the roles ats and worker it is empty.
type works struct {
	opened
	registry *registry.Registry
	networks network.Set
	chains   map[network.Name]network.Network // of logs, by the chains' own names
}

// network returns a network of the server, or the chain of a log; nil: it has none.
func (w works) network(n string) network.Network {
	if chain := w.chains[network.Name(n)]; chain != nil {
		return chain
	}
	return w.networks[network.Name(n)]
}

// openWorks opens the networks and builds the registry. Only a worker anchors and makes
// certificates; only an ats follows progress.
func (f serverFlags) openWorks(ctx context.Context, at entrance, st storage, signer *certificate.Signer, told telling) (w works, err error) {
	prices, err := f.prices()
	if err != nil {
		return w, err
	}
	authority, err := f.authority()
	if err != nil {
		return w, err
	}
	var stamp func(context.Context, [32]byte) ([]byte, error)
	if authority != nil {
		stamp = authority.Stamp
	}
	raise := f.Signing.raise(signer, authority)
	smtp, err := f.smtp(at.host)
	if err != nil {
		return w, err
	}
	hooks := f.webhooks(st)
	if smtp != nil {
		hooks.Warn = mailEndpoint
	}
	networks, chains, closer, err := f.openNetworks(ctx, networkDeps{db: st.db, root: st.root, host: at.host, events: told.events, log: told.log})
	if err != nil {
		return w, err
	}
	w.networks, w.chains = networks, map[network.Name]network.Network{}
	for _, chain := range chains {
		w.chains[chain.Name()] = chain
	}
	stamps := f.stamping()
	stamps.Chains = chains
	w.closes(closer)
	w.registry = registry.New(registry.Config{
		DB: st.db, Blobs: st.blobs, Networks: networks, Prices: prices, AccessSecret: st.root.key(purposeCodes), Times: f.times(), Prepares: f.LimitsPrepares, Space: st.space, Events: told.events, Log: told.log,
		WorkURL:     func(n network.Name, atsID int64) string { return at.url + paths.Work(n, atsID) },
		ExplorerURL: func(n network.Name, hash string) string { return at.url + paths.Transaction(n, hash) },
		Certify:     issuing.Pages{PublicURL: at.url, Registry: f.registryName(at.url), Signer: signer, Raised: raise != nil}.Certify,
		Stamp:       stamp,
		Raise:       raise,
		Stamping:    stamps,
		Webhooks:    hooks,
		// Longer than it takes to make one certificate, and shorter than people wait for a download to start.
		AwaitCertificate: 4 * time.Second,
	})
	w.closes(w.registry.Intake)
	if f.has(worker) {
		if err := w.registry.Stamping.Begin(ctx, f.logs()); err != nil {
			return w, err
		}
		for _, n := range networks.All() {
			if r, ok := n.(network.Runner); ok {
				w.runs(r.Run)
			}
		}
		for _, chain := range w.chains {
			if r, ok := chain.(network.Runner); ok {
				w.runs(r.Run)
			}
		}
		w.runs(w.registry.Run)
		w.runs(creditWarnings(st, told.log, smtp != nil).Worker().Run)
	}
	if f.has(ats) {
		w.runs(w.registry.Works.Progress.Worker().Run)
	}
	return w, nil
}

// webhooks configures the endpoints of organizations, and in a worker the deliveries to them.
func (f serverFlags) webhooks(st storage) webhook.Config {
	return webhook.Config{DB: st.db, Key: st.root.key(purposeWebhooks), Allow: f.WebhooksAllow, UserAgent: "Timbre/" + version}
}

// mailEndpoint tells the managers of an organization that an endpoint fails, or that the server
// has turned it off.
func mailEndpoint(ctx context.Context, tx *store.Tx, w webhook.Warning) error {
	kind, ok := map[webhook.Reason]mail.Kind{"": mail.EndpointFails, webhook.Failing: mail.EndpointOff, webhook.Gone: mail.EndpointGone}[w.Disabled]
	if !ok {
		return nil
	}
	return people.MailManagers(ctx, tx, w.Organization, kind, map[string]string{"endpoint": w.URL, "since": w.Since.UTC().Format("2006-01-02 15:04")})
}

// creditWarnings reports low balances to the endpoints of the organization, and to its managers
// where mail is configured.
func creditWarnings(st storage, log *slog.Logger, mails bool) *credits.Teller {
	t := &credits.Teller{DB: st.db, Log: log, Reached: crash.Points(), Tell: []func(context.Context, *store.Tx, credits.Warning) error{
		func(ctx context.Context, tx *store.Tx, w credits.Warning) error {
			return webhook.BalanceLow(ctx, tx, w.Organization, w.Balance, w.Level)
		},
	}}
	if mails {
		t.Tell = append(t.Tell, func(ctx context.Context, tx *store.Tx, w credits.Warning) error {
			return people.MailManagers(ctx, tx, w.Organization, mail.LowBalance, map[string]string{"balance": strconv.FormatInt(w.Balance, 10)})
		})
	}
	return t
}
