// Package overview is the first page of an organization: what happened, what is missing, and what
// to do first. It changes nothing.
package overview

import (
	"embed"
	"slices"
	"strconv"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/credits"
	"timbre.example/internal/network"
	"timbre.example/internal/permission"
	"timbre.example/internal/record"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/search"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/tally"
)

//go:embed templates texts
var files embed.FS

// latest is how many works and failures are shown.
const latest = 6

// Area returns the page. networks are those of the server.
func Area(db *store.DB, requests *requestlog.Log, networks []network.Network) shell.Area {
	p := pages{db: db, requests: requests}
	for _, n := range networks {
		p.scopes = append(p.scopes, search.Scope{Network: string(n.Name())})
		if n.Info().Test {
			p.scopes = append(p.scopes, search.Scope{Network: string(n.Name()), Test: true})
		}
	}
	return shell.Area{Name: "overview", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: "/o/{org}/overview", Needs: shell.To(permission.WorksRead), Nav: shell.Nav{Order: 10, Icon: "overview"}, Handle: p.show, Fields: []shell.Field{
			shell.Choice("days", "30", "7", "90"),
		}},
	}}
}

type pages struct {
	db       *store.DB
	requests *requestlog.Log
	scopes   []search.Scope
}

// facts is what the page shows.
type facts struct {
	Days          int64
	Chart         shell.Chart
	Final, Failed int64
	Balance       credits.Balance
	Low           int64     // the level of the warning; 0: none
	Spent         int64     // in the days
	Ends          time.Time // when the credits end at this rate; zero: unknown
	DaysLeft      int64
	Warnings      []step
	Steps         []step // what to do first; nil: everything is done
	Done          int
	Codes         []code
	Works         []search.Work
	Failures      []failure
}

// Periods are the numbers of days to choose from.
func (facts) Periods() []string { return []string{"7", "30", "90"} }

// step is something to do: the text step.NAME, and the page to do it on.
type step struct {
	Name, To string
	Done     bool
}

type code struct {
	Code   string
	Count  int64
	Share  int64 // of the most frequent code, in percent
	Capped bool
	To     string // the newest request with it; ""
}

type failure struct {
	ID, Reason string
	Network    string
	Test       bool
	At         time.Time
}

func (p pages) show(c *shell.Call) error {
	days, err := strconv.ParseInt(c.Form.Text("days"), 10, 64)
	if err != nil || !c.Form.OK() {
		days = 30
	}
	f := facts{Days: days}
	if err := p.counts(c, &f); err != nil {
		return err
	}
	o, err := account.GetOrganization(c.Context(), p.db, c.Organization())
	if err != nil {
		return err
	}
	if f.Balance, err = credits.Of(c.Context(), p.db.Read(), o.ID); err != nil {
		return err
	}
	f.Low = o.LowCredits
	if f.Spent > 0 {
		f.DaysLeft = min(f.Balance.Available*days/f.Spent, 3650)
		f.Ends = c.Now.Add(time.Duration(f.DaysLeft) * 24 * time.Hour)
	}
	found, err := search.Find(c.Context(), p.db, search.Question{Organization: o.ID, Scopes: p.scopes, Limit: latest})
	if err != nil {
		return err
	}
	f.Works = found.Works
	if err := p.failures(c, &f); err != nil {
		return err
	}
	if err := p.todo(c, o, &f); err != nil {
		return err
	}
	return c.Render("overview", f)
}

// counts reads the numbers of the days. Test keys are not counted: they register nothing real.
func (p pages) counts(c *shell.Call, f *facts) error {
	last := tally.DayOf(c.Now)
	first := last - tally.Day(f.Days) + 1
	all, err := tally.Days(c.Context(), p.db, c.Organization(), first, last)
	if err != nil {
		return err
	}
	final, failed := make([]int64, f.Days), make([]int64, f.Days)
	for _, n := range all {
		if n.Test {
			continue
		}
		f.Spent += n.Credits
		if n.Code == "" {
			final[n.Day-first] += n.Count
			f.Final += n.Count
		} else {
			failed[n.Day-first] += n.Count
			f.Failed += n.Count
		}
	}
	f.Chart = shell.Chart{Title: c.Text("chart.title"), Series: []shell.Series{{Name: c.Text("chart.final"), Values: final}, {Name: c.Text("chart.failed"), Values: failed}}}
	for d := first; d <= last; d++ {
		f.Chart.Labels = append(f.Chart.Labels, c.ShortDay(d.Time()))
	}
	return nil
}

// failures reads the newest failures, and the refusals of calls by their code.
func (p pages) failures(c *shell.Call, f *facts) error {
	rows, err := p.db.Read().LatestFailures(c.Context(), query.LatestFailuresParams{OrganizationID: c.Organization(), Lim: latest})
	if err != nil {
		return err
	}
	for _, r := range rows {
		why, err := record.TransactionFailure(r)
		if err != nil {
			return err
		}
		reason, _ := why.Details["reason"].(string)
		f.Failures = append(f.Failures, failure{r.ID, reason, r.Network, r.Test, store.Time(r.UpdatedAt)})
	}
	groups, err := p.requests.Errors(c.Context(), c.Organization(), c.Now.Add(-time.Duration(f.Days)*24*time.Hour))
	if err != nil {
		return err
	}
	for i, g := range groups {
		if i == 8 {
			break
		}
		f.Codes = append(f.Codes, code{Code: g.Code, Count: g.Count, Share: max(g.Count*100/groups[0].Count, 1), Capped: g.Count >= requestlog.MaxCount, To: c.Address("/o/{org}/transactions/{id}", "id", g.Latest)})
	}
	return nil
}

// todo finds what an organization lacks.
func (p pages) todo(c *shell.Call, o account.Organization, f *facts) error {
	keys, err := account.ListKeys(c.Context(), p.db, o.ID)
	if err != nil {
		return err
	}
	origins, err := account.ListOrigins(c.Context(), p.db, o.ID)
	if err != nil {
		return err
	}
	endpoints, err := p.db.Read().EndpointsOf(c.Context(), o.ID)
	if err != nil {
		return err
	}
	others, err := p.db.Read().AnotherMember(c.Context(), query.AnotherMemberParams{OrganizationID: o.ID, PersonID: c.Visitor.Person.ID})
	if err != nil {
		return err
	}
	paid := f.Balance.Available+f.Balance.Held+f.Balance.Spent > 0
	steps := []step{
		{"keys", c.Address("/o/{org}/integration"), len(keys) > 0},
		{"origin", c.Address("/o/{org}/integration") + "#origins", len(origins) > 0},
		{"credits", c.Address("/o/{org}/credits"), paid},
		{"song", c.Address("/o/{org}/integration/snippet"), len(f.Works) > 0},
		{"webhook", c.Address("/o/{org}/webhooks"), endpoints.Total > 0},
		{"people", c.Address("/o/{org}/people"), others},
	}
	for _, s := range steps {
		if s.Done {
			f.Done++
		}
	}
	if slices.ContainsFunc(steps[:4], func(s step) bool { return !s.Done }) {
		f.Steps = steps
	}
	warn := func(when bool, name, page string) {
		if when {
			f.Warnings = append(f.Warnings, step{Name: name, To: c.Address(page)})
		}
	}
	warn(!o.WidgetEnabled, "widget", "/o/{org}/integration")
	warn(len(origins) == 0 && len(keys) > 0 && f.Steps == nil, "origin", "/o/{org}/integration")
	warn(paid && f.Balance.Available <= max(f.Low, 0), "credits", "/o/{org}/credits")
	warn(endpoints.Stopped > 0, "webhook", "/o/{org}/webhooks")
	return nil
}
