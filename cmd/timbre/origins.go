package main

import (
	"context"
	"fmt"
	"io"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/store"
)

type originsCmd struct {
	Add    originsAdd    `cmd:"" help:"Allow an origin: [scheme://]host[:port]. The host can begin with *. and the port can be *."`
	Remove originsRemove `cmd:"" help:"Remove an allowed origin."`
	List   originsList   `cmd:"" help:"List the allowed origins."`
}

type originsAdd struct {
	adminFlags
	Org    string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Origin string `arg:"" example:"https://www.your-domain.example" help:"The origin, for example https://songs.example, *.songs.example or localhost:3000."`
}

func (c *originsAdd) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		added, err := account.AddOrigin(ctx, db, audit.CommandLine(), c.Org, c.Origin)
		if err != nil {
			return err
		}
		return o.print(c.JSON, map[string]string{"origin": added}, func(w io.Writer) { fmt.Fprintln(w, added) })
	})
}

type originsRemove struct {
	adminFlags
	Org    string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Origin string `arg:"" example:"https://www.your-domain.example" help:"The origin, exactly as timbre origins list shows it."`
}

func (c *originsRemove) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if err := account.RemoveOrigin(ctx, db, audit.CommandLine(), c.Org, c.Origin); err != nil {
			return err
		}
		return o.print(c.JSON, map[string]string{"removed": c.Origin}, func(w io.Writer) { fmt.Fprintln(w, c.Origin, "removed") })
	})
}

type originsList struct {
	adminFlags
	Org string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
}

func (c *originsList) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		list, err := account.ListOrigins(ctx, db, c.Org)
		if err != nil {
			return err
		}
		origins := make([]string, len(list))
		for i, one := range list {
			origins[i] = one.Origin
		}
		return o.print(c.JSON, origins, func(w io.Writer) {
			for _, origin := range origins {
				fmt.Fprintln(w, origin)
			}
		})
	})
}
