package people

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strconv"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Recover sends a link for a new password to an address, if the address has an account. Its
// answer and its work are the same otherwise: the delivery looks the account up. Without
// mail it does nothing, and an administrator makes the link.
func (s *Service) Recover(ctx context.Context, typed, language string, from Client) (err error) {
	defer operation.Wrap(&err, "recover an account")
	return s.ask(ctx, mail.Reset, typed, language, from)
}

// AskSignUp sends a link for a new account to an address. An address that has an account
// receives another mail, which says so.
func (s *Service) AskSignUp(ctx context.Context, typed, language string, from Client) (err error) {
	defer operation.Wrap(&err, "ask for a new account")
	if !s.SignUp {
		return fault.CommonNotFound()
	}
	return s.ask(ctx, mail.SignUp, typed, language, from)
}

func (s *Service) ask(ctx context.Context, kind mail.Kind, typed, language string, from Client) error {
	email, err := Email(typed)
	if err != nil {
		return err
	}
	if err := take(ctx, try{s.budgets.links, from.Address, "address"}); err != nil {
		return err
	}
	// Too many mails to one address are dropped silently: a refusal would say that the address
	// has asked before.
	if !s.Mail || !s.budgets.mails.Take(ctx, keyOf(email)).Allowed {
		return nil
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		return mail.Enqueue(ctx, tx, mail.Message{Kind: kind, Ref: email, Recipient: email, Language: language})
	})
}

// Prepare makes the link of a mail at its delivery; see [mail.Owner]. A mail that has lost its
// reason is dropped. A repeated delivery makes another link, and the older one works too,
// because it can be the one that arrived.
func (s *Service) Prepare(ctx context.Context, m mail.Message) (_ mail.Message, link string, send bool, err error) {
	defer operation.Wrap(&err, "prepare a mail of kind %s", m.Kind)
	switch m.Kind { //nolint:exhaustive // other mails have no link
	case mail.Reset, mail.SignUp:
		return s.prepareAsked(ctx, m)
	case mail.NewEmail:
		return s.prepareEmail(ctx, m)
	case mail.Invitation:
		i, err := s.DB.Read().GetInvitation(ctx, query.GetInvitationParams{ID: m.Ref, Now: store.Micros(s.DB.Now())})
		if errors.Is(err, sql.ErrNoRows) { // revoked, accepted or expired
			return m, "", false, nil
		} else if err != nil {
			return m, "", false, err
		}
		p, err := s.DB.Read().PersonByEmail(ctx, i.Email)
		if err == nil && p.Language != "" {
			m.Language = p.Language
		} else if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return m, "", false, err
		}
		return s.linked(ctx, m, linkInvitation, m.Ref, "/console/invitation")
	}
	return m, s.URL + "/console/", true, nil
}

func (s *Service) prepareAsked(ctx context.Context, m mail.Message) (mail.Message, string, bool, error) {
	p, err := s.DB.Read().PersonByEmail(ctx, m.Ref)
	unknown := errors.Is(err, sql.ErrNoRows)
	if err != nil && !unknown {
		return m, "", false, err
	}
	if !unknown && p.Language != "" {
		m.Language = p.Language
	}
	switch {
	case m.Kind == mail.SignUp && !unknown:
		m.Kind = mail.Known
		return m, s.URL + "/console/sign-in", true, nil
	case m.Kind == mail.SignUp:
		return s.linked(ctx, m, linkSignUp, m.Ref, "/console/sign-up/link")
	case unknown:
		return m, "", false, nil
	}
	return s.linked(ctx, m, linkReset, p.ID, "/console/reset")
}

func (s *Service) linked(ctx context.Context, m mail.Message, kind, ref, path string) (mail.Message, string, bool, error) {
	var token string
	err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		token, err = link(ctx, tx, kind, ref, lives[kind], true)
		return err
	})
	return m, s.LinkURL(path, token), err == nil, err
}

// prepareEmail makes the link of a mail to a new address. One transaction checks that the person still asks for this address,
// and makes the link. So no link changes an account to an address that did not receive it.
func (s *Service) prepareEmail(ctx context.Context, m mail.Message) (_ mail.Message, url string, send bool, err error) {
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, m.Ref)
		if errors.Is(err, sql.ErrNoRows) { // the account was deleted
			return nil
		} else if err != nil {
			return err
		}
		if _, err := tx.PersonByEmail(ctx, m.Recipient); !errors.Is(err, sql.ErrNoRows) || row.NewEmail != m.Recipient {
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return err
		}
		token, err := link(ctx, tx, linkEmail, row.ID, EmailLife, true)
		url, send = s.LinkURL("/console/email", token), true
		return err
	})
	return m, url, send, err
}

// lives are the lives of mailed links.
var lives = map[string]time.Duration{linkReset: ResetLife, linkSignUp: SignUpLife, linkInvitation: InvitationLife}

// LinkURL returns the URL of a link. Its page works without a script, and sends no Referer.
func (s *Service) LinkURL(path, token string) string {
	return s.URL + path + "?" + url.Values{"token": {token}}.Encode()
}

// ResetLink makes a link for a new password that the caller passes on: an operator, where the
// person receives no mail. With factors, the person's second factors, passkeys and connected
// accounts are removed at once. An unknown address is common.not_found.
func (s *Service) ResetLink(ctx context.Context, by By, typed string, factors bool) (token string, err error) {
	defer operation.Wrap(&err, "make a link for a new password")
	email, err := Email(typed)
	if err != nil {
		return "", err
	}
	if err := s.fresh(by); err != nil {
		return "", err
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		actor, err := s.operator(ctx, tx, by)
		if err != nil {
			return err
		}
		row, err := tx.PersonByEmail(ctx, email)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.CommonNotFound()
		} else if err != nil {
			return err
		}
		if factors {
			if err := removeFactors(ctx, tx, row.ID); err != nil {
				return err
			}
		}
		if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: linkReset, Ref: row.ID}); err != nil {
			return err
		}
		if token, err = link(ctx, tx, linkReset, row.ID, ShownResetLife, false); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "password.link_made", Subject: row.ID, Changes: []audit.Change{{Field: "second_factor_removed", New: strconv.FormatBool(factors)}},
		})
	})
	return token, err
}

// removeFactors removes everything but the password that signs a person in.
func removeFactors(ctx context.Context, tx *store.Tx, personID string) error {
	if err := tx.SetPersonTOTP(ctx, query.SetPersonTOTPParams{ID: personID}); err != nil {
		return err
	}
	if err := tx.DeletePasskeys(ctx, personID); err != nil {
		return err
	}
	if err := tx.CountPasskeys(ctx, personID); err != nil {
		return err
	}
	if err := tx.DeleteRecoveryCodes(ctx, personID); err != nil {
		return err
	}
	if err := tx.DeleteIdentities(ctx, personID); err != nil {
		return err
	}
	_, err := tx.DeletePersonSessions(ctx, query.DeletePersonSessionsParams{PersonID: personID})
	return err
}

// SeeReset returns the address of a link for a new password. A link that does not work is
// ErrLink.
func (s *Service) SeeReset(ctx context.Context, token string, from Client) (email string, err error) {
	defer operation.Wrap(&err, "read a link for a new password")
	if err := take(ctx, try{s.budgets.links, from.Address, "address"}); err != nil {
		return "", err
	}
	l, err := s.seeLink(ctx, linkReset, token)
	if err != nil {
		return "", err
	}
	row, err := s.DB.Read().GetPerson(ctx, l.Ref)
	return row.Email, err
}

// Reset sets a password by a link, which works once. All sessions end. The person signs in
// afterwards, with the second factor if there is one: the link proves an address, not a person.
//
// An address that was never proved before can have been registered by somebody else. Then
// the first proof removes passkeys, second factors and connected accounts.
func (s *Service) Reset(ctx context.Context, token, password string, from Client) (err error) {
	defer operation.Wrap(&err, "set a password by a link")
	email, err := s.SeeReset(ctx, token, from)
	if err != nil {
		return err
	}
	if err := checkPassword(password, email); err != nil {
		return err
	}
	hash, err := s.passwords.hash(ctx, from.Address, password)
	if err != nil {
		return err
	}
	return s.change(ctx, "reset", func(tx *store.Tx) error {
		l, err := takeLink(ctx, tx, linkReset, token)
		if err != nil {
			return err
		}
		row, err := tx.LockPerson(ctx, l.Ref)
		if err != nil {
			return err
		}
		if l.Mailed && !row.EmailVerified {
			if err := removeFactors(ctx, tx, row.ID); err != nil {
				return err
			}
			if err := tx.SetPersonVerified(ctx, row.ID); err != nil {
				return err
			}
		}
		if err := s.setPassword(ctx, tx, row, hash, ""); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: person(row).Actor(from.RequestID), Action: "password.reset", Subject: row.ID})
	})
}
