// Package ledger is the console's pages of an organization's credits: the balance, when it ends,
// what is held, every transfer, and the level of the warning.
//
// The package reads credits through package credits, and changes only the level, through package
// account. It grants no credits: that is the operator's page.
package ledger

import (
	"embed"
	"net/url"
	"strconv"

	"timbre.example/internal/account"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/credits"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
)

//go:embed templates texts
var files embed.FS

// rows is the number of lines of a list on one page.
const rows = 50

// Area returns the pages.
func Area(db *store.DB) shell.Area {
	p := pages{db}
	filter := []shell.Field{shell.Choice("kind", append([]string{""}, credits.Kinds()...)...), shell.Text("transaction", 36)}
	return shell.Area{Name: "ledger", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: "/o/{org}/credits", Needs: shell.To(permission.CreditsRead), Nav: shell.Nav{Order: 50, Icon: "credits"}, Fields: filter, Handle: p.show},
		{Method: "GET", Path: "/o/{org}/credits/ledger.csv", Needs: shell.To(permission.CreditsRead), Fields: filter, Handle: p.file},
		{Method: "GET", Path: "/o/{org}/credits/holds", Needs: shell.To(permission.CreditsRead), Handle: p.holds},
		{Method: "POST", Path: "/o/{org}/credits", Needs: shell.To(permission.CreditsManage), Name: "level", Handle: p.level, Again: p.show, Fields: []shell.Field{
			shell.Number("low_credits", 0, 1_000_000_000_000), shell.Hidden("revision", 20),
		}},
	}}
}

type pages struct{ db *store.DB }

// filter is what the query selects. A form that is shown again has no query.
func filter(c *shell.Call) credits.Filter {
	if c.R.Method != "GET" {
		return credits.Filter{Shown: shown(c)}
	}
	return credits.Filter{Kind: c.Form.Text("kind"), TransactionID: c.Form.Text("transaction"), Shown: shown(c)}
}

// shown is how the visitor sees ids of transactions.
func shown(c *shell.Call) func(string) string {
	return func(id string) string { return permission.TransactionID(id, c.May) }
}

// query is the filter as the query of an address.
func query(f credits.Filter, more ...string) string {
	q := url.Values{}
	if f.Kind != "" {
		q.Set("kind", f.Kind)
	}
	if f.TransactionID != "" {
		q.Set("transaction", f.TransactionID)
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (p pages) show(c *shell.Call) error {
	ctx, q, organization := c.Context(), p.db.Read(), c.Organization()
	o, err := account.GetOrganization(ctx, p.db, organization)
	if err != nil {
		return err
	}
	balance, err := credits.Of(ctx, q, organization)
	if err != nil {
		return err
	}
	estimate, err := credits.EstimateEnd(ctx, q, organization, c.Now)
	if err != nil {
		return err
	}
	warnings, err := credits.Warnings(ctx, q, organization, 3)
	if err != nil {
		return err
	}
	f := filter(c)
	list, next, err := credits.Ledger(ctx, q, organization, f, c.After(), rows)
	if err != nil {
		return err
	}
	var page shell.List
	if next != "" {
		page.Next = c.Address("/o/{org}/credits") + query(f, "after", next)
	}
	if c.After() != "" {
		page.First = c.Address("/o/{org}/credits") + query(f)
	}
	var level []string
	if o.LowCredits > 0 {
		level = []string{strconv.FormatInt(o.LowCredits, 10)}
	}
	c.Store("level", "low_credits", level...)
	c.Store("level", "revision", strconv.FormatInt(o.Revision, 10))
	return c.Render("credits", struct {
		Balance   credits.Balance
		Estimate  credits.Estimate
		Warnings  []credits.Warning
		Days      int64
		Level     int64
		Below     bool
		Transfers []credits.Transfer
		CSV       string
		shell.List
	}{balance, estimate, warnings, int64(estimate.Days), o.LowCredits, o.LowCredits > 0 && balance.Available < o.LowCredits, list, c.Address("/o/{org}/credits/ledger.csv") + query(f), page})
}

func (p pages) file(c *shell.Call) error {
	// A wrong filter is refused before the answer begins.
	if _, _, err := credits.Ledger(c.Context(), p.db.Read(), c.Organization(), filter(c), "", 1); err != nil {
		return err
	}
	return credits.WriteCSV(c.Context(), c.Download("credits.csv", "text/csv; charset=utf-8"), p.db.Read(), c.Organization(), filter(c))
}

func (p pages) holds(c *shell.Call) error {
	list, next, err := credits.Holds(c.Context(), p.db.Read(), c.Organization(), c.After(), rows, shown(c))
	if err != nil {
		return err
	}
	var page shell.List
	if next != "" {
		page.Next = c.Address("/o/{org}/credits/holds") + "?" + url.Values{"after": {next}}.Encode()
	}
	if c.After() != "" {
		page.First = c.Address("/o/{org}/credits/holds")
	}
	return c.Render("holds", struct {
		Holds []credits.Held
		shell.List
	}{list, page})
}

// level changes the level of the warning. Refusals of package account have texts that begin with "rule.".
func (p pages) level(c *shell.Call) error {
	revision, err := strconv.ParseInt(c.Form.Text("revision"), 10, 64)
	if err != nil || revision < 1 {
		revision = -1 // older than every revision
	}
	level := c.Form.Number("low_credits")
	if _, err := account.ChangeOrganization(c.Context(), p.db, c.Actor(), c.Organization(), revision, func(o *account.Organization) { o.LowCredits = level }); err != nil {
		return err
	}
	return c.Redirect("/o/{org}/credits", shell.Say("saved"))
}
