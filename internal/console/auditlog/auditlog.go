// Package auditlog is the console's pages of the audit log: of one organization, and for the
// operator of all organizations. It only reads.
package auditlog

import (
	"embed"
	"net/url"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
)

//go:embed templates texts
var files embed.FS

// rows is the number of changes on one page.
const rows = 25

// Area returns the pages.
func Area(db *store.DB) shell.Area {
	p := pages{db}
	kinds := []string{""}
	for _, k := range audit.Kinds() {
		kinds = append(kinds, string(k))
	}
	filter := []shell.Field{
		shell.Text("q", 100).Type("search"), shell.Text("action", 100), shell.Choice("by", kinds...), shell.Text("actor", 100), shell.Text("subject", 300),
		shell.Text("since", 10).Type("date"), shell.Text("until", 10).Type("date"),
	}
	to, all := shell.To(permission.AuditRead), shell.Operators()
	return shell.Area{Name: "auditlog", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: "/o/{org}/audit", Needs: to, Nav: shell.Nav{Order: 100, Icon: "audit"}, Fields: filter, Handle: p.show},
		{Method: "GET", Path: "/o/{org}/audit/audit.csv", Needs: to, Fields: filter, Handle: p.file},
		{Method: "GET", Path: "/operator/audit", Needs: all, Nav: shell.Nav{Order: 250, Icon: "audit"}, Fields: filter, Handle: p.show},
		{Method: "GET", Path: "/operator/audit/audit.csv", Needs: all, Fields: filter, Handle: p.file},
	}}
}

type pages struct{ db *store.DB }

// day is how a browser sends a date.
const day = "2006-01-02"

// filter reads what the query selects. A date that is not one is a problem of its
// field; its text begins with "rule.".
func filter(c *shell.Call) audit.Filter {
	f := audit.Filter{Organization: c.Organization(), Everywhere: c.Organization() == "", Text: c.Form.Text("q"), Action: c.Form.Text("action"), ActorKind: audit.Kind(c.Form.Text("by")),
		ActorID: c.Form.Text("actor"), Subject: c.Form.Text("subject")}
	for _, one := range []struct {
		field string
		to    *time.Time
		add   time.Duration
	}{{"since", &f.Since, 0}, {"until", &f.Until, 24 * time.Hour}} { // until includes its day
		text := c.Form.Text(one.field)
		if text == "" {
			continue
		}
		t, err := time.Parse(day, text)
		if err != nil {
			c.Form.Fail(one.field, "date")
			continue
		}
		*one.to = t.Add(one.add)
	}
	return f
}

// path is the page of this call: an organization's, or the operator's.
func path(c *shell.Call) string {
	if c.Organization() == "" {
		return "/operator/audit"
	}
	return "/o/{org}/audit"
}

// query is the selection as the query of an address.
func query(c *shell.Call, after string) string {
	q := url.Values{}
	for _, name := range []string{"q", "action", "by", "actor", "subject", "since", "until"} {
		for _, v := range c.Form.All(name) {
			q.Set(name, v)
		}
	}
	if after != "" {
		q.Set("after", after)
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (p pages) show(c *shell.Call) error {
	f := filter(c)
	page := audit.Page{}
	if c.Form.OK() {
		var err error
		if page, err = audit.List(c.Context(), p.db, f, c.After(), rows); err != nil {
			return err
		}
	}
	var list shell.List
	if page.Next != "" {
		list.Next = c.Address(path(c)) + query(c, page.Next)
	}
	if c.After() != "" {
		list.First = c.Address(path(c)) + query(c, "")
	}
	return c.Render("audit", struct {
		Entries    []audit.Entry
		CSV        string
		Everywhere bool
		// Searching: the search has read its share, and continues on the next page.
		Searching bool
		shell.List
	}{page.Entries, c.Address(path(c)+"/audit.csv") + query(c, ""), f.Everywhere, page.Next != "" && len(page.Entries) < rows, list})
}

func (p pages) file(c *shell.Call) error {
	f := filter(c)
	if !c.Form.OK() {
		return c.To(c.Address(path(c)) + query(c, "")) // the page says what is wrong
	}
	if _, err := audit.List(c.Context(), p.db, f, "", 1); err != nil { // a wrong filter is refused before the answer begins
		return err
	}
	return audit.WriteCSV(c.Context(), c.Download("audit.csv", "text/csv; charset=utf-8"), p.db, f)
}
