package main

import (
	"context"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/issuing"
	"timbre.example/internal/network"
	"timbre.example/internal/paths"
	"timbre.example/internal/registry"
	"timbre.example/internal/webhook"
)

// works is the registry and its networks. Without the roles ats and worker it is empty.
type works struct {
	opened
	registry *registry.Registry
	networks network.Set
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
	networks, closer, err := f.openNetworks(ctx, networkDeps{db: st.db, root: st.root, host: at.host, events: told.events, log: told.log})
	if err != nil {
		return w, err
	}
	w.networks = networks
	w.closes(closer)
	w.registry = registry.New(registry.Config{
		DB: st.db, Blobs: st.blobs, Networks: networks, Prices: prices, AccessSecret: st.root.key(purposeCodes), Times: f.times(), Prepares: f.LimitsPrepares, Space: st.space, Events: told.events, Log: told.log,
		WorkURL:     func(n network.Name, atsID int64) string { return at.url + paths.Work(n, atsID) },
		ExplorerURL: func(n network.Name, hash string) string { return at.url + paths.Transaction(n, hash) },
		Certify:     issuing.Pages{PublicURL: at.url, Registry: f.registryName(at.url), Signer: signer}.Certify,
		Stamp:       stamp,
		Webhooks:    f.webhooks(st),
		// Longer than it takes to make one certificate, and shorter than people wait for a download to start.
		AwaitCertificate: 4 * time.Second,
	})
	if f.has(worker) {
		for _, n := range networks.All() {
			if r, ok := n.(network.Runner); ok {
				w.runs(r.Run)
			}
		}
		w.runs(w.registry.Run)
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
