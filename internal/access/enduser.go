package access

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/session"
	"timbre.example/internal/store/query"
)

// ReaderOfOwn checks that the caller's end-user has the work with this number. The work is
// looked up only in the caller's organization and network. Another end-user's work is
// reported as not found.
func (s *Service) ReaderOfOwn(ctx context.Context, c session.Caller, atsID int64) (_ Reader, err error) {
	defer operation.Wrap(&err, "look up work %d of an end-user", atsID)
	if err := c.MayRead(); err != nil {
		return Reader{}, err
	}
	w, own, err := s.numbered(ctx, c, atsID)
	if err == nil && !own {
		err = fault.WorkNotFound()
	}
	if err != nil {
		return Reader{}, err
	}
	return Reader{w.ID}, nil
}

// EditorOfOwn checks that the caller's end-user has the work with this number, for a session
// that may update it. begins is set when the call begins something new.
func (s *Service) EditorOfOwn(ctx context.Context, c session.Caller, atsID int64, begins bool) (_ Editor, err error) {
	defer operation.Wrap(&err, "look up work %d of an end-user", atsID)
	if err := c.May(session.UpdateVersion, "", begins); err != nil {
		return Editor{}, err
	}
	w, own, err := s.numbered(ctx, c, atsID)
	if err == nil && !own {
		err = fault.CommonForbidden("other_external_user_ref")
	}
	if err != nil {
		return Editor{}, err
	}
	return Editor{bySession(c), w.ID}, nil
}

// numbered reads a work by its number, and reports whether the caller's end-user has it.
func (s *Service) numbered(ctx context.Context, c session.Caller, atsID int64) (w query.Work, own bool, err error) {
	if err := named(c); err != nil {
		return w, false, err
	}
	if c.AtsID != 0 && c.AtsID != atsID {
		return w, false, fault.SessionInvalidToken("work")
	}
	w, err = s.DB.Read().WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: string(c.Network), AtsID: atsID})
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!reaches(c, w) || w.RedactedAt.Valid) {
		return w, false, fault.WorkNotFound()
	}
	return w, w.ExternalUserRef == c.ExternalUserRef, err
}

// ReaderOfOwnID is ReaderOfOwn for a work that is named by its id.
func (s *Service) ReaderOfOwnID(ctx context.Context, c session.Caller, workID string) (_ Reader, err error) {
	defer operation.Wrap(&err, "look up work %s of an end-user", workID)
	if err := c.MayRead(); err != nil {
		return Reader{}, err
	}
	if err := named(c); err != nil {
		return Reader{}, err
	}
	w, err := s.DB.Read().GetWork(ctx, workID)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (!reaches(c, w) || w.ExternalUserRef != c.ExternalUserRef):
		return Reader{}, fault.WorkNotFound()
	case err != nil:
		return Reader{}, err
	case c.AtsID != 0 && c.AtsID != w.AtsID:
		return Reader{}, fault.SessionInvalidToken("work")
	}
	return Reader{w.ID}, nil
}
