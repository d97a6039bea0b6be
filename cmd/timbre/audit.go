package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/store"
)

type auditCmd struct {
	List   auditList   `cmd:"" help:"List changes, newest first."`
	Verify auditVerify `cmd:"" help:"Check the chain of hashes of every organization's changes."`
}

type auditList struct {
	adminFlags
	Org     string `arg:"" optional:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id; without one, the changes of all organizations and of the installation."`
	Actor   string `placeholder:"ID" example:"0198c0de-0000-7000-8000-000000000000" help:"Only changes by the person or the API key with this id."`
	Action  string `placeholder:"ACTION" example:"origin.added" help:"Only changes of this kind: docs/audit.md lists them."`
	Subject string `placeholder:"TEXT" example:"https://songs.example" help:"Only changes of this id, site key or origin."`
	Search  string `placeholder:"TEXT" example:"songs" help:"Only changes with this text, at most 200 bytes."`
	Since   string `placeholder:"TIME" example:"2026-01-31T00:00:00Z" help:"Only changes from this time on, such as 2026-01-31T00:00:00Z."`
	Until   string `placeholder:"TIME" example:"2026-02-28T00:00:00Z" help:"Only changes before this time."`
	Limit   int    `default:"50" example:"50" help:"Largest number of changes to list, up to 1000 (default: ${default})."`
	After   string `placeholder:"ID" example:"0198c0de-0000-7000-8000-000000000000" help:"Only changes older than this one: the \"next\" of the page before."`
	CSV     bool   `help:"Print all selected changes as CSV, at most 200,000."`
}

func (c *auditList) Run(o *output) error {
	f := audit.Filter{Organization: c.Org, Everywhere: c.Org == "", ActorID: c.Actor, Action: c.Action, Subject: c.Subject, Text: c.Search}
	for _, one := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", c.Since, &f.Since}, {"until", c.Until, &f.Until}} {
		if one.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, one.text)
		if err != nil {
			return wrongf(one.flag, "must be a time such as 2026-01-31T00:00:00Z")
		}
		*one.to = t
	}
	return c.with(func(ctx context.Context, db *store.DB) error {
		if c.CSV {
			return o.write(func(w io.Writer) error { return audit.WriteCSV(ctx, w, db, f) })
		}
		page, err := audit.List(ctx, db, f, c.After, c.Limit)
		if err != nil {
			return err
		}
		return o.print(c.JSON, map[string]any{"entries": page.Entries, "next": page.Next}, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			for _, e := range page.Entries {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s", e.At.Format(time.RFC3339), oneLine(e.Actor.Name), e.Action, oneLine(e.Subject))
				for _, change := range e.Changes {
					fmt.Fprintf(t, "\t%s: %q → %q", oneLine(change.Field), change.Old, change.New)
				}
				fmt.Fprintln(t)
			}
			t.Flush()
			if page.Next != "" {
				fmt.Fprintf(w, "more: --after %s\n", page.Next)
			}
		})
	})
}

type auditVerify struct {
	adminFlags
	Heads string `placeholder:"FILE" example:"heads.json" help:"Output of an earlier timbre audit verify --json: its entries must still be there, unchanged."`
}

// errBroken says that the audit log was edited.
var errBroken = errors.New("the audit log was edited outside of Timbre")

func (c *auditVerify) Run(o *output) error {
	earlier := map[string]audit.Head{}
	if c.Heads != "" {
		b, err := readSmall(c.Heads, 64<<20)
		if err != nil {
			return wrongf("heads", "%s cannot be read: %s", c.Heads, plainly(err))
		}
		var heads []audit.Head
		if err := json.Unmarshal(b, &heads); err != nil {
			return wrongf("heads", "is not the output of timbre audit verify --json: %v", err)
		}
		for _, h := range heads {
			earlier[h.Organization] = h
		}
	}
	return c.with(func(ctx context.Context, db *store.DB) error {
		checked, broken := []audit.Head{}, []string{}
		check := func(organization string) error {
			var before *audit.Head
			if h, ok := earlier[organization]; ok {
				before = &h
			}
			delete(earlier, organization)
			h, err := audit.Verify(ctx, db, organization, before)
			var b audit.Break
			if errors.As(err, &b) {
				broken = append(broken, b.Error())
				return nil
			}
			checked = append(checked, h)
			return err
		}
		var after *string
		for {
			heads, err := audit.Heads(ctx, db, after, audit.MaxPage)
			if err != nil {
				return err
			}
			for _, h := range heads {
				if err := check(h.Organization); err != nil {
					return err
				}
			}
			if len(heads) == 0 {
				break
			}
			after = &heads[len(heads)-1].Organization
		}
		for organization := range earlier { // their heads are gone
			if err := check(organization); err != nil {
				return err
			}
		}
		if len(broken) > 0 {
			return fmt.Errorf("%w:\n%s", errBroken, strings.Join(broken, "\n"))
		}
		return o.print(c.JSON, checked, func(w io.Writer) {
			for _, h := range checked {
				fmt.Fprintf(w, "%s  %d  %s\n", h.Organization, h.Entries, h.Hash)
			}
			fmt.Fprintln(w, "Every entry is as it was written.")
		})
	})
}
