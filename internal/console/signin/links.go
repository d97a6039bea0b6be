package signin

import (
	"errors"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/fault"
	"timbre.example/internal/people"
)

// gone answers a link that does not work any more.
func gone(c *shell.Call, err error) error {
	if !errors.Is(err, people.ErrLink) {
		return err
	}
	c.Status(404)
	return c.Render("gone", "gone.text")
}

func (p pages) showRecover(c *shell.Call) error { return c.Render("recover", p.people.Mail) }

func (p pages) recover(c *shell.Call) error {
	if err := p.people.Recover(c.Context(), c.Form.Text("email"), c.Language(), c.Client()); err != nil {
		return err
	}
	return c.Redirect("/recover", shell.Say("recover.sent"))
}

func (p pages) showReset(c *shell.Call) error {
	token := c.Form.Text("token")
	email, err := p.people.SeeReset(c.Context(), token, c.Client())
	if err != nil {
		return gone(c, err)
	}
	c.Store("reset", "token", token)
	return c.Render("reset", email)
}

func (p pages) reset(c *shell.Call) error {
	if err := p.people.Reset(c.Context(), c.Form.Text("token"), c.Form.Text("password"), c.Client()); err != nil {
		return gone(c, err)
	}
	c.SignOut()
	return c.Redirect("/sign-in", shell.Say("reset.done"))
}

func (p pages) showEmail(c *shell.Call) error {
	token := c.Form.Text("token")
	old, email, err := p.people.SeeEmail(c.Context(), token, c.Client())
	if err != nil {
		return gone(c, err)
	}
	c.Store("email", "token", token)
	return c.Render("email", struct{ Old, Email string }{old, email})
}

func (p pages) confirmEmail(c *shell.Call) error {
	if err := p.people.ConfirmEmail(c.Context(), c.Form.Text("token"), c.Client()); err != nil {
		return gone(c, err)
	}
	if c.Visitor.SignedIn() { // sessions go on
		return c.Redirect("/account")
	}
	return c.Redirect("/sign-in", shell.Say("email.done"))
}

func (p pages) showInvitation(c *shell.Call) error {
	token := c.Form.Text("token")
	i, err := p.people.Invitation(c.Context(), token, c.Client())
	if err != nil {
		return gone(c, err)
	}
	c.Store("register", "token", token)
	c.Store("join", "token", token)
	return c.Render("invitation", struct {
		people.Invitation
		Here  string // where the visitor comes back to after a sign-in
		Other bool   // the visitor is another person
	}{i, c.Address("/invitation") + "?token=" + token, c.Visitor.SignedIn() && c.Visitor.Person.Email != i.Email})
}

func (p pages) join(c *shell.Call) error {
	org, err := p.people.Accept(c.Context(), c.Visitor.Session, c.Form.Text("token"), c.Client())
	if errors.Is(err, people.ErrOther) {
		c.Form.Fail("token", "another")
		return nil
	}
	if err != nil {
		return gone(c, err)
	}
	return c.To(c.Address("/o/{org}/overview", "org", org))
}

func (p pages) register(c *shell.Call) error {
	e, org, err := p.people.AcceptNew(c.Context(), c.Form.Text("token"), c.Form.Text("name"), c.Form.Text("password"), c.Language(), c.Client())
	return p.made(c, e, org, err)
}

// made ends the making of an account.
func (p pages) made(c *shell.Call, e people.Entry, org string, err error) error {
	if errors.Is(err, fault.CodeCommonConflict) { // the account was made meanwhile
		return c.Redirect("/sign-in", shell.Say("account.exists"))
	}
	if err != nil {
		return gone(c, err)
	}
	return p.entered(c, e, c.Address("/o/{org}/overview", "org", org))
}

func (p pages) showSignUp(c *shell.Call) error {
	if !p.people.SignUp {
		return fault.CommonNotFound()
	}
	return c.Render("sign-up", nil)
}

func (p pages) signUp(c *shell.Call) error {
	if err := p.people.AskSignUp(c.Context(), c.Form.Text("email"), c.Language(), c.Client()); err != nil {
		return err
	}
	return c.Redirect("/sign-up", shell.Say("sign_up.sent"))
}

func (p pages) showNew(c *shell.Call) error {
	token := c.Form.Text("token")
	email, err := p.people.SeeSignUp(c.Context(), token, c.Client())
	if err != nil {
		return gone(c, err)
	}
	c.Store("new_account", "token", token)
	return c.Render("new", email)
}

func (p pages) newAccount(c *shell.Call) error {
	e, org, err := p.people.SignUpPerson(c.Context(), c.Form.Text("token"), written(c, ""), c.Client())
	return p.made(c, e, org, err)
}

func written(c *shell.Call, email string) people.Account {
	return people.Account{Email: email, Name: c.Form.Text("name"), Password: c.Form.Text("password"), Organization: c.Form.Text("organization"), Language: c.Language()}
}

func (p pages) showFirst(c *shell.Call) error {
	token := c.Form.Text("token")
	if err := p.people.SeeFirst(c.Context(), token, c.Client()); err != nil {
		return gone(c, err)
	}
	c.Store("first", "token", token)
	return c.Render("first", nil)
}

func (p pages) first(c *shell.Call) error {
	e, org, err := p.people.FirstOwner(c.Context(), c.Form.Text("token"), written(c, c.Form.Text("email")), c.Client())
	return p.made(c, e, org, err)
}
