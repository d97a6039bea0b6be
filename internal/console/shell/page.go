package shell

import (
	"io/fs"

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
	// Session is the id of the session, not its token; "": nobody is signed in.
	Session string
	Person  string // id
	Email   string
	Name    string // "": not given
	// Language is the person's own setting; "": the browser decides.
	Language string
	// Operator: the person runs the server.
	Operator bool
	// Member is the person's place in the organization of the path; zero outside of one.
	Member Member
}

// Member is a person's place in one organization.
type Member struct {
	Organization string // id
	Name         string // the organization's
	Role         permission.Role
}

// SignedIn reports whether somebody is signed in.
func (v Visitor) SignedIn() bool { return v.Session != "" }

// May reports whether the visitor's role has a permission.
func (v Visitor) May(p permission.Permission) bool { return v.Member.Role.May(p) }
