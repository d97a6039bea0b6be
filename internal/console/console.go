// Package console is the pages for the people of organizations, under /console/. It composes the
// areas: each package below it is a group of pages, and package shell is their frame. It has no
// page of its own, and decides nothing that a service below decides.
package console

import (
	"timbre.example/internal/apikey"
	"timbre.example/internal/console/apikeys"
	"timbre.example/internal/console/auditlog"
	"timbre.example/internal/console/integration"
	"timbre.example/internal/console/ledger"
	"timbre.example/internal/console/members"
	"timbre.example/internal/console/operator"
	"timbre.example/internal/console/overview"
	"timbre.example/internal/console/person"
	"timbre.example/internal/console/settings"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/signin"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/console/webhooks"
	"timbre.example/internal/console/works"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/people"
	"timbre.example/internal/registry"
	"timbre.example/internal/store"
	"timbre.example/internal/webhook"
)

// Root is the path of the console.
const Root = shell.Root

// Config is what the console shows and changes. Every field is required.
type Config struct {
	// PublicURL is the base URL for browsers, without a final slash.
	PublicURL string
	// Key has at least 16 random bytes, the same in every process.
	Key    []byte
	DB     *store.DB
	People *people.Service
	// Registry reads and erases works, on these networks.
	Registry *registry.Registry
	Networks []network.Network
	// Elsewhere are the chains' own explorers.
	Elsewhere network.Elsewheres
	// APIKeys makes and checks the keys of backends.
	APIKeys *apikey.Service
	// Transactions is what the pages about transactions show.
	Transactions transactions.Config
	// Integration is what the pages about the widget show and change.
	Integration integration.Config
	// Webhooks holds endpoints and deliveries.
	Webhooks *webhook.Service
}

// Areas returns all groups of pages, in no particular order.
func Areas(c Config) []shell.Area {
	return []shell.Area{
		overview.Area(c.DB, c.Transactions.Requests, c.Networks),
		works.Area(c.DB, c.Registry, c.Networks, c.Elsewhere),
		ledger.Area(c.DB),
		settings.Area(c.DB),
		auditlog.Area(c.DB),
		apikeys.Area(c.APIKeys),
		signin.Area(c.People),
		person.Area(c.People),
		members.Area(c.People),
		operator.Area(c.DB, c.People, c.Networks),
		transactions.Area(c.Transactions),
		integration.Area(c.Integration),
		webhooks.Area(c.Webhooks),
	}
}

// New builds the console. Its error is a mistake in the table of pages.
func New(c Config) (_ *shell.Shell, err error) {
	defer operation.Wrap(&err, "build the console")
	return shell.New(shell.Config{PublicURL: c.PublicURL, Key: c.Key, Now: c.DB.Now, Session: c.People.Session, Member: c.People.Member}, Areas(c)...)
}
