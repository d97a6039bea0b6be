package main

import (
	"timbre.example/internal/console/shell"
	"timbre.example/internal/manage"
	"timbre.example/internal/people"
	"timbre.example/internal/web"
	"timbre.example/internal/webhook"
)

// openManagement adds the API by which organizations are managed. A process has it that mints
// sessions. The sessions of members are those of the console.
func openManagement(url string, secure bool, r *web.Router, st storage, who identity, hooks *webhook.Service) error {
	persons, err := people.New(people.Config{DB: st.db, Key: st.root.key(purposeTokens), URL: url})
	if err != nil {
		return err
	}
	_, err = manage.New(manage.Config{Web: r, DB: st.db, APIKeys: who.keys, Webhooks: hooks, People: persons, Cookie: shell.CookieName(secure), Limits: who.limits})
	return err
}
