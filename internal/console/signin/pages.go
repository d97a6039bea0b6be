package signin

import (
	"errors"
	"net/url"
	"strings"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/people"
)

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
