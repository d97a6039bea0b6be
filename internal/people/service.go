package people

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"timbre.example/internal/crash"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/mail"
	"timbre.example/internal/openid"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

const (
	// Recent is how long a password or a second factor opens dangerous changes.
	Recent = 10 * time.Minute
	// ceremonyLife is how long a browser may take to ask for a passkey.
	ceremonyLife = 5 * time.Minute
)

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
	// OpenID is the provider that people can sign in at; nil for none.
	OpenID *openid.Provider
	Log    *slog.Logger
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
	vault     vault
	web       *webauthn.WebAuthn
	reached   func(point string) // a crash point of the kill test
}

// New makes a service.
func New(c Config) (_ *Service, err error) {
	defer operation.Wrap(&err, "set up sign-in")
	s := &Service{Config: c, passwords: NewPasswords(c.Hashes), budgets: newBudgets(c.Limits), vault: vault(c.Key), reached: crash.Points()}
	if _, err := s.vault.aead(); err != nil {
		return nil, err
	}
	if s.web, err = relyingParty(c.URL); err != nil {
		return nil, err
	}
	return s, nil
}

// NewAdministration makes a service for the command line: it makes links and changes roles, and signs
// no one in.
func NewAdministration(db *store.DB, url string) *Service {
	return &Service{Config: Config{DB: db, URL: url}, reached: crash.Points()}
}

// change runs a step that changes several rows, with the crash points of the kill test before and after its commit.
func (s *Service) change(ctx context.Context, step string, do func(*store.Tx) error) error {
	err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		s.reached("people." + step + ".written")
		return nil
	})
	if err == nil {
		s.reached("people." + step + ".committed")
	}
	return err
}

// Life is the longest life of a session, for its cookie.
func (s *Service) Life() time.Duration { return s.life() }

func (s *Service) life() time.Duration { return or(s.SessionLife, 30*24*time.Hour) }
func (s *Service) idle() time.Duration { return or(s.SessionIdle, 7*24*time.Hour) }

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// relyingParty is nil where browsers allow no passkeys: on an address instead of a name, and
// without https outside of the machine.
func relyingParty(public string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(public)
	if err != nil {
		return nil, err
	}
	if host := u.Hostname(); host == "" || net.ParseIP(host) != nil || u.Scheme != "https" && host != "localhost" {
		return nil, nil
	}
	timeouts := webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyLife, TimeoutUVD: ceremonyLife}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Timbre", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference:  protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired},
		Timeouts:               webauthn.TimeoutsConfig{Login: timeouts, Registration: timeouts},
	})
}

// host is the server's name in the list of an authenticator app.
func (s *Service) host() string {
	if u, err := url.Parse(s.URL); err == nil {
		return u.Host
	}
	return ""
}

// Fresh refuses a session with ErrProve, if its person did not give a secret in the last [Recent].
func (s *Service) Fresh(session Session) error {
	if s.DB.Now().Sub(session.Proved) > Recent {
		return ErrProve
	}
	return nil
}

// notify sends a mail about the account to its person, where mail is configured.
func (s *Service) notify(ctx context.Context, tx *store.Tx, row query.Person, kind mail.Kind) error {
	if !s.Mail {
		return nil
	}
	return mail.Enqueue(ctx, tx, mail.Message{Kind: kind, Ref: row.ID, Recipient: row.Email, Language: row.Language})
}

// seeLink reads a link without using it up.
func (s *Service) seeLink(ctx context.Context, kind, token string) (query.PersonLink, error) {
	row, err := s.DB.Read().GetPersonLink(ctx, query.GetPersonLinkParams{Hash: hashToken(token), Kind: kind, Now: store.Micros(s.DB.Now())})
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrLink
	}
	return row, err
}

// Person reads a person. An unknown id is common.not_found.
func (s *Service) Person(ctx context.Context, id string) (_ Person, err error) {
	defer operation.Wrap(&err, "read person %s", id)
	if !idForm.MatchString(id) {
		return Person{}, fault.CommonNotFound()
	}
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

// Role reads a person's role in an organization, "" for a person who is not a member. The role
// is read at every call, so that a change acts at once.
func (s *Service) Role(ctx context.Context, personID, organizationID string) (_ permission.Role, err error) {
	defer operation.Wrap(&err, "read the role of person %s in organization %s", personID, organizationID)
	role, err := s.DB.Read().MembershipRole(ctx, query.MembershipRoleParams{OrganizationID: organizationID, PersonID: personID})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return permission.Role(role), err
}
