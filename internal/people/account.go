package people

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/google/uuid"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// draft checks what a person writes about themselves, and hashes the password, before the
// transaction that makes the account.
func (s *Service) draft(ctx context.Context, email, name, password, language string, from Client) (query.InsertPersonParams, error) {
	name, err := cleanName("name", name, 0, maxName)
	if err != nil {
		return query.InsertPersonParams{}, err
	}
	if err := checkPassword(password, email); err != nil {
		return query.InsertPersonParams{}, err
	}
	if !slices.Contains(Languages(), language) {
		language = ""
	}
	id, err := uuid.NewV7()
	if err != nil {
		return query.InsertPersonParams{}, err
	}
	hash, err := s.passwords.hash(ctx, from.Address, password)
	return query.InsertPersonParams{ID: id.String(), Email: email, Name: name, Language: language, PasswordHash: hash}, err
}

// create adds a person. An address that has an account is common.conflict.
func (s *Service) create(ctx context.Context, tx *store.Tx, p query.InsertPersonParams, from Client) (query.Person, error) {
	if _, err := tx.PersonByEmail(ctx, p.Email); err == nil {
		return query.Person{}, fault.CommonConflict("account")
	} else if !errors.Is(err, sql.ErrNoRows) {
		return query.Person{}, err
	}
	p.CreatedAt = store.Micros(tx.Now)
	if err := tx.InsertPerson(ctx, p); err != nil {
		return query.Person{}, err
	}
	row, err := tx.GetPerson(ctx, p.ID)
	if err != nil {
		return row, err
	}
	return row, audit.Record(ctx, tx, audit.Entry{Actor: person(row).Actor(from.RequestID), Action: "person.created", Subject: row.ID})
}

// Change sets a person's name and language. revision is the one that the form has shown; after
// another change the refusal is common.conflict.
func (s *Service) Change(ctx context.Context, session Session, revision int64, name, language, requestID string) (err error) {
	defer operation.Wrap(&err, "change person %s", session.Person.ID)
	if name, err = cleanName("name", name, 0, maxName); err != nil {
		return err
	}
	if language != "" && !slices.Contains(Languages(), language) {
		return fault.CommonValidationFailed([]fault.Field{{Field: "language", Rule: "one_of", Message: "Must be a language of the console."}})
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		n, err := tx.SetPersonProfile(ctx, query.SetPersonProfileParams{Name: name, Language: language, ID: row.ID, Revision: revision})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.CommonConflict("revision")
		}
		var changes []audit.Change
		for _, c := range []audit.Change{{Field: "name", Old: row.Name, New: name}, {Field: "language", Old: row.Language, New: language}} {
			if c.Old != c.New {
				changes = append(changes, c)
			}
		}
		if len(changes) == 0 {
			return nil
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: session.Person.Actor(requestID), Action: "person.changed", Subject: row.ID, Changes: changes})
	})
}

// ChangePassword sets a password. It needs the current one, or for an account without a password
// a fresh session. The other sessions, all known browsers and all waiting links end. It returns the
// new token of the session. A wrong current password is ErrSignIn.
func (s *Service) ChangePassword(ctx context.Context, session Session, token, current, password string, from Client) (_ string, err error) {
	defer operation.Wrap(&err, "change the password of person %s", session.Person.ID)
	if err := take(ctx, try{s.budgets.codes, session.Person.ID, "account"}); err != nil {
		return "", err
	}
	row, err := s.DB.Read().GetPerson(ctx, session.Person.ID)
	if err != nil {
		return "", err
	}
	if row.PasswordHash == "" {
		if err := s.Fresh(session); err != nil {
			return "", err
		}
	} else if ok, _, err := s.passwords.matches(ctx, from.Address, current, row.PasswordHash); err != nil {
		return "", err
	} else if !ok {
		return "", s.failed(ctx, row.ID, "again", from, ErrSignIn)
	}
	if err := checkPassword(password, row.Email); err != nil {
		return "", err
	}
	hash, err := s.passwords.hash(ctx, from.Address, password)
	if err != nil {
		return "", err
	}
	rotated := newToken()
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		now, err := tx.LockPerson(ctx, row.ID)
		if err != nil {
			return err
		}
		if now.PasswordHash != row.PasswordHash {
			return fault.CommonConflict("password")
		}
		if err := s.setPassword(ctx, tx, now, hash, session.ID); err != nil {
			return err
		}
		if err := s.rotate(ctx, tx, token, rotated); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: session.Person.Actor(from.RequestID), Action: "password.changed", Subject: row.ID})
	})
	return rotated, err
}

// setPassword stores a password's hash. It ends all sessions but keep ("" keeps none), and
// forgets known browsers and waiting links: they belong to the old password.
func (s *Service) setPassword(ctx context.Context, tx *store.Tx, row query.Person, hash, keep string) error {
	if err := tx.SetPersonPassword(ctx, query.SetPersonPasswordParams{PasswordHash: hash, ID: row.ID}); err != nil {
		return err
	}
	if _, err := tx.DeletePersonSessions(ctx, query.DeletePersonSessionsParams{PersonID: row.ID, Keep: keep}); err != nil {
		return err
	}
	if err := tx.DeleteKnownDevices(ctx, row.ID); err != nil {
		return err
	}
	for _, kind := range []string{linkReset, linkSecond, linkEmail} {
		if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: kind, Ref: row.ID}); err != nil {
			return err
		}
	}
	return s.notify(ctx, tx, row, mail.Password)
}

// maxOrganizations is how many organizations a person who is not an operator can make.
const maxOrganizations = 20

// CreateOrganization makes an organization that the signed-in person owns. Where sign-up is
// off, only operators can: the refusal is common.forbidden with the reason sign_up_off.
func (s *Service) CreateOrganization(ctx context.Context, session Session, name, requestID string) (id string, err error) {
	defer operation.Wrap(&err, "create an organization of person %s", session.Person.ID)
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		if !row.Operator {
			if !s.SignUp {
				return fault.CommonForbidden("sign_up_off")
			}
			n, err := tx.CountMembershipsOfPerson(ctx, row.ID)
			if err != nil {
				return err
			}
			if n >= maxOrganizations {
				return fault.CommonConflict("too_many")
			}
		}
		id, err = s.organization(ctx, tx, row, name, requestID)
		return err
	})
	return id, err
}

// organization adds an organization with its owner.
func (s *Service) organization(ctx context.Context, tx *store.Tx, owner query.Person, name, requestID string) (string, error) {
	id, err := account.AddOrganization(ctx, tx, person(owner).Actor(requestID), name)
	if err != nil {
		return "", err
	}
	return id, join(ctx, tx, id, owner, permission.Owner, person(owner).Actor(requestID))
}
