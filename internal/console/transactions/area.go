package transactions

import (
	"embed"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/network"
	"timbre.example/internal/permission"
	"timbre.example/internal/story"
)

//go:embed templates texts
var files embed.FS

// Area returns the pages.
func Area(c Config) shell.Area {
	p := pages{c, newHub(c.Stories)}
	read := shell.To(permission.WorksRead)
	statuses, networks := []string{""}, []string{""}
	for _, s := range story.Statuses() {
		statuses = append(statuses, string(s))
	}
	for _, n := range network.Names() {
		networks = append(networks, string(n))
	}
	return shell.Area{Name: "transactions", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: listPath, Needs: read, Nav: shell.Nav{Order: 30, Icon: "list"}, Handle: p.list, Fields: []shell.Field{
			shell.Text("q", 255).Type("search"), shell.Choice("status", statuses...), shell.Choice("network", networks...), shell.Text("since", 10).Type("date"), shell.Text("until", 10).Type("date"),
		}},
		{Method: "GET", Path: callsPath, Needs: read, Handle: p.calls, Fields: []shell.Field{shell.Text("code", 60), shell.Text("since", 10).Type("date")}},
		{Method: "GET", Path: LivePath, Needs: read, Handle: p.live},
		{Method: "GET", Path: storyPath, Needs: read, Handle: p.story},
	}}
}
