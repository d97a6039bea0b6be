package main

import (
	"timbre.example/internal/console/shell"
	"timbre.example/internal/manage"
	"timbre.example/internal/web"
	"timbre.example/internal/webhook"
)

// openManagement adds the API by which organizations are managed. A process has it that mints
// sessions. The sessions of members are those of the console, where the process has one.
func openManagement(secure bool, r *web.Router, st storage, who identity, hooks *webhook.Service) error {
	_, err := manage.New(manage.Config{Web: r, DB: st.db, APIKeys: who.keys, Webhooks: hooks, People: who.people, Cookie: shell.CookieName(secure), Limits: who.limits})
	return err
}
