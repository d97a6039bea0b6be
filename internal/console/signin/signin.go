package signin

import (
	"errors"
	"net/url"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/fault"
	"timbre.example/internal/openid"
	"timbre.example/internal/people"
)

// start is what the page of a sign-in shows.
type start struct {
	Passkey       people.Ceremony
	Provider      string
	OpenID        string // the address that begins the sign-in at the provider
	SignUp        bool
	PasskeyFailed bool
}

func (p pages) show(c *shell.Call) error {
	next := Next(c.Form.Text("next"))
	if c.Visitor.SignedIn() && c.R.Method == "GET" {
		return c.To(next)
	}
	data := start{SignUp: p.people.SignUp, PasskeyFailed: c.R.URL.Path == shell.Root+"/sign-in/passkey"}
	if p.people.OpenID != nil {
		data.Provider = p.people.OpenID.Name
		data.OpenID = c.Address("/sign-in/openid") + "?" + url.Values{"next": {next}}.Encode()
	}
	if p.people.PasskeysAllowed() {
		var err error
		if data.Passkey, err = p.people.BeginPasskeySignIn(); err != nil {
			return err
		}
		c.Store("passkey", "ceremony", data.Passkey.Sealed)
		c.Store("passkey", "next", next)
	}
	c.Store("sign_in", "next", next)
	return c.Render("sign-in", data)
}

func (p pages) signIn(c *shell.Call) error {
	e, err := p.people.SignIn(c.Context(), people.Attempt{Email: c.Form.Text("email"), Password: c.Form.Text("password"), Device: c.Kept("device"), From: c.Client()})
	if err != nil {
		return answer(c, err, "password")
	}
	return p.entered(c, e, c.Form.Text("next"))
}

func (p pages) passkey(c *shell.Call) error {
	e, err := p.people.PasskeySignIn(c.Context(), c.Form.Text("ceremony"), c.Form.Text("answer"), c.Kept("device"), c.Client())
	if err != nil {
		return answer(c, err, "answer")
	}
	return p.entered(c, e, c.Form.Text("next"))
}

func (p pages) showSecond(c *shell.Call) error {
	data := start{PasskeyFailed: c.R.URL.Path == shell.Root+"/sign-in/second/passkey"}
	next := Next(c.Form.Text("next"))
	if c.Kept("second") == "" {
		return c.Redirect("/sign-in")
	}
	begun, err := p.people.BeginPasskeySecond(c.Context(), c.Kept("second"))
	switch {
	case errors.Is(err, people.ErrLink): // the step took too long, or had too many tries
		c.Keep("second", "", 0)
		return c.Redirect("/sign-in", shell.Say("second.ended"))
	case err == nil:
		data.Passkey = begun
		c.Store("second_passkey", "ceremony", begun.Sealed)
		c.Store("second_passkey", "next", next)
	case !errors.Is(err, people.ErrPasskey): // ErrPasskey: the person has none
		return err
	}
	c.Store("second", "next", next)
	return c.Render("second", data)
}

func (p pages) second(c *shell.Call) error {
	e, err := p.people.SecondStep(c.Context(), c.Kept("second"), c.Form.Text("code"), c.Kept("device"), c.Client())
	return p.stepped(c, e, err, "code")
}

func (p pages) secondPasskey(c *shell.Call) error {
	e, err := p.people.PasskeySecond(c.Context(), c.Kept("second"), c.Form.Text("ceremony"), c.Form.Text("answer"), c.Kept("device"), c.Client())
	return p.stepped(c, e, err, "answer")
}

func (p pages) stepped(c *shell.Call, e people.Entry, err error, field string) error {
	if errors.Is(err, people.ErrLink) {
		c.Keep("second", "", 0)
		return c.Redirect("/sign-in", shell.Say("second.ended"))
	}
	if err != nil {
		return answer(c, err, field)
	}
	return p.entered(c, e, c.Form.Text("next"))
}

func (p pages) signOut(c *shell.Call) error {
	if err := p.people.SignOut(c.Context(), c.Visitor.Session, c.Client().RequestID); err != nil {
		return err
	}
	c.SignOut()
	return c.Redirect("/sign-in")
}

// openID sends the visitor to the provider. A visitor with a session connects the provider's account.
func (p pages) openID(c *shell.Call) error {
	page, kept, err := p.people.BeginOpenID(c.Context(), c.Visitor.Session, Next(c.Form.Text("next")))
	if err != nil {
		if errors.Is(err, fault.CodeCommonNotFound) {
			return err
		}
		return fault.CommonServiceUnavailable(0).With("reason", "openid").Because(err)
	}
	c.Keep("openid", kept, people.FlowLife)
	return c.Outside(page)
}

func (p pages) openIDDone(c *shell.Call) error {
	kept := c.Kept("openid")
	c.Keep("openid", "", 0)
	e, next, err := p.people.FinishOpenID(c.Context(), c.Visitor.Session, kept, c.R.URL.Query(), c.Kept("device"), c.Client())
	if err == nil && e.Session == "" && e.Second == "" {
		return c.To(Next(next), shell.Say("openid.connected"))
	}
	if err == nil {
		return p.entered(c, e, next)
	}
	return refused(c, err)
}

// refused shows why a provider's answer does not sign in.
func refused(c *shell.Call, err error) error {
	for cause, key := range map[error]string{
		openid.ErrRefused: "openid.refused", people.ErrUnverified: "openid.unverified", people.ErrConnect: "openid.connect", people.ErrUninvited: "openid.uninvited",
		people.ErrTaken: "openid.taken", people.ErrProve: "openid.prove",
	} {
		if errors.Is(err, cause) {
			c.Status(403)
			return c.Render("gone", key)
		}
	}
	return err
}
