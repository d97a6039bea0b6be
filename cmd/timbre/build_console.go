package main

import (
	"timbre.example/internal/console"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/people"
)

// openConsole builds the console. A process has it that creates sessions and serves works: its pages show
// both. The session's keys of the console come from the key for tokens, by another derivation.
func openConsole(url string, st storage) (*shell.Shell, error) {
	key := st.root.key(purposeTokens)
	persons, err := people.New(people.Config{DB: st.db, Key: key, URL: url})
	if err != nil {
		return nil, err
	}
	return console.New(console.Config{PublicURL: url, Key: key, DB: st.db, People: persons})
}
