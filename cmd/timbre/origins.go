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
	Test   originsTest   `cmd:"" help:"Say whether a page may embed the widget, and why not."`
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

type originsTest struct {
	adminFlags
	Org    string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Origin string `arg:"" example:"https://www.your-domain.example/songs" help:"The address of the page, or its origin."`
}

func (c *originsTest) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		t, err := account.TestOrigin(ctx, db, c.Org, c.Origin)
		if err != nil {
			return err
		}
		return o.print(c.JSON, t, func(w io.Writer) {
			fmt.Fprintf(w, "origin   %s\n", t.Origin)
			if t.Shown != t.Origin {
				fmt.Fprintf(w, "shown    %s\n", t.Shown)
			}
			for _, l := range t.LooksLike {
				if l.Like != "" {
					fmt.Fprintf(w, "caution  %s looks like %s\n", l.Label, l.Like)
				} else {
					fmt.Fprintf(w, "caution  %s mixes letters of several scripts\n", l.Label)
				}
			}
			if t.Allowed {
				fmt.Fprintf(w, "allowed  by %s\n", t.Pattern)
				return
			}
			fmt.Fprintln(w, "refused")
			for _, r := range t.Refused {
				fmt.Fprintf(w, "         %s: %s\n", r.Pattern, r.Message)
			}
		})
	})
}
