package people

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Attempt is one try to sign in with a password.
type Attempt struct {
	Email, Password string
	Device          string // the token of a browser that has signed in before, or ""
	From            Client
}

// SignIn checks a password. Its answer, its work and its limits are the same whether the account
// exists. Errors are ErrSignIn, common.rate_limited with the reason address or account, and
// common.service_unavailable.
//
// Browsers that have signed in before have a budget of their own. So a stranger who uses up
// the tries for an account does not keep its owner out.
func (s *Service) SignIn(ctx context.Context, a Attempt) (_ Entry, err error) {
	defer operation.Wrap(&err, "sign in")
	email, wrong := Email(a.Email)
	known, err := s.knownDevice(ctx, a.Device)
	if err != nil {
		return Entry{}, err
	}
	if err := take(ctx, try{s.budgets.address, a.From.Address, "address"}); err != nil {
		return Entry{}, err
	}
	row, err := s.DB.Read().PersonByEmail(ctx, email)
	if errors.Is(err, sql.ErrNoRows) || wrong != nil {
		row, err = query.Person{}, nil
	} else if err != nil {
		return Entry{}, err
	}
	tries := try{s.budgets.account, keyOf(email), "account"}
	if known != "" && known == row.ID {
		tries = try{s.budgets.device, keyOf(a.Device), "account"}
	}
	if err := take(ctx, tries); err != nil {
		return Entry{}, err
	}
	ok, stale, err := s.passwords.matches(ctx, a.From.Address, a.Password, row.PasswordHash)
	if err != nil {
		return Entry{}, err
	}
	if !ok {
		return Entry{}, s.failed(ctx, row.ID, "password", a.From, ErrSignIn)
	}
	var renewed string
	if stale {
		if renewed, err = s.passwords.hash(ctx, a.From.Address, a.Password); err != nil {
			return Entry{}, err
		}
	}
	var out Entry
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		now, err := tx.LockPerson(ctx, row.ID)
		if err != nil {
			return err
		}
		if now.PasswordHash != row.PasswordHash { // changed since
			return ErrSignIn
		}
		if renewed != "" {
			if err := tx.SetPersonPassword(ctx, query.SetPersonPasswordParams{PasswordHash: renewed, ID: row.ID}); err != nil {
				return err
			}
		}
		if p := person(now); p.Guarded() {
			out = Entry{Person: Person{SecondFactor: p.SecondFactor, Passkeys: p.Passkeys}}
			out.Second, err = link(ctx, tx, linkSecond, row.ID, secondLife, false)
			return err
		}
		out, err = s.enter(ctx, tx, now, a.Device, a.From, "password")
		return err
	})
	return out, err
}

// SignOut ends the session of a cookie's token. An ended one is accepted.
func (s *Service) SignOut(ctx context.Context, session Session, requestID string) (err error) {
	defer operation.Wrap(&err, "sign out")
	err = s.EndSession(ctx, session.Person.ID, session.ID, session.Person.Actor(requestID))
	if errors.Is(err, fault.CodeCommonNotFound) {
		return nil
	}
	return err
}

// Prove checks the password, or a code of the second factor, of a signed-in person: the
// person is asked again before a dangerous change. It returns the new token of the session.
func (s *Service) Prove(ctx context.Context, session Session, token, secret string, from Client) (_ string, err error) {
	defer operation.Wrap(&err, "prove a person")
	if err := take(ctx, try{s.budgets.codes, session.Person.ID, "account"}); err != nil {
		return "", err
	}
	row, err := s.DB.Read().GetPerson(ctx, session.Person.ID)
	if err != nil {
		return "", err
	}
	byPassword, _, err := s.passwords.matches(ctx, from.Address, secret, row.PasswordHash)
	if err != nil {
		return "", err
	}
	rotated := newToken()
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		now, err := tx.LockPerson(ctx, row.ID)
		if err != nil {
			return err
		}
		if !byPassword || now.PasswordHash != row.PasswordHash {
			if err := s.spendCode(ctx, tx, now, secret, from); err != nil {
				return err
			}
		}
		return s.rotate(ctx, tx, token, rotated)
	})
	if errors.Is(err, ErrCode) {
		return "", s.failed(ctx, row.ID, "again", from, ErrSignIn)
	}
	return rotated, err
}
