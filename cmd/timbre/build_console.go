package main

import (
	"context"

	"timbre.example/internal/console"
	"timbre.example/internal/console/integration"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/network"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/story"
	"timbre.example/internal/webhook"
)

// openConsole builds the console. A process has it that creates sessions and serves works: its pages show
// both.
func openConsole(ctx context.Context, public string, st storage, who identity, w works, requests *requestlog.Log, hooks *webhook.Service, elsewhere network.Elsewheres, stop <-chan struct{}) (*shell.Shell, error) {
	uploads, err := uploadOrigin(ctx, st.blobs)
	if err != nil {
		return nil, err
	}
	return console.New(console.Config{
		PublicURL: public, Key: st.root.key(purposeConsole), DB: st.db, People: who.people, APIKeys: who.keys, Registry: w.registry, Networks: w.networks.All(), Elsewhere: elsewhere, Webhooks: hooks,
		Transactions: transactions.Config{Stories: story.New(st.db, requests), Requests: requests, Webhooks: hooks, PublicURL: public, ExplorerURL: w.registry.Works.ExplorerURL, Elsewhere: elsewhere, Stopping: stop},
		Integration:  integration.Config{DB: st.db, Sessions: who.sessions, Limits: who.limits, PublicURL: public, UploadOrigin: uploads},
	})
}
