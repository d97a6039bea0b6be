package shell

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/web"
)

// Context is the request's.
func (c *Call) Context() context.Context { return c.R.Context() }

// Path returns a part of the path, such as "work" of "/o/{org}/works/{work}". It can be any text.
func (c *Call) Path(name string) string { return c.R.PathValue(name) }

// Organization returns the id of the organization whose page this is. The visitor is its member.
func (c *Call) Organization() string { return c.Visitor.Member.OrganizationID }

// May reports whether the visitor may do something in the organization.
func (c *Call) May(p permission.Permission) bool { return c.Visitor.May(p) }

// Actor is the visitor, for the audit log. An operator who has opened an organization is named as
// operator.
func (c *Call) Actor() audit.Actor {
	a := c.Visitor.Person.Actor(web.RequestID(c.R.Context()))
	if c.Visitor.Member.Visit {
		a.Kind = audit.Operator
	}
	return a
}

// Language returns the tag of the language of the answer.
func (c *Call) Language() string { return c.words.tag }

// Text returns a text of the area or of the shell in the visitor's language.
func (c *Call) Text(key string, pairs ...any) string { return c.words.text(key, pairs...) }

// ShortDay returns a date without its year, for charts.
func (c *Call) ShortDay(t time.Time) string { return c.words.shortDay(t) }

// Store sets the stored value of a form's field: the form shows it, unless something was typed. After a
// conflict the form shows both. form is the name of the POST page.
func (c *Call) Store(form, field string, values ...string) {
	key := form + "\x00" + field
	c.Form.stored[key] = values
}

// Status sets the status of the page that is rendered next.
func (c *Call) Status(code int) { c.status = code }

// Allow adds a source to a directive of the page's Content-Security-Policy, such as "frame-src" and
// "'self'". Call it before Render.
func (c *Call) Allow(directive, source string) {
	if c.policy == nil {
		c.policy = map[string][]string{}
	}
	c.policy[directive] = append(c.policy[directive], source)
}

// After is the cursor of a list that continues, and "" for its first page. See [Window].
func (c *Call) After() string { return c.cursor("after") }

// Before is the cursor of a list that goes back; "" for others. The query then reads in the opposite order.
func (c *Call) Before() string { return c.cursor("before") }

// cursor returns a cursor of the query. A cursor that no page has written finds nothing.
func (c *Call) cursor(name string) string {
	v := c.R.URL.Query().Get(name)
	if len(v) > 200 || badText(v, false) != "" {
		return ""
	}
	return v
}

// Address returns the address of a page: a path of the table such as "/o/{org}/works/{work}" whose parts
// are filled from pairs of name and value, then from the path of this call.
func (c *Call) Address(path string, pairs ...any) string {
	values := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if name, ok := pairs[i].(string); ok {
			values[name] = text(pairs[i+1])
		}
	}
	var b strings.Builder
	b.WriteString(Root)
	for {
		before, rest, found := strings.Cut(path, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		value, ok := values[name]
		if !ok {
			value = c.R.PathValue(name)
		}
		b.WriteString(url.PathEscape(value))
		path = after
	}
}

// Answer is what a redirect carries to the next page.
type Answer func(*notice)

// Say lets the next page show a message once: a key of the texts, and its placeholders.
func Say(key string, pairs ...any) Answer {
	return func(n *notice) {
		n.Text = key
		for _, p := range pairs {
			n.Pairs = append(n.Pairs, text(p))
		}
	}
}

// Reveal lets the next page show a secret once, with the label of a key of the texts. The secret is in no
// URL. When the page is loaded again, it says that the secret was shown.
func Reveal(label, secret string) Answer {
	return func(n *notice) { n.Secrets = append(n.Secrets, revealed{label, secret}) }
}

// revealedQuery marks the address of a page that has shown a secret.
const revealedQuery = "shown"

// Redirect answers a POST: the browser loads another page of the console with GET. to is a path as for
// [Call.Address] without a query.
func (c *Call) Redirect(to string, answers ...Answer) error {
	return c.To(c.Address(to), answers...)
}

// To is Redirect to an address that [Call.Address] has returned. An address of another site is refused.
func (c *Call) To(address string, answers ...Answer) error {
	path, query, _ := strings.Cut(address, "?")
	if !strings.HasPrefix(path, Root+"/") || strings.ContainsAny(path, "\\\r\n") || strings.Contains(path, "//") {
		return fault.CommonInternal()
	}
	n := &notice{To: path, Area: c.area.name}
	for _, a := range answers {
		a(n)
	}
	if len(n.Secrets) > 0 {
		q, _ := url.ParseQuery(query)
		q.Set(revealedQuery, "1")
		query = q.Encode()
	}
	if n.Text != "" || len(n.Secrets) > 0 {
		sealed, err := c.shell.seal.seal("notice", c.Visitor.Session.ID, c.Now.Add(2*time.Minute), n)
		if err != nil {
			return err
		}
		c.shell.setCookie(c.W, noticeCookie, sealed, 120, Root)
	}
	if query != "" {
		path += "?" + query
	}
	c.W.Header().Set("Location", path)
	c.W.WriteHeader(http.StatusSeeOther)
	return nil
}

// Outside answers with a redirect to another site, such as an identity provider or a download.
func (c *Call) Outside(address string) error {
	c.W.Header().Set("Location", address)
	c.W.WriteHeader(http.StatusSeeOther)
	return nil
}

// SignIn gives the browser a session: a token of package people.
func (c *Call) SignIn(token string, life time.Duration) {
	c.shell.setCookie(c.W, c.shell.sessionCookie, token, int(life/time.Second), "/")
}

// SignOut removes the session's cookie.
func (c *Call) SignOut() { c.shell.setCookie(c.W, c.shell.sessionCookie, "", -1, "/") }

// Download answers with a file.
func (c *Call) Download(name, kind string) http.ResponseWriter {
	h := c.W.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+strings.Map(plainName, name)+`"`)
	return c.W
}

func plainName(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
		return r
	}
	return '-'
}

// List is the place of a page in a list: the addresses of its neighbours, or "".
type List struct{ Next, Previous, First string }

// Window cuts the rows that a query has read, which are at most most+1: the rows after [Call.After], or in
// the opposite order those before [Call.Before]. key returns the cursor of a row. The rows come back in the order of the list.
func Window[T any](c *Call, rows []T, most int, key func(T) string) ([]T, List) {
	more := len(rows) > most
	rows = rows[:min(len(rows), most)]
	backwards := c.Before() != ""
	if backwards {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	var l List
	if len(rows) == 0 {
		return rows, l
	}
	if more || backwards {
		l.Next = c.turn("after", key(rows[len(rows)-1]))
	}
	if more && backwards || c.After() != "" {
		l.Previous = c.turn("before", key(rows[0]))
	}
	return rows, l
}

// Turns returns the places of the neighbours in a list whose cursors the page knows itself, or "".
func (c *Call) Turns(before, after string) (l List) {
	if before != "" {
		l.Previous = c.turn("before", before)
	}
	if after != "" {
		l.Next = c.turn("after", after)
	}
	return l
}

// shown returns the GET page that this call shows. For a form that is shown again, it is the nearest one above.
func (c *Call) shown() *Page {
	if c.page.Method == http.MethodGet {
		return c.page
	}
	for path := c.page.Path; path != ""; path = path[:strings.LastIndexByte(path, '/')] {
		for i := range c.area.pages {
			if p := &c.area.pages[i]; p.Method == http.MethodGet && p.Path == path {
				return p
			}
		}
	}
	return c.page
}

// turn returns the address of this list at another cursor, with its filters.
func (c *Call) turn(name, cursor string) string {
	q := url.Values{}
	if c.page.Method == http.MethodGet {
		for _, f := range c.page.Fields {
			for _, v := range c.Form.All(f.Name) {
				q.Add(f.Name, v)
			}
		}
	}
	q.Set(name, cursor)
	return c.Address(c.shown().Path) + "?" + q.Encode()
}

// text returns a value as text, for messages and addresses.
func text(v any) string { return fmt.Sprint(v) }
