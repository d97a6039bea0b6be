package access

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// ReaderByCode checks an access code, for a session that may look up its work.
func (s *Service) ReaderByCode(ctx context.Context, c session.Caller, code string) (_ Reader, err error) {
	defer operation.Wrap(&err, "look up an access code")
	if err := c.MayLookUp(); err != nil {
		return Reader{}, err
	}
	work, err := s.opened(ctx, c, code, true)
	if err != nil {
		return Reader{}, err
	}
	return Reader{work}, nil
}

// EditorByCode checks an access code, for a session that may update its work. begins is set
// when the call begins something new. A code whose lifetime ends during an update still
// finishes that update.
func (s *Service) EditorByCode(ctx context.Context, c session.Caller, code string, begins bool) (_ Editor, err error) {
	defer operation.Wrap(&err, "look up an access code")
	if err := c.May(session.UpdateVersion, "", begins); err != nil {
		return Editor{}, err
	}
	work, err := s.opened(ctx, c, code, begins)
	if err != nil {
		return Editor{}, err
	}
	return Editor{bySession(c), work}, nil
}

// opened returns the work that a code opens. A replaced code opens nothing. The code is
// looked up only in the caller's organization and network, so no caller learns of another
// organization's works.
func (s *Service) opened(ctx context.Context, c session.Caller, code string, begins bool) (work string, err error) {
	code, err = accesscode.Canonical(code)
	if err != nil {
		return "", err
	}
	row, err := s.DB.Read().WorkByAccessCode(ctx, accesscode.Hash(code))
	if errors.Is(err, sql.ErrNoRows) {
		old, err := s.DB.Read().ReplacedAccessCode(ctx, accesscode.Hash(code))
		switch {
		case errors.Is(err, sql.ErrNoRows) || err == nil && !reaches(c, old.Work):
			return "", fault.AccessCodeNotFound()
		case err != nil:
			return "", err
		}
		return "", CodeReplaced()
	} else if err != nil {
		return "", err
	}
	if !reaches(c, row.Work) {
		return "", fault.AccessCodeNotFound()
	}
	if c.AtsID != 0 && c.AtsID != row.Work.AtsID {
		return "", fault.SessionInvalidToken("work")
	}
	if begins && s.codeOver(row) {
		return "", fault.AccessCodeExpired().With("reason", "lifetime")
	}
	return row.Work.ID, nil
}

// codeOver reports whether a code is older than the organization's lifetime of codes.
func (s *Service) codeOver(row query.WorkByAccessCodeRow) bool {
	ttl := row.AccessCodeTtl
	return ttl.Valid && s.DB.Now().Sub(store.Time(row.Work.AccessCodeIssuedAt)) >= time.Duration(ttl.Int64)*time.Microsecond
}

// CodeReplaced is the refusal of a code that was replaced.
func CodeReplaced() error { return fault.AccessCodeExpired().With("reason", "replaced") }
