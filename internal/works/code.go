package works

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/accesscode"
	"timbre.example/internal/operation"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Unlock returns the caller with the right to view the work that the code opens. Where the
// session allows updates, the caller may also update it.
//
// begins is set when the call begins something new. A code whose lifetime ends during an
// update still finishes that update. A replaced code opens nothing.
//
// The code is looked up only in the caller's organization and network, so no caller learns
// of another organization's works.
func (s *Service) Unlock(ctx context.Context, c session.Caller, code string, begins bool) (_ session.Caller, err error) {
	defer operation.Wrap(&err, "look up an access code")
	code, err = accesscode.Canonical(code)
	if err != nil {
		return c, err
	}
	row, err := s.DB.Read().WorkByAccessCode(ctx, accesscode.Hash(code))
	if errors.Is(err, sql.ErrNoRows) {
		old, err := s.DB.Read().ReplacedAccessCode(ctx, accesscode.Hash(code))
		switch {
		case errors.Is(err, sql.ErrNoRows) || err == nil && !reaches(c, old.Work):
			return c, fault.AccessCodeNotFound()
		case err != nil:
			return c, err
		}
		return c, codeReplaced()
	} else if err != nil {
		return c, err
	}
	if !reaches(c, row.Work) {
		return c, fault.AccessCodeNotFound()
	}
	if c.AtsID != 0 && c.AtsID != row.Work.AtsID {
		return c, fault.SessionInvalidToken("work")
	}
	if begins && s.codeOver(row) {
		return c, fault.AccessCodeExpired().With("reason", "lifetime")
	}
	c.WorkID = row.Work.ID
	return c, nil
}

// codeOver reports whether a code is older than the organization's lifetime of codes.
func (s *Service) codeOver(row query.WorkByAccessCodeRow) bool {
	ttl := row.AccessCodeTtl
	return ttl.Valid && s.DB.Now().Sub(store.Time(row.Work.AccessCodeIssuedAt)) >= time.Duration(ttl.Int64)*time.Microsecond
}

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
	unlocked, err := s.Unlock(ctx, c, code, true)
	if err == nil {
		err = s.DB.Tx(ctx, func(tx *store.Tx) error {
			w, err := tx.GetWork(ctx, unlocked.WorkID)
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
				return codeReplaced()
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
		return "", codeReplaced()
	case err != nil:
		return "", err
	case old.ReplacedAccessCode.ReplacedBy != c.SessionID, old.Work.AccessCodeGeneration != old.ReplacedAccessCode.Generation+1:
		return "", codeReplaced()
	}
	return s.Codes.Code(old.Work.ID, old.Work.AccessCodeGeneration), nil
}

// codeReplaced is the refusal of a code that was replaced.
func codeReplaced() error { return fault.AccessCodeExpired().With("reason", "replaced") }
