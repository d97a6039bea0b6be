// Package people has the persons who use the console: how they sign in, their sessions, and
// their roles in organizations. A person can be a member of several organizations.
//
// A token, a link, a recovery code and a password are stored as hashes. A sign-in never tells
// whether an e-mail address has an account: its answer, its status and its work are the same.
// Every change writes the audit log in its own transaction. The package does not know pages,
// cookies or HTTP.
package people

import (
	"errors"
	"strings"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Person is somebody who can sign in.
type Person struct {
	ID    string
	Email string // lower-case; the domain as punycode
	// NewEmail is the address that the person has asked for, until its link is opened; "": none.
	NewEmail string
	Name     string // as shown; can be ""
	// Language is one of the console's languages, or "" for the browser's.
	Language string
	// Operator opens the operator's view over all organizations.
	Operator     bool
	HasPassword  bool
	SecondFactor bool  // an authenticator app is set up
	Passkeys     int64 // how many
	// Revision grows with each change of the account. A change names the revision that its page
	// has shown, so that edits at once are noticed.
	Revision  int64
	CreatedAt time.Time
}

// Guarded reports whether a password alone does not sign the person in.
func (p Person) Guarded() bool { return p.SecondFactor || p.Passkeys > 0 }

// Shown returns the name, or the e-mail address of a person without a name.
func (p Person) Shown() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Email
}

// Actor is the person as the audit log names people. Operators who change an organization
// without being its member are [audit.Operator]: see [Service.Actor].
func (p Person) Actor(requestID string) audit.Actor {
	return audit.Actor{Kind: audit.Person, ID: p.ID, Name: p.Email, RequestID: requestID}
}

// Session is a signed-in browser.
type Session struct {
	ID     string
	Person Person
	// Created, Seen and Expires are when the session began, was last used and ends. Proved is
	// when its person last gave a password or a second factor.
	Created, Seen, Expires, Proved time.Time
	Address, Agent                 string
	// CSRF is the token that forms of this session contain. Only [Service.Session] sets it.
	CSRF string
}

// Browser is the browser and the system that Agent names, such as "Firefox, Linux", as far as they are
// known. It is "" when Agent names neither.
func (s Session) Browser() string {
	first := func(of ...string) string { // pairs of a mark in Agent and a name
		for i := 0; i < len(of); i += 2 {
			if strings.Contains(s.Agent, of[i]) {
				return of[i+1]
			}
		}
		return ""
	}
	browser := first("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl")
	system := first("Android", "Android", "iPhone", "iOS", "iPad", "iOS", "Windows", "Windows", "Mac OS X", "macOS", "Linux", "Linux")
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + ", " + system
}

// Membership is a person's role in one organization.
type Membership struct {
	OrganizationID, OrganizationName string
	Suspended                        bool
	Role                             permission.Role
	// Visit is set for an operator who has opened the organization without being its owner. The
	// audit log names such a person as operator.
	Visit bool
}

func person(p query.Person) Person {
	return Person{
		ID: p.ID, Email: p.Email, NewEmail: p.NewEmail, Name: p.Name, Language: p.Language, Operator: p.Operator, HasPassword: p.PasswordHash != "",
		SecondFactor: p.TotpConfirmedAt > 0, Passkeys: p.Passkeys, Revision: p.Revision, CreatedAt: store.Time(p.CreatedAt),
	}
}

func session(r query.PersonSession) Session {
	return Session{
		ID: r.ID, Created: store.Time(r.CreatedAt), Seen: store.Time(r.SeenAt), Expires: store.Time(r.ExpiresAt), Proved: store.Time(r.ProvedAt),
		Address: r.Address, Agent: r.Agent,
	}
}

// Client is where a sign-in comes from.
type Client struct {
	Address   string // the network address
	Agent     string // the browser, as it names itself
	RequestID string
}

// By is the caller of a change: a signed-in person, or the command line.
type By struct {
	Session     Session // zero for the command line
	RequestID   string
	commandLine bool
}

// CommandLine is the operator at the command line, who may do everything.
func CommandLine() By { return By{commandLine: true} }

var (
	// ErrSignIn is the only answer to a wrong e-mail address, a wrong password, and an account
	// without a password.
	ErrSignIn = errors.New("people: the e-mail address or the password is wrong")
	// ErrCode is the answer to a wrong, used or expired code of a second factor.
	ErrCode = errors.New("people: the code is wrong or was used")
	// ErrProve refuses a dangerous change until the person has given a password or a second
	// factor again.
	ErrProve = errors.New("people: the change needs the password or the second factor again")
)

// Entry is the result of a sign-in that did not fail. Either Session or Second is set.
type Entry struct {
	Person Person
	// Session is the token of the new session, for a cookie.
	Session string
	// Second is the token of the second step, for a cookie: the password was right, and the person
	// has a second factor. Then Person has only the flags SecondFactor and Passkeys.
	Second string
	// Device is the new token of the browser, for a cookie of [DeviceLife].
	Device string
}
