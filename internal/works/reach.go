package works

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/store/query"
)

// Own returns the caller with the right to read the work, or to update it when write is set.
// The work is looked up only in the caller's organization and network. For reads, another
// end-user's work is reported as not found.
func (s *Service) Own(ctx context.Context, c session.Caller, atsID int64, write bool) (_ session.Caller, err error) {
	defer operation.Wrap(&err, "look up work %d of an end-user", atsID)
	if c.ExternalUserRef == "" {
		return c, fault.CommonForbidden("no_external_user_ref")
	}
	if c.AtsID != 0 && c.AtsID != atsID {
		return c, fault.SessionInvalidToken("work")
	}
	w, err := s.DB.Read().WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: string(c.Network), AtsID: atsID})
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (!reaches(c, w) || w.RedactedAt.Valid):
		return c, fault.WorkNotFound()
	case err != nil:
		return c, err
	case w.ExternalUserRef == c.ExternalUserRef:
		c.WorkID = w.ID
		return c, nil
	case write:
		return c, fault.CommonForbidden("other_external_user_ref")
	}
	return c, fault.WorkNotFound()
}

// reaches reports whether the caller can reach a work at all: same organization, same
// network, and made by a key of the same kind, test or live.
func reaches(c session.Caller, w query.Work) bool {
	return w.OrganizationID == c.Organization && w.Network == string(c.Network) && w.Test == c.Test
}

// visible is Own for a work that is named by its id.
func (s *Service) visible(ctx context.Context, c session.Caller, workID string) (query.Work, error) {
	if c.ExternalUserRef == "" {
		return query.Work{}, fault.CommonForbidden("no_external_user_ref")
	}
	w, err := s.DB.Read().GetWork(ctx, workID)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (!reaches(c, w) || w.ExternalUserRef != c.ExternalUserRef):
		return w, fault.WorkNotFound()
	case err == nil && c.AtsID != 0 && c.AtsID != w.AtsID:
		return w, fault.SessionInvalidToken("work")
	}
	return w, err
}

// shown returns the work that the caller may see, by its access code or as its end-user.
func (s *Service) shown(ctx context.Context, c session.Caller) (query.Work, error) {
	w, err := s.DB.Read().GetWork(ctx, c.WorkID)
	if err == nil {
		err = record.Redacted(w)
	}
	return w, err
}
