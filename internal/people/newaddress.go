package people

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// AskEmail begins the change of a person's e-mail address: the address changes when the link for the
// new one is opened. With mail, the link goes to the new address, and the token is "". Without mail, and on the command line, the
// caller receives the token and passes the link on. An older link ends.
//
// current is the person's address for the command line; a session asks for its own person, and must be fresh.
// The answer does not tell whether the new address has an account: such a link is never sent, or never works.
func (s *Service) AskEmail(ctx context.Context, by By, current, typed string, from Client) (token string, err error) {
	defer operation.Wrap(&err, "ask for another e-mail address")
	email, err := Email(typed)
	if err != nil {
		return "", err
	}
	if err := s.fresh(by); err != nil {
		return "", err
	}
	if !by.commandLine {
		if err := take(ctx, try{s.budgets.mails, "person " + by.Session.Person.ID, "account"}, try{s.budgets.invited, keyOf(email), "account"}); err != nil {
			return "", err
		}
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, actor, err := s.own(ctx, tx, by, current, from)
		if err != nil {
			return err
		}
		if row.Email == email {
			return fault.CommonValidationFailed([]fault.Field{{Field: "email", Rule: "another", Message: "Must be another address."}})
		}
		if err := tx.SetPersonNewEmail(ctx, query.SetPersonNewEmailParams{NewEmail: email, ID: row.ID}); err != nil {
			return err
		}
		if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: linkEmail, Ref: row.ID}); err != nil {
			return err
		}
		if s.Mail && !by.commandLine {
			err = mail.Enqueue(ctx, tx, mail.Message{Kind: mail.NewEmail, Ref: row.ID, Recipient: email, Language: row.Language})
		} else {
			token, err = link(ctx, tx, linkEmail, row.ID, EmailLife, false)
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "email.asked", Subject: row.ID, Changes: []audit.Change{{Field: "email", Old: row.Email, New: email}}})
	})
	return token, err
}

// own locks the person of a session, or on the command line the person with an address. An unknown address is common.not_found.
func (s *Service) own(ctx context.Context, tx *store.Tx, by By, email string, from Client) (query.Person, audit.Actor, error) {
	id, actor := by.Session.Person.ID, audit.CommandLine()
	if by.commandLine {
		email, err := Email(email)
		if err != nil {
			return query.Person{}, actor, err
		}
		row, err := tx.PersonByEmail(ctx, email)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return row, actor, err
		}
		id = row.ID
	}
	row, err := tx.LockPerson(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return row, actor, fault.CommonNotFound()
	}
	if !by.commandLine {
		actor = person(row).Actor(from.RequestID)
	}
	return row, actor, err
}

// SeeEmail returns the addresses of a link for a new address. A link that does not work is ErrLink.
func (s *Service) SeeEmail(ctx context.Context, token string, from Client) (old, email string, err error) {
	defer operation.Wrap(&err, "read a link for a new e-mail address")
	if err := take(ctx, try{s.budgets.links, from.Address, "address"}); err != nil {
		return "", "", err
	}
	l, err := s.seeLink(ctx, linkEmail, token)
	if err != nil {
		return "", "", err
	}
	row, err := s.DB.Read().GetPerson(ctx, l.Ref)
	if err == nil && row.NewEmail == "" || errors.Is(err, sql.ErrNoRows) {
		err = ErrLink
	}
	return row.Email, row.NewEmail, err
}

// ConfirmEmail gives a person the new address by its link, which works once. Waiting links for a new password end: they
// went to the old address, which receives a notice. Sessions go on. A link whose address has an account by now is ErrLink.
func (s *Service) ConfirmEmail(ctx context.Context, token string, from Client) (err error) {
	defer operation.Wrap(&err, "change an e-mail address by a link")
	if _, _, err := s.SeeEmail(ctx, token, from); err != nil {
		return err
	}
	return s.change(ctx, "email", func(tx *store.Tx) error {
		l, err := takeLink(ctx, tx, linkEmail, token)
		if err != nil {
			return err
		}
		row, err := tx.LockPerson(ctx, l.Ref)
		if err != nil {
			return err
		}
		email := row.NewEmail
		if _, err := tx.PersonByEmail(ctx, email); err == nil || email == "" {
			return ErrLink
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := tx.SetPersonEmail(ctx, query.SetPersonEmailParams{Email: email, EmailVerified: l.Mailed, ID: row.ID}); err != nil {
			return err
		}
		if err := tx.SetMembershipsEmail(ctx, query.SetMembershipsEmailParams{Email: email, PersonID: row.ID}); err != nil {
			return err
		}
		for _, kind := range []string{linkReset, linkEmail} {
			if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: kind, Ref: row.ID}); err != nil {
				return err
			}
		}
		if err := s.notify(ctx, tx, row, mail.EmailChanged); err != nil { // to the old address
			return err
		}
		actor, changes := person(row).Actor(from.RequestID), []audit.Change{{Field: "email", Old: row.Email, New: email}}
		if err := audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "person.changed", Subject: row.ID, Changes: changes}); err != nil {
			return err
		}
		return eachMembership(ctx, tx, row.ID, func(m query.ListMembershipsOfPersonRow) error {
			return audit.Record(ctx, tx, audit.Entry{Organization: m.OrganizationID, Actor: actor, Action: "member.email_changed", Subject: email, Changes: changes})
		})
	})
}

// eachMembership calls do for each organization of a person, in the order of their ids.
func eachMembership(ctx context.Context, tx *store.Tx, personID string, do func(query.ListMembershipsOfPersonRow) error) error {
	const most = 200
	for after := ""; ; {
		rows, err := tx.ListMembershipsOfPerson(ctx, query.ListMembershipsOfPersonParams{PersonID: personID, After: after, Lim: most})
		if err != nil {
			return err
		}
		for _, m := range rows {
			if err := do(m); err != nil {
				return err
			}
			after = m.OrganizationID
		}
		if len(rows) < most {
			return nil
		}
	}
}
