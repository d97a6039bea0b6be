// Package transactions is the pages about what an organization tried to register: the list of
// attempts, live, with the recent errors, the calls of the organization, and the whole story of one
// attempt. They change nothing. No page shows an access code, and members who may only read see
// the beginning of an id, which opens nothing.
package transactions

import (
	"timbre.example/internal/network"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/story"
	"timbre.example/internal/webhook"
)

// Config is what the pages show.
type Config struct {
	Stories  *story.Service
	Requests *requestlog.Log
	// Webhooks has the deliveries about a transaction; nil: stories have none.
	Webhooks *webhook.Service
	// PublicURL is the base URL of the API, without a final slash.
	PublicURL string
	// ExplorerURL returns the page of a transaction on its network.
	ExplorerURL func(n network.Name, hash string) string
	// Elsewhere are the chains' own explorers.
	Elsewhere network.Elsewheres
	// Stopping is closed when the server shuts down: live lists end.
	Stopping <-chan struct{}
}

// The paths of the pages.
const (
	listPath  = "/o/{org}/transactions"
	callsPath = "/o/{org}/transactions/calls"
	// LivePath is the path of the live list's events, below the console's root.
	LivePath  = "/o/{org}/transactions/live"
	storyPath = "/o/{org}/transactions/{id}"
)

type pages struct {
	Config
	hub *hub
}
