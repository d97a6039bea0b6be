package person

import (
	"errors"
	"strconv"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/fault"
	"timbre.example/internal/people"
)

// shown is what the account's page shows.
type shown struct {
	Sessions   []people.Session
	Passkeys   []people.Passkey
	Add        people.Ceremony // zero: browsers allow no passkeys here
	CodesLeft  int64
	Provider   string // "" without a provider
	OpenID     string // the address that connects an account at the provider
	Identities []string
	NewEmail   string              // the address whose link was not opened yet
	Alone      []people.Membership // the organizations that keep the account
}

func (p pages) account(c *shell.Call) error {
	me, err := p.people.Person(c.Context(), c.Visitor.Person.ID) // as a change has left it
	if err != nil {
		return err
	}
	var data shown
	if data.Sessions, err = p.people.Sessions(c.Context(), me.ID); err != nil {
		return err
	}
	if data.Passkeys, err = p.people.Passkeys(c.Context(), me.ID); err != nil {
		return err
	}
	if data.Identities, err = p.people.Identities(c.Context(), me.ID); err != nil {
		return err
	}
	data.NewEmail = me.NewEmail
	if data.Alone, err = p.people.OwnedAlone(c.Context(), me.ID); err != nil {
		return err
	}
	if me.Guarded() {
		if data.CodesLeft, err = p.people.CodesLeft(c.Context(), me.ID); err != nil {
			return err
		}
	}
	if p.people.PasskeysAllowed() {
		if data.Add, err = p.people.BeginPasskey(c.Context(), me); err != nil {
			return err
		}
		c.Store("passkey", "ceremony", data.Add.Sealed)
	}
	if p.people.OpenID != nil {
		data.Provider, data.OpenID = p.people.OpenID.Name, c.Address("/sign-in/openid")+"?next="+c.Address(account)
	}
	c.Store("profile", "name", me.Name)
	c.Store("profile", "language", me.Language)
	c.Store("profile", "revision", strconv.FormatInt(me.Revision, 10))
	return c.Render("account", data)
}

func (p pages) change(c *shell.Call) error {
	if err := p.people.Change(c.Context(), c.Visitor.Session, c.Form.Number("revision"), c.Form.Text("name"), c.Form.Text("language"), c.Client().RequestID); err != nil {
		return err
	}
	return c.Redirect(account, shell.Say("changed"))
}

func (p pages) askEmail(c *shell.Call) error {
	token, err := p.people.AskEmail(c.Context(), c.By(), "", c.Form.Text("email"), c.Client())
	switch {
	case err != nil:
		return proved(c, err, account)
	case token != "": // this server sends no mail
		return c.Redirect(account, shell.Say("email.open"), shell.Reveal("email.shown", p.people.LinkURL("/console/email", token)))
	}
	return c.Redirect(account, shell.Say("email.sent"))
}

func (p pages) delete(c *shell.Call) error {
	if typed, err := people.Email(c.Form.Text("email")); err != nil || typed != c.Visitor.Person.Email {
		c.Form.Fail("email", "own_email")
		return nil
	}
	if err := p.people.Delete(c.Context(), c.By(), "", c.Client()); err != nil {
		return proved(c, err, account)
	}
	c.SignOut()
	c.Visitor = shell.Visitor{} // the next page is for somebody without a session
	return c.Redirect("/sign-in", shell.Say("delete.done"))
}

func (p pages) password(c *shell.Call) error {
	token, err := p.people.ChangePassword(c.Context(), c.Visitor.Session, c.Token(), c.Form.Text("current"), c.Form.Text("password"), c.Client())
	if errors.Is(err, people.ErrSignIn) {
		c.Form.Fail("current", "current")
		return nil
	}
	if err != nil {
		return proved(c, err, account)
	}
	c.SignIn(token, p.people.Life())
	return c.Redirect(account, shell.Say("password.changed"))
}

func (p pages) addPasskey(c *shell.Call) error {
	codes, err := p.people.AddPasskey(c.Context(), c.Visitor.Session, c.Form.Text("name"), c.Form.Text("ceremony"), c.Form.Text("answer"), c.Client())
	if errors.Is(err, people.ErrPasskey) {
		c.Form.Fail("answer", "passkey")
		return nil
	}
	if err != nil {
		return proved(c, err, account)
	}
	return c.Redirect(account, reveal("passkey.added", codes)...)
}

func (p pages) removePasskey(c *shell.Call) error {
	if err := p.people.RemovePasskey(c.Context(), c.Visitor.Session, c.Form.Text("id"), c.Client()); err != nil {
		return proved(c, err, account)
	}
	return c.Redirect(account, shell.Say("passkey.removed"))
}

func (p pages) endSession(c *shell.Call) error {
	id := c.Path("session")
	err := p.people.EndSession(c.Context(), c.Visitor.Person.ID, id, c.Actor())
	if err != nil && !errors.Is(err, fault.CodeCommonNotFound) { // ended already
		return err
	}
	if id == c.Visitor.Session.ID {
		c.SignOut()
		return c.Redirect("/sign-in")
	}
	return c.Redirect(account, shell.Say("session.ended"))
}

func (p pages) endSessions(c *shell.Call) error {
	if err := p.people.EndOtherSessions(c.Context(), c.Visitor.Person.ID, c.Visitor.Session.ID, c.Actor()); err != nil {
		return err
	}
	return c.Redirect(account, shell.Say("sessions.ended"))
}

func (p pages) disconnect(c *shell.Call) error {
	err := p.people.Disconnect(c.Context(), c.Visitor.Session, c.Form.Text("issuer"), c.Client())
	if errors.Is(err, fault.CodeCommonConflict) {
		c.Form.Fail("issuer", "last_way")
		return nil
	}
	if err != nil {
		return proved(c, err, account)
	}
	return c.Redirect(account, shell.Say("disconnected"))
}

func (p pages) disable(c *shell.Call) error {
	if err := p.people.DisableTOTP(c.Context(), c.Visitor.Session, c.Client()); err != nil {
		return proved(c, err, account)
	}
	return c.Redirect(account, shell.Say("factor.off"))
}

func (p pages) newCodes(c *shell.Call) error {
	codes, err := p.people.NewRecoveryCodes(c.Context(), c.Visitor.Session, c.Client())
	if err != nil {
		return proved(c, err, account)
	}
	return c.Redirect(account, reveal("codes.replaced", codes)...)
}
