package main

import (
	"context"

	"timbre.example/internal/console"
	"timbre.example/internal/console/integration"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/people"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/story"
)

// openConsole builds the console. A process has it that creates sessions and serves works: its pages show
// both. The session's keys of the console come from the key for tokens, by another derivation.
func openConsole(ctx context.Context, public string, st storage, w works, requests *requestlog.Log, stop <-chan struct{}, who identity) (*shell.Shell, error) {
	key := st.root.key(purposeTokens)
	persons, err := people.New(people.Config{DB: st.db, Key: key, URL: public})
	if err != nil {
		return nil, err
	}
	uploads, err := uploadOrigin(ctx, st.blobs)
	if err != nil {
		return nil, err
	}
	return console.New(console.Config{
		PublicURL: public, Key: key, DB: st.db, People: persons,
		Transactions: transactions.Config{Stories: story.New(st.db, requests), Requests: requests, PublicURL: public, ExplorerURL: w.registry.Works.ExplorerURL, Stopping: stop},
		Integration:  integration.Config{DB: st.db, Sessions: who.sessions, Limits: who.limits, PublicURL: public, UploadOrigin: uploads},
	})
}
