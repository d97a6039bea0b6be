package main

import (
	"timbre.example/internal/apikey"
	"timbre.example/internal/console"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/people"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/story"
)

// openConsole builds the console. A process has it that creates sessions and serves works: its pages show
// both.
func openConsole(url string, st storage, s *people.Service, keys *apikey.Service, w works, requests *requestlog.Log, stop <-chan struct{}) (*shell.Shell, error) {
	return console.New(console.Config{
		PublicURL: url, Key: st.root.key(purposeConsole), DB: st.db, People: s, APIKeys: keys,
		Transactions: transactions.Config{Stories: story.New(st.db, requests), Requests: requests, PublicURL: url, ExplorerURL: w.registry.Works.ExplorerURL, Stopping: stop},
	})
}
