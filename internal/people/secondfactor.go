package people

import (
	"context"
	"errors"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// SecondStep ends a sign-in with a code of the authenticator app, or with a recovery code. After
// five wrong codes the sign-in starts again. Errors are ErrCode, ErrLink for an ended
// step, and common.rate_limited.
func (s *Service) SecondStep(ctx context.Context, second, code, device string, from Client) (_ Entry, err error) {
	defer operation.Wrap(&err, "check a second factor")
	step, err := s.trySecond(ctx, second)
	if err != nil {
		return Entry{}, err
	}
	if err := take(ctx, try{s.budgets.codes, step.Ref, "account"}); err != nil {
		return Entry{}, err
	}
	var out Entry
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, step.Ref)
		if err != nil {
			return err
		}
		if err := s.spendCode(ctx, tx, row, code, from); err != nil {
			return err
		}
		if _, err := takeLink(ctx, tx, linkSecond, second); err != nil {
			return err
		}
		out, err = s.enter(ctx, tx, row, device, from, "password+code")
		return err
	})
	if errors.Is(err, ErrCode) {
		return Entry{}, s.failed(ctx, step.Ref, "code", from, ErrCode)
	}
	return out, err
}

// Enrolment is an authenticator app that is being set up.
type Enrolment struct {
	Secret string // base32, for people who type it
	URL    string // otpauth://…, for the QR code
	Sealed string // the same secret, encrypted; the form gives it back
}

// BeginTOTP makes the secret of an authenticator app. Nothing is stored before
// [Service.ConfirmTOTP].
func (s *Service) BeginTOTP(p Person) (_ Enrolment, err error) {
	defer operation.Wrap(&err, "begin a second factor of person %s", p.ID)
	secret := newTOTPSecret()
	return s.enrolment(p, secret)
}

func (s *Service) enrolment(p Person, secret []byte) (Enrolment, error) {
	sealed, err := s.vault.seal("enrol "+p.ID, secret)
	return Enrolment{Secret: base32Plain.EncodeToString(secret), URL: totpURL("Timbre "+s.host(), p.Email, secret), Sealed: base32Plain.EncodeToString(sealed)}, err
}

// ResumeTOTP returns the enrolment of a form that was refused. A changed one is
// common.validation_failed.
func (s *Service) ResumeTOTP(p Person, sealed string) (_ Enrolment, err error) {
	defer operation.Wrap(&err, "resume a second factor of person %s", p.ID)
	secret, err := s.enrolled(p.ID, sealed)
	if err != nil {
		return Enrolment{}, err
	}
	return s.enrolment(p, secret)
}

func (s *Service) enrolled(personID, sealed string) ([]byte, error) {
	b, err := base32Plain.DecodeString(sealed)
	if err == nil {
		b, err = s.vault.unseal("enrol "+personID, b)
	}
	if err != nil {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "enrolment", Rule: "format", Message: "Start the set-up again."}})
	}
	return b, nil
}

// ConfirmTOTP turns the second factor on, with a code that shows that the app has the secret. It
// returns new recovery codes, which are shown once, and ends the other sessions. It needs a
// fresh session. Errors are ErrCode and ErrProve.
func (s *Service) ConfirmTOTP(ctx context.Context, session Session, sealed, code string, from Client) (codes []string, err error) {
	defer operation.Wrap(&err, "turn on the second factor of person %s", session.Person.ID)
	if err := s.Fresh(session); err != nil {
		return nil, err
	}
	secret, err := s.enrolled(session.Person.ID, sealed)
	if err != nil {
		return nil, err
	}
	kept, err := s.vault.seal("totp "+session.Person.ID, secret)
	if err != nil {
		return nil, err
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		step := totpMatches(secret, plainCode(code), tx.Now, 0)
		if step == 0 {
			return ErrCode
		}
		if err := tx.SetPersonTOTP(ctx, query.SetPersonTOTPParams{TotpSecret: kept, ConfirmedAt: store.Micros(tx.Now), Step: step, ID: row.ID}); err != nil {
			return err
		}
		if codes, err = s.newCodes(ctx, tx, row.ID); err != nil {
			return err
		}
		if _, err := tx.DeletePersonSessions(ctx, query.DeletePersonSessionsParams{PersonID: row.ID, Keep: session.ID}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: session.Person.Actor(from.RequestID), Action: "second_factor.enabled", Subject: row.ID})
	})
	return codes, err
}

// NewRecoveryCodes replaces the recovery codes of a person with a second factor. It needs a
// fresh session.
func (s *Service) NewRecoveryCodes(ctx context.Context, session Session, from Client) (codes []string, err error) {
	defer operation.Wrap(&err, "replace the recovery codes of person %s", session.Person.ID)
	if err := s.Fresh(session); err != nil {
		return nil, err
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		if !person(row).Guarded() {
			return fault.CommonConflict("no_second_factor")
		}
		if codes, err = s.newCodes(ctx, tx, row.ID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: session.Person.Actor(from.RequestID), Action: "recovery_codes.replaced", Subject: row.ID})
	})
	return codes, err
}

// CodesLeft counts the unused recovery codes.
func (s *Service) CodesLeft(ctx context.Context, personID string) (_ int64, err error) {
	defer operation.Wrap(&err, "count recovery codes of person %s", personID)
	return s.DB.Read().CountRecoveryCodes(ctx, personID)
}

// DisableTOTP turns the authenticator app off. It needs a fresh session. The other sessions end,
// and the person receives a mail.
func (s *Service) DisableTOTP(ctx context.Context, session Session, from Client) (err error) {
	defer operation.Wrap(&err, "turn off the second factor of person %s", session.Person.ID)
	if err := s.Fresh(session); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil || row.TotpConfirmedAt == 0 {
			return err
		}
		if err := tx.SetPersonTOTP(ctx, query.SetPersonTOTPParams{ID: row.ID}); err != nil {
			return err
		}
		if row.Passkeys == 0 {
			if err := tx.DeleteRecoveryCodes(ctx, row.ID); err != nil {
				return err
			}
		}
		if _, err := tx.DeletePersonSessions(ctx, query.DeletePersonSessionsParams{PersonID: row.ID, Keep: session.ID}); err != nil {
			return err
		}
		if err := s.notify(ctx, tx, row, mail.SecondFactor); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: session.Person.Actor(from.RequestID), Action: "second_factor.disabled", Subject: row.ID})
	})
}
