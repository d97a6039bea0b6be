package main

import (
	"context"
	"fmt"
	"io"
)

type migrateCmd struct {
	databaseFlag
	Retire bool `help:"Drop the indexes that only the release before uses. No process of it may run: its registrations would fail, and they would also fail after a step back."`
	JSON   bool `help:"Print JSON."`
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
	dropped := []string{} // in JSON a list
	if c.Retire {
		names, err := db.Retired(ctx)
		if err != nil {
			return err
		}
		dropped = append(dropped, names...)
		if err := db.Retire(ctx); err != nil {
			return err
		}
	}
	return o.print(c.JSON, map[string]any{"applied": pending, "dropped": dropped}, func(w io.Writer) {
		fmt.Fprintf(w, "%s applied\n", plural(int(pending), "migration"))
		for _, name := range dropped {
			fmt.Fprintf(w, "index %s dropped\n", name)
		}
	})
}
