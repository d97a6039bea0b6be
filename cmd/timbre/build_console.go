package main

import (
	"net/http"

	"timbre.example/internal/console"
	"timbre.example/internal/people"
)

// openConsole builds the console. A process has it that creates sessions and serves works: its pages show
// both.
func openConsole(url string, st storage, s *people.Service) (http.Handler, error) {
	return console.New(console.Config{PublicURL: url, Key: st.root.key(purposeConsole), DB: st.db, People: s})
}
