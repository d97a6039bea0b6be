package people

import (
	"context"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// FirstLink returns the token of the link that makes the first owner, or "" if a person exists.
// Each call replaces the link. It is valid for [FirstLife].
func (s *Service) FirstLink(ctx context.Context) (token string, err error) {
	defer operation.Wrap(&err, "make the link of the first owner")
	if found, err := s.DB.Read().AnyPerson(ctx); err != nil || found {
		return "", err
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: linkFirst}); err != nil {
			return err
		}
		token, err = link(ctx, tx, linkFirst, "", FirstLife, false)
		return err
	})
	return token, err
}

// SeeFirst checks the link of the first owner. A link that does not work is ErrLink.
func (s *Service) SeeFirst(ctx context.Context, token string, from Client) (err error) {
	defer operation.Wrap(&err, "read the link of the first owner")
	if err := take(ctx, try{s.budgets.links, from.Address, "address"}); err != nil {
		return err
	}
	_, err = s.seeLink(ctx, linkFirst, token)
	return err
}

// Account is what a new person writes.
type Account struct {
	Email, Name, Password string
	Organization          string // the name of the new organization
	Language              string // of the page
}

// FirstOwner makes the first person, who is an operator, and their organization, and signs in.
// The link works once. A link that does not work is ErrLink.
func (s *Service) FirstOwner(ctx context.Context, token string, a Account, from Client) (_ Entry, organizationID string, err error) {
	defer operation.Wrap(&err, "make the first owner")
	if err := s.SeeFirst(ctx, token, from); err != nil {
		return Entry{}, "", err
	}
	email, err := Email(a.Email)
	if err != nil {
		return Entry{}, "", err
	}
	name, err := cleanName("organization", a.Organization, 1, 200)
	if err != nil {
		return Entry{}, "", err
	}
	made, err := s.draft(ctx, email, a.Name, a.Password, a.Language, from)
	if err != nil {
		return Entry{}, "", err
	}
	made.Operator = true
	var out Entry
	err = s.change(ctx, "first", func(tx *store.Tx) error {
		if _, err := takeLink(ctx, tx, linkFirst, token); err != nil {
			return err
		}
		if found, err := tx.AnyPerson(ctx); err != nil {
			return err
		} else if found {
			return ErrLink
		}
		row, err := s.create(ctx, tx, made, from)
		if err != nil {
			return err
		}
		if organizationID, err = s.organization(ctx, tx, row, name, from.RequestID); err != nil {
			return err
		}
		out, err = s.enter(ctx, tx, row, "", from, "first")
		return err
	})
	return out, organizationID, err
}

// SignUpPerson makes the account of a sign-up link, with an organization, and signs in.
func (s *Service) SignUpPerson(ctx context.Context, token string, a Account, from Client) (_ Entry, organizationID string, err error) {
	defer operation.Wrap(&err, "sign up")
	email, err := s.SeeSignUp(ctx, token, from)
	if err != nil {
		return Entry{}, "", err
	}
	name, err := cleanName("organization", a.Organization, 1, 200)
	if err != nil {
		return Entry{}, "", err
	}
	made, err := s.draft(ctx, email, a.Name, a.Password, a.Language, from)
	if err != nil {
		return Entry{}, "", err
	}
	made.EmailVerified = true
	var out Entry
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		if _, err := takeLink(ctx, tx, linkSignUp, token); err != nil {
			return err
		}
		if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: linkSignUp, Ref: email}); err != nil {
			return err
		}
		row, err := s.create(ctx, tx, made, from)
		if err != nil {
			return err
		}
		if organizationID, err = s.organization(ctx, tx, row, name, from.RequestID); err != nil {
			return err
		}
		out, err = s.enter(ctx, tx, row, "", from, "sign_up")
		return err
	})
	return out, organizationID, err
}

// SeeSignUp returns the address of a sign-up link. A link that does not work is ErrLink.
func (s *Service) SeeSignUp(ctx context.Context, token string, from Client) (email string, err error) {
	defer operation.Wrap(&err, "read a sign-up link")
	if !s.SignUp {
		return "", fault.CommonNotFound()
	}
	if err := take(ctx, try{s.budgets.links, from.Address, "address"}); err != nil {
		return "", err
	}
	l, err := s.seeLink(ctx, linkSignUp, token)
	return l.Ref, err
}
