package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"timbre.example/fault"
)

var notFound = fault.CommonNotFound()

type serveCmd struct {
	serverFlags
}

func (c *serveCmd) Run(o *output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	log := c.logger(o.err)
	s, err := newServer(ctx, c.serverFlags, log)
	if err != nil {
		return err
	}
	s.events.Ready(ctx, s.url, c.roleNames(), version)
	return s.run(ctx)
}

type migrateCmd struct {
	databaseFlag
	JSON bool `help:"Print JSON."`
}

func (c *migrateCmd) Run(o *output) error {
	ctx := context.Background()
	db, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer db.Close()
	pending, err := db.Pending(ctx)
	if err != nil {
		return err
	}
	if pending < 0 {
		return errAhead(-pending)
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return o.print(c.JSON, map[string]int64{"applied": pending}, func(w io.Writer) { fmt.Fprintf(w, "%s applied\n", plural(int(pending), "migration")) })
}
