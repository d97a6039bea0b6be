package shell

import (
	"time"

	"timbre.example/internal/people"
	"timbre.example/internal/web"
)

// cookie is the name of one of the console's own cookies.
func (s *Shell) cookie(name string) string {
	if s.secure {
		return "__Secure-timbre_console_" + name
	}
	return "timbre_console_" + name
}

// Keep lets the browser keep a value for the pages of the console, such as the second step of a sign-in.
// Scripts cannot read it. A life of 0 or less removes it.
func (c *Call) Keep(name, value string, life time.Duration) {
	seconds := int(life / time.Second)
	if seconds < 1 {
		value, seconds = "", -1
	}
	c.shell.setCookie(c.W, c.shell.cookie(name), value, seconds, Root)
}

// Kept returns a value that the browser keeps, or "".
func (c *Call) Kept(name string) string {
	cookie, err := c.R.Cookie(c.shell.cookie(name))
	if err != nil || len(cookie.Value) > 4096 {
		return ""
	}
	return cookie.Value
}

// Token returns the token of the visitor's session, for a change that replaces it.
func (c *Call) Token() string {
	cookie, err := c.R.Cookie(c.shell.sessionCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// Client is where the request comes from.
func (c *Call) Client() people.Client {
	return people.Client{Address: web.Address(c.Context()), Agent: c.R.UserAgent(), RequestID: web.RequestID(c.Context())}
}

// By is the visitor, for changes of people.
func (c *Call) By() people.By {
	return people.By{Session: c.Visitor.Session, RequestID: web.RequestID(c.Context())}
}

// FormToken is the token of a form that a template writes by hand: the value of its field "csrf".
func (v *View) FormToken() string { return v.shell.token(v.Call) }
