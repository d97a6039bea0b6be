package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/store"
)

type keysCmd struct {
	Create  keysCreate  `cmd:"" help:"Create a key pair. The secret key is shown only once."`
	List    keysList    `cmd:"" help:"List an organization's key pairs."`
	Disable keysDisable `cmd:"" help:"Disable a key pair and its running sessions, at once."`
	Enable  keysEnable  `cmd:"" help:"Enable a key pair again."`
	Rotate  keysRotate  `cmd:"" help:"Replace the secret key of a pair. The new one is shown only once; the old one stays valid for the overlap."`
	Label   keysLabel   `cmd:"" help:"Change the label of a key pair."`
	Delete  keysDelete  `cmd:"" help:"Delete a key pair. This cannot be undone."`
}

type keysCreate struct {
	adminFlags
	Org   string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Test  bool   `help:"Create a test key pair (cpk_test_…)."`
	Label string `example:"shop" placeholder:"TEXT" help:"Label for people, such as the name of the site: one line of at most 200 characters."`
}

func (c *keysCreate) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		k, err := account.CreateKeys(ctx, db, audit.CommandLine(), c.Org, c.Label, c.Test)
		if err != nil {
			return err
		}
		return o.print(c.JSON, k, func(w io.Writer) {
			fmt.Fprintf(w, "site key    %s\nsecret key  %s\n\nThe secret key is shown only now. Store it where your backend reads its secrets: Timbre stores only its hash.\n", k.SiteKey, k.SecretKey)
		})
	})
}

type keysList struct {
	adminFlags
	Org string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
}

func (c *keysList) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if _, err := account.GetOrganization(ctx, db, c.Org); err != nil {
			return err
		}
		keys, err := account.ListKeys(ctx, db, c.Org)
		if err != nil {
			return err
		}
		return o.print(c.JSON, keys, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			defer t.Flush()
			for _, k := range keys {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", k.SiteKey, k.Status, k.CreatedAt.Format("2006-01-02 15:04"), oneLine(k.Label))
			}
		})
	})
}

type keysDisable struct {
	adminFlags
	SiteKey string `arg:"" example:"cpk_…" help:"Site key of the pair (cpk_…)."`
}

func (c *keysDisable) Run(o *output) error {
	return changeKey(o, c.adminFlags, c.SiteKey, "disabled", func(ctx context.Context, db *store.DB, org string) error {
		return account.EnableKey(ctx, db, audit.CommandLine(), org, c.SiteKey, false)
	})
}

// changeKey changes a key pair and prints its new status.
func changeKey(o *output, f adminFlags, siteKey, status string, change func(_ context.Context, _ *store.DB, org string) error) error {
	return f.with(func(ctx context.Context, db *store.DB) error {
		org, err := account.OrganizationOfKey(ctx, db, siteKey)
		if err != nil {
			return err
		}
		if err := change(ctx, db, org); err != nil {
			return err
		}
		return o.print(f.JSON, map[string]string{"site_key": siteKey, "status": status}, func(w io.Writer) { fmt.Fprintln(w, siteKey, status) })
	})
}

type keysEnable struct {
	adminFlags
	SiteKey string `arg:"" example:"cpk_…" help:"Site key of the pair (cpk_…)."`
}

func (c *keysEnable) Run(o *output) error {
	return changeKey(o, c.adminFlags, c.SiteKey, "active", func(ctx context.Context, db *store.DB, org string) error {
		return account.EnableKey(ctx, db, audit.CommandLine(), org, c.SiteKey, true)
	})
}

type keysRotate struct {
	adminFlags
	SiteKey string        `arg:"" example:"cpk_…" help:"Site key of the pair (cpk_…)."`
	Overlap time.Duration `default:"24h" example:"1h" placeholder:"TIME" help:"How long the old secret key stays valid, such as 1h; 0 ends it now (default: ${default}, at most 720h)."`
}

func (c *keysRotate) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		org, err := account.OrganizationOfKey(ctx, db, c.SiteKey)
		if err != nil {
			return err
		}
		k, err := account.RotateKey(ctx, db, audit.CommandLine(), org, c.SiteKey, c.Overlap)
		if err != nil {
			return err
		}
		return o.print(c.JSON, k, func(w io.Writer) {
			old := "The old secret key is invalid now."
			if k.PreviousUntil != nil {
				old = "The old secret key is valid until " + k.PreviousUntil.Format(time.RFC3339) + "."
			}
			fmt.Fprintf(w, "site key    %s\nsecret key  %s\n\n%s The new one is shown only now: Timbre stores only its hash.\n", k.SiteKey, k.SecretKey, old)
		})
	})
}

type keysLabel struct {
	adminFlags
	SiteKey string `arg:"" example:"cpk_…" help:"Site key of the pair (cpk_…)."`
	Label   string `arg:"" example:"shop" help:"Label for people: one line of at most 200 characters; '' for none."`
}

func (c *keysLabel) Run(o *output) error {
	return changeKey(o, c.adminFlags, c.SiteKey, "labelled", func(ctx context.Context, db *store.DB, org string) error {
		return account.LabelKey(ctx, db, audit.CommandLine(), org, c.SiteKey, c.Label)
	})
}

type keysDelete struct {
	adminFlags
	SiteKey string `arg:"" example:"cpk_…" help:"Site key of the pair (cpk_…)."`
}

func (c *keysDelete) Run(o *output) error {
	return changeKey(o, c.adminFlags, c.SiteKey, "deleted", func(ctx context.Context, db *store.DB, org string) error {
		return account.DeleteKey(ctx, db, audit.CommandLine(), org, c.SiteKey)
	})
}
