package people

import (
	"context"
	"regexp"

	"timbre.example/internal/audit"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// RecoveryCodes is how many codes a person receives.
const RecoveryCodes = 10

var digits = regexp.MustCompile(`^[0-9]{6}$`)

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
		secret, err := s.vault.unseal("totp "+row.ID, row.TotpSecret)
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
	n, err := tx.TakeRecoveryCode(ctx, query.TakeRecoveryCodeParams{PersonID: row.ID, Hash: s.vault.keyed("recovery "+row.ID, code)})
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrCode
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: person(row).Actor(from.RequestID), Action: "recovery_code.used", Subject: row.ID})
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
		if err := tx.InsertRecoveryCode(ctx, query.InsertRecoveryCodeParams{PersonID: personID, Hash: s.vault.keyed("recovery "+personID, plainCode(code))}); err != nil {
			return nil, err
		}
	}
	return codes, nil
}
