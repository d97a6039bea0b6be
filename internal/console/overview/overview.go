// Package overview is the first page of an organization: what happened, what is missing, and what
// to do first. It changes nothing.
package overview

import (
	"embed"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
)

//go:embed templates texts
var files embed.FS

// Area returns the page.
func Area(db *store.DB) shell.Area {
	p := pages{db}
	return shell.Area{Name: "overview", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: "/o/{org}/overview", Needs: shell.To(permission.WorksRead), Nav: shell.Nav{Order: 10, Icon: "overview"}, Handle: p.show},
	}}
}

type pages struct{ db *store.DB }

func (p pages) show(c *shell.Call) error { return c.Render("overview", nil) }
