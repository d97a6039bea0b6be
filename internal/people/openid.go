package people

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/openid"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// FlowLife is how long a sign-in at an OpenID provider may take.
const FlowLife = 10 * time.Minute

// The refusals of a provider's answer.
var (
	// ErrUnverified: the provider does not vouch for the e-mail address.
	ErrUnverified = errors.New("people: the provider has not verified the e-mail address")
	// ErrConnect: the address has an account that never proved the address. Its person signs
	// in with the password, and connects the provider then. Otherwise somebody could register a
	// stranger's address and wait for the stranger.
	ErrConnect = errors.New("people: the account must be connected after a sign-in with the password")
	// ErrUninvited: the address has neither an account nor an invitation, and sign-up is off.
	ErrUninvited = errors.New("people: the e-mail address has no invitation")
	// ErrTaken: the account at the provider belongs to another person.
	ErrTaken = errors.New("people: the account at the provider is connected to another person")
)

// flow is what the browser keeps, encrypted, while the person is at the provider.
type flow struct {
	openid.Flow
	Person string // who connects; "" for a sign-in
	Next   string
	Until  int64
}

// BeginOpenID begins a sign-in at the provider, or for a session its connection with the session's
// person. It returns the provider's page, and a secret for a cookie of [FlowLife]. next is
// where the person wants to go afterwards.
func (s *Service) BeginOpenID(ctx context.Context, session Session, next string) (page, kept string, err error) {
	defer operation.Wrap(&err, "begin a sign-in at a provider")
	if s.OpenID == nil {
		return "", "", fault.CommonNotFound()
	}
	page, f, err := s.OpenID.Begin(ctx)
	if err != nil {
		return "", "", err
	}
	plain, err := json.Marshal(flow{Flow: f, Person: session.Person.ID, Next: next, Until: s.DB.Now().Add(FlowLife).Unix()})
	if err != nil {
		return "", "", err
	}
	sealed, err := s.vault.seal("openid", plain)
	return page, base64.RawURLEncoding.EncodeToString(sealed), err
}

// FinishOpenID ends a sign-in with the provider's answer. Of a connection, Entry is zero. Errors
// are [openid.ErrRefused], ErrUnverified, ErrConnect, ErrUninvited, ErrTaken and ErrProve.
func (s *Service) FinishOpenID(ctx context.Context, session Session, kept string, answer url.Values, device string, from Client) (_ Entry, next string, err error) {
	defer operation.Wrap(&err, "finish a sign-in at a provider")
	if s.OpenID == nil {
		return Entry{}, "", fault.CommonNotFound()
	}
	if err := take(ctx, try{s.budgets.address, from.Address, "address"}); err != nil {
		return Entry{}, "", err
	}
	var f flow
	b, err := base64.RawURLEncoding.DecodeString(kept)
	if err == nil {
		b, err = s.vault.unseal("openid", b)
	}
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err != nil || s.DB.Now().Unix() > f.Until || f.Person != "" && f.Person != session.Person.ID {
		return Entry{}, "", openid.ErrRefused
	}
	claims, err := s.OpenID.Finish(ctx, f.Flow, answer)
	if err != nil {
		return Entry{}, "", err
	}
	if f.Person != "" {
		return Entry{}, f.Next, s.connect(ctx, session, claims, from)
	}
	out, err := s.enterBy(ctx, claims, device, from)
	return out, f.Next, err
}

// connect links a provider's account to a signed-in person. It needs a fresh session.
func (s *Service) connect(ctx context.Context, session Session, c openid.Claims, from Client) error {
	if err := s.Fresh(session); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		other, err := tx.PersonByIdentity(ctx, query.PersonByIdentityParams{Issuer: c.Issuer, Subject: c.Subject})
		switch {
		case err == nil && other.ID == row.ID:
			return nil
		case err == nil:
			return ErrTaken
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		return linkIdentity(ctx, tx, row, c, from)
	})
}

func linkIdentity(ctx context.Context, tx *store.Tx, row query.Person, c openid.Claims, from Client) error {
	if err := tx.InsertIdentity(ctx, query.InsertIdentityParams{Issuer: c.Issuer, Subject: c.Subject, PersonID: row.ID, CreatedAt: store.Micros(tx.Now)}); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{
		Actor: person(row).Actor(from.RequestID), Action: "identity.connected", Subject: row.ID, Changes: []audit.Change{{Field: "issuer", New: c.Issuer}},
	})
}

// enterBy signs the person of the claims in.
func (s *Service) enterBy(ctx context.Context, c openid.Claims, device string, from Client) (out Entry, err error) {
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := s.personOf(ctx, tx, c, from)
		if err != nil {
			return err
		}
		if p := person(row); p.Guarded() {
			out = Entry{Person: Person{SecondFactor: p.SecondFactor, Passkeys: p.Passkeys}}
			out.Second, err = link(ctx, tx, linkSecond, row.ID, secondLife, false)
			return err
		}
		out, err = s.enter(ctx, tx, row, device, from, "openid")
		return err
	})
	return out, err
}

// personOf finds the person of the claims: the connected one, else the one whose address the
// provider vouches for, else a new one where an invitation or sign-up allows it.
func (s *Service) personOf(ctx context.Context, tx *store.Tx, c openid.Claims, from Client) (query.Person, error) {
	row, err := tx.PersonByIdentity(ctx, query.PersonByIdentityParams{Issuer: c.Issuer, Subject: c.Subject})
	if err == nil {
		return tx.LockPerson(ctx, row.ID)
	} else if !errors.Is(err, sql.ErrNoRows) {
		return row, err
	}
	email, err := Email(c.Email)
	if err != nil || !c.EmailVerified {
		return row, ErrUnverified
	}
	row, err = tx.PersonByEmail(ctx, email)
	switch {
	case err == nil && !row.EmailVerified:
		return row, ErrConnect
	case err == nil:
	case !errors.Is(err, sql.ErrNoRows):
		return row, err
	default:
		if !s.SignUp {
			n, err := tx.CountInvitationsTo(ctx, query.CountInvitationsToParams{Email: email, Now: store.Micros(tx.Now)})
			if err != nil {
				return row, err
			}
			if n == 0 {
				return row, ErrUninvited
			}
		}
		id, err := uuid.NewV7()
		if err != nil {
			return row, err
		}
		name, err := cleanName("name", c.Name, 0, maxName)
		if err != nil {
			name = "" // the provider's business
		}
		if row, err = s.create(ctx, tx, query.InsertPersonParams{ID: id.String(), Email: email, EmailVerified: true, Name: name}, from); err != nil {
			return row, err
		}
	}
	return row, linkIdentity(ctx, tx, row, c, from)
}

// Identities lists the issuers of a person's connected accounts.
func (s *Service) Identities(ctx context.Context, personID string) (_ []string, err error) {
	defer operation.Wrap(&err, "list the connected accounts of person %s", personID)
	rows, err := s.DB.Read().ListIdentities(ctx, personID)
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Issuer
	}
	return out, err
}

// Disconnect removes a person's accounts at an issuer. It needs a fresh session. The last way to sign
// in stays: that refusal is common.conflict.
func (s *Service) Disconnect(ctx context.Context, session Session, issuer string, from Client) (err error) {
	defer operation.Wrap(&err, "disconnect an account of person %s", session.Person.ID)
	if err := s.Fresh(session); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		if row.PasswordHash == "" && row.Passkeys == 0 {
			return fault.CommonConflict("last_way")
		}
		n, err := tx.DeleteIdentity(ctx, query.DeleteIdentityParams{PersonID: row.ID, Issuer: issuer})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.CommonNotFound()
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: session.Person.Actor(from.RequestID), Action: "identity.disconnected", Subject: row.ID, Changes: []audit.Change{{Field: "issuer", Old: issuer}},
		})
	})
}
