package works

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/access"
	"timbre.example/internal/accesscode"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// ReplaceCode gives the work a new access code. The old code stops working immediately. If
// the answer was lost, the same session may repeat the call with the old code, even after
// the session has expired: it receives the same new code. Every other session is refused.
func (s *Service) ReplaceCode(ctx context.Context, c session.Caller, code string) (next string, err error) {
	defer operation.Wrap(&err, "replace an access code")
	if err := c.May(session.UpdateVersion, "", false); err != nil {
		return "", err
	}
	if code, err = accesscode.Canonical(code); err != nil {
		return "", err
	}
	if c.Expired { // an expired session can begin nothing
		next, err := s.replacement(ctx, c, code)
		if errors.Is(err, fault.CodeAccessCodeExpired) {
			err = fault.CommonAuthExpired()
		}
		return next, err
	}
	editor, err := s.Access.EditorByCode(ctx, c, code, true)
	if err == nil {
		err = s.DB.Tx(ctx, func(tx *store.Tx) error {
			w, err := tx.GetWork(ctx, editor.WorkID())
			if err != nil {
				return err
			}
			next = s.Codes.Code(w.ID, w.AccessCodeGeneration+1)
			n, err := tx.ReplaceAccessCode(ctx, query.ReplaceAccessCodeParams{
				NewHash: accesscode.Hash(next), Now: store.Micros(tx.Now), ID: w.ID, OldHash: accesscode.Hash(code),
			})
			if err != nil {
				return err
			}
			if n == 0 { // another call was first
				return access.CodeReplaced()
			}
			return tx.RememberReplacedCode(ctx, query.RememberReplacedCodeParams{
				Hash: accesscode.Hash(code), WorkID: w.ID, Generation: w.AccessCodeGeneration, ReplacedBy: c.SessionID, Now: store.Micros(tx.Now),
			})
		})
	}
	if errors.Is(err, fault.CodeAccessCodeExpired) {
		return s.replacement(ctx, c, code)
	}
	return next, err
}

// replacement returns the new code to the session that replaced the old one, as long as the
// new code was not replaced too. A database error is returned as it is. After
// access_code.expired the session would not ask again, and the new code would be lost.
func (s *Service) replacement(ctx context.Context, c session.Caller, code string) (string, error) {
	old, err := s.DB.Read().ReplacedAccessCode(ctx, accesscode.Hash(code))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", access.CodeReplaced()
	case err != nil:
		return "", err
	case old.ReplacedAccessCode.ReplacedBy != c.SessionID, old.Work.AccessCodeGeneration != old.ReplacedAccessCode.Generation+1:
		return "", access.CodeReplaced()
	}
	return s.Codes.Code(old.Work.ID, old.Work.AccessCodeGeneration), nil
}
