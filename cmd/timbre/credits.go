package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
)

type creditsCmd struct {
	Grant    creditsGrant    `cmd:"" help:"Give an organization credits."`
	Balance  creditsBalance  `cmd:"" help:"Show an organization's balance: available, held and spent."`
	History  creditsHistory  `cmd:"" help:"List an organization's transfers, newest first."`
	Holds    creditsHolds    `cmd:"" help:"List what running transactions hold."`
	Estimate creditsEstimate `cmd:"" help:"Estimate when the credits end, from the use of the last 30 days."`
	Warnings creditsWarnings `cmd:"" help:"List when the balance went below the level of org set --low-credits."`
}

type creditsGrant struct {
	adminFlags
	Org    string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Amount int64  `arg:"" example:"10000" help:"Credits, more than 0."`
	Note   string `example:"welcome" help:"Reason, shown in the history."`
}

func (c *creditsGrant) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if _, err := account.GetOrganization(ctx, db, c.Org); err != nil {
			return err
		}
		if err := db.Tx(ctx, func(tx *store.Tx) error { return credits.Grant(ctx, tx, audit.CommandLine(), c.Org, c.Amount, c.Note) }); err != nil {
			return err
		}
		return printBalance(ctx, o, c.JSON, db, c.Org)
	})
}

type creditsBalance struct {
	adminFlags
	Org string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
}

func (c *creditsBalance) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if _, err := account.GetOrganization(ctx, db, c.Org); err != nil {
			return err
		}
		return printBalance(ctx, o, c.JSON, db, c.Org)
	})
}

func printBalance(ctx context.Context, o *output, asJSON bool, db *store.DB, org string) error {
	b, err := credits.Of(ctx, db.Read(), org)
	if err != nil {
		return err
	}
	return o.print(asJSON, b, func(w io.Writer) {
		fmt.Fprintf(w, "available %d\nheld      %d\nspent     %d\n", b.Available, b.Held, b.Spent)
	})
}

type creditsHistory struct {
	adminFlags
	Org         string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Limit       int    `default:"50" example:"50" help:"Largest number of transfers to list (default: ${default})."`
	Before      string `placeholder:"ID" example:"0198c0de-0000-7000-8000-000000000000" help:"Only transfers older than this one."`
	Kind        string `enum:"grant,hold,capture,release," default:"" placeholder:"KIND" example:"grant" help:"Only transfers of this kind: grant, hold, capture or release."`
	Transaction string `placeholder:"ID" example:"0198c0de-0000-7000-8000-000000000000" help:"Only transfers of this transaction."`
	CSV         bool   `help:"Print all selected transfers as CSV, at most 200,000."`
}

func (c *creditsHistory) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if _, err := account.GetOrganization(ctx, db, c.Org); err != nil {
			return err
		}
		f := credits.Filter{Kind: c.Kind, TransactionID: c.Transaction}
		if c.CSV {
			return o.write(func(w io.Writer) error { return credits.WriteCSV(ctx, w, db.Read(), c.Org, f) })
		}
		if c.Limit < 1 || c.Limit > credits.MaxPage {
			return fault.CommonValidationFailed([]fault.Field{{Field: "limit", Rule: "range", Message: fmt.Sprintf("Must be 1 to %d.", credits.MaxPage)}})
		}
		list, _, err := credits.Ledger(ctx, db.Read(), c.Org, f, c.Before, c.Limit)
		if err != nil {
			return err
		}
		return o.print(c.JSON, list, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			defer t.Flush()
			for _, x := range list {
				left := "-"
				if x.Available != nil {
					left = fmt.Sprint(*x.Available)
				}
				fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", x.At.Format(time.RFC3339), x.Kind, x.Amount, left, x.TransactionID, oneLine(x.Note))
			}
		})
	})
}

type creditsHolds struct {
	adminFlags
	Org    string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Limit  int    `default:"50" example:"50" help:"Largest number of holds to list, up to 10,000 (default: ${default})."`
	Before string `placeholder:"ID" example:"0198c0de-0000-7000-8000-000000000000" help:"Only holds of transactions older than this one."`
}

func (c *creditsHolds) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if _, err := account.GetOrganization(ctx, db, c.Org); err != nil {
			return err
		}
		list, _, err := credits.Holds(ctx, db.Read(), c.Org, c.Before, c.Limit, nil)
		if err != nil {
			return err
		}
		return o.print(c.JSON, list, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			defer t.Flush()
			for _, x := range list {
				fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", x.Since.Format(time.RFC3339), x.Amount, x.Network, x.Kind, x.TransactionID)
			}
		})
	})
}

type creditsEstimate struct {
	adminFlags
	Org string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
}

func (c *creditsEstimate) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if _, err := account.GetOrganization(ctx, db, c.Org); err != nil {
			return err
		}
		e, err := credits.EstimateEnd(ctx, db.Read(), c.Org, db.Now())
		if err != nil {
			return err
		}
		return o.print(c.JSON, e, func(w io.Writer) {
			end := "not within 10 years"
			if e.EndsAt != nil {
				end = e.EndsAt.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "spent     %d in %s\nends      %s\n", e.Spent, plural(e.Days, "day"), end)
		})
	})
}

type creditsWarnings struct {
	adminFlags
	Org   string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Limit int    `default:"50" example:"50" help:"Largest number of warnings to list (default: ${default})."`
}

func (c *creditsWarnings) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if _, err := account.GetOrganization(ctx, db, c.Org); err != nil {
			return err
		}
		list, err := credits.Warnings(ctx, db.Read(), c.Org, c.Limit)
		if err != nil {
			return err
		}
		return o.print(c.JSON, list, func(w io.Writer) {
			for _, x := range list {
				fmt.Fprintf(w, "%s  balance %d, level %d\n", x.At.Format(time.RFC3339), x.Balance, x.Level)
			}
		})
	})
}
