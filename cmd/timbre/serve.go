package main

import (
	"context"
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
	log := c.logger(o.err)
	s, err := newServer(ctx, c.serverFlags, log)
	if err != nil {
		return err
	}
	log.Info("ready", "url", s.url, "version", version)
	return s.run(ctx)
}

type migrateCmd struct {
	databaseFlag
}

func (c *migrateCmd) Run(o *output) error {
	ctx := context.Background()
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Migrate(ctx)
}
