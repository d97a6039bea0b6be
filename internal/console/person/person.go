package person

import (
	"errors"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/signin"
	"timbre.example/internal/people"
)

// home leads to the only organization, or to the choice.
func (p pages) home(c *shell.Call) error {
	all, err := p.people.Memberships(c.Context(), c.Visitor.Person.ID, "")
	if err != nil {
		return err
	}
	if len(all) == 1 {
		return c.To(c.Address("/o/{org}/overview", "org", all[0].OrganizationID))
	}
	return c.Redirect("/organizations")
}

func (p pages) organizations(c *shell.Call) error {
	all, err := p.people.Memberships(c.Context(), c.Visitor.Person.ID, c.After())
	if err != nil {
		return err
	}
	rows, list := shell.Window(c, all, 100, func(m people.Membership) string { return m.OrganizationID })
	return c.Render("organizations", struct {
		All    []people.Membership
		Create bool
		shell.List
	}{rows, p.people.SignUp || c.Visitor.Person.Operator, list})
}

func (p pages) create(c *shell.Call) error {
	id, err := p.people.CreateOrganization(c.Context(), c.Visitor.Session, c.Form.Text("name"), c.Client().RequestID)
	if err != nil {
		return err
	}
	return c.To(c.Address("/o/{org}/overview", "org", id))
}

func (p pages) showProve(c *shell.Call) error {
	next := signin.Next(c.Form.Text("next"))
	c.Store("prove", "next", next)
	var begun people.Ceremony
	if c.Visitor.Person.Passkeys > 0 {
		var err error
		if begun, err = p.people.BeginPasskeyProof(c.Context(), c.Visitor.Person); err != nil && !errors.Is(err, people.ErrPasskey) {
			return err
		}
		c.Store("prove_passkey", "ceremony", begun.Sealed)
		c.Store("prove_passkey", "next", next)
	}
	return c.Render("prove", begun)
}

func (p pages) prove(c *shell.Call) error {
	token, err := p.people.Prove(c.Context(), c.Visitor.Session, c.Token(), c.Form.Text("secret"), c.Client())
	if errors.Is(err, people.ErrSignIn) {
		c.Form.Fail("secret", "prove")
		return nil
	}
	return p.renewed(c, token, err)
}

func (p pages) provePasskey(c *shell.Call) error {
	token, err := p.people.ProveByPasskey(c.Context(), c.Visitor.Session, c.Token(), c.Form.Text("ceremony"), c.Form.Text("answer"))
	if errors.Is(err, people.ErrPasskey) {
		c.Form.Fail("answer", "passkey")
		return nil
	}
	return p.renewed(c, token, err)
}

// renewed gives the browser the session's new token.
func (p pages) renewed(c *shell.Call, token string, err error) error {
	if err != nil {
		return err
	}
	c.SignIn(token, p.people.Life())
	return c.To(signin.Next(c.Form.Text("next")))
}
