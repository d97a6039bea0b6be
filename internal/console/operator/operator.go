// Package operator is the operator's view over all organizations and people of an installation, and
// over the accounts that pay on chains. It decides nothing: the services below check that its caller is an operator, and record each change.
package operator

import (
	"embed"
	"errors"

	"timbre.example/internal/account"
	"timbre.example/internal/console/person"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/credits"
	"timbre.example/internal/network"
	"timbre.example/internal/people"
	"timbre.example/internal/store"
)

//go:embed templates texts
var files embed.FS

const (
	list      = "/operator/organizations"
	one       = list + "/{organization}"
	everybody = "/operator/people"
	somebody  = everybody + "/{person}"
	paying    = "/operator/accounts"
)

// Area returns the pages. The page about accounts is there if transactions of a network need funds.
func Area(db *store.DB, s *people.Service, networks []network.Network) shell.Area {
	p := pages{db: db, people: s}
	for _, n := range networks {
		if f, ok := n.(funded); ok {
			p.funded = append(p.funded, f)
		}
	}
	get := func(path string, handle func(*shell.Call) error, fields ...shell.Field) shell.Page {
		return shell.Page{Method: "GET", Path: path, Needs: shell.Operators(), Handle: handle, Fields: fields}
	}
	post := func(name, path string, handle, again func(*shell.Call) error, fields ...shell.Field) shell.Page {
		return shell.Page{Method: "POST", Path: path, Name: name, Needs: shell.Operators(), Handle: handle, Again: again, Fields: fields}
	}
	named := func(page shell.Page, order int, name, icon string) shell.Page {
		page.Nav, page.Name = shell.Nav{Order: order, Icon: icon}, name
		return page
	}
	search, reason := shell.Text("q", 100).Type("search"), shell.Text("reason", 200).Must()
	a := shell.Area{Name: "operator", Files: files, Pages: []shell.Page{
		named(get(list, p.organizations, search), 30, "organizations", "operator"),
		post("found", list, p.found, p.organizations, shell.Text("name", 200).Must(), shell.Text("email", 254).Must().Type("email")),
		get(one, p.organization),
		post("suspend", one+"/suspend", p.suspend, p.organization, reason),
		post("resume", one+"/resume", p.resume, p.organization, reason),
		post("grant", one+"/grant", p.grant, p.organization, shell.Number("amount", 1, credits.MaxGrant).Must(), shell.Text("note", credits.MaxNote).Must()),
		post("visit", one+"/visit", p.visit, p.organization, reason),
		named(get(everybody, p.everybody, search), 40, "people", "people"),
		get(somebody, p.somebody),
		post("reset", somebody+"/reset", p.reset, p.somebody, shell.Check("factors")),
		post("appoint", somebody+"/operator", p.appoint, p.somebody, shell.Choice("operator", "no", "yes")),
	}}
	if len(p.funded) > 0 {
		a.Pages = append(a.Pages, named(get(paying, p.accounts), 50, "accounts", "credits"))
	}
	return a
}

type pages struct {
	db     *store.DB
	people *people.Service
	funded []funded
}

// funded is a network whose transactions accounts of the operator pay.
type funded interface {
	network.Network
	network.Funded
}

const most = 50

func (p pages) organizations(c *shell.Call) error {
	all, err := p.people.Organizations(c.Context(), people.Part{Search: c.Form.Text("q"), After: c.After(), Before: c.Before(), Most: most + 1})
	if err != nil {
		return err
	}
	rows, window := shell.Window(c, all, most, func(o people.Found) string { return o.ID })
	return c.Render("organizations", struct {
		Organizations []people.Found
		shell.List
	}{rows, window})
}

func (p pages) found(c *shell.Call) error {
	id, token, err := p.people.FoundOrganization(c.Context(), c.By(), c.Form.Text("name"), c.Form.Text("email"))
	if err != nil {
		return err
	}
	answers := []shell.Answer{shell.Say("founded")}
	if token != "" {
		answers = append(answers, shell.Reveal("link", p.people.LinkURL("/console/invitation", token)))
	}
	return c.To(c.Address(one, "organization", id), answers...)
}

func (p pages) organization(c *shell.Call) error {
	o, err := account.GetOrganization(c.Context(), p.db, c.Path("organization"))
	if err != nil {
		return err
	}
	balance, err := credits.Of(c.Context(), p.db.Read(), o.ID)
	if err != nil {
		return err
	}
	members, err := p.people.Members(c.Context(), o.ID, people.Part{Most: most})
	if err != nil {
		return err
	}
	return c.Render("organization", struct {
		account.Organization
		Balance credits.Balance
		Members []people.Member
	}{o, balance, members})
}

// done answers a change.
func done(c *shell.Call, err error, to, said string) error {
	if errors.Is(err, people.ErrProve) {
		return c.To(person.ProveAt(c.Address(to)), shell.Say("prove"))
	}
	if err != nil {
		return err
	}
	return c.Redirect(to, shell.Say(said))
}

func (p pages) suspend(c *shell.Call) error {
	return done(c, p.people.Suspend(c.Context(), c.By(), c.Path("organization"), true, c.Form.Text("reason")), one, "suspended")
}

func (p pages) resume(c *shell.Call) error {
	return done(c, p.people.Suspend(c.Context(), c.By(), c.Path("organization"), false, c.Form.Text("reason")), one, "resumed")
}

func (p pages) grant(c *shell.Call) error {
	org := c.Path("organization")
	if _, err := account.GetOrganization(c.Context(), p.db, org); err != nil {
		return err
	}
	err := p.db.Tx(c.Context(), func(tx *store.Tx) error {
		by, err := p.people.OperatorActor(c.Context(), tx, c.By())
		if err != nil {
			return err
		}
		return credits.Grant(c.Context(), tx, by, org, c.Form.Number("amount"), c.Form.Text("note"))
	})
	return done(c, err, one, "granted")
}

func (p pages) visit(c *shell.Call) error {
	org := c.Path("organization")
	if err := p.people.Visit(c.Context(), c.By(), org, c.Form.Text("reason")); err != nil {
		return err
	}
	return c.To(c.Address("/o/{org}/overview", "org", org))
}

func (p pages) everybody(c *shell.Call) error {
	all, err := p.people.People(c.Context(), people.Part{Search: c.Form.Text("q"), After: c.After(), Before: c.Before(), Most: most + 1})
	if err != nil {
		return err
	}
	rows, window := shell.Window(c, all, most, func(x people.Person) string { return x.Email })
	return c.Render("people", struct {
		People []people.Person
		shell.List
	}{rows, window})
}

func (p pages) somebody(c *shell.Call) error {
	x, err := p.people.Person(c.Context(), c.Path("person"))
	if err != nil {
		return err
	}
	in, err := p.people.Memberships(c.Context(), x.ID, "")
	if err != nil {
		return err
	}
	if x.Operator {
		c.Store("appoint", "operator", "yes")
	}
	return c.Render("person", struct {
		people.Person
		In []people.Membership
	}{x, in})
}

func (p pages) reset(c *shell.Call) error {
	x, err := p.people.Person(c.Context(), c.Path("person"))
	if err != nil {
		return err
	}
	token, err := p.people.ResetLink(c.Context(), c.By(), x.Email, c.Form.Checked("factors"))
	if err != nil {
		return done(c, err, somebody, "")
	}
	return c.Redirect(somebody, shell.Say("reset_made"), shell.Reveal("reset_link", p.people.LinkURL("/console/reset", token)))
}

func (p pages) appoint(c *shell.Call) error {
	x, err := p.people.Person(c.Context(), c.Path("person"))
	if err != nil {
		return err
	}
	return done(c, p.people.SetOperator(c.Context(), c.By(), x.Email, c.Form.Text("operator") == "yes"), somebody, "appointed")
}

// chain is a network with the accounts that pay there.
type chain struct {
	Name network.Name
	// Low: an account cannot pay for another work. Full: an account owns as many works as it may.
	Low, Full bool
	Accounts  []payer
}

// payer is an account for its page.
type payer struct {
	network.Account
	Full           bool
	Free, Reserved string
}

// amount writes an amount in the language of the page.
func amount(c *shell.Call, a network.Amount) string {
	digits := a.Digits(c.Text("number.group"), c.Text("number.point"))
	switch {
	case a.Units == nil:
		return c.Text("amount.unknown")
	case a.Token.Decimals == nil:
		return c.Text("amount.units", "amount", digits)
	case a.Token.Symbol == "":
		return c.Text("amount.tokens", "amount", digits)
	}
	return digits + "\u00a0" + a.Token.Symbol
}

func (p pages) accounts(c *shell.Call) error {
	var all []chain
	for _, n := range p.funded {
		accounts, err := n.Accounts(c.Context())
		if err != nil {
			return err
		}
		one := chain{Name: n.Name()}
		for _, a := range accounts {
			full := a.Capacity > 0 && a.Works >= a.Capacity
			one.Low, one.Full = one.Low || a.Low && !full, one.Full || full
			one.Accounts = append(one.Accounts, payer{a, full, amount(c, a.Free), amount(c, a.Reserved)})
		}
		all = append(all, one)
	}
	return c.Render("accounts", all)
}
