// Package people has the persons who use the console: how they sign in, their sessions, and
// their roles in organizations. A person can be a member of several organizations.
//
// A token, a link, a recovery code and a password are stored as hashes. A sign-in never tells
// whether an e-mail address has an account: its answer, its status and its work are the same.
// Every change writes the audit log in its own transaction. The package does not know pages,
// cookies or HTTP.
package people

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Person is somebody who can sign in.
type Person struct {
	ID    string
	Email string // lower-case; the domain as punycode
	Name  string // as shown; can be ""
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

// Membership is a person's role in one organization.
type Membership struct {
	OrganizationID, OrganizationName string
	Suspended                        bool
	Role                             permission.Role
}

// Config is what a service needs.
type Config struct {
	DB *store.DB
	// Key has 32 bytes. It encrypts what must be read again: the keys of authenticator apps.
	Key []byte
	// Limits makes the budgets of sign-ins; nil for no limits, in tests.
	Limits *limit.Limits
	// URL is the public URL of the server, without a slash at its end. Authenticator apps show its
	// host, and passkeys are bound to it.
	URL string
	// Mail says that mails are sent. Otherwise the caller shows the links of invitations.
	Mail bool
	// SignUp lets strangers make an account and an organization. It needs Mail.
	SignUp bool
	// SessionLife is the longest life of a session, and SessionIdle the time after which an
	// unused one ends. 0 is 30 days and 7 days.
	SessionLife, SessionIdle time.Duration
	// Hashes is how many passwords are hashed at once; 0 is 2.
	Hashes int
}

// Service reads and changes people.
type Service struct {
	Config
	passwords *Passwords
	budgets   budgets
	web       *webauthn.WebAuthn
}

// New makes a service.
func New(c Config) (_ *Service, err error) {
	defer operation.Wrap(&err, "set up sign-in")
	s := &Service{Config: c, passwords: NewPasswords(c.Hashes), budgets: newBudgets(c.Limits)}
	if _, err := s.aead(); err != nil {
		return nil, err
	}
	if s.web, err = relyingParty(c.URL); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Service) life() time.Duration { return or(s.SessionLife, 30*24*time.Hour) }
func (s *Service) idle() time.Duration { return or(s.SessionIdle, 7*24*time.Hour) }

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func person(p query.Person) Person {
	return Person{
		ID: p.ID, Email: p.Email, Name: p.Name, Language: p.Language, Operator: p.Operator, HasPassword: p.PasswordHash != "",
		SecondFactor: p.TotpConfirmedAt > 0, Passkeys: p.Passkeys, Revision: p.Revision, CreatedAt: store.Time(p.CreatedAt),
	}
}

// Person reads a person. An unknown id is common.not_found.
func (s *Service) Person(ctx context.Context, id string) (_ Person, err error) {
	defer operation.Wrap(&err, "read person %s", id)
	p, err := s.DB.Read().GetPerson(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return Person{}, fault.CommonNotFound()
	}
	return person(p), err
}

// Memberships reads the organizations of a person, at most 200 of them after the organization
// with that id, the oldest first.
func (s *Service) Memberships(ctx context.Context, personID, after string) (_ []Membership, err error) {
	defer operation.Wrap(&err, "list organizations of person %s", personID)
	rows, err := s.DB.Read().ListMembershipsOfPerson(ctx, query.ListMembershipsOfPersonParams{PersonID: personID, After: after, Lim: 200})
	out := make([]Membership, len(rows))
	for i, m := range rows {
		out[i] = Membership{OrganizationID: m.OrganizationID, OrganizationName: m.Name, Suspended: m.SuspendedAt.Valid, Role: permission.Role(m.Role)}
	}
	return out, err
}

// Role reads a person's role in an organization, "" if the person is no member of it. The role
// is read at every call, so that a change acts at once.
func (s *Service) Role(ctx context.Context, personID, organizationID string) (_ permission.Role, err error) {
	defer operation.Wrap(&err, "read the role of person %s in organization %s", personID, organizationID)
	role, err := s.DB.Read().MembershipRole(ctx, query.MembershipRoleParams{OrganizationID: organizationID, PersonID: personID})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return permission.Role(role), err
}
