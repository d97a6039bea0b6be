package shell

import (
	"context"
	"html/template"
	"io/fs"
	"net/http"
	"time"

	"timbre.example/internal/limit"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
)

// Area is a group of pages: one package.
type Area struct {
	// Name is the package's name. It is unique.
	Name string
	// Files has templates/*.html and texts/*.json.
	Files fs.FS
	Pages []Page
}

// Page is one row of the table of pages: an address, who may open it, and what it does.
type Page struct {
	// Method is GET or POST. A GET changes nothing.
	Method string
	// Path is below /console, such as "/o/{org}/works/{work}". "{org}" is an organization's id.
	Path string
	// Needs says who may open the page. Pages below /o/{org}/ need [To], and pages below /operator/
	// need [Operators].
	Needs Access
	// Name names the form of a POST page within its area, for templates and texts.
	Name string
	// Nav shows the page in the navigation; zero: it is not there. Its text is "nav".
	Nav Nav
	// Fields are the values of the query (GET) or of the form (POST). Any other field of a form is refused.
	Fields []Field
	// Handle answers. An error becomes a page in words.
	Handle func(*Call) error
	// Again shows the page with the form of a POST after a refusal: fields that are invalid, or an error
	// of Handle with the status 400, 403, 409, 413, 415, 422 or 429. Nil: such an error becomes a page.
	Again func(*Call) error
}

// Nav is a place in the navigation.
type Nav struct {
	Order int    // the smallest first; 0: not shown
	Icon  string // of the shell's icons
}

// Access says who may open a page. The zero value is invalid, so that no page forgets it.
type Access struct {
	kind       int
	permission permission.Permission
}

const (
	anyone = 1 + iota
	signedIn
	operators
	members
)

// Anyone is for pages without a session, such as sign-in.
func Anyone() Access { return Access{kind: anyone} }

// SignedIn is for a person's own pages.
func SignedIn() Access { return Access{kind: signedIn} }

// Operators is for the people who run the server. Others receive "not found".
func Operators() Access { return Access{kind: operators} }

// To is for members of the organization in the path whose role has a permission. A member without it
// receives 403, and everyone else "not found".
func To(p permission.Permission) Access { return Access{kind: members, permission: p} }

// Permission returns the permission of [To]; "" for other kinds.
func (a Access) Permission() permission.Permission { return a.permission }

// String is for tests and documents: "anyone", "signed in", "operators", or the permission.
func (a Access) String() string {
	switch a.kind {
	case anyone:
		return "anyone"
	case signedIn:
		return "signed in"
	case operators:
		return "operators"
	case members:
		return string(a.permission)
	}
	return "nobody"
}

// Visitor is who calls.
type Visitor struct {
	// Session is the visitor's, with the person; zero: the visitor is not signed in.
	people.Session
	// Member is the person's place in the organization of the path; zero outside of one.
	Member people.Membership
}

// SignedIn reports whether somebody is signed in.
func (v Visitor) SignedIn() bool { return v.Session.ID != "" }

// May reports whether the visitor's role has a permission. In a suspended organization it only reads.
func (v Visitor) May(p permission.Permission) bool {
	return v.Member.Role.May(p) && (p.Reads() || !v.Halted())
}

// Halted reports whether the organization is suspended for this visitor: its members read, and only an operator who
// has opened the organization changes it.
func (v Visitor) Halted() bool { return v.Member.Suspended && !v.Member.Visit }

// Call is one request of a page whose visitor has been checked.
type Call struct {
	W       http.ResponseWriter
	R       *http.Request
	Visitor Visitor
	// Form has the fields of the page. In a GET page it has the query.
	Form *Input
	// Now is the time of the request.
	Now time.Time

	page     *Page
	area     *area
	shell    *Shell
	words    lexicon
	visit    string // of a visitor without a session
	status   int    // of the answer; 0: 200
	conflict bool
	said     *notice
	policy   map[string][]string
}

// notice is what the next page says once: a message, and secrets.
type notice struct {
	To      string            `json:"t"` // the path that may show it
	Text    string            `json:"m,omitempty"`
	Pairs   []string          `json:"p,omitempty"`
	Area    string            `json:"a"`
	Secrets []revealed        `json:"s,omitempty"`
	Extra   map[string]string `json:"x,omitempty"`
}

type revealed struct {
	Label string `json:"l"`
	Value string `json:"v"`
}

// Root is the path of the console.
const Root = "/console"

// Config is what the console needs. Every field is required.
type Config struct {
	// PublicURL is the base URL for browsers, without a final slash. Forms of other origins are refused.
	PublicURL string
	// Key has at least 16 random bytes, the same in every process.
	Key []byte
	// Session finds the session of a cookie's token: [people.Service.Session].
	Session func(ctx context.Context, token string) (people.Session, error)
	// Member returns a person's place in an organization. Without one, or for an unknown organization, it
	// returns a zero Membership.
	Member func(ctx context.Context, personID, organizationID string) (people.Membership, error)
	// Now is the clock.
	Now func() time.Time
}

// Shell serves the pages of the console.
type Shell struct {
	Config
	seal          *sealer
	origin        string
	secure        bool
	sessionCookie string
	areas         map[string]*area
	pages         []Page
	navigation    []navigated
	assets        assets
	mux           *http.ServeMux
	own           *area // the shell's own templates
	// bodies are the bytes of forms that are read at the same time, with a share for each caller.
	bodies *limit.Bytes
}

type area struct {
	name      string
	pages     []Page
	texts     Texts
	templates map[string]*template.Template
}

type navigated struct {
	page *Page
	area *area
}

type assets struct{ style, script, icon string }

// lexicon returns the texts of an area in a language.
func (s *Shell) lexicon(a *area, tag string) lexicon {
	l := lexicon{tag: tag}
	if a != nil {
		l.texts = append(l.texts, a.texts[tag])
	}
	l.texts = append(l.texts, s.own.texts[tag])
	return l
}

// visitCookie names a visitor without a session.
const visitCookie = "timbre_console_visit"

// token returns the CSRF token of a form. A visitor without a session receives a cookie for it.
func (s *Shell) token(c *Call) string {
	if c.Visitor.SignedIn() {
		return s.seal.formToken(c.Visitor.Session.ID)
	}
	if c.visit == "" {
		c.visit = newVisit()
		s.setCookie(c.W, visitCookie, c.visit, 0, Root)
	}
	return s.seal.formToken("visit " + c.visit)
}

// setCookie sets a cookie of the console. life is in seconds: 0 is until the browser closes, and less removes it.
func (s *Shell) setCookie(w http.ResponseWriter, name, value string, life int, path string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: path, MaxAge: life, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode})
}

// noticeCookie carries a [notice] to the next page.
const noticeCookie = "timbre_console_notice"
