// Package signin is the pages for people without a session: sign-in with its second step, new passwords,
// invitations, sign-up, and the first owner. It decides nothing about a sign-in: package people does.
package signin

import (
	"embed"
	"errors"
	"net/url"
	"strings"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/fault"
	"timbre.example/internal/people"
)

//go:embed templates texts
var files embed.FS

// Area returns the pages.
func Area(s *people.Service) shell.Area {
	p := pages{s}
	var (
		email  = shell.Text("email", 254).Must().Type("email").Auto("username")
		secret = shell.Secret("password", 1024).Must().Auto("new-password")
		token  = shell.Hidden("token", 100)
		next   = shell.Hidden("next", 1000)
		name   = shell.Text("name", 100).Auto("name")
		label  = shell.Text("organization", 200).Must().Auto("organization")
		proofs = []shell.Field{shell.Hidden("ceremony", 8000), shell.Hidden("answer", 16000), next}
		anyone = shell.Anyone()
	)
	get := func(path string, handle func(*shell.Call) error, fields ...shell.Field) shell.Page {
		return shell.Page{Method: "GET", Path: path, Needs: anyone, Handle: handle, Fields: fields}
	}
	post := func(name, path string, handle, again func(*shell.Call) error, fields ...shell.Field) shell.Page {
		return shell.Page{Method: "POST", Path: path, Name: name, Needs: anyone, Handle: handle, Again: again, Fields: fields}
	}
	return shell.Area{Name: "signin", Files: files, Pages: []shell.Page{
		get("/sign-in", p.show, next),
		post("sign_in", "/sign-in", p.signIn, p.show, email, shell.Secret("password", 1024).Must().Auto("current-password"), next),
		post("passkey", "/sign-in/passkey", p.passkey, p.show, proofs...),
		get("/sign-in/second", p.showSecond, next),
		post("second", "/sign-in/second", p.second, p.showSecond, shell.Text("code", 100).Must().Auto("one-time-code"), next),
		post("second_passkey", "/sign-in/second/passkey", p.secondPasskey, p.showSecond, proofs...),
		get("/sign-in/openid", p.openID, next),
		get("/sign-in/openid/done", p.openIDDone),
		{Method: "POST", Path: "/sign-out", Name: "sign_out", Needs: shell.SignedIn(), Handle: p.signOut},
		get("/recover", p.showRecover),
		post("recover", "/recover", p.recover, p.showRecover, email),
		get("/reset", p.showReset, token),
		post("reset", "/reset", p.reset, p.showReset, token, secret),
		get("/invitation", p.showInvitation, token),
		{Method: "POST", Path: "/invitation/accept", Name: "join", Needs: shell.SignedIn(), Handle: p.join, Again: p.showInvitation, Fields: []shell.Field{token}},
		post("register", "/invitation", p.register, p.showInvitation, token, name, secret),
		get("/sign-up", p.showSignUp),
		post("sign_up", "/sign-up", p.signUp, p.showSignUp, email),
		get("/sign-up/link", p.showNew, token),
		post("new_account", "/sign-up/link", p.newAccount, p.showNew, token, name, secret, label),
		get("/first", p.showFirst, token),
		post("first", "/first", p.first, p.showFirst, token, email, name, secret, label),
	}}
}

type pages struct{ people *people.Service }

// Next returns where a visitor wants to go: an address of the console, or the console itself. An address
// of another site is never followed.
func Next(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(text, shell.Root+"/") ||
		strings.Contains(text, "//") || strings.ContainsAny(text, "\\\r\n\t") || strings.Contains(u.Path, "/..") || u.Path == shell.Root+"/sign-in" {
		return shell.Root + "/"
	}
	return u.EscapedPath() + query(u)
}

func query(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + u.RawQuery
}

// entered ends a sign-in: the browser receives the session, or goes to the second step.
func (p pages) entered(c *shell.Call, e people.Entry, next string) error {
	if e.Second != "" {
		c.Keep("second", e.Second, people.SecondLife)
		return c.To(c.Address("/sign-in/second") + "?" + url.Values{"next": {Next(next)}}.Encode())
	}
	if c.Visitor.SignedIn() { // as another person, or again
		if err := p.people.SignOut(c.Context(), c.Visitor.Session, c.Client().RequestID); err != nil {
			return err
		}
	}
	c.SignIn(e.Session, p.people.Life())
	c.Keep("device", e.Device, people.DeviceLife)
	c.Keep("second", "", 0)
	return c.To(Next(next))
}

// answer turns an error of a sign-in into a problem of a field.
func answer(c *shell.Call, err error, field string) error {
	for cause, rule := range map[error]string{people.ErrSignIn: "sign_in", people.ErrCode: "code", people.ErrPasskey: "passkey"} {
		if errors.Is(err, cause) {
			c.Form.Fail(field, rule)
			return nil
		}
	}
	return err
}

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
	return p.refused(c, err)
}
