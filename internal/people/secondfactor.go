package people

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"strconv"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// RecoveryCodes is how many codes a person receives.
const RecoveryCodes = 10

var digits = regexp.MustCompile(`^[0-9]{6}$`)

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

// trySecond counts a try of a second step. An unknown, expired or used-up step is ErrLink.
func (s *Service) trySecond(ctx context.Context, token string) (step query.PersonLink, err error) {
	err = s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		step, err = tx.TryPersonLink(ctx, query.TryPersonLinkParams{Hash: hashToken(token), Kind: linkSecond, Now: store.Micros(tx.Now), Most: maxTries})
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrLink
	}
	return step, err
}

// spendCode accepts a code once, in the transaction of its effect. A wrong one is ErrCode.
func (s *Service) spendCode(ctx context.Context, tx *store.Tx, row query.Person, typed string, from Client) error {
	if len(typed) > 100 {
		return ErrCode
	}
	code := plainCode(typed)
	if digits.MatchString(code) {
		if row.TotpConfirmedAt == 0 {
			return ErrCode
		}
		secret, err := s.unseal("totp "+row.ID, row.TotpSecret)
		if err != nil {
			return err
		}
		step := totpMatches(secret, code, tx.Now, row.TotpStep)
		if step == 0 {
			return ErrCode
		}
		n, err := tx.SpendTOTPStep(ctx, query.SpendTOTPStepParams{Step: step, ID: row.ID})
		if err == nil && n == 0 {
			return ErrCode
		}
		return err
	}
	n, err := tx.TakeRecoveryCode(ctx, query.TakeRecoveryCodeParams{PersonID: row.ID, Hash: s.keyed("recovery "+row.ID, code)})
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrCode
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: person(row).Actor(from.RequestID), Action: "recovery_code.used", Subject: row.ID})
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
	sealed, err := s.seal("enrol "+p.ID, secret)
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
		b, err = s.unseal("enrol "+personID, b)
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
	kept, err := s.seal("totp "+session.Person.ID, secret)
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

// newCodes replaces the recovery codes.
func (s *Service) newCodes(ctx context.Context, tx *store.Tx, personID string) ([]string, error) {
	if err := tx.DeleteRecoveryCodes(ctx, personID); err != nil {
		return nil, err
	}
	var codes []string
	for range RecoveryCodes {
		code := newRecoveryCode()
		codes = append(codes, code)
		if err := tx.InsertRecoveryCode(ctx, query.InsertRecoveryCodeParams{PersonID: personID, Hash: s.keyed("recovery "+personID, plainCode(code))}); err != nil {
			return nil, err
		}
	}
	return codes, nil
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

// notify sends a mail about the account to its person, where mail is configured.
func (s *Service) notify(ctx context.Context, tx *store.Tx, row query.Person, kind mail.Kind) error {
	if !s.Mail {
		return nil
	}
	return mail.Enqueue(ctx, tx, mail.Message{Kind: kind, Ref: row.ID, Recipient: row.Email, Language: row.Language})
}

func yesNo(b bool) string { return strconv.FormatBool(b) }
