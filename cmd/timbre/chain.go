package main

import (
	"context"
	"io"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate"
	"timbre.example/internal/store"
)

// chainCmd is about the chains on which a server anchors.
type chainCmd struct {
	Checkpoint chainCheckpoint `cmd:"" help:"Print the sets of authorities with which people check evidence on a chain: the file of 'timbre verify --chain-checkpoint'."`
}

type chainCheckpoint struct {
	databaseFlag
	Network string `example:"mainnet" enum:"${network_names}" default:"mainnet" placeholder:"NAME" help:"${networks} (default: ${default})."`
}

// Help explains what to do with the file.
func (chainCheckpoint) Help() string {
	return `The file has the earliest set from which evidence begins, and the newest one. All
evidence of this registry until now meets a set of the file. Later evidence does, until
the authorities have changed 64 times, or fewer times if they are many.

Compare the sets with a node of your own before you publish the file: docs/chain-proof.md.`
}

func (c *chainCheckpoint) Run(o *output) error {
	return adminFlags{databaseFlag: c.databaseFlag}.with(func(ctx context.Context, db *store.DB) error {
		text, err := substrate.Checkpoint(ctx, db, network.Name(c.Network))
		if err != nil {
			return err
		}
		return o.write(func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
	})
}
